"""The weak-perspective camera: DECA's golden numbers, and the way to a metric perspective camera and back."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d import camera
from face3d.errors import ArgumentError
from face3d.landmarks.crops import crop_frame
from tests.camera.random_cameras import some_intrinsics

GOLDEN = Path(__file__).parents[1] / "golden" / "deca" / "camera_shading.npz"


def golden(name: str) -> torch.Tensor:
    with np.load(GOLDEN) as arrays:
        return torch.from_numpy(arrays[name])


def test_projection_is_decas() -> None:
    projected = camera.project_weak(golden("points"), golden("cam"))
    torch.testing.assert_close(projected, golden("projected_yz_negated"), atol=1e-12, rtol=0)
    torch.testing.assert_close(projected * torch.tensor([1.0, -1, -1]), golden("projected"), atol=1e-12, rtol=0)
    torch.testing.assert_close(camera.pixels_from_weak(projected), golden("pixel224"), atol=1e-10, rtol=0)


def test_render_camera_puts_points_on_the_crops_pixels() -> None:
    view = camera.WeakPerspectiveCamera(golden("cam"))
    ndc = view.ndc(golden("points"))
    pixels = camera.pixels_from_pytorch3d_ndc(ndc[..., :2], view.image_size)
    torch.testing.assert_close(pixels, golden("pixel224"), atol=1e-10, rtol=0)
    torch.testing.assert_close(ndc[..., 2], golden("projected_yz_negated")[..., 2] + 10, atol=1e-12, rtol=0)


def random_crop(seed: int, size: int = 224) -> torch.Tensor:
    random = np.random.default_rng(seed)
    middle, side, angle = random.uniform((150, 100), (500, 380)), random.uniform(120, 300), random.uniform(-0.6, 0.6)
    return torch.from_numpy(crop_frame(middle, side, angle, size))


def face(seed: int, radius: float) -> torch.Tensor:
    points = torch.randn(30, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(points, dim=-1) * radius


def test_crop_pixels_go_back_to_the_image() -> None:
    crops = torch.stack([random_crop(seed) for seed in range(3)])
    pixels = torch.rand(3, 5, 2, dtype=torch.float64) * 400
    in_crop = pixels @ crops[:, :, :2].mT + crops[:, None, :, 2]
    torch.testing.assert_close(camera.image_from_crop_pixels(in_crop, crops), pixels)
    with pytest.raises(ArgumentError, match="no inverse"):
        camera.image_from_crop_pixels(pixels, torch.zeros(3, 2, 3, dtype=torch.float64))


@given(seed=st.integers(0, 1000), cropped=st.booleans())
@settings(max_examples=25, deadline=None)
def test_lifted_camera_sees_a_small_head_where_the_weak_one_does(seed: int, cropped: bool) -> None:
    """What perspective adds falls with size over depth, so within 1 mm of the pivot only the stretch is left."""
    random = np.random.default_rng(seed)
    weak = torch.from_numpy(random.uniform((4, -0.02, -0.02), (10, 0.02, 0.02)))
    pivot = torch.from_numpy(random.normal(0, 0.03, 3))
    crop = random_crop(seed) if cropped else None
    matrix = some_intrinsics()
    matrix[1, 1] = matrix[0, 0]
    pose = camera.perspective_from_weak(weak, matrix, crop_from_image=crop, pivot=pivot)
    torch.testing.assert_close(pose[:3, :3] @ pose[:3, :3].T, torch.eye(3, dtype=torch.float64))

    def weak_pixels(points: torch.Tensor) -> torch.Tensor:
        pixels = camera.pixels_from_weak(camera.project_weak(points, weak))
        return pixels if crop is None else camera.image_from_crop_pixels(pixels, crop)

    torch.testing.assert_close(camera.project(pivot[None], pose, matrix), weak_pixels(pivot[None]))
    offset = camera.project(pivot + face(seed, 1e-3), pose, matrix) - weak_pixels(pivot[None])
    expected = weak_pixels(pivot + face(seed, 1e-3)) - weak_pixels(pivot[None])
    # Off the optical axis a pinhole stretches by up to 1 / cos of the angle along the ray's direction.
    ray = torch.linalg.solve(matrix, torch.cat([weak_pixels(pivot[None])[0], torch.ones(1, dtype=torch.float64)]))
    stretch = float(ray.norm()) - 1
    assert (offset - expected).norm(dim=-1).max() < (stretch + 0.01) * expected.norm(dim=-1).max()
    found, rotation = camera.weak_from_perspective(pose, matrix, crop_from_image=crop, pivot=pivot)
    torch.testing.assert_close(found, weak)
    torch.testing.assert_close(rotation, torch.eye(3, dtype=torch.float64), atol=1e-12, rtol=0)


def test_depth_is_the_focal_length_over_pixels_per_metre() -> None:
    """Crop of 224 pixels at s = 5: 560 pixels per metre; a focal length of 700 makes that 1.25 m."""
    matrix = torch.tensor([[700.0, 0, 112], [0, 700, 112], [0, 0, 1]], dtype=torch.float64)
    weak = torch.tensor([5.0, 0.0, 0.0], dtype=torch.float64)
    pose = camera.perspective_from_weak(weak, matrix)
    expected = torch.diag(torch.tensor([1.0, -1, -1, 1], dtype=torch.float64))
    expected[2, 3] = 1.25
    torch.testing.assert_close(pose, expected)
    nearer = torch.tensor([[0.05, 0.02, 0.1]], dtype=torch.float64)
    seen = camera.project(nearer, pose, matrix) - 112
    as_weak = camera.pixels_from_weak(camera.project_weak(nearer, weak)) - 112
    torch.testing.assert_close(seen, as_weak / (1 - 0.1 / 1.25))


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_perspective_camera_far_away_becomes_weak_and_comes_back(seed: int) -> None:
    random = np.random.default_rng(seed)
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = roma.rotvec_to_rotmat(torch.from_numpy(random.normal(0, 0.4, 3))) @ torch.diag(
        torch.tensor([1.0, -1, -1], dtype=torch.float64)
    )
    pose[:3, 3] = torch.from_numpy(random.normal((0, 0, 8), (0.5, 0.5, 0.5)))
    matrix = some_intrinsics()
    matrix[0, 0] = matrix[1, 1] = 6000.0
    pivot = torch.from_numpy(random.normal(0, 0.03, 3))
    crop = random_crop(seed)
    weak, rotation = camera.weak_from_perspective(pose, matrix, crop_from_image=crop, pivot=pivot)
    points = pivot + face(seed, 0.1)
    in_crop = camera.pixels_from_weak(camera.project_weak(points @ rotation.T, weak))
    seen, exact = camera.image_from_crop_pixels(in_crop, crop), camera.project(points, pose, matrix)
    head_size = 6000 / 8 * 0.2
    assert (seen - exact).norm(dim=-1).max() < 0.02 * head_size
    back = camera.perspective_from_weak(weak, matrix, crop_from_image=crop, pivot=rotation @ pivot)
    turned = torch.eye(4, dtype=torch.float64)
    turned[:3, :3] = rotation
    torch.testing.assert_close(back @ turned, pose)


def test_gradients_of_the_lift() -> None:
    weak = torch.tensor([[6.0, 0.01, -0.02]], dtype=torch.float64, requires_grad=True)
    matrix, crop = some_intrinsics((1,)).requires_grad_(), random_crop(2)[None]
    assert torch.autograd.gradcheck(
        lambda w, k: camera.perspective_from_weak(w, k, crop_from_image=crop), (weak, matrix)
    )


def test_unusable_cameras_are_refused() -> None:
    matrix = some_intrinsics()
    with pytest.raises(ArgumentError, match="scale"):
        camera.perspective_from_weak(torch.tensor([0.0, 0, 0], dtype=torch.float64), matrix)
    with pytest.raises(ArgumentError, match="scale"):
        camera.perspective_from_weak(torch.tensor([math.nan, 0, 0], dtype=torch.float64), matrix)
    mirror = torch.tensor([[-1.0, 0, 224], [0, 1, 0]], dtype=torch.float64)
    with pytest.raises(ArgumentError, match="mirrors"):
        camera.perspective_from_weak(torch.tensor([5.0, 0, 0], dtype=torch.float64), matrix, crop_from_image=mirror)
    with pytest.raises(ArgumentError, match="behind"):
        camera.weak_from_perspective(-torch.eye(4, dtype=torch.float64), matrix)
    with pytest.raises(ArgumentError, match="B, 3"):
        camera.WeakPerspectiveCamera(torch.zeros(3))

"""The OpenGL and glTF cameras."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d import camera
from face3d.errors import ArgumentError
from tests.camera.random_cameras import SIZE, random_pose, some_intrinsics


def test_opengl_camera_looks_along_minus_z_with_y_up() -> None:
    right_down_ahead = torch.tensor([0.1, 0.2, 3.0, 1.0], dtype=torch.float64)
    moved = camera.to_opengl(torch.eye(4, dtype=torch.float64)) @ right_down_ahead
    assert moved.tolist() == [0.1, -0.2, -3.0, 1.0]


@given(seed=st.integers(0, 1000), batch=st.sampled_from([(), (2,), (2, 3)]))
@settings(max_examples=10, deadline=None)
def test_pose_comes_back(seed: int, batch: tuple[int, ...]) -> None:
    pose = random_pose(seed, batch)
    torch.testing.assert_close(camera.from_opengl(camera.to_opengl(pose)), pose)


def clip_coordinates(points: torch.Tensor, pose: torch.Tensor, projection: torch.Tensor) -> torch.Tensor:
    """By OpenGL's own rules: columns, model-view, projection, then division by w."""
    homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], -1)
    clip = homogeneous @ camera.to_opengl(pose).mT @ projection.mT
    return clip[..., :3] / clip[..., 3:]


@given(seed=st.integers(0, 1000), batch=st.sampled_from([(), (2,), (2, 3)]), zfar=st.sampled_from([3.0, math.inf]))
@settings(max_examples=20, deadline=None)
def test_projection_matrix_sees_the_same_pixels(seed: int, batch: tuple[int, ...], zfar: float) -> None:
    pose, matrix = random_pose(seed, batch), some_intrinsics(batch)
    matrix[..., 0, 1] = 7.0
    points = torch.randn(*batch, 8, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 0.05
    ndc = clip_coordinates(points, pose, camera.to_opengl_projection(matrix, SIZE, 0.2, zfar))
    torch.testing.assert_close(camera.pixels_from_opengl_ndc(ndc[..., :2], SIZE), camera.project(points, pose, matrix))
    assert (ndc[..., 2].abs() < 1).all()
    found, near, far = camera.from_opengl_projection(camera.to_opengl_projection(matrix, SIZE, 0.2, zfar), SIZE)
    torch.testing.assert_close(found, matrix)
    torch.testing.assert_close(near, torch.full_like(near, 0.2))
    torch.testing.assert_close(far, torch.full_like(far, zfar))


def test_near_plane_is_minus_one_and_far_plane_is_one() -> None:
    projection = camera.to_opengl_projection(some_intrinsics(), SIZE, 0.5, 4.0)
    ahead = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, 4.0]], dtype=torch.float64)
    depth = clip_coordinates(ahead, torch.eye(4, dtype=torch.float64), projection)[:, 2]
    torch.testing.assert_close(depth, torch.tensor([-1.0, 1.0], dtype=torch.float64))


@pytest.mark.parametrize(("near", "far"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (math.nan, 1.0)])
def test_clip_planes_out_of_order_are_refused(near: float, far: float) -> None:
    with pytest.raises(ArgumentError, match="clip planes"):
        camera.to_opengl_projection(some_intrinsics(), SIZE, near, far)
    with pytest.raises(ArgumentError, match="clip planes"):
        camera.to_gltf_perspective(centred(), SIZE, near, far)


def centred() -> torch.Tensor:
    matrix = some_intrinsics()
    matrix[:2, 2] = torch.tensor(SIZE) / 2
    return matrix


@pytest.mark.parametrize("zfar", [None, 5.0])
def test_gltf_camera_is_the_projection_matrix_of_its_specification(zfar: float | None) -> None:
    """glTF 2.0, 3.10.3.2 and 3.10.3.3: 1 / (a tan(yfov / 2)), 1 / tan(yfov / 2), and the terms of depth."""
    found = camera.to_gltf_perspective(centred(), SIZE, 0.1, zfar)
    tangent = math.tan(found.yfov / 2)
    projection = camera.to_opengl_projection(centred(), SIZE, 0.1, math.inf if zfar is None else zfar)
    depth = (-1.0, -0.2) if zfar is None else ((zfar + 0.1) / (0.1 - zfar), 2 * zfar * 0.1 / (0.1 - zfar))
    expected = torch.zeros(4, 4, dtype=torch.float64)
    expected[0, 0], expected[1, 1], expected[3, 2] = 1 / (found.aspect_ratio * tangent), 1 / tangent, -1
    expected[2, 2:] = torch.tensor(depth)
    torch.testing.assert_close(projection, expected)
    torch.testing.assert_close(camera.from_gltf_perspective(found, SIZE), centred())


def test_what_gltf_cannot_say_is_refused() -> None:
    with pytest.raises(ArgumentError, match="middle"):
        camera.to_gltf_perspective(some_intrinsics(), SIZE, 0.1)
    skewed = centred()
    skewed[0, 1] = 1.0
    with pytest.raises(ArgumentError, match="skew"):
        camera.to_gltf_perspective(skewed, SIZE, 0.1)


def test_a_matrix_that_is_no_perspective_is_refused() -> None:
    with pytest.raises(ArgumentError, match="last row"):
        camera.from_opengl_projection(torch.eye(4), SIZE)

"""The camera: intrinsics from each source, projection, and the frames of other systems both ways."""

from __future__ import annotations

import math

import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d import camera
from face3d.errors import ArgumentError
from face3d.media import Photo

SIZE = (640, 480)


def random_pose(seed: int, batch: tuple[int, ...] = ()) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    quaternion = torch.randn(*batch, 4, generator=generator, dtype=torch.float64)
    pose = torch.eye(4, dtype=torch.float64).repeat(*batch, 1, 1)
    pose[..., :3, :3] = roma.unitquat_to_rotmat(quaternion / quaternion.norm(dim=-1, keepdim=True))
    pose[..., :3, 3] = torch.randn(*batch, 3, generator=generator, dtype=torch.float64) * 0.1
    pose[..., 2, 3] += 1.0
    return pose


def some_intrinsics(batch: tuple[int, ...] = ()) -> torch.Tensor:
    matrix = camera.intrinsics_from_values(700, 650, 300, 250, SIZE).matrix
    return torch.tensor(matrix).repeat(*batch, 1, 1)


def photo(**tags: object) -> Photo:
    return Photo(np.zeros((480, 640, 3), np.uint8), **tags)  # type: ignore[arg-type]


def test_exif_focal_length_is_by_the_diagonal() -> None:
    intrinsics = camera.intrinsics_from_exif(43.27, (300, 400))
    assert intrinsics.matrix[0, 0] == pytest.approx(500.0)
    assert intrinsics.focal_35mm == pytest.approx(43.27)
    assert intrinsics.source == "exif"
    assert 0 < intrinsics.focal_sigma < 0.1
    np.testing.assert_array_equal(intrinsics.matrix[:2, 2], [150, 200])


@pytest.mark.parametrize("size", [(640, 480), (480, 640)])
def test_field_of_view_spans_the_longer_side(size: tuple[int, int]) -> None:
    matrix = camera.intrinsics_from_fov(60, size).matrix
    assert 2 * math.degrees(math.atan(320 / matrix[0, 0])) == pytest.approx(60)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("position", range(4))
def test_intrinsics_that_are_not_finite_are_refused(bad: float, position: int) -> None:
    values = [700.0, 700.0, 320.0, 240.0]
    values[position] = bad
    with pytest.raises(ArgumentError):
        camera.intrinsics_from_values(values[0], values[1], values[2], values[3], SIZE)
    with pytest.raises(ArgumentError):
        camera.choose_intrinsics(photo(), intrinsics=values)


@pytest.mark.parametrize(
    "make",
    [
        lambda: camera.intrinsics_from_values(-700, 700, 320, 240, SIZE),
        lambda: camera.intrinsics_from_values(700, 0, 320, 240, SIZE),
        lambda: camera.intrinsics_from_values(700, 700, 320, 240, (0, 480)),
        lambda: camera.intrinsics_from_values(700, 700, 320, 240, (640,)),  # type: ignore[arg-type]
        lambda: camera.intrinsics_from_exif(math.nan, SIZE),
        lambda: camera.intrinsics_from_exif(-28, SIZE),
        lambda: camera.intrinsics_from_fov(math.nan, SIZE),
        lambda: camera.intrinsics_from_fov(180, SIZE),
        lambda: camera.intrinsics_prior((-1, 5)),
        lambda: camera.choose_intrinsics(photo(), intrinsics=[1, 2, 3]),
        lambda: camera.choose_intrinsics(photo(), intrinsics=[700, 700, 320, 240], fov=60),
        lambda: camera.choose_intrinsics(photo(), intrinsics=camera.intrinsics_prior((480, 640))),
        lambda: camera.choose_intrinsics(photo(), intrinsics=np.ones((3, 3))),
    ],
)
def test_unusable_intrinsics_are_refused(make) -> None:
    with pytest.raises(ArgumentError) as error:
        make()
    assert "\n" not in str(error.value)


def test_intrinsics_cannot_be_changed_behind_the_back() -> None:
    values = np.eye(3)
    intrinsics = camera.Intrinsics(values, SIZE, 0.0, "given")
    values[0, 0] = 5
    assert intrinsics.matrix[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        intrinsics.matrix[0, 0] = 5


def test_choice_prefers_what_the_user_says() -> None:
    tagged = photo(focal_35mm=35.0)
    assert camera.choose_intrinsics(tagged, intrinsics=[700, 700, 320, 240]).source == "given"
    assert camera.choose_intrinsics(tagged, intrinsics=np.diag([700.0, 700, 1])).source == "given"
    assert camera.choose_intrinsics(tagged, fov=50).source == "fov"
    assert camera.choose_intrinsics(tagged).focal_35mm == pytest.approx(35)
    assert camera.choose_intrinsics(photo()).source == "prior"
    assert camera.choose_intrinsics(photo()).focal_sigma > camera.choose_intrinsics(tagged).focal_sigma
    assert camera.choose_intrinsics(photo(focal_35mm=0.5)).source == "prior"


def test_digital_zoom_is_trusted_for_apple_and_doubted_for_others() -> None:
    apple = camera.choose_intrinsics(photo(focal_35mm=52.0, digital_zoom=2.0, make="Apple"))
    other = camera.choose_intrinsics(photo(focal_35mm=26.0, digital_zoom=2.0, make="Other"))
    assert apple.focal_35mm == pytest.approx(52)
    assert abs(math.log(52 / other.focal_35mm)) <= other.focal_sigma
    assert abs(math.log(26 / other.focal_35mm)) <= other.focal_sigma


def test_image_cropped_after_the_shot_keeps_the_pixels_focal_length() -> None:
    whole = Photo(np.zeros((480, 720, 3), np.uint8), focal_35mm=30.0, frame_size=(720, 480))
    cropped = photo(focal_35mm=30.0, frame_size=(720, 480))
    scaled = photo(focal_35mm=30.0, frame_size=(6400, 4800))
    assert camera.choose_intrinsics(cropped).focal == pytest.approx(camera.choose_intrinsics(whole).focal)
    assert camera.choose_intrinsics(cropped).focal_sigma > camera.choose_intrinsics(whole).focal_sigma
    assert camera.choose_intrinsics(scaled).focal_35mm == pytest.approx(30)
    assert camera.choose_intrinsics(scaled).focal_sigma == camera.EXIF_FOCAL_SIGMA


def test_a_shape_that_no_camera_writes_is_doubted() -> None:
    panorama = Photo(np.zeros((300, 900, 3), np.uint8), focal_35mm=30.0)
    assert camera.choose_intrinsics(panorama).focal_sigma > camera.choose_intrinsics(photo(focal_35mm=30.0)).focal_sigma


@given(seed=st.integers(0, 1000), batch=st.sampled_from([(), (1,), (3,), (2, 3)]))
@settings(max_examples=20, deadline=None)
def test_projection_agrees_with_plain_arithmetic_for_any_batch(seed: int, batch: tuple[int, ...]) -> None:
    pose, matrix = random_pose(seed, batch), some_intrinsics(batch)
    points = torch.randn(*batch, 5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 0.1
    pixels = camera.project(points, pose, matrix)
    for index in np.ndindex(*batch, 5):
        x, y, z = pose[index[:-1]][:3, :3].numpy() @ points[index].numpy() + pose[index[:-1]][:3, 3].numpy()
        np.testing.assert_allclose(pixels[index], [700 * x / z + 300, 650 * y / z + 250], rtol=1e-12)


def test_points_behind_the_camera_are_nan_and_leave_the_gradients_of_the_others_alone() -> None:
    points = torch.tensor([[0.0, 0.1, 1.0], [0.0, 0.1, 0.0], [0.0, 0.1, -1.0]], dtype=torch.float64, requires_grad=True)
    pixels = camera.project(points, torch.eye(4, dtype=torch.float64), some_intrinsics())
    assert torch.isnan(pixels).tolist() == [[False] * 2, [True] * 2, [True] * 2]
    pixels[0].sum().backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()
    assert points.grad[0].abs().sum() > 0


def test_projection_has_the_gradients_of_finite_differences() -> None:
    points = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.1
    inputs = (points.requires_grad_(), random_pose(1).requires_grad_(), some_intrinsics().requires_grad_())
    assert torch.autograd.gradcheck(camera.project, inputs)


@given(seed=st.integers(0, 1000), batch=st.sampled_from([(), (2,), (2, 3)]))
@settings(max_examples=20, deadline=None)
def test_conversions_come_back(seed: int, batch: tuple[int, ...]) -> None:
    pose, matrix = random_pose(seed, batch), some_intrinsics(batch)
    torch.testing.assert_close(camera.from_opengl(camera.to_opengl(pose)), pose)
    torch.testing.assert_close(camera.from_colmap(*camera.to_colmap(pose)), pose)
    back = camera.from_pytorch3d(*camera.to_pytorch3d(pose, matrix, SIZE), SIZE)
    torch.testing.assert_close(back, (pose, matrix))
    pixels = torch.rand(*batch, 7, 2, dtype=torch.float64) * 500
    torch.testing.assert_close(
        camera.pixels_from_pytorch3d_ndc(camera.pytorch3d_ndc_from_pixels(pixels, SIZE), SIZE), pixels
    )


def test_opengl_camera_looks_along_minus_z_with_y_up() -> None:
    right_down_ahead = torch.tensor([0.1, 0.2, 3.0, 1.0], dtype=torch.float64)
    moved = camera.to_opengl(torch.eye(4, dtype=torch.float64)) @ right_down_ahead
    assert moved.tolist() == [0.1, -0.2, -3.0, 1.0]


def test_colmap_pose_is_scalar_first() -> None:
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, math.pi / 3], dtype=torch.float64))
    quaternion, translation = camera.to_colmap(pose)
    np.testing.assert_allclose(quaternion, [math.cos(math.pi / 6), 0, 0, math.sin(math.pi / 6)], atol=1e-15)
    assert translation.tolist() == [0, 0, 0]


@pytest.mark.parametrize("size", [(640, 480), (480, 640)])
def test_pytorch3d_camera_sees_the_same_pixels(size: tuple[int, int]) -> None:
    """Projects with PyTorch3D's own rules (row vectors, x R + T, focal times x / z) and compares."""
    pose, matrix = random_pose(3), some_intrinsics()
    points = torch.randn(9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.1
    rotation, translation, focal, principal = camera.to_pytorch3d(pose, matrix, size)
    view = points @ rotation + translation
    ndc = focal * view[:, :2] / view[:, 2:] + principal
    pixels = camera.project(points, pose, matrix)
    torch.testing.assert_close(camera.pixels_from_pytorch3d_ndc(ndc, size), pixels)
    in_camera = points @ pose[:3, :3].T + pose[:3, 3]
    direct = camera.pytorch3d_ndc_from_camera(in_camera, matrix, size)
    torch.testing.assert_close(direct, torch.cat([ndc, view[:, 2:]], dim=1))
    assert torch.linalg.det(rotation) == pytest.approx(1)


def test_pytorch3d_ndc_of_pixel_centres() -> None:
    """PyTorch3D: the centre of column i of W (its shorter side) is at 1 - (2 i + 1) / W."""
    width = 8
    columns = torch.arange(width, dtype=torch.float64)
    pixels = torch.stack([columns + 0.5, torch.full_like(columns, 6.0)], dim=1)
    ndc = camera.pytorch3d_ndc_from_pixels(pixels, (width, 12))
    torch.testing.assert_close(ndc[:, 0], 1 - (2 * columns + 1) / width)
    torch.testing.assert_close(ndc[:, 1], torch.zeros_like(columns))


def test_skew_has_no_place_in_pytorch3d() -> None:
    matrix = some_intrinsics()
    matrix[0, 1] = 3
    with pytest.raises(ArgumentError, match="skew"):
        camera.to_pytorch3d(random_pose(0), matrix, SIZE)

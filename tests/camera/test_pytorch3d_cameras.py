"""PyTorch3D's cameras: by its written rules, and by its own classes where it can be loaded."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d import camera
from face3d.errors import ArgumentError
from tests.camera.random_cameras import SIZE, random_pose, some_intrinsics


@given(seed=st.integers(0, 1000), batch=st.sampled_from([(), (2,), (2, 3)]))
@settings(max_examples=20, deadline=None)
def test_conversions_come_back(seed: int, batch: tuple[int, ...]) -> None:
    pose, matrix = random_pose(seed, batch), some_intrinsics(batch)
    back = camera.from_pytorch3d(*camera.to_pytorch3d(pose, matrix, SIZE), SIZE)
    torch.testing.assert_close(back, (pose, matrix))
    pixels = torch.rand(*batch, 7, 2, dtype=torch.float64) * 500
    torch.testing.assert_close(
        camera.pixels_from_pytorch3d_ndc(camera.pytorch3d_ndc_from_pixels(pixels, SIZE), SIZE), pixels
    )


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


def pytorch3d_cameras():
    """PyTorch3D's own module of cameras, or a skip."""
    pytest.importorskip("pytorch3d._C", reason="PyTorch3D is not installed or does not load", exc_type=ImportError)
    from pytorch3d.renderer import cameras

    return cameras


def head_points(seed: int) -> torch.Tensor:
    return torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(seed)) * 0.08


def centred(size: tuple[int, int]) -> torch.Tensor:
    matrix = some_intrinsics((2,)).float()
    matrix[:, :2, 2] = torch.tensor(size) / 2
    return matrix


def screen(theirs, points: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Pixels by PyTorch3D's own functions."""
    return theirs.transform_points_screen(points, image_size=((size[1], size[0]),))[..., :2]


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (300, 300)])
def test_their_perspective_cameras_see_our_pixels_in_ndc_and_in_screen_space(size) -> None:
    cameras = pytorch3d_cameras()
    pose, matrix, points = random_pose(3, (2,)).float(), some_intrinsics((2,)).float(), head_points(0)
    pixels = camera.project(points, pose, matrix)
    for in_ndc in (True, False):
        rotation, translation, focal, principal = camera.to_pytorch3d(pose, matrix, size, in_ndc=in_ndc)
        theirs = cameras.PerspectiveCameras(
            R=rotation,
            T=translation,
            focal_length=focal,
            principal_point=principal,
            in_ndc=in_ndc,
            image_size=torch.tensor([[size[1], size[0]]] * 2),
        )
        torch.testing.assert_close(screen(theirs, points, size), pixels, atol=2e-3, rtol=0)
        ndc = theirs.transform_points_ndc(points)[..., :2]
        in_camera = points @ pose[:, :3, :3].mT + pose[:, None, :3, 3]
        ours = camera.pytorch3d_ndc_from_camera(in_camera, matrix, size)
        torch.testing.assert_close(ours[..., :2], ndc, atol=1e-5, rtol=0)
        back = camera.from_pytorch3d(
            theirs.R, theirs.T, theirs.focal_length, theirs.principal_point, size, in_ndc=in_ndc
        )
        torch.testing.assert_close(back, (pose, matrix), atol=1e-3, rtol=1e-6)


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (300, 300)])
def test_their_fov_cameras_see_our_pixels(size) -> None:
    cameras = pytorch3d_cameras()
    pose, matrix, points = random_pose(4, (2,)).float(), centred(size), head_points(1)
    found = camera.to_pytorch3d_fov(pose, matrix, size)
    theirs = cameras.FoVPerspectiveCameras(
        R=found.R, T=found.T, fov=found.fov, aspect_ratio=found.aspect_ratio, znear=found.znear, zfar=found.zfar
    )
    torch.testing.assert_close(screen(theirs, points, size), camera.project(points, pose, matrix), atol=2e-3, rtol=0)
    read = camera.PyTorch3DFoV(theirs.R, theirs.T, theirs.fov, theirs.aspect_ratio, theirs.znear, theirs.zfar)
    torch.testing.assert_close(camera.from_pytorch3d_fov(read, size), (pose, matrix), atol=1e-3, rtol=1e-6)


def test_fov_camera_comes_back_and_says_what_it_cannot() -> None:
    pose, matrix = random_pose(4, (2,)), centred(SIZE).double()
    found = camera.to_pytorch3d_fov(pose, matrix, SIZE)
    torch.testing.assert_close(camera.from_pytorch3d_fov(found, SIZE), (pose, matrix))
    with pytest.raises(ArgumentError, match="middle"):
        camera.to_pytorch3d_fov(pose, some_intrinsics((2,)), SIZE)


def test_a_selfie_vanishes_at_their_default_near_plane_and_stays_at_ours() -> None:
    """The trap that `clip_planes` is for, shown with PyTorch3D's own rasteriser."""
    cameras = pytorch3d_cameras()
    from pytorch3d.renderer import MeshRasterizer, RasterizationSettings
    from pytorch3d.structures import Meshes

    size = (32, 32)
    matrix = torch.tensor([[[32.0, 0.0, 16.0], [0.0, 32.0, 16.0], [0.0, 0.0, 1.0]]])
    pose = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))[None]
    pose[:, 2, 3] = 0.4
    vertices = torch.tensor([[-0.1, -0.1, 0.0], [0.1, -0.1, 0.0], [0.0, 0.15, 0.05]])
    mesh = Meshes([vertices], [torch.tensor([[0, 1, 2]])])
    found = camera.to_pytorch3d_fov(pose, matrix, size)

    def covered(**planes) -> int:
        theirs = cameras.FoVPerspectiveCameras(
            R=found.R, T=found.T, fov=found.fov, aspect_ratio=found.aspect_ratio, **planes
        )
        settings = RasterizationSettings(image_size=size, bin_size=0)
        return int((MeshRasterizer(theirs, settings)(mesh).pix_to_face >= 0).sum())

    assert covered() == 0
    assert covered(znear=found.znear, zfar=found.zfar) > 50

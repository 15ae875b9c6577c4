"""The camera that renderers take."""

from __future__ import annotations

import pytest
import torch

from face3d import camera
from face3d.errors import ArgumentError
from tests.camera.random_cameras import SIZE, random_pose, some_intrinsics


def test_it_sees_what_project_sees() -> None:
    view = camera.PinholeCamera(random_pose(1, (2,)), some_intrinsics((2,)), SIZE)
    points = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.1
    ndc = view.ndc(points)
    expected = camera.project(points, view.camera_from_head, view.intrinsics)
    torch.testing.assert_close(camera.pixels_from_pytorch3d_ndc(ndc[..., :2], SIZE), expected)
    depth = (points @ view.camera_from_head[:, :3, :3].mT + view.camera_from_head[:, None, :3, 3])[..., 2]
    torch.testing.assert_close(ndc[..., 2], depth)


def test_view_directions_are_right_up_and_towards_the_viewer() -> None:
    """A head that faces the camera upright: camera x is head x, camera y is head -y, camera z is head -z."""
    pose = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))[None]
    view = camera.PinholeCamera(pose, some_intrinsics((1,)).float(), SIZE)
    torch.testing.assert_close(view.view_directions(torch.eye(3)[None]), torch.eye(3)[None])


@pytest.mark.parametrize("shapes", [((4, 4), (1, 3, 3)), ((1, 4, 4), (3, 3)), ((1, 3, 4), (1, 3, 3))])
def test_wrong_shapes_are_named(shapes) -> None:
    with pytest.raises(ArgumentError, match="must have the shape"):
        camera.PinholeCamera(torch.zeros(shapes[0]), torch.zeros(shapes[1]), SIZE)
    with pytest.raises(ArgumentError, match="image size"):
        camera.PinholeCamera(torch.zeros(1, 4, 4), torch.zeros(1, 3, 3), (0, 5))

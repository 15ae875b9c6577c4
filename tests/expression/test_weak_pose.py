"""Metric poses from DECA's camera, against projecting the posed head with that camera."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.camera import image_from_crop_pixels, pixels_from_weak, project, project_weak
from face3d.errors import InputError
from face3d.expression import split_codes
from face3d.expression.weak_pose import metric_poses
from face3d.head import load_head
from tests.head.golden import FLAME


def scene(seed, frames=3):
    """Codes of faces in crops of a full-HD image, and the points that DECA's camera sees, as face3d counts pixels."""
    random = torch.Generator().manual_seed(seed)
    head = load_head(FLAME)
    codes = 0.3 * torch.randn(frames, 236, generator=random)
    parts = split_codes(codes)
    parts.camera[:] = torch.tensor([9.0, 0.0, 0.02]) + 0.01 * torch.randn(frames, 3, generator=random)
    scale = 0.4 + torch.rand(frames, generator=random)
    shift = 200 * torch.rand(frames, 2, generator=random) - 100
    crops = torch.cat([torch.eye(2) * scale[:, None, None], shift[..., None]], dim=-1)
    expression = parts.expression @ torch.eye(50, len(head.expression_basis))
    at_rest = head(expression=expression, jaw=parts.jaw)
    posed = head(expression=expression, jaw=parts.jaw, root=parts.root)
    pixels = pixels_from_weak(project_weak(posed.vertices, parts.camera)) + 0.5
    return parts, crops, at_rest, image_from_crop_pixels(pixels, crops)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), focal=st.sampled_from([900.0, 1e5]))
def test_the_pose_shows_what_decas_camera_shows(seed, focal):
    parts, crops, at_rest, expected = scene(seed)
    intrinsics = torch.tensor([[focal, 0, 960], [0, focal, 540], [0, 0, 1]])
    # Expression moves FLAME's joints a little; each frame has its own root joint, and a vertex as pivot.
    for frame in range(len(crops)):
        poses = metric_poses(
            split_codes_of(parts, frame),
            crops[frame : frame + 1],
            intrinsics,
            root_joint=at_rest.joints[frame, 0],
            pivot=at_rest.vertices[frame, 7],
        )
        seen = project(at_rest.vertices[frame : frame + 1], poses, intrinsics)[0]
        error = (seen - expected[frame]).norm(dim=-1)
        assert error[7] < 0.02
        # At the long end perspective is gone, and so is the difference between the two cameras.
        if focal == 1e5:
            assert error.max() < 2.0


def split_codes_of(parts, frame):
    return type(parts)(*(getattr(parts, name)[frame : frame + 1] for name in type(parts).__dataclass_fields__))


def test_a_camera_without_scale_is_refused():
    codes = torch.zeros(2, 236)
    codes[0, 206] = 8.0
    with pytest.raises(InputError, match="frame 1: DECA's camera has no positive scale"):
        metric_poses(
            split_codes(codes),
            torch.eye(2, 3).expand(2, 2, 3),
            torch.eye(3),
            root_joint=torch.zeros(3),
            pivot=torch.zeros(3),
        )

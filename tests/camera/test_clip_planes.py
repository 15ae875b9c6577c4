"""Clip planes that keep the head."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d import load_head
from face3d.camera import clip_planes
from face3d.camera.clip_planes import HEAD_RADIUS
from tests.camera.random_cameras import random_pose


def test_every_vertex_of_the_open_head_is_within_the_radius() -> None:
    assert load_head("open").template.norm(dim=-1).max() < HEAD_RADIUS


@given(seed=st.integers(0, 1000), distance=st.floats(0.35, 20.0))
@settings(max_examples=20, deadline=None)
def test_a_head_lies_between_the_planes_however_it_is_turned(seed: int, distance: float) -> None:
    pose = random_pose(seed, (2,))
    pose[:, 2, 3] = distance
    points = torch.nn.functional.normalize(torch.randn(50, 3, dtype=torch.float64), dim=-1) * HEAD_RADIUS
    depth = (points @ pose[:, :3, :3].mT + pose[:, None, :3, 3])[..., 2]
    near, far = clip_planes(pose)
    assert (near[:, None] <= depth + 1e-12).all()
    assert (depth <= far[:, None] + 1e-12).all()


def test_planes_stay_usable_for_a_head_at_or_behind_the_camera() -> None:
    pose = torch.eye(4).repeat(2, 1, 1)
    pose[:, 2, 3] = torch.tensor([0.0, -2.0])
    near, far = clip_planes(pose)
    assert ((near > 0) & (far > near)).all()

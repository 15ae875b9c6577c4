"""COLMAP's poses."""

from __future__ import annotations

import math

import numpy as np
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d import camera
from tests.camera.random_cameras import random_pose


def test_colmap_pose_is_scalar_first() -> None:
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, math.pi / 3], dtype=torch.float64))
    quaternion, translation = camera.to_colmap(pose)
    np.testing.assert_allclose(quaternion, [math.cos(math.pi / 6), 0, 0, math.sin(math.pi / 6)], atol=1e-15)
    assert translation.tolist() == [0, 0, 0]


@given(seed=st.integers(0, 1000), batch=st.sampled_from([(), (2,), (2, 3)]))
@settings(max_examples=10, deadline=None)
def test_pose_comes_back(seed: int, batch: tuple[int, ...]) -> None:
    pose = random_pose(seed, batch)
    torch.testing.assert_close(camera.from_colmap(*camera.to_colmap(pose)), pose)


def test_quaternion_turns_points_as_the_matrix_does() -> None:
    """COLMAP: x_camera = q x q* + t, written out with quaternion products."""
    pose = random_pose(5)
    quaternion, translation = camera.to_colmap(pose)
    w, v = quaternion[0], quaternion[1:]
    point = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    turned = point + 2 * torch.linalg.cross(v, torch.linalg.cross(v, point) + w * point)
    torch.testing.assert_close(turned + translation, pose[:3, :3] @ point + pose[:3, 3])

"""Angles of a head: their signs, their matrix, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.fit import head_pose
from face3d.fit.head_pose import FACING, rotation_of_angles
from face3d.head.contour import yaw_degrees


def transform(yaw: float, pitch: float, roll: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = FACING @ rotation_of_angles(yaw, pitch, roll)
    matrix[:3, 3] = [0.1, 0.2, 0.7]
    return matrix


@given(yaw=st.floats(-179, 179), pitch=st.floats(-89, 89), roll=st.floats(-179, 179))
@settings(deadline=None, max_examples=50)
def test_angles_come_back(yaw: float, pitch: float, roll: float) -> None:
    pose = head_pose(transform(yaw, pitch, roll))
    np.testing.assert_allclose([pose.yaw, pose.pitch, pose.roll], [yaw, pitch, roll], atol=1e-6)
    np.testing.assert_allclose(pose.rotation, rotation_of_angles(yaw, pitch, roll), atol=1e-12)
    np.testing.assert_array_equal(pose.translation, [0.1, 0.2, 0.7])


def test_signs() -> None:
    """Where nose (+z), crown (+y) and left ear (+x) go in the image, +x right and +y down."""
    nose = transform(30, 0, 0)[:3, :3] @ [0, 0, 1]
    assert nose[0] > 0.4
    nose = transform(0, 30, 0)[:3, :3] @ [0, 0, 1]
    assert nose[1] < -0.4
    ear = transform(0, 0, 30)[:3, :3] @ [1, 0, 0]
    assert ear[1] < -0.4


@given(yaw=st.floats(-80, 80))
@settings(deadline=None, max_examples=20)
def test_yaw_is_the_contours_yaw(yaw: float) -> None:
    rotation = torch.as_tensor(rotation_of_angles(yaw, 0.0, 0.0))
    assert float(yaw_degrees(rotation)) == pytest.approx(yaw, abs=1e-6)


def test_transforms_that_are_none() -> None:
    for matrix in (np.eye(3), np.full((4, 4), np.nan), np.diag([2.0, 2.0, 2.0, 1.0]), np.diag([1.0, 1.0, -1.0, 1.0])):
        with pytest.raises(ArgumentError):
            head_pose(matrix)

"""A head's pose as three angles, in one stated convention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from face3d.errors import ArgumentError

__all__ = ["HeadPose", "head_pose", "rotation_of_angles"]

FACING = np.diag([1.0, -1.0, -1.0])
"""camera_from_head rotation of an upright head that faces the camera."""

_ORDER = "YXZ"
_SIGNS = np.array([1.0, -1.0, 1.0])


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """Where a head is and how it is turned.

    The angles turn a head that faces the camera's plane upright: first by yaw about its own +y, then by pitch about
    its own +x as turned, then by roll about its own +z as turned (intrinsic y-x'-z''). Away from a pitch of 90 degrees
    they are unique within yaw and roll of 180.

    Attributes:
        yaw: degrees, positive towards the subject's left (to the right in the image).
        pitch: degrees, positive upwards.
        roll: degrees, positive where the subject's left side rises (counter-clockwise in the image).
        rotation: (3, 3) that these angles make, in the axes of the head frame; the identity faces the camera.
        translation: (3,) metres, head's origin in the OpenCV camera frame.
    """

    yaw: float
    pitch: float
    roll: float
    rotation: Float[ndarray, "3 3"]
    translation: Float[ndarray, " 3"]


def head_pose(camera_from_head: Float[ndarray, "4 4"]) -> HeadPose:
    """The pose of a fitted head.

    Args:
        camera_from_head: rigid transform into the OpenCV camera frame, as `Fit.camera_from_head` and `Reconstruction`
            have it.

    Raises:
        ArgumentError: it is no rigid transform.
    """
    matrix = np.asarray(camera_from_head, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ArgumentError(f"camera_from_head is a finite (4, 4) transform, got {matrix.shape}")
    rotation = FACING @ matrix[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-4) or np.linalg.det(rotation) < 0:
        raise ArgumentError("camera_from_head holds no rotation but a scaled or mirrored one")
    yaw, pitch, roll = (
        float(angle) for angle in _SIGNS * Rotation.from_matrix(rotation).as_euler(_ORDER, degrees=True)
    )
    return HeadPose(yaw, pitch, roll, rotation, matrix[:3, 3].copy())


def rotation_of_angles(yaw: float, pitch: float, roll: float) -> Float[ndarray, "3 3"]:
    """`HeadPose.rotation` of the given degrees; `FACING @` it is the rotation of camera_from_head."""
    return np.asarray(Rotation.from_euler(_ORDER, _SIGNS * [yaw, pitch, roll], degrees=True).as_matrix())

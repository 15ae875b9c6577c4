"""The few points that every landmark set has: iBUG's 68, ArcFace's five, and the face's own unit of length."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from face3d.errors import ArgumentError
from face3d.landmarks.detector import FaceLandmarks, Topology
from face3d.landmarks.mediapipe_topology import arcface_points, ibug_points

__all__ = ["five_points", "ibug_68_points", "interocular"]

_ARCFACE_5_FROM_68 = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47), (30,), (48,), (54,))


def ibug_68_points(face: FaceLandmarks) -> Float[np.ndarray, "68 C"]:
    """The 68 iBUG-like points of a face.

    Raises:
        ArgumentError: its landmark set has no way to them.
    """
    if len(face.points) == 68:
        return face.points
    if face.topology == "mediapipe_478":
        return ibug_points(face.points)
    raise ArgumentError(f"landmarks of the set {face.topology} have no 68 iBUG points")


def five_points(points: Float[np.ndarray, "N C"], topology: Topology) -> Float[np.ndarray, "5 C"]:
    """The five ArcFace points of a landmark set: eye in the image's left, in its right, nose tip, mouth corners.

    Raises:
        ArgumentError: the set has no way to them.
    """
    if topology == "mediapipe_478":
        return arcface_points(points)
    if len(points) == 68:
        return np.stack([points[list(indices)].mean(axis=0) for indices in _ARCFACE_5_FROM_68])
    raise ArgumentError(f"landmarks of the set {topology} have no five ArcFace points")


def interocular(points: Float[np.ndarray, "*T N C"], topology: Topology) -> Float[np.ndarray, "*T"]:
    """Distance of the outer eye corners in the image, pixels: the unit of landmark errors since 300-W.

    Raises:
        ArgumentError: the set has no eye corners.
    """
    if topology == "mediapipe_478":
        right, left = 33, 263
    elif points.shape[-2] == 68:
        right, left = 36, 45
    else:
        raise ArgumentError(f"landmarks of the set {topology} have no eye corners")
    return np.asarray(np.linalg.norm((points[..., left, :] - points[..., right, :])[..., :2], axis=-1))

"""The part of a scan that the NoW evaluation measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from face3d.errors import InputError

__all__ = ["ScanCrop", "crop_scan"]

_CENTRE_ABOVE_NOSE = 0.3
"""Part of the way from the nose's bottom to the bridge at which the centre lies."""

_RADIUS_FACTOR = 1.4
"""Over the mean of the eyes' width and the nose's height."""


@dataclass(frozen=True, slots=True, eq=False)
class ScanCrop:
    """The face of a scan, in the scan's unit.

    Attributes:
        centre: (3,) of the ball that is kept.
        radius: of that ball.
        vertex_ids: (K,) vertices of the scan that are kept, in its order.
        vertices: (K, 3) those vertices.
        triangles: (L, 3) the faces of which all corners are kept, as rows of `vertices`.
    """

    centre: Float[np.ndarray, " 3"]
    radius: float
    vertex_ids: Int[np.ndarray, " K"]
    vertices: Float[np.ndarray, "K 3"]
    triangles: Int[np.ndarray, "L 3"]


def crop_scan(
    vertices: Float[np.ndarray, "V 3"],
    landmarks7: Float[np.ndarray, "7 3"],
    triangles: Int[np.ndarray, "F 3"] | None = None,
) -> ScanCrop:
    """Keep what lies in a ball about the nose, whose centre and radius follow from the landmarks (NoW evaluation).

    Args:
        vertices: of the scan, any unit.
        landmarks7: on the scan, same unit: right eye's outer and inner corner, left eye's inner and outer corner,
            bottom of the nose, right and left corner of the mouth (the subject's own sides).
        triangles: of the scan, if it has any.

    Raises:
        InputError: the landmarks are not seven finite points, or no vertex is near them.
    """
    vertices, landmarks = np.asarray(vertices, dtype=np.float64), np.asarray(landmarks7, dtype=np.float64)
    if landmarks.shape != (7, 3) or not np.isfinite(landmarks).all():
        raise InputError(f"the crop needs 7 finite landmarks (7, 3), got {tuple(landmarks.shape)}")
    bridge = (landmarks[1] + landmarks[2]) / 2
    nose = landmarks[4]
    centre = nose + _CENTRE_ABOVE_NOSE * (bridge - nose)
    eyes_width, nose_height = np.linalg.norm(landmarks[0] - landmarks[3]), np.linalg.norm(bridge - nose)
    radius = float(_RADIUS_FACTOR * (eyes_width + nose_height) / 2)
    kept = np.linalg.norm(vertices - centre, axis=1) <= radius
    ids = np.flatnonzero(kept)
    if not len(ids):
        raise InputError("no vertex of the scan is near its landmarks: check that both have one unit and frame")
    faces = np.zeros((0, 3), dtype=np.int64) if triangles is None else np.asarray(triangles, dtype=np.int64)
    renumbered = np.cumsum(kept) - 1
    return ScanCrop(centre, radius, ids, vertices[ids], renumbered[faces[kept[faces].all(axis=1)]])

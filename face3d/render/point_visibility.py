"""Which points of a surface a camera sees: a ray to each, tested against every triangle."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from face3d.render.compiled import compiled

__all__ = ["visible_points"]

THICKNESS = 0.002
"""Metres in front of a point in which the surface does not hide it: its own triangle, a lid's edge, a lip's roll."""


def visible_points(
    points: Float[ndarray, "N 3"],
    vertices: Float[ndarray, "V 3"],
    triangles: Int[ndarray, "F 3"],
    *,
    thickness: float = THICKNESS,
) -> Bool[ndarray, " N"]:
    """Whether nothing lies between the camera and each point.

    Args:
        points: metres, camera frame (the camera at the origin).
        vertices: of the surface, metres, camera frame.
        triangles: of the surface.
        thickness: metres; what lies closer in front of a point does not hide it.

    Returns:
        False also for points at or behind the camera, and those that are not finite.
    """
    corners = np.ascontiguousarray(np.asarray(vertices, dtype=np.float64)[np.asarray(triangles)])
    places = np.ascontiguousarray(points, dtype=np.float64)
    visible = np.isfinite(places).all(axis=1) & (places[:, 2] > 0)
    _hide(places, corners, float(thickness), visible)
    return visible


@compiled
def _hide(points, corners, thickness, visible):  # type: ignore[no-untyped-def]
    """Clear `visible` where a triangle cuts the segment from the origin to a point (Möller and Trumbore 1997)."""
    for index in range(points.shape[0]):
        if not visible[index]:
            continue
        px, py, pz = points[index]
        length = (px * px + py * py + pz * pz) ** 0.5
        farthest = 1.0 - thickness / length
        for face in range(corners.shape[0]):
            ax, ay, az = corners[face, 0]
            e1x, e1y, e1z = corners[face, 1, 0] - ax, corners[face, 1, 1] - ay, corners[face, 1, 2] - az
            e2x, e2y, e2z = corners[face, 2, 0] - ax, corners[face, 2, 1] - ay, corners[face, 2, 2] - az
            hx, hy, hz = py * e2z - pz * e2y, pz * e2x - px * e2z, px * e2y - py * e2x
            determinant = e1x * hx + e1y * hy + e1z * hz
            if abs(determinant) < 1e-16:
                continue
            u = -(ax * hx + ay * hy + az * hz) / determinant
            if u < 0.0 or u > 1.0:
                continue
            qx, qy, qz = -ay * e1z + az * e1y, -az * e1x + ax * e1z, -ax * e1y + ay * e1x
            v = (px * qx + py * qy + pz * qz) / determinant
            if v < 0.0 or u + v > 1.0:
                continue
            along = (e2x * qx + e2y * qy + e2z * qz) / determinant
            if 0.0 < along < farthest:
                visible[index] = False
                break

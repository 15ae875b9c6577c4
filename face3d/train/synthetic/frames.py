"""Which way the map's axes run over each triangle of a posed head, so that lines on the map can dent the surface."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from face3d.render.compiled import compiled

__all__ = ["face_frames"]


def face_frames(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], attributes: Float[np.ndarray, "V A"]
) -> Float[np.ndarray, "F 6"]:
    """Unit vectors along the map's u and v per triangle, in the vertices' frame.

    Args:
        vertices: of a mesh whose first part is the head.
        triangles: of the head alone.
        attributes: columns 6 and 7 are the vertices' places on the map.
    """
    frames = np.zeros((len(triangles), 6))
    _fill_frames(vertices, triangles, attributes, frames)
    return frames


@compiled
def _fill_frames(vertices, triangles, attributes, frames):  # type: ignore[no-untyped-def]
    for face in range(triangles.shape[0]):
        a, b, c = triangles[face, 0], triangles[face, 1], triangles[face, 2]
        u1, v1 = attributes[b, 6] - attributes[a, 6], -(attributes[b, 7] - attributes[a, 7])
        u2, v2 = attributes[c, 6] - attributes[a, 6], -(attributes[c, 7] - attributes[a, 7])
        area = u1 * v2 - u2 * v1
        if abs(area) < 1e-9:
            continue
        for axis in range(3):
            e1, e2 = vertices[b, axis] - vertices[a, axis], vertices[c, axis] - vertices[a, axis]
            frames[face, axis] = (v2 * e1 - v1 * e2) / area
            frames[face, 3 + axis] = (u1 * e2 - u2 * e1) / area
        for start in (0, 3):
            length = np.sqrt(frames[face, start] ** 2 + frames[face, start + 1] ** 2 + frames[face, start + 2] ** 2)
            if length > 0.0:
                for axis in range(3):
                    frames[face, start + axis] /= length

"""Where an eyeball of human size sits behind lids that were drawn around a larger one."""

from __future__ import annotations

import numpy as np
from anny_source import SKIN
from eyeballs import RADIUS
from jaxtyping import Bool, Float, Int
from surface import ray_hit, vertex_normals

__all__ = ["eyeball_depth", "lid_vertices", "lining_on_eyeball"]

LID_CLEARANCE = 0.0003
"""Metres that the visible edge of the lids keeps from the eyeball."""


LINING_DEPTH = 0.0003
"""Metres that the lining of the lids lies beneath the eyeball's surface, so that the eyeball hides it."""


LINING_ANGLE = np.radians(66.0)
"""How far from the axis of sight the lining meets the eyeball."""


def lid_vertices(
    mean: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], eye: Float[np.ndarray, " 3"]
) -> Bool[np.ndarray, " V"]:
    """The skin of the lids that one sees from the front, its free edge included."""
    skin = np.all(triangles < SKIN, axis=1)
    normals = vertex_normals(mean, triangles[skin])
    offset = mean - eye
    near = (np.hypot(offset[:, 0], offset[:, 1]) < RADIUS + 0.001) & (offset[:, 2] > 0.005) & (normals[:, 2] > 0.05)
    near[SKIN:] = False
    forward = np.array([0.0, 0.0, 1.0])
    for vertex in np.flatnonzero(near):
        triangle, _ = ray_hit(mean[vertex] + 0.1 * forward, -forward, mean, triangles, skin)
        near[vertex] = vertex in triangles[triangle] or mean[triangles[triangle], 2].max() < mean[vertex, 2] + 1e-3
    return near


def eyeball_depth(
    vertices: Float[np.ndarray, "B V 3"], lids: Bool[np.ndarray, " V"], centre: Float[np.ndarray, "B 2"]
) -> Float[np.ndarray, " B"]:
    """The most forward z of an eyeball's centre at which no visible lid vertex comes closer than the clearance."""
    lid = vertices[:, lids]
    reach = RADIUS + LID_CLEARANCE
    gap = reach**2 - ((lid[..., :2] - centre[:, None]) ** 2).sum(axis=-1)
    limit = np.where(gap > 0, lid[..., 2] - np.sqrt(np.maximum(gap, 0)), np.inf)
    return limit.min(axis=1)


def lining_on_eyeball(
    vertices: Float[np.ndarray, "B V 3"], eyes: Float[np.ndarray, "B 2 3"], socket: Bool[np.ndarray, " V"]
) -> Float[np.ndarray, "B V 3"]:
    """Heads whose sockets hug the eyeballs, so that no hole shows beside an eyeball that is smaller than its socket."""
    result = vertices.copy()
    for side, sign in ((0, 1.0), (1, -1.0)):
        chosen = socket & (vertices.mean(axis=0)[:, 0] * sign > 0)
        offset = vertices[:, chosen] - eyes[:, side, None]
        distance = np.minimum(np.linalg.norm(offset, axis=2), RADIUS - LINING_DEPTH)
        around = np.arctan2(offset[..., 1], offset[..., 0])
        # Well to the side, so that the white of the eye stays in view.
        aside = np.maximum(np.arctan2(np.hypot(offset[..., 0], offset[..., 1]), offset[..., 2]), LINING_ANGLE)
        direction = np.stack([np.sin(aside) * np.cos(around), np.sin(aside) * np.sin(around), np.cos(aside)], axis=-1)
        result[:, chosen] = eyes[:, side, None] + distance[..., None] * direction
    return result

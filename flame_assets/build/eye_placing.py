"""Where an eyeball of human size sits behind lids that were drawn around a larger one."""

from __future__ import annotations

import numpy as np
from anny_source import SKIN
from eyeballs import RADIUS
from jaxtyping import Bool, Float, Int
from surface import ray_hit, vertex_normals

__all__ = ["eyeball_depth", "lid_vertices"]

LID_CLEARANCE = 0.0003
"""Metres that the visible edge of the lids keeps from the eyeball."""


def lid_vertices(mean: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], eye: Float[np.ndarray, "3"]) -> Bool[np.ndarray, " V"]:
    """The skin of the lids that one sees from the front, its free edge included."""
    skin = (triangles < SKIN).all(axis=1)
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

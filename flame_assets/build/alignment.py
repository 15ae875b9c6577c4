"""Rigid alignment of many heads to one another, without scaling."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

__all__ = ["align", "vertex_areas"]


def vertex_areas(vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]) -> Float[np.ndarray, " V"]:
    """A third of the area of the triangles around each vertex."""
    corner = vertices[triangles]
    area = 0.5 * np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    return np.bincount(triangles.ravel(), np.repeat(area, 3) / 3, minlength=len(vertices))


def align(
    heads: Float[np.ndarray, "B V 3"], reference: Float[np.ndarray, "V 3"], weights: Float[np.ndarray, " V"]
) -> tuple[Float[np.ndarray, "B 3 3"], Float[np.ndarray, "B 3"]]:
    """Rotation and translation that lay each head on the reference (weighted orthogonal Procrustes)."""
    share = weights / weights.sum()
    centres = np.einsum("v,bvk->bk", share, heads)
    middle = share @ reference
    covariance = np.einsum("v,bvk,vl->bkl", share, heads - centres[:, None], reference - middle, optimize=True)
    left, _, right = np.linalg.svd(covariance)
    flip = np.ones((len(heads), 3))
    flip[:, 2] = np.sign(np.linalg.det(left @ right))
    rotation = np.einsum("bji,bj,bkj->bik", right, flip, left)
    return rotation, middle - np.einsum("bij,bj->bi", rotation, centres)

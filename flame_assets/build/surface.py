"""Points on triangle meshes: the nearest ones, those that a ray hits, and plane sections.

Dimension letters: V vertices, F triangles, N points.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

__all__ = ["locate", "nearest", "ray_hit", "vertex_normals"]


def vertex_normals(vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]) -> Float[np.ndarray, "V 3"]:
    """Unit normals, area-weighted."""
    corner = vertices[triangles]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, triangles[:, k], face)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def locate(
    points: Float[np.ndarray, "N 3"], triangles: Int[np.ndarray, " N"], vertices: np.ndarray, mesh: np.ndarray
) -> Float[np.ndarray, "N 3"]:
    """Barycentric coordinates of points that lie in their triangles."""
    a, b, c = (vertices[mesh[triangles, k]] for k in range(3))
    return _barycentric(points, a, b, c)


def nearest(
    points: Float[np.ndarray, "N 3"],
    vertices: Float[np.ndarray, "V 3"],
    mesh: Int[np.ndarray, "F 3"],
    allowed: Bool[np.ndarray, " F"] | None = None,
) -> tuple[Int[np.ndarray, " N"], Float[np.ndarray, "N 3"]]:
    """Triangle and barycentric coordinates of the surface point nearest to each point."""
    candidates = np.arange(len(mesh)) if allowed is None else np.flatnonzero(allowed)
    a, b, c = (vertices[mesh[candidates, k]] for k in range(3))
    triangles, barycentric = [], []
    for point in points:
        weights = _closest_weights(point, a, b, c)
        place = weights[:, :1] * a + weights[:, 1:2] * b + weights[:, 2:] * c
        best = int(np.argmin(((place - point) ** 2).sum(axis=1)))
        triangles.append(candidates[best])
        barycentric.append(weights[best])
    return np.array(triangles, dtype=np.int64).reshape(-1), np.array(barycentric).reshape(-1, 3)


def ray_hit(
    origin: Float[np.ndarray, " 3"],
    direction: Float[np.ndarray, " 3"],
    vertices: Float[np.ndarray, "V 3"],
    mesh: Int[np.ndarray, "F 3"],
    allowed: Bool[np.ndarray, " F"] | None = None,
) -> tuple[int, Float[np.ndarray, " 3"]]:
    """First triangle that a ray from outside hits, and the barycentric coordinates there."""
    a, b, c = (vertices[mesh[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    towards = normal @ direction
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = ((a - origin) * normal).sum(axis=1) / towards
        place = origin + distance[:, None] * direction
        weights = _barycentric(place, a, b, c)
        hit = (weights >= -1e-9).all(axis=1) & (distance > 0) & (np.abs(towards) > 1e-18)
    if allowed is not None:
        hit &= allowed
    if not hit.any():
        raise ValueError("the ray misses the surface")
    best = int(np.argmin(np.where(hit, distance, np.inf)))
    return best, np.clip(weights[best], 0, 1) / np.clip(weights[best], 0, 1).sum()


def _barycentric(point: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    ab, ac, ap = b - a, c - a, point - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    denominator = d00 * d11 - d01 * d01
    v = (d11 * d20 - d01 * d21) / denominator
    w = (d00 * d21 - d01 * d20) / denominator
    return np.stack([1 - v - w, v, w], axis=-1)


def _closest_weights(point: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = _barycentric(point, a, b, c)
    inside = np.where(np.isfinite(inside), inside, -1.0)
    outside = (inside < 0).any(axis=1)
    best = np.full(len(a), np.inf)
    weights = inside.copy()
    for first, second, i, j in ((a, b, 0, 1), (b, c, 1, 2), (c, a, 2, 0)):
        edge = second - first
        t = np.clip(((point - first) * edge).sum(axis=1) / np.maximum((edge * edge).sum(axis=1), 1e-20), 0, 1)
        distance = ((first + t[:, None] * edge - point) ** 2).sum(axis=1)
        nearer = outside & (distance < best)
        candidate = np.zeros((len(a), 3))
        candidate[:, i], candidate[:, j] = 1 - t, t
        weights[nearer] = candidate[nearer]
        best = np.where(nearer, distance, best)
    return weights

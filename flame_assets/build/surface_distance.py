"""Distance between a fitted and a true head over the face, as the NoW benchmark measures it."""

from __future__ import annotations

import numpy as np
from embed_landmarks import _outer_skin
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import cKDTree
from trimesh.triangles import closest_point

from face3d.head import HeadModel

_CANDIDATES = 16
"""Triangles, nearest by centre, among which the closest point is looked for."""


class FaceDistance:
    """Distances of a true face's points to a predicted surface, after rigid alignment on the face.

    The face is what lies within NoW's radius, 0.7 (width of the eyes + height of the nose), of a point above the
    nose tip. Starts from NoW's seven points and refines by closest points (ICP).
    """

    def __init__(self, model: HeadModel) -> None:
        triangles = model.triangles.numpy()
        self._skin = triangles[_outer_skin(model)]
        self._seen = np.zeros(len(model.template), bool)
        self._seen[np.unique(self._skin)] = True
        for name in ("left_eyeball", "right_eyeball"):
            self._seen[model.regions[name].numpy()] = False
        points = model.point_sets["now_7"]
        self._corners = triangles[points.triangles.numpy()]
        self._barycentric = points.barycentric.numpy()

    def __call__(
        self, predicted: Float[ndarray, "V 3"], truth: Float[ndarray, "V 3"], *, scaled: bool, rounds: int = 12
    ) -> Float[ndarray, " P"]:
        """Return the distances, metres; `scaled` lets the alignment change the size (NoW's non-metrical)."""
        marks = self._landmarks(truth)
        between = (marks[1] + marks[2]) / 2
        centre = marks[4] + 0.3 * (between - marks[4])
        radius = 0.7 * (np.linalg.norm(marks[0] - marks[3]) + np.linalg.norm(between - marks[4]))
        face = truth[self._seen & (np.linalg.norm(truth - centre, axis=1) <= radius)]
        vertices = _moved(predicted, self._landmarks(predicted), marks, scaled)
        for _ in range(rounds - 1):
            vertices = _moved(vertices, self._closest(face, vertices), face, scaled)
        return np.linalg.norm(self._closest(face, vertices) - face, axis=1)

    def _landmarks(self, vertices: Float[ndarray, "V 3"]) -> Float[ndarray, "7 3"]:
        return np.einsum("nk,nkx->nx", self._barycentric, vertices[self._corners])

    def _closest(self, points: Float[ndarray, "P 3"], vertices: Float[ndarray, "V 3"]) -> Float[ndarray, "P 3"]:
        corners = vertices[self._skin]
        near = cKDTree(corners.mean(axis=1)).query(points, k=_CANDIDATES)[1]
        found = closest_point(corners[near.ravel()], np.repeat(points, _CANDIDATES, axis=0))
        found = np.asarray(found).reshape(len(points), _CANDIDATES, 3)
        best = np.linalg.norm(found - points[:, None], axis=2).argmin(axis=1)
        return found[np.arange(len(points)), best]


def _moved(
    vertices: Float[ndarray, "V 3"], source: Float[ndarray, "P 3"], target: Float[ndarray, "P 3"], scaled: bool
) -> Float[ndarray, "V 3"]:
    """Vertices under the rigid (or similarity) transform that takes source to target (Umeyama 1991)."""
    from_mean, to_mean = source.mean(axis=0), target.mean(axis=0)
    centred = source - from_mean
    left, values, right = np.linalg.svd((target - to_mean).T @ centred)
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    scale = (values * signs).sum() / (centred**2).sum() if scaled else 1.0
    return scale * (vertices - from_mean) @ ((left * signs) @ right).T + to_mean

"""The sampled skin of a head: its vertices and their normals, with derivatives by the head's coefficients.

Dimension letters: N sample vertices, F triangles among them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int
from numpy import ndarray

from face3d.fit.point_model import PointModel

__all__ = ["SkinSurface", "block_diagonal"]


@dataclass(frozen=True, slots=True)
class SkinSurface:
    """The sampled skin of a head: where its vertices and normals are for given coefficients, with derivatives.

    Attributes:
        points: the sample vertices as a `PointModel`.
        triangles: (F, 3) rows of `points`, of every triangle whose corners are all sampled.
        weight: (N,) area that each vertex stands for, mean 1 where not 0; 0 at the rim, where normals are not whole.
    """

    points: PointModel
    triangles: Int[ndarray, "F 3"]
    weight: Float[ndarray, " N"]
    _rows: Int[ndarray, " Z"]
    _columns: Int[ndarray, " Z"]

    @staticmethod
    def of(points: PointModel, triangles: Int[ndarray, "F 3"]) -> SkinSurface:
        """Build from the sample points at rest and the triangles among them."""
        corners = points.rest_points[triangles]
        areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 6
        weight = np.bincount(triangles.ravel(), np.repeat(areas, 3), minlength=len(points.rest_points))
        edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
        unique, count = np.unique(edges, axis=0, return_counts=True)
        weight[np.unique(unique[count == 1])] = 0
        # Entry (normal of corner i, position of corner j) of the derivative: a cross product, six numbers.
        target = np.repeat(triangles, 3, axis=1)
        source = np.tile(triangles, (1, 3))
        row_axis, column_axis = np.array([0, 0, 1, 1, 2, 2]), np.array([1, 2, 0, 2, 0, 1])
        rows = (3 * target[..., None] + row_axis).ravel()
        columns = (3 * source[..., None] + column_axis).ravel()
        return SkinSurface(points, triangles, weight * np.count_nonzero(weight) / weight.sum(), rows, columns)

    def normals(self, places: Float[ndarray, "N 3"]) -> Float[ndarray, "N 3"]:
        """Unit normals of the samples at the given places, each triangle counting by its area."""
        return self._normals_and_lengths(places)[0]

    def normals_slope(self, places: Float[ndarray, "N 3"]) -> scipy.sparse.csr_array:
        """Derivative of `normals` by the places, (3 N, 3 N)."""
        normal, length = self._normals_and_lengths(places)
        a, b, c = np.moveaxis(places[self.triangles], 1, 0)
        # d(face normal) = (c - b) x da + (a - c) x db + (b - a) x dc.
        arms = np.stack([c - b, a - c, b - a], axis=1)
        x, y, z = np.moveaxis(arms, -1, 0)
        cross = np.stack([-z, y, z, -x, -y, x], axis=-1)
        values = np.broadcast_to(cross[:, None], (len(self.triangles), 3, 3, 6)).ravel()
        size = 3 * len(places)
        raw = scipy.sparse.coo_array((values, (self._rows, self._columns)), shape=(size, size)).tocsr()
        project = (np.eye(3) - normal[:, :, None] * normal[:, None, :]) / length[:, None, None]
        return block_diagonal(project) @ raw

    def _normals_and_lengths(self, places: Float[ndarray, "N 3"]) -> tuple[Float[ndarray, "N 3"], Float[ndarray, " N"]]:
        a, b, c = np.moveaxis(places[self.triangles], 1, 0)
        face = np.cross(b - a, c - a)
        total = np.empty_like(places)
        for axis in range(3):
            total[:, axis] = np.bincount(self.triangles.ravel(), np.repeat(face[:, axis], 3), minlength=len(places))
        length = np.maximum(np.linalg.norm(total, axis=1), 1e-15)
        return total / length[:, None], length


def block_diagonal(blocks: Float[ndarray, "N 3 3"]) -> scipy.sparse.csr_array:
    """One 3x3 block per point on the diagonal of a (3 N, 3 N) matrix."""
    count = len(blocks)
    shape = (3 * count, 3 * count)
    return scipy.sparse.bsr_array((blocks, np.arange(count), np.arange(count + 1)), shape=shape).tocsr()

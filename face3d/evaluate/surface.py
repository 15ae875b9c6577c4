"""Exact distances from points to the surface of a triangle mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from face3d.errors import InputError
from face3d.evaluate.surface_kernels import BLOCK, closest_points
from face3d.render.compiled import run_interleaved

__all__ = ["SurfaceTree", "run_blocks", "surface_distance"]

LEAF = 4
"""Most triangles in a leaf of the tree."""


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceTree:
    """The triangles of a mesh in a tree of boxes, built once and asked often.

    Attributes:
        corners: (F, 9) the triangles' corners, in the tree's order.
        boxes: (M, 6) low and high corner of each node's box; node i has the children 2i+1 and 2i+2.
        order: (F,) which triangle of the mesh each row of `corners` is.
    """

    corners: Float[np.ndarray, "F 9"]
    boxes: Float[np.ndarray, "M 6"]
    order: Int[np.ndarray, " F"]

    @staticmethod
    def build(vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]) -> SurfaceTree:
        """Sort the triangles by halving, level by level, along the longest side of each node.

        Raises:
            InputError: no triangle, an index out of range, or a used vertex that is not finite.
        """
        vertices, triangles = np.asarray(vertices, dtype=np.float64), np.asarray(triangles)
        if triangles.ndim != 2 or triangles.shape[1] != 3 or not len(triangles):
            raise InputError(f"a surface needs triangles (F, 3), got {tuple(triangles.shape)}")
        if triangles.min() < 0 or triangles.max() >= len(vertices):
            raise InputError(f"triangles name vertices {triangles.min()} to {triangles.max()} of {len(vertices)}")
        corners = vertices[triangles]
        if not np.isfinite(corners).all():
            raise InputError("the surface has vertices that are not finite")
        count = len(corners)
        levels = max(0, int(np.ceil(np.log2(count / LEAF))))
        middle = corners.mean(axis=1)
        order = np.arange(count)
        for level in range(levels):
            starts = np.arange(2**level) * count // 2**level
            node = np.repeat(np.arange(2**level), np.diff(starts, append=count))
            centres = middle[order]
            extent = np.maximum.reduceat(centres, starts) - np.minimum.reduceat(centres, starts)
            along = centres[np.arange(count), extent.argmax(axis=1)[node]]
            order = order[np.lexsort((along, node))]
        corners = np.ascontiguousarray(corners[order])
        starts = np.arange(2**levels) * count // 2**levels
        low = np.minimum.reduceat(corners.min(axis=1), starts)
        high = np.maximum.reduceat(corners.max(axis=1), starts)
        boxes = [np.concatenate((low, high), axis=1)]
        while len(boxes[0]) > 1:
            pairs = boxes[0].reshape(-1, 2, 6)
            low, high = pairs[..., :3].min(axis=1), pairs[..., 3:].max(axis=1)
            boxes.insert(0, np.concatenate((low, high), axis=1))
        return SurfaceTree(corners.reshape(count, 9), np.ascontiguousarray(np.concatenate(boxes)), order)

    def closest(
        self, points: Float[np.ndarray, "N 3"], *, threads: int | None = None
    ) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, " N"], Int[np.ndarray, " N"]]:
        """The closest point of the surface to each point, its distance, and the triangle of the mesh it lies on.

        Args:
            points: in the unit of the mesh.
            threads: None takes as many as pay off; the numbers do not depend on it.

        Raises:
            InputError: a point is not finite.
        """
        points = np.ascontiguousarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3:
            raise InputError(f"points must be of shape (N, 3), got {tuple(points.shape)}")
        if not np.isfinite(points).all():
            raise InputError("the points have coordinates that are not finite")
        closest, distances = np.empty_like(points), np.empty(len(points))
        rows = np.empty(len(points), dtype=np.int64)

        def kernel(first: int, step: int) -> None:
            closest_points(points, self.corners, self.boxes, first, step, closest, distances, rows)

        run_blocks(kernel, len(points), threads)
        return closest, distances, self.order[rows]


def surface_distance(
    points: Float[np.ndarray, "N 3"], vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, " N"]:
    """Unsigned distance of each point to the surface of a mesh: its faces, edges and corners, not its vertices alone.

    Any topology (holes, several parts, degenerate triangles) and any unit, which is also that of the result; float64.

    Raises:
        InputError: no triangle, an index out of range, or a coordinate that is not finite.
    """
    return SurfaceTree.build(vertices, triangles).closest(points)[1]


def run_blocks(kernel: Callable[[int, int], None], points: int, threads: int | None) -> None:
    """Call `kernel(first_block, step)` over all blocks of points, in as many threads as pay off."""
    blocks = -(-points // BLOCK)
    if blocks:
        # A block of queries takes as long as some 200 000 pixels of the rasteriser.
        run_interleaved(kernel, blocks, 200_000, threads)

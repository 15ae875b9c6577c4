"""Which edges a mesh has and which faces meet there, computed once per set of triangles.

Dimension letters: F faces, E edges, P pairs of faces that share an edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from face3d.errors import ArgumentError

__all__ = ["MeshTopology", "mesh_topology"]


@dataclass(frozen=True, slots=True, eq=False)
class MeshTopology:
    """The edges of a mesh.

    Attributes:
        triangles: (F, 3) int64 corner indices.
        edges: (E, 2) int64 vertices of each edge, the lower index first; each edge once.
        opposite_edge: (F, 3) int64 edge that lies opposite each corner; -1 in a triangle that names a vertex twice.
        hinges: (P, 4) int64 for each pair of faces that share an edge: the edge's two vertices, then the remaining
            corner of one face and of the other. An edge of n faces gives n (n - 1) / 2 pairs, a border edge none.
        highest_vertex: the highest index that a triangle names; -1 without triangles.
    """

    triangles: Int[Tensor, "F 3"]
    edges: Int[Tensor, "E 2"]
    opposite_edge: Int[Tensor, "F 3"]
    hinges: Int[Tensor, "P 4"]
    highest_vertex: int


def mesh_topology(triangles: Int[Tensor, "F 3"]) -> MeshTopology:
    """Return the edges of a mesh and the pairs of faces that meet there.

    Raises:
        ArgumentError: no integers of the shape (F, 3), or negative ones.
    """
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.is_floating_point():
        raise ArgumentError(
            f"triangles must be integers of the shape (F, 3), not {triangles.dtype} {tuple(triangles.shape)}"
        )
    triangles = triangles.to(torch.int64)
    if triangles.numel() and int(triangles.min()) < 0:
        raise ArgumentError(f"triangles must name vertices from 0 on, got {int(triangles.min())}")
    count = int(triangles.max()) + 1 if triangles.numel() else 0

    ends = triangles[:, [[1, 2], [2, 0], [0, 1]]].reshape(-1, 2).sort(-1).values
    corner = triangles.reshape(-1)
    distinct = (triangles != triangles.roll(1, 1)).all(1).repeat_interleave(3)
    half_edges = torch.nonzero(distinct)[:, 0]
    keys, index = torch.unique(ends[half_edges, 0] * count + ends[half_edges, 1], return_inverse=True)
    edges = torch.stack((keys // max(count, 1), keys % max(count, 1)), -1)
    opposite_edge = torch.full_like(corner, -1)
    opposite_edge[half_edges] = index

    order = torch.argsort(index, stable=True)
    sorted_index, sorted_corner = index[order], corner[half_edges][order]
    hinges = [torch.zeros(0, 4, dtype=torch.int64, device=triangles.device)]
    most = int(torch.bincount(index).max()) if len(index) else 0
    for apart in range(1, most):
        shared = sorted_index[apart:] == sorted_index[:-apart]
        hinges.append(
            torch.cat(
                (
                    edges[sorted_index[apart:][shared]],
                    sorted_corner[:-apart][shared][:, None],
                    sorted_corner[apart:][shared][:, None],
                ),
                -1,
            )
        )
    return MeshTopology(triangles, edges, opposite_edge.reshape(-1, 3), torch.cat(hinges), count - 1)

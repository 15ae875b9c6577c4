"""Smooth colours over a head's mesh, where no seam of the texture exists.

Dimension letters: V vertices, E edges, C channels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.linalg import splu

from face3d.render.texture_chart import TextureSurface

__all__ = ["differences_along", "diffused", "extended"]

EXTENSION_STEPS = 3
"""Rings of vertices that an average reaches beyond what is seen: one for the texels of the outermost triangles."""


def differences_along(
    edges: Int[np.ndarray, "E 2"], values: Float[np.ndarray, "V C"], trust: Float[np.ndarray, " V"]
) -> tuple[Float[np.ndarray, "E C"], Float[np.ndarray, " E"]]:
    """Second end less first of each edge, and the lesser trust of its two ends."""
    first, second = edges.T
    return values[second] - values[first], np.minimum(trust[first], trust[second])


def diffused(
    surface: TextureSurface,
    slope: Float[np.ndarray, "E C"],
    target: Float[np.ndarray, "V C"],
    strength: Float[np.ndarray, " V"],
) -> Float[np.ndarray, "V C"]:
    """Solve the screened Poisson equation on the mesh: values with the given differences along edges, held to `target`
    by springs of the given strength.

    Args:
        surface: the mesh and its Laplacian.
        slope: second end less first.
        target: where springs pull to.
        strength: positive everywhere, beside edge weights of about one.
    """
    first, second = surface.edges.T
    weight, count = surface.edge_weights, surface.vertex_count
    flow = weight[:, None] * slope
    right = strength[:, None] * target
    np.add.at(right, second, flow)
    np.add.at(right, first, -flow)
    diagonal = strength + np.bincount(first, weight, count) + np.bincount(second, weight, count)
    everyone = np.arange(count)
    system = coo_matrix(
        (
            np.concatenate((diagonal, -weight, -weight)),
            (np.concatenate((everyone, first, second)), np.concatenate((everyone, second, first))),
        ),
        shape=(count, count),
    ).tocsc()
    solution: Float[np.ndarray, "V C"] = splu(
        system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    ).solve(right)
    return solution


def extended(
    surface: TextureSurface, values: Float[np.ndarray, "V C"], trust: Float[np.ndarray, " V"]
) -> Float[np.ndarray, "V C"]:
    """Carry values to the next rings of vertices without any, so that interpolation does not fall to 0 there."""
    adjacency = _adjacency(surface)
    result, known = values.copy(), trust > 0
    for _ in range(EXTENSION_STEPS):
        count = adjacency @ known.astype(np.float64)
        new = ~known & (count > 0)
        if not new.any():
            break
        result[new] = (adjacency @ (result * known[:, None]))[new] / count[new, None]
        known |= new
    return result


def _adjacency(surface: TextureSurface) -> csr_matrix:
    first, second = surface.edges.T
    ones = np.ones(len(first))
    half = coo_matrix((ones, (first, second)), shape=(surface.vertex_count, surface.vertex_count))
    return (half + half.T).tocsr()

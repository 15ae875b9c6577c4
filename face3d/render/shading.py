"""Surface normals and simple light: spherical harmonics and directional lamps, with DECA's constants.

Dimension letters: B batch, V vertices, F faces, N points, L lamps, H, W image height and width.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from face3d.errors import ArgumentError

__all__ = ["SPHERICAL_HARMONICS_CONSTANTS", "directional_shading", "spherical_harmonics_shading", "vertex_normals"]

# Norms of the real spherical harmonics times the clamped-cosine kernel over pi, as DECA writes them: Ramamoorthi and
# Hanrahan, "An Efficient Representation for Irradiance Environment Maps", 2001, A_l = pi, 2 pi / 3, pi / 4. DECA leaves
# out the pi of the constant term; its light coefficients only make sense with the same omission.
SPHERICAL_HARMONICS_CONSTANTS: tuple[float, ...] = (
    1.0 / math.sqrt(4.0 * math.pi),
    *[(2.0 * math.pi / 3.0) * math.sqrt(3.0 / (4.0 * math.pi))] * 3,
    *[(math.pi / 4.0) * 3.0 * math.sqrt(5.0 / (12.0 * math.pi))] * 3,
    (math.pi / 4.0) * 1.5 * math.sqrt(5.0 / (12.0 * math.pi)),
    (math.pi / 4.0) * 0.5 * math.sqrt(5.0 / (4.0 * math.pi)),
)
"""Factors of the basis 1, x, y, z, xy, xz, yz, x^2 - y^2, 3 z^2 - 1."""


def vertex_normals(vertices: Float[Tensor, "*B V 3"], triangles: Int[Tensor, "F 3"]) -> Float[Tensor, "*B V 3"]:
    """Unit normals of vertices, each face counting by its area.

    Args:
        vertices: any unit and frame.
        triangles: corner indices, counter-clockwise seen from outside.

    Returns:
        Unit vectors pointing outwards; zero (with zero gradient) for a vertex without area around it.
    """
    corners = vertices[..., triangles, :]
    a, b, c = corners.unbind(-2)
    face_normals = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total = total.index_add(vertices.ndim - 2, triangles[:, corner], face_normals)
    length_squared = (total * total).sum(-1, keepdim=True)
    has_area = length_squared > 0
    return torch.where(has_area, total * torch.rsqrt(torch.where(has_area, length_squared, 1.0)), 0.0)


def spherical_harmonics_shading(
    normals: Float[Tensor, "B 3 H W"] | Float[Tensor, "B N 3"], coefficients: Float[Tensor, "B 9 3"]
) -> Float[Tensor, "B 3 H W"] | Float[Tensor, "B N 3"]:
    """Light that reaches surfaces of the given normals, from second-order spherical harmonics, as in DECA.

    Multiplied with the albedo it is the image.

    Args:
        normals: unit vectors, as an image with channels first, (B, 3, H, W), or as a list of points, (B, N, 3).
        coefficients: light per basis function and RGB channel, in DECA's order (see SPHERICAL_HARMONICS_CONSTANTS).

    Returns:
        Shading per RGB channel, in the layout of `normals`.

    Raises:
        ArgumentError: shapes that are neither.
    """
    if coefficients.ndim != 3 or coefficients.shape[1:] != (9, 3):
        raise ArgumentError(f"coefficients must have the shape (B, 9, 3), not {tuple(coefficients.shape)}")
    if normals.ndim == 4 and normals.shape[1] == 3:
        x, y, z = normals.unbind(1)
        equation = "bk,bkhw,bkc->bchw"
    elif normals.ndim == 3 and normals.shape[2] == 3:
        x, y, z = normals.unbind(2)
        equation = "bk,bkn,bkc->bnc"
    else:
        raise ArgumentError(f"normals must have the shape (B, 3, H, W) or (B, N, 3), not {tuple(normals.shape)}")
    basis = torch.stack(
        (torch.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3.0 * z * z - 1.0), 1
    )  # fmt: skip
    constants = torch.tensor([SPHERICAL_HARMONICS_CONSTANTS], dtype=normals.dtype, device=normals.device)
    return torch.einsum(equation, constants, basis, coefficients)


def directional_shading(normals: Float[Tensor, "B N 3"], lamps: Float[Tensor, "B L 6"]) -> Float[Tensor, "B N 3"]:
    """Light from distant lamps, the mean over the lamps, as in DECA's shape view.

    Args:
        normals: unit vectors.
        lamps: per lamp the direction towards it (x, y, z; any length) and its intensity (R, G, B).

    Returns:
        Shading per RGB channel; a surface turned away from a lamp gets nothing from it.
    """
    direction = torch.nn.functional.normalize(lamps[..., :3], dim=-1)
    cosine = torch.einsum("bnk,blk->bnl", normals, direction).clamp(0.0, 1.0)
    return torch.einsum("bnl,blc->bnc", cosine, lamps[..., 3:]) / lamps.shape[1]

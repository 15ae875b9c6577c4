"""What a tape measure reads around or over a part of the head.

A tape bridges hollows: it lies on the convex hull of the section that it goes around. The section's surface points are
laid into their plane, and the hull's perimeter comes from Cauchy's formula, the integral of the support function over
all directions, which is smooth in the points and the same for any batch.

Dimension letters: B batch (any leading dimensions), N points of a section, K directions.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["tape_around", "tape_over"]

DIRECTIONS = 720
"""Support directions. The trapezoid rule over 720 of them reads a polygon's perimeter within 1e-5 of its length."""


def tape_around(points: Float[Tensor, "*B N 3"]) -> Float[Tensor, "*B"]:
    """Length of a tape closed around a section.

    Args:
        points: surface points of the section in order, metres; they may leave their plane a little.

    Returns:
        Perimeter of the convex hull of the points in their plane, metres.
    """
    quarter = points.shape[-2] // 4
    start, end = points[..., 0, :], points[..., 2 * quarter, :]
    across = points[..., quarter, :] - points[..., 3 * quarter, :]
    return _hull_perimeter(_in_plane(points, end - start, across))


def tape_over(points: Float[Tensor, "*B N 3"]) -> Float[Tensor, "*B"]:
    """Length of a tape laid over a section from its first to its last point.

    Args:
        points: surface points in order, metres.

    Returns:
        Perimeter of the convex hull of the points in their plane less the straight line between the ends, metres.
    """
    start, end = points[..., 0, :], points[..., -1, :]
    middle = points[..., points.shape[-2] // 2, :]
    flat = _in_plane(points, end - start, middle - 0.5 * (start + end))
    return _hull_perimeter(flat) - (flat[..., -1, :] - flat[..., 0, :]).norm(dim=-1)


def _in_plane(
    points: Float[Tensor, "*B N 3"], first: Float[Tensor, "*B 3"], second: Float[Tensor, "*B 3"]
) -> Float[Tensor, "*B N 2"]:
    first = torch.nn.functional.normalize(first, dim=-1)
    second = torch.nn.functional.normalize(second - (second * first).sum(-1, keepdim=True) * first, dim=-1)
    centred = points - points.mean(dim=-2, keepdim=True)
    return centred @ torch.stack([first, second], dim=-1)


def _hull_perimeter(flat: Float[Tensor, "*B N 2"]) -> Float[Tensor, "*B"]:
    angle = torch.arange(DIRECTIONS, dtype=flat.dtype, device=flat.device) * (2 * math.pi / DIRECTIONS)
    directions = torch.stack([angle.cos(), angle.sin()])
    support = (flat @ directions).amax(dim=-2)
    return support.sum(dim=-1) * (2 * math.pi / DIRECTIONS)

"""SPECTRE's regularisers: how far its expression and jaw may go from DECA's."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["expression_regulariser", "jaw_regulariser"]

FAR = 40.0
"""Half the squared distance from DECA's expression above which a frame weighs twice as much."""

NEAR_WEIGHT, FAR_WEIGHT = 1e-3, 2e-3


def expression_regulariser(
    expression: Float[Tensor, "*T 50"], coarse_expression: Float[Tensor, "*T 50"]
) -> Float[Tensor, ""]:
    """Half the squared distance of each frame's expression from DECA's, weighted, mean over frames.

    The weight is 1e-3, twice that beyond 40, and 1 at exactly 40 (SPECTRE's code leaves that one value alone; kept for
    parity, as no clip meets it).
    """
    distance = (expression - coarse_expression).square().sum(dim=-1) / 2
    weight = torch.ones_like(distance)
    weight = torch.where(distance < FAR, NEAR_WEIGHT, weight)
    weight = torch.where(distance > FAR, FAR_WEIGHT, weight)
    return (weight * distance).mean()


def jaw_regulariser(jaw: Float[Tensor, "*T 3"], coarse_jaw: Float[Tensor, "*T 3"]) -> Float[Tensor, ""]:
    """Half the mean squared difference of the jaw's axis-angle from DECA's."""
    return (jaw - coarse_jaw).square().mean() / 2

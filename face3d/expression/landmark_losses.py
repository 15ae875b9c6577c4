"""SPECTRE's losses on 68 landmarks, in the units of a crop: [-1, 1] over its side, as its weights are meant for.

The mouth has no part in the absolute loss: lip reading shapes it, landmarks only say how its parts lie to each other.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from face3d.errors import ArgumentError

__all__ = [
    "MOUTH",
    "RELATIVE_PAIRS",
    "landmark_loss",
    "landmark_weights",
    "lip_landmark_loss",
    "relative_landmark_loss",
]

MOUTH = slice(48, 68)
"""Outer and inner lips among the 68 points."""

RELATIVE_PAIRS = ((57, 8), (51, 33), (48, 54), (60, 64), (61, 67), (62, 66), (63, 65))
"""Lower lip to chin, upper lip to nose, the mouth's width outside and inside, and its opening in three places."""

_WEIGHTS = (((5, 6, 10, 11), 2.0), ((27, 28, 29, 32, 33, 34), 1.5), ((30, 31, 35), 3.0), (range(48, 68), 0.0))
"""Of points in the absolute loss, where they are not 1: the jaw's curve, the nose, its tip and wings, and the mouth."""

EPSILON = 1e-8
"""Added to the sum of weights, as in SPECTRE, so that no visible point gives no loss instead of NaN."""


def landmark_weights() -> Float[Tensor, " 68"]:
    """SPECTRE's weight of each point in `landmark_loss`, float64."""
    weights = torch.ones(68, dtype=torch.float64)
    for points, weight in _WEIGHTS:
        weights[list(points)] = weight
    return weights


def landmark_loss(
    predicted: Float[Tensor, "*B 68 2"],
    target: Float[Tensor, "*B 68 2"],
    visible: Float[Tensor, "*B 68"] | None = None,
    *,
    weights: Float[Tensor, " 68"] | None = None,
) -> Float[Tensor, ""]:
    """Weighted mean absolute difference: sum of w (|dx| + |dy|) over twice the sum of w, all frames together.

    Args:
        predicted: in [-1, 1].
        target: likewise.
        visible: factor on each point's weight, 0 for a point that the image does not show; None counts all.
        weights: of the points; None takes SPECTRE's (`landmark_weights`).

    Raises:
        ArgumentError: shapes differ.
    """
    _require_alike(predicted, target)
    weight = (landmark_weights() if weights is None else weights).to(predicted).expand(predicted.shape[:-1])
    if visible is not None:
        weight = weight * visible
    distance = (predicted - target).abs().sum(dim=-1)
    return (weight * distance).sum() / (2 * weight.sum() + EPSILON)


def relative_landmark_loss(predicted: Float[Tensor, "*B 68 2"], target: Float[Tensor, "*B 68 2"]) -> Float[Tensor, ""]:
    """Mean absolute difference of the distances between the points of `RELATIVE_PAIRS`.

    Raises:
        ArgumentError: shapes differ.
    """
    _require_alike(predicted, target)
    return (_pair_distances(predicted) - _pair_distances(target)).abs().mean()


def lip_landmark_loss(predicted: Float[Tensor, "*B 68 2"], target: Float[Tensor, "*B 68 2"]) -> Float[Tensor, ""]:
    """Mean squared difference of the mouth's points; SPECTRE's own training gives it no weight.

    Raises:
        ArgumentError: shapes differ.
    """
    _require_alike(predicted, target)
    return (predicted[..., MOUTH, :] - target[..., MOUTH, :]).square().mean()


def _pair_distances(points: Float[Tensor, "*B 68 2"]) -> Float[Tensor, "*B 7"]:
    first, second = torch.tensor(RELATIVE_PAIRS, device=points.device).mT
    squared = (points[..., first, :] - points[..., second, :]).square().sum(dim=-1)
    # The root has no gradient at 0, where two landmarks lie on each other as those of closed lips do.
    apart = squared > 0
    return torch.where(apart, torch.where(apart, squared, 1.0).sqrt(), 0.0)


def _require_alike(predicted: Float[Tensor, "*B 68 2"], target: Float[Tensor, "*B 68 2"]) -> None:
    if predicted.shape != target.shape or predicted.shape[-2:] != (68, 2):
        raise ArgumentError(
            f"landmark losses take two of (..., 68, 2), not {tuple(predicted.shape)} and {tuple(target.shape)}"
        )

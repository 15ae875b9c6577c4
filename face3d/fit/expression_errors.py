"""People's expressions differ from the head model's: errors of landmarks that grow with what a face does.

A head model smiles in one way, people in many. What is special in a person's smile is the same in every frame in which
it is seen, so that a clip of somebody who smiles throughout would tell it as the shape of the face. Taken for an error
that all frames share, as large as the motion itself and alike for neighbouring landmarks, it no longer does; frames of
the face at rest, where there are any, have their say undiminished.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["expression_errors"]

SPECIAL = 1.0
"""Standard deviation of how a person's expression moves a point, less how the model's does, relative to the latter.
Between 0.5 and 1.0 the heads of a clip's halves change by hardly a tenth of a millimetre."""

REACH = 0.03
"""Metres over which it is alike: standard deviation of a Gaussian, about the width of a cheek."""

FIELDS = 12
"""Patterns over the face that carry it, along each axis: 96 % of its variance."""


def expression_errors(
    points: Float[ndarray, "N 3"], basis: Float[ndarray, "N 3 E"], expressions: Float[ndarray, "V E"]
) -> Float[ndarray, "V R N 3"]:
    """Patterns of error in V views, one standard deviation each; the same R amounts belong to all views.

    Args:
        points: of the head at rest, metres.
        basis: how expressions move them.
        expressions: what the face does in each view, as far as it is known beforehand.
    """
    squared = np.sum((points[:, None] - points) ** 2, axis=2)
    variance, pattern = np.linalg.eigh(np.exp(-0.5 * squared / REACH**2))
    fields = (pattern[:, -FIELDS:] * np.sqrt(np.maximum(variance[-FIELDS:], 0.0))).T
    moved = np.linalg.norm(np.einsum("nxe,ve->vnx", basis, expressions), axis=2)
    errors = np.einsum("vn,fn,xy->vxfny", SPECIAL * moved, fields, np.eye(3))
    return errors.reshape(len(expressions), 3 * len(fields), len(points), 3)

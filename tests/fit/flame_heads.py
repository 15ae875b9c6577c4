"""Heads in the form of FLAME that have a mouth: the golden one is an egg."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from face3d.head import HeadArrays, HeadModel, load_head

EXPRESSIONS = 60


def flame_like_arrays() -> HeadArrays:
    """The open head under FLAME's name: 300 identities, nameless unbounded expressions, a jaw that turns."""
    arrays = load_head().arrays()
    identity = np.zeros((300, *arrays.template.shape), arrays.template.dtype)
    identity[: len(arrays.identity_basis)] = arrays.identity_basis[:300]
    expression = np.zeros((EXPRESSIONS, *arrays.template.shape), arrays.template.dtype)
    # A component of 2 counts as much as a whole shape.
    expression[: len(arrays.expression_basis)] = arrays.expression_basis[:EXPRESSIONS] / 2
    return replace(
        arrays,
        name="flame",
        identity_basis=identity,
        expression_basis=expression,
        expression_names=(),
        expression_bounds=None,
    )


def flame_like() -> HeadModel:
    """The same as a model."""
    return HeadModel(flame_like_arrays())

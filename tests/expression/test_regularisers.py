"""SPECTRE's regularisers: golden values."""

from __future__ import annotations

import torch

from face3d.expression import expression_regulariser, jaw_regulariser
from tests.head.golden import golden

GOLDEN = {name: torch.from_numpy(value) for name, value in golden("spectre/regularisers").items()}


def test_values_are_the_golden_ones():
    expression, coarse = GOLDEN["exp"], GOLDEN["exp_deca"]
    jaw, coarse_jaw = GOLDEN["jaw"], GOLDEN["jaw_deca"]
    values = {
        "expression_reg": expression_regulariser(expression, coarse),
        "expression_reg_exact40": expression_regulariser(GOLDEN["exp_exact40"], GOLDEN["exp_deca_exact40"]),
        "expression_reg_frames_2_to_Tm3": expression_regulariser(expression[2:-2], coarse[2:-2]),
        "jaw_reg": jaw_regulariser(jaw, coarse_jaw),
        "jaw_reg_frames_2_to_Tm3": jaw_regulariser(jaw[2:-2], coarse_jaw[2:-2]),
    }
    for name, value in values.items():
        torch.testing.assert_close(value, GOLDEN[name], rtol=1e-12, atol=0)
    single = expression_regulariser(expression.float(), coarse.float())
    torch.testing.assert_close(single.double(), GOLDEN["expression_reg"], rtol=1e-5, atol=0)

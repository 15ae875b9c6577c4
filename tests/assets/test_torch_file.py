"""Weights into networks: strictly, whatever wraps them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from face3d.assets import fill
from face3d.errors import CorruptAssetError

PATH = Path("weights.pth")


def network():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def weights():
    return {name: torch.full_like(value, 2) for name, value in network().state_dict().items()}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [True, False])
def test_wrapping_does_not_matter(prefix, wrapped):
    content = {prefix + name: value for name, value in weights().items() if name != "1.num_batches_tracked"}
    filled = fill(network(), {"state_dict": content, "epoch": 3} if wrapped else content, PATH, "a test")
    assert not filled.training
    assert not any(parameter.requires_grad for parameter in filled.parameters())
    expected = weights() | {"1.num_batches_tracked": torch.tensor(0)}
    assert all(torch.equal(value, expected[name]) for name, value in filled.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"0.bias": None}, r"weights.pth does not hold a test: 0.bias is NoneType, not \(3,\)"),
        ({"0.bias": torch.zeros(4)}, r"0.bias is \(4,\), not \(3,\)"),
        ({"other": torch.zeros(4)}, "0 weights are missing and 1 unknown"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(CorruptAssetError, match=message):
        fill(network(), weights() | change, PATH, "a test")

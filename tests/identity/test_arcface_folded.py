"""IResNet-100 with its normalisations folded: the same features, whatever the normalisations are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from face3d.identity import IResNet100, arcface_features, arcface_folded, arcface_input, fold_arcface, load_arcface
from face3d.identity.arcface import ResidualBlock
from face3d.identity.arcface_folded import FoldedArcFace
from tests.head.golden import golden

GOLDEN = golden("mica/arcface")
CROPS = [np.ascontiguousarray(crop[..., ::-1]) for crop in GOLDEN["crops_bgr_uint8"]]


@pytest.fixture(scope="module")
def network(mica_tar):
    return load_arcface(mica_tar)


def largest_difference(one: nn.Module, other: nn.Module) -> float:
    """Of raw features, relative to the largest of them."""
    with torch.inference_mode():
        first, second = (network(arcface_input(CROPS)) for network in (one, other))
    return float((first - second).abs().max() / first.abs().max())


def test_features_are_the_golden_ones(network):
    folded = fold_arcface(network)
    assert isinstance(folded, FoldedArcFace)
    with torch.inference_mode():
        raw = folded(arcface_input(CROPS)).numpy()
    expected = GOLDEN["features_raw"]
    assert np.abs(raw - expected).max() < 2e-5 * np.abs(expected).max()
    unit = arcface_features(folded, CROPS)
    np.testing.assert_allclose(unit, GOLDEN["features_unit"], atol=5e-6)
    torch.testing.assert_close(unit, arcface_features(folded, CROPS, batch_size=1), atol=2e-6, rtol=0)
    assert arcface_features(folded, []).shape == (0, 512)


def test_normalisations_that_cannot_be_undone_are_kept(mica_tar):
    """Channels of no scale at all, of next to none beside a shift, and turned about, in some of the blocks."""
    network = load_arcface(mica_tar)
    assert isinstance(network, IResNet100)
    blocks = [block for block in network.modules() if isinstance(block, ResidualBlock)]
    with torch.no_grad():
        blocks[0].bn1.weight[3] = 0
        blocks[2].bn1.weight[:5] *= -1
        for number in (3, 16, 30):
            blocks[number].bn1.weight[7] = 1e-7
            blocks[number].bn1.bias[7] = 0.3
        blocks[48].bn1.weight[:] = 0
    assert largest_difference(network, fold_arcface(network)) < 2e-5


def test_the_network_stays_as_it_is(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    crops = arcface_input(CROPS)
    kept = crops.clone()
    folded = fold_arcface(network)
    with torch.inference_mode():
        first, second = folded(crops), folded(crops)
    torch.testing.assert_close(first, second, atol=0, rtol=0)
    torch.testing.assert_close(crops, kept, atol=0, rtol=0)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_what_does_not_fold_comes_back_itself():
    other = nn.Identity()
    assert fold_arcface(other) is other
    with torch.device("meta"):
        elsewhere = IResNet100()
    assert fold_arcface(elsewhere) is elsewhere


def test_without_onednn_the_network_is_used(network, monkeypatch):
    def missing(*_):
        raise AttributeError("no such operator")

    monkeypatch.setattr(arcface_folded, "_pack", missing)
    assert fold_arcface(network) is network

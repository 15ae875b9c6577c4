"""Batch normalisation over processes; that of two is seen in `test_loop`, here it is compared with PyTorch's."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.distributed as dist
from torch import nn

from face3d.train.batch_norm import synchronise_batch_norm


@pytest.fixture
def group_of_one():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def networks(dtype):
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(5 * 36, 4), nn.BatchNorm1d(4, momentum=None)
    ).to(dtype)
    for parameter in plain.parameters():
        nn.init.normal_(parameter)
    synchronised = copy.deepcopy(plain)
    before = list(synchronised.parameters())
    synchronise_batch_norm(synchronised)
    # An optimiser that was made before holds these very tensors.
    assert all(a is b for a, b in zip(before, synchronised.parameters(), strict=True))
    return plain, synchronised


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_one_process_is_pytorchs_own(group_of_one, dtype, tolerance):
    plain, synchronised = networks(dtype)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        images = (torch.randn(7, 3, 8, 8, generator=generator) + 2).to(dtype)
        weights = torch.randn(7, 4, generator=generator).to(dtype)
        outputs = []
        for network in (plain, synchronised):
            network.zero_grad()
            outputs.append(network(images))
            (outputs[-1] * weights).sum().backward()
        torch.testing.assert_close(*outputs, atol=tolerance, rtol=tolerance)
        for ours, theirs in zip(synchronised.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad, atol=20 * tolerance, rtol=20 * tolerance)
    assert list(synchronised.state_dict()) == list(plain.state_dict())
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(synchronised.state_dict()[name], value, atol=tolerance, rtol=tolerance)


def test_evaluation_uses_the_statistics_and_leaves_them(group_of_one):
    plain, synchronised = networks(torch.float32)
    images = torch.randn(3, 3, 8, 8)
    assert torch.equal(synchronised.eval()(images), plain.eval()(images))
    assert int(synchronised[1].num_batches_tracked) == 0


def test_half_precision_stays_so_and_is_computed_in_full(group_of_one):
    layer = nn.Sequential(nn.BatchNorm2d(2))
    synchronise_batch_norm(layer)
    # A sum of 4096 squares of 100 is beyond what half precision holds.
    images = (100 + torch.randn(4, 2, 32, 32)).half()
    normalised = layer(images)
    assert normalised.dtype == torch.float16
    assert normalised.float().std().item() == pytest.approx(1, abs=0.02)

"""Weights into networks: strictly, whatever wraps them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from face3d.assets import fill, read_torch_file
from face3d.assets.torch_file import check_checksums
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
        ({"other": torch.zeros(4)}, r"0 weights are missing and 1 unknown \(other\); get the file anew"),
        ({"0.bias": torch.tensor([0, torch.nan, 1])}, "weights.pth: 0.bias of a test holds values that are not finite"),
        (
            {"0.bias": torch.tensor([0, 1, 2])},
            "0.bias of a test holds values that are not finite real",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(CorruptAssetError, match=message):
        fill(network(), weights() | change, PATH, "a test")


def test_a_missing_weight_is_named():
    holed = {name: value for name, value in weights().items() if name != "1.weight"}
    with pytest.raises(CorruptAssetError, match=r"1 weights are missing \(1.weight\) and 0 unknown"):
        fill(network(), holed, PATH, "a test")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: b"<html>404 Not Found</html>", "no such file but begins with '<html>404 Not Found"),
        (lambda content: content[:-100], "cut short or damaged"),
        (lambda content: content[:200], "cut short or damaged"),
    ],
)
def test_an_unreadable_file_gets_one_line_with_the_reason_and_the_remedy(tmp_path, spoil, message):
    path = tmp_path / "weights.pth"
    torch.save(weights(), path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(CorruptAssetError, match=f"weights.pth cannot be read safely .*{message}.*; get") as caught:
        read_torch_file(path)
    assert "\n" not in str(caught.value)


def test_what_is_no_weight_is_named(tmp_path):
    torch.save({"path": Path("a")}, tmp_path / "weights.pth")
    with pytest.raises(CorruptAssetError, match=r"it names pathlib\.\w+, which is no weight"):
        read_torch_file(tmp_path / "weights.pth")


def test_changed_bytes_are_found_by_their_checksum(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"w": torch.full((1000,), 2.0)}, path)
    check_checksums(path)
    content = bytearray(path.read_bytes())
    at = content.index(torch.full((10,), 2.0).numpy().tobytes())
    content[at : at + 4] = b"abcd"
    path.write_bytes(content)
    assert read_torch_file(path)["w"][0] != 2
    with pytest.raises(CorruptAssetError, match="weights.pth is damaged: .*data/0 in it has a wrong checksum"):
        check_checksums(path)
    torch.save({"w": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    check_checksums(path)

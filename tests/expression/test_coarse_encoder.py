"""DECA's encoder: golden codes, their parts, and the files it loads from."""

from __future__ import annotations

import builtins

import pytest
import torch

from face3d.errors import ArgumentError, CorruptAssetError, DependencyError
from face3d.expression import CoarseEncoder, read_deca, split_codes
from tests.expression.checkpoints import coarse_weights, emotion_weights, expression_weights
from tests.expression.golden import large_golden
from tests.head.golden import golden, largest_error

pytest.importorskip("torchvision")


@pytest.fixture(scope="module")
def deca_tar(tmp_path_factory):
    """As DECA's trainer writes it, the other networks cut short."""
    path = tmp_path_factory.mktemp("deca") / "deca_model.tar"
    torch.save({"E_flame": coarse_weights(), "E_detail": {"w": torch.ones(3)}, "D_detail": {}}, path)
    return path


def test_codes_are_the_golden_ones(deca_tar):
    expected = large_golden("deca/eflame_resnet50")
    pixels = torch.from_numpy(expected["image_rgb_uint8"]).permute(2, 0, 1)[None] / 255
    network = read_deca(deca_tar)
    with torch.inference_mode():
        assert largest_error(network.encoder(pixels), expected["features2048"]) < 1e-4
        assert largest_error(network(pixels), expected["parameters236"]) < 2e-5


def test_parts_are_decas():
    shading = golden("deca/camera_shading")
    codes = split_codes(torch.from_numpy(shading["code236"]))
    for name, theirs in (("identity", "shape"), ("texture", "tex"), ("expression", "exp"), ("camera", "cam")):
        assert torch.equal(getattr(codes, name), torch.from_numpy(shading[f"split_{theirs}"]))
    assert torch.equal(codes.light, torch.from_numpy(shading["split_light"]))
    assert torch.equal(torch.cat([codes.root, codes.jaw], dim=-1), torch.from_numpy(shading["split_pose"]))
    with pytest.raises(ArgumentError, match="236 numbers, not 235"):
        split_codes(torch.zeros(2, 235))


def test_names_are_the_published_ones():
    with torch.device("meta"):
        names = CoarseEncoder().state_dict()
    assert len([name for name in names if not name.endswith("num_batches_tracked")]) == 269
    assert {"encoder.conv1.weight", "encoder.layer4.2.bn3.running_var", "layers.2.bias"} <= set(names)
    assert not any(name.startswith("encoder.fc") for name in names)


def test_other_crops_are_refused():
    with torch.device("meta"):
        network = CoarseEncoder()
    for shape in ((1, 3, 112, 112), (3, 224, 224)):
        with pytest.raises(ArgumentError, match=r"takes crops of \(B, 3, 224, 224\)"):
            network(torch.zeros(shape, device="meta"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"arcface": {}, "flameModel": {}}, "it is MICA's checkpoint: add it as mica"),
        ({"E_expression": {"w": torch.ones(2)}}, "it is SPECTRE's checkpoint: add it as spectre"),
        ({"state_dict": dict(list(emotion_weights().items())[:1])}, "it is EMOCA's emotion network"),
        ({"encoder.frontend.frontend3D.0.weight": torch.ones(2)}, "it is a lip-reading network"),
        ({"weights": torch.ones(2)}, "something that holds weights"),
        ({"E_flame": expression_weights()}, r"does not hold DECA's coarse encoder .* weights are missing"),
        ({"E_flame": {"encoder.conv1.weight": torch.ones(3)}}, "does not hold DECA's coarse encoder"),
        ({"E_flame": coarse_weights() | {"layers.2.bias": torch.ones(3)}}, r"layers.2.bias is \(3,\), not \(236,\)"),
    ],
)
def test_another_systems_file_is_refused(tmp_path, content, message):
    path = tmp_path / "deca_model.tar"
    torch.save(content, path)
    with pytest.raises(CorruptAssetError, match=message) as caught:
        read_deca(path)
    assert "\n" not in str(caught.value)


def test_without_torchvision_the_message_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("torchvision"):
            raise ImportError("No module named 'torchvision'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DependencyError, match=r"pip install 'face3d\[spectre\]'"):
        CoarseEncoder()

"""IResNet-100: golden features, the files it loads from, and what it refuses."""

from __future__ import annotations

import builtins
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from face3d.errors import ArgumentError, CorruptAssetError, DependencyError
from face3d.identity import IResNet100, arcface_features, arcface_input, load_arcface
from face3d.identity.arcface import full_precision
from tests.head.golden import golden
from tests.identity.checkpoints import arcface_weights

GOLDEN = golden("mica/arcface")
CROPS = [np.ascontiguousarray(crop[..., ::-1]) for crop in GOLDEN["crops_bgr_uint8"]]


@pytest.fixture(scope="module")
def network(mica_tar):
    return load_arcface(mica_tar)


def test_names_and_sizes_are_the_published_ones():
    with torch.device("meta"):
        network = IResNet100()
    state = network.state_dict()
    assert len(state) == 925
    assert sum(parameter.numel() for parameter in network.parameters()) == 65_156_160
    sizes = {
        stage: sum(p.numel() for p in getattr(network, stage).parameters()) for stage in ("layer1", "layer3", "fc")
    }
    assert sizes == {"layer1": 226_752, "layer3": 35_181_312, "fc": 12_845_568}
    assert not network.features.weight.requires_grad


def test_features_are_the_golden_ones(network):
    crops = arcface_input(CROPS)
    with torch.inference_mode():
        raw = network(crops).numpy()
        first = network.layer1(network.prelu(network.bn1(network.conv1(crops))))
    expected = GOLDEN["features_raw"]
    np.testing.assert_allclose(first.contiguous().flatten(1)[:, :16], GOLDEN["layer1_first16"], atol=1e-4)
    assert np.abs(raw - expected).max() < 1e-4 * np.abs(expected).max()
    unit = arcface_features(network, CROPS).numpy()
    np.testing.assert_allclose(unit, GOLDEN["features_unit"], atol=5e-6)


def test_the_input_is_rgb_between_minus_one_and_one_in_channels_last_memory():
    crop = np.zeros((112, 112, 3), np.uint8)
    crop[5, 9] = 255, 127, 1
    pixels = arcface_input([crop])
    assert pixels.shape == (1, 3, 112, 112)
    np.testing.assert_allclose(pixels[0, :, 5, 9], [1, -0.5 / 127.5, -126.5 / 127.5], atol=1e-7)
    assert pixels.min() == -1
    assert pixels.is_contiguous(memory_format=torch.channels_last)


def test_batches_do_not_change_features(network):
    one_by_one = arcface_features(network, CROPS, batch_size=1)
    torch.testing.assert_close(one_by_one, arcface_features(network, CROPS), atol=2e-6, rtol=0)
    torch.testing.assert_close(one_by_one.norm(dim=1), torch.ones(2))
    assert arcface_features(network, []).shape == (0, 512)


@pytest.mark.parametrize(("device", "inside"), [("cuda", "ieee"), ("cpu", "tf32")])
def test_gpus_convolve_in_full_precision_while_features_are_made(device, inside):
    convolution = torch.backends.cudnn.conv
    before = convolution.fp32_precision
    try:
        convolution.fp32_precision = "tf32"
        with pytest.raises(ZeroDivisionError), full_precision(torch.device(device)):
            assert convolution.fp32_precision == inside
            raise ZeroDivisionError
        assert convolution.fp32_precision == "tf32"
    finally:
        convolution.fp32_precision = before


def test_insightfaces_bare_file_loads(tmp_path, network):
    weights = arcface_weights()
    del weights["bn1.num_batches_tracked"]
    torch.save(weights, tmp_path / "backbone.pth")
    loaded = load_arcface(tmp_path / "backbone.pth")
    assert not loaded.training
    for name, value in weights.items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_a_file_that_is_not_the_network_is_refused(tmp_path, mica_tar):
    weights = arcface_weights()
    cases = {
        "2 weights are missing": {k: v for k, v in weights.items() if k not in ("fc.weight", "layer3.29.bn3.bias")},
        r"fc.weight is \(512, 512\), not \(512, 25088\)": weights | {"fc.weight": torch.zeros(512, 512)},
    }
    for message, content in cases.items():
        torch.save(content, tmp_path / "backbone.pth")
        with pytest.raises(CorruptAssetError, match=message) as caught:
            load_arcface(tmp_path / "backbone.pth")
        assert "\n" not in str(caught.value)
    cut = tmp_path / "cut.pth"
    cut.write_bytes(mica_tar.read_bytes()[:100_000])
    for path in (cut, tmp_path / "absent.pth"):
        with pytest.raises(CorruptAssetError, match=f"{path.name} cannot be read"):
            load_arcface(path)


@pytest.mark.parametrize("crop", [np.zeros((224, 224, 3), np.uint8), np.zeros((112, 112, 3), np.float32)])
def test_other_crops_are_refused(crop):
    with pytest.raises(ArgumentError, match="an ArcFace crop is uint8 of"):
        arcface_input([crop])


def test_other_tensors_are_refused(network):
    with pytest.raises(ArgumentError, match=r"not \(1, 3, 96, 112\)"):
        network(torch.zeros(1, 3, 96, 112))


@pytest.mark.slow
def test_an_onnx_file_gives_the_same_features(tmp_path, network):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = tmp_path / "arcface.onnx"
    shapes = {"crops": {0: torch.export.Dim("faces")}}
    torch.onnx.export(
        network, (torch.zeros(2, 3, 112, 112),), path, dynamic_shapes=shapes, external_data=False, verbose=False
    )
    unit = arcface_features(load_arcface(path), CROPS)
    np.testing.assert_allclose(unit, GOLDEN["features_unit"], atol=1e-5)


@pytest.mark.parametrize(("batch", "calls"), [("faces", 1), (1, 2)])
def test_onnx_files_for_one_face_take_them_one_by_one(tmp_path, monkeypatch, batch, calls):
    """With a stand-in for onnxruntime, which need not be installed."""
    seen = []

    class Session:
        def __init__(self, *_, **__):
            pass

        def get_inputs(self):
            return [SimpleNamespace(name="data", shape=[batch, 3, 112, 112])]

        def get_outputs(self):
            return [SimpleNamespace(shape=[batch, 512])]

        def run(self, _, inputs):
            seen.append(inputs["data"])
            return [inputs["data"].reshape(len(inputs["data"]), -1)[:, :512]]

    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=Session))
    path = tmp_path / "arcface.onnx"
    path.write_bytes(b"the stand-in does not look")
    unit = arcface_features(load_arcface(path), CROPS)
    assert len(seen) == calls
    expected = arcface_input(CROPS).flatten(1)[:, :512]
    torch.testing.assert_close(unit, torch.nn.functional.normalize(expected))


@pytest.mark.parametrize("shapes", [([1, 3, 224, 224], [1, 512]), ([1, 3, 112, 112], [1, 128])])
def test_onnx_files_of_other_networks_are_refused(tmp_path, monkeypatch, shapes):
    ends = [[SimpleNamespace(name="data", shape=shape)] for shape in shapes]
    session = SimpleNamespace(get_inputs=lambda: ends[0], get_outputs=lambda: ends[1])
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=lambda *_, **__: session))
    path = tmp_path / "arcface.onnx"
    path.write_bytes(b"the stand-in does not look")
    with pytest.raises(CorruptAssetError, match=r"arcface.onnx is not ArcFace's network"):
        load_arcface(path)


def test_a_damaged_onnx_file_is_refused(tmp_path):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "arcface.onnx"
    path.write_bytes(b"\x08nothing")
    with pytest.raises(CorruptAssetError, match=r"arcface.onnx cannot be read as an ONNX model"):
        load_arcface(path)


def test_without_onnxruntime_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "onnxruntime":
            raise ImportError("No module named 'onnxruntime'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DependencyError, match=r"pip install 'face3d\[onnx\]'"):
        load_arcface(tmp_path / "arcface.onnx")

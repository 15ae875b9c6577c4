"""SPECTRE's encoder: golden residuals, both layouts of its checkpoint, and clips of any length."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch

from face3d import assets
from face3d.errors import ArgumentError, CorruptAssetError, InputError, MissingAssetError
from face3d.expression import (
    ExpressionEncoder,
    Spectre,
    TemporalHead,
    chunk_plan,
    estimate_clip,
    read_spectre,
    spectre_for,
    split_codes,
)
from face3d.expression import spectre as module
from face3d.head import load_head
from tests.expression.checkpoints import coarse_weights, expression_weights, spectre_content
from tests.golden.recipe import recipe_weights
from tests.head.golden import FLAME, golden, largest_error

GOLDEN = golden("spectre/temporal_head")


@pytest.fixture(scope="module")
def head():
    network = TemporalHead()
    network.load_state_dict(recipe_weights(network.state_dict()), strict=False)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("clip", ["", "_short"])
def test_residuals_are_the_golden_ones(head, clip):
    features, expected = torch.from_numpy(GOLDEN[f"features{clip}"]), GOLDEN[f"residual{clip}"]
    assert largest_error(head(features), expected) < 2e-5
    exact = TemporalHead().double().eval()
    exact.load_state_dict(head.state_dict())
    assert largest_error(exact(features.double()), expected) < 1e-12


def test_training_begins_at_decas_estimate():
    features = torch.randn(2, 12, 1280, generator=torch.Generator().manual_seed(0))
    assert TemporalHead()(features).abs().max() < 0.01


def test_a_batch_is_its_clips(head):
    features = torch.from_numpy(GOLDEN["features"])
    both = head(torch.cat([features, features.flip(1)]))
    torch.testing.assert_close(both[1:], head(features.flip(1)), atol=1e-5, rtol=0)


def test_only_the_jaws_opening_is_rectified(head):
    residual = head(3 * torch.randn(4, 30, 1280, generator=torch.Generator().manual_seed(0)))
    assert residual[..., 50].min() == 0
    lowest = residual.amin(dim=(0, 1))
    assert (lowest[:50] < 0).all()
    assert (lowest[51:] < 0).all()


@pytest.mark.parametrize("length", [5, 12, 50])
def test_chunks_give_what_the_whole_clip_gives(head, length):
    features = torch.randn(1, 137, 1280, generator=torch.Generator().manual_seed(1))
    parts = [
        head(features[:, chunk.start : chunk.end])[:, chunk.keep_start - chunk.start : chunk.keep_end - chunk.start]
        for chunk in chunk_plan(137, length)
    ]
    torch.testing.assert_close(torch.cat(parts, dim=1), head(features), atol=1e-5, rtol=0)


def crops_of(frames, seed=0):
    random = np.random.default_rng(seed)
    return [random.random((224, 224, 3), dtype=np.float32) for _ in range(frames)]


def test_a_clip_is_decas_estimate_and_the_residual_of_the_padded_clip(spectre, monkeypatch):
    """In several batches and chunks, against both networks called plainly."""
    monkeypatch.setattr(module, "BATCH", 4)
    crops = crops_of(13)
    estimate = estimate_clip(spectre, iter(crops), 13, length=8)
    pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        codes = spectre.coarse(pixels)
        padded = torch.cat([pixels[:1], pixels[:1], pixels, pixels[-1:], pixels[-1:]])
        residual = spectre.expression(padded[None])[0, 2:-2]
    scale = residual.abs().max()
    torch.testing.assert_close(estimate.residual, residual, atol=1e-5 * float(scale), rtol=0)
    expected = split_codes(codes)
    torch.testing.assert_close(estimate.coarse.camera, expected.camera, atol=2e-5, rtol=0)
    torch.testing.assert_close(
        estimate.expression, expected.expression + residual[:, :50], atol=1e-5 * float(scale), rtol=0
    )
    torch.testing.assert_close(estimate.jaw, expected.jaw + residual[:, 50:], atol=1e-5 * float(scale), rtol=0)
    assert (estimate.jaw[:, 0] >= estimate.coarse.jaw[:, 0]).all()


def test_a_clip_of_one_frame_has_an_estimate(spectre):
    estimate = estimate_clip(spectre, crops_of(1), 1)
    assert estimate.expression.shape == (1, 50)
    assert torch.isfinite(estimate.expression).all()


def test_unusable_clips(spectre):
    with pytest.raises(InputError, match="without frames"):
        estimate_clip(spectre, [], 0)
    with pytest.raises(InputError, match="ends after 2 frames of 3"):
        estimate_clip(spectre, crops_of(2), 3)
    with pytest.raises(ArgumentError, match=r"not uint8 of \(224, 224, 3\)"):
        estimate_clip(spectre, [np.zeros((224, 224, 3), np.uint8)], 1)
    with pytest.raises(ArgumentError, match=r"clips of \(B, T, 3, 224, 224\), not \(6, 3, 224, 224\)"):
        spectre.expression(torch.zeros(6, 3, 224, 224))
    with pytest.raises(ArgumentError, match=r"features of \(B, T, 1280\)"):
        TemporalHead()(torch.zeros(2, 5, 2048))


def test_the_stored_file_serves_flame_alone(tmp_path, monkeypatch, spectre_tar):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path / "home"))
    flame = load_head(FLAME)
    with pytest.raises(MissingAssetError, match="face3d assets add spectre"):
        spectre_for(flame)
    with pytest.raises(ArgumentError, match="expressions of FLAME, and the head 'open' has others"):
        spectre_for(load_head())
    assets.add("spectre", [spectre_tar])
    assert isinstance(spectre_for(flame), Spectre)


def test_both_layouts_load_the_same(tmp_path, spectre):
    named = {f"E_flame.{name}": value for name, value in coarse_weights().items()}
    named |= {f"E_expression.{name}": value for name, value in expression_weights().items()}
    path = tmp_path / "spectre_model.tar"
    lightning = {f"deca.{name}": value for name, value in named.items()} | {"deca.flame.shapedirs": torch.ones(3)}
    torch.save({"state_dict": lightning, "epoch": 2}, path)
    loaded = read_spectre(path)
    for ours, theirs in ((loaded.coarse, spectre.coarse), (loaded.expression, spectre.expression)):
        for name, value in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], value), name
    assert not loaded.expression.training
    assert not any(parameter.requires_grad for parameter in loaded.coarse.parameters())


def test_names_are_the_published_ones():
    with torch.device("meta"):
        names = set(ExpressionEncoder().state_dict())
    assert {
        "encoder.features.0.0.weight",
        "encoder.features.18.1.running_var",
        "encoder.classifier.1.weight",
        "temporal.0.weight",
        "temporal.1.running_mean",
        "layers.0.bias",
    } <= names
    assert {name.split(".")[0] for name in names} == {"encoder", "temporal", "layers"}


def changed(**parts):
    content = {name: dict(value) for name, value in spectre_content().items() if isinstance(value, dict)}
    for part, change in parts.items():
        content[part] = change(content[part])
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: {"E_flame": {"w": torch.ones(2)}, "E_detail": {}}, "no E_expression: it is DECA's checkpoint"),
        (lambda: {"state_dict": {"deca.E_flame.w": torch.ones(2)}}, "no E_expression: it is DECA's checkpoint"),
        (lambda: {"E_expression": expression_weights()}, "no E_flame"),
        (
            lambda: changed(E_expression=lambda w: {k: v for k, v in w.items() if "classifier" not in k}),
            r"2 weights are missing \(.*\) and 0 unknown",
        ),
        (
            lambda: changed(E_expression=lambda w: w | {"temporal.0.weight": torch.zeros(256, 2048, 5)}),
            r"temporal.0.weight is \(256, 2048, 5\), not \(256, 1280, 5\)",
        ),
        (lambda: changed(E_flame=lambda w: w | {"extra": torch.zeros(2)}), "0 weights are missing and 1 unknown"),
    ],
)
def test_wrong_layouts_are_refused(tmp_path, content, message):
    pytest.importorskip("torchvision")
    path = tmp_path / "spectre_model.tar"
    torch.save(content(), path)
    with pytest.raises(CorruptAssetError, match=message) as caught:
        read_spectre(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path, spectre_tar):
    path = tmp_path / "spectre_model.tar"
    path.write_bytes(spectre_tar.read_bytes()[: 20 << 20])
    with pytest.raises(CorruptAssetError, match=r"spectre_model.tar cannot be read safely"):
        read_spectre(path)


class CheapNetwork(torch.nn.Module):
    """Stands in for both backbones: a code and features that are the frame's mean."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, pixels):
        return pixels.mean(dim=(1, 2, 3))[:, None].expand(-1, 236)

    def frame_features(self, pixels):
        return pixels.mean(dim=(1, 2, 3))[:, None].expand(-1, 1280)

    def residual(self, features):
        return features[..., :53]


def test_a_long_clip_is_never_in_memory_as_a_whole():
    alive, most = weakref.WeakSet(), 0

    class Crop(np.ndarray):
        """An array that can be watched."""

    def crops(frames):
        nonlocal most
        for frame in range(frames):
            crop = np.full((1, 1, 1), frame, np.float32).repeat(3, 2)
            crop = np.broadcast_to(crop, (224, 224, 3)).view(Crop)
            alive.add(Watched(crop))
            most = max(most, len(alive))
            yield crop

    class Watched:
        """Lives as long as its crop does."""

        def __init__(self, crop):
            crop.watch = self

    estimate = estimate_clip(Spectre(CheapNetwork(), CheapNetwork()), crops(1500), 1500)
    assert most <= 2 * module.BATCH
    np.testing.assert_allclose(estimate.residual[:, 0], np.arange(1500), rtol=1e-5)
    np.testing.assert_allclose(estimate.expression[:, 0], 2 * np.arange(1500), rtol=1e-5)

"""The lip-reading front end: golden features and loss, its files, gradients to a rendered image's pixels."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from face3d.errors import ArgumentError, CorruptAssetError
from face3d.expression import VisualFrontEnd, lipread_loss, mouth_crops, read_visual_front_end
from tests.expression.checkpoints import front_end_weights, lipread_content
from tests.expression.golden import large_golden
from tests.head.golden import golden, largest_error

ACTIVATIONS = ["swish", "relu", "prelu"]


def front_end(activation="swish"):
    network = VisualFrontEnd(activation)
    network.load_state_dict(front_end_weights(activation), strict=False)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_features_are_the_golden_ones(activation):
    clip = large_golden("spectre/lipread_frontend")
    mouths = torch.from_numpy(clip["mouth_normalised"])
    assert largest_error(front_end(activation)(mouths), clip[f"features_{activation}"]) < 1e-4


def test_the_loss_is_the_golden_one():
    tracks = {name: torch.from_numpy(value) for name, value in golden("spectre/cosine_lip_loss").items()}
    truth, predicted = tracks["features_gt"], tracks["features_pred"]
    assert abs(float(lipread_loss(truth, predicted) - tracks["loss_all_frames"])) < 1e-12
    assert abs(float(lipread_loss(predicted[2:-2], truth[2:-2]) - tracks["loss_frames_2_to_Tm3"])) < 1e-12
    single = lipread_loss(truth[None].float(), predicted[None].float())
    assert abs(float(single - tracks["loss_all_frames"])) < 1e-6
    assert float(lipread_loss(truth, 3 * truth)) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ArgumentError, match=r"not \(12, 512\) and \(11, 512\)"):
        lipread_loss(truth, predicted[1:])


def test_gradients_reach_the_images_pixels():
    network = front_end()
    random = torch.Generator().manual_seed(0)
    windows = np.array([[3, 2], [4, 5], [8, 9]])
    filmed = network(mouth_crops(torch.rand(3, 3, 110, 110, generator=random), windows)[None])
    rendered = torch.rand(3, 3, 110, 110, generator=random, dtype=torch.float32).requires_grad_()

    def loss(image):
        return lipread_loss(filmed, network(mouth_crops(image, windows)[None]))

    before = loss(rendered)
    before.backward()
    assert torch.isfinite(rendered.grad).all()
    assert (rendered.grad[0, :, 6:94, 7:95] != 0).float().mean() > 0.99
    start = float(before.detach())
    step = 0.02 * start / float(rendered.grad.square().sum())
    after = float(loss(rendered.detach() - step * rendered.grad))
    assert start - after == pytest.approx(0.02 * start, rel=0.15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("form", ["espnet", "plain"])
def test_the_activation_is_read_from_the_json(tmp_path, activation, form):
    torch.save(lipread_content(activation), tmp_path / "model.pth")
    arguments = {"relu_type": activation, "char_list": ["<blank>"]}
    (tmp_path / "model.json").write_text(json.dumps([88, 40, arguments] if form == "espnet" else arguments))
    loaded = read_visual_front_end(tmp_path / "model.pth")
    mouths = torch.randn(1, 2, 88, 88)
    torch.testing.assert_close(loaded(mouths), front_end(activation)(mouths))


def test_without_the_json_only_prelu_can_be_told(tmp_path):
    torch.save(lipread_content("prelu"), tmp_path / "model.pth")
    assert isinstance(read_visual_front_end(tmp_path / "model.pth").frontend3D[2], torch.nn.PReLU)
    torch.save(lipread_content("swish"), tmp_path / "model.pth")
    with pytest.raises(CorruptAssetError, match=r"model.json is missing.*face3d assets add lipread") as caught:
        read_visual_front_end(tmp_path / "model.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[88, 40, {"relu_type": "prelu"}]', r"17 weights are missing \(.*\) and 0 unknown"),
        ('[88, 40, {"relu_type": "gelu"}]', "names an activation that nobody knows: 'gelu'"),
        ('[88, 40, {"elayers": 12}]', "no `relu_type`"),
        ("[88, 40]", "no `relu_type`"),
        ("{", "no `relu_type`"),
    ],
)
def test_a_json_that_does_not_fit_is_refused(tmp_path, text, message):
    torch.save(lipread_content("swish"), tmp_path / "model.pth")
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(CorruptAssetError, match=message) as caught:
        read_visual_front_end(tmp_path / "model.pth")
    assert "\n" not in str(caught.value)


def test_another_networks_weights_are_refused(tmp_path):
    torch.save({"E_flame": {}, "E_expression": {}}, tmp_path / "model.pth")
    with pytest.raises(CorruptAssetError, match="does not hold a lip-reading network but E_flame, E_expression"):
        read_visual_front_end(tmp_path / "model.pth")


def test_other_shapes_and_activations_are_refused():
    with pytest.raises(ArgumentError, match=r"\(B, T, 88, 88\), not \(1, 2, 96, 96\)"):
        front_end()(torch.zeros(1, 2, 96, 96))
    with pytest.raises(ArgumentError, match="no activation 'gelu'"):
        VisualFrontEnd("gelu")

"""EMOCA's emotion network: its two layouts, against the layers written out, and its file."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from face3d.errors import ArgumentError, CorruptAssetError
from face3d.expression import EmotionNetwork, emotion_loss, read_emotion_network
from tests.expression.checkpoints import coarse_weights, emotion_weights

pytest.importorskip("torchvision")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("emotion") / "emotion_resnet50.ckpt"
    torch.save({"state_dict": emotion_weights(), "epoch": 1}, path)
    return path


def written_out(weights, images, *, caffe):
    """ResNet-50 as functions of its weights."""

    def normalised(x, name):
        keys = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(weights[f"backbone.{name}.{key}"] for key in keys))

    def convolved(x, name, **options):
        return functional.conv2d(x, weights[f"backbone.{name}.weight"], **options)

    x = normalised(convolved(images, "conv1", stride=2, padding=3), "bn1").relu()
    pooling = {"padding": 0, "ceil_mode": True} if caffe else {"padding": 1}
    x = functional.max_pool2d(x, 3, stride=2, **pooling)
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            stride = 2 if block == 0 and stage > 1 else 1
            first, second = (stride, 1) if caffe else (1, stride)
            y = normalised(convolved(x, f"{name}.conv1", stride=first), f"{name}.bn1").relu()
            y = normalised(convolved(y, f"{name}.conv2", stride=second, padding=1), f"{name}.bn2").relu()
            y = normalised(convolved(y, f"{name}.conv3"), f"{name}.bn3")
            if block == 0:
                x = normalised(convolved(x, f"{name}.downsample.0", stride=stride), f"{name}.downsample.1")
            x = (x + y).relu()
    return x.mean(dim=(2, 3))


def test_the_layouts_give_what_each_means_and_differ(checkpoint):
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    found = {}
    for layout in ("torchvision", "caffe"):
        with torch.inference_mode():
            found[layout] = read_emotion_network(checkpoint, layout)(images)
            expected = written_out(emotion_weights(), images, caffe=layout == "caffe")
        torch.testing.assert_close(found[layout], expected, atol=1e-4 * float(expected.abs().max()), rtol=0)
    difference = (found["torchvision"] - found["caffe"]).abs().max()
    assert difference > 0.01 * found["caffe"].abs().max()


def test_both_layouts_have_the_same_names_and_shapes():
    with torch.device("meta"):
        shapes = [
            {name: value.shape for name, value in EmotionNetwork(layout).state_dict().items()}
            for layout in ("torchvision", "caffe")
        ]
    assert shapes[0] == shapes[1]


def test_the_loss_is_the_mean_square():
    a = torch.randn(4, 2048)
    torch.testing.assert_close(emotion_loss(a, a + 0.5), torch.tensor(0.25))
    with pytest.raises(ArgumentError, match="alike in shape"):
        emotion_loss(a, a[:2])


def test_other_files_and_layouts_are_refused(tmp_path):
    path = tmp_path / "emotion_resnet50.ckpt"
    torch.save({"E_flame": {}}, path)
    with pytest.raises(CorruptAssetError, match="does not hold EMOCA's emotion network but E_flame"):
        read_emotion_network(path)
    weights = {name.replace("encoder.", "backbone."): value for name, value in coarse_weights().items()}
    del weights["backbone.layer3.1.bn2.bias"]
    torch.save({"state_dict": weights}, path)
    with pytest.raises(CorruptAssetError, match=r"1 weights are missing \(.*\) and 0 unknown"):
        read_emotion_network(path)
    with pytest.raises(ArgumentError, match="no layout 'keras'"):
        EmotionNetwork("keras")

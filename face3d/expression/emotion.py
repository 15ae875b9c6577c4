"""EMOCA's emotion network as a measure of expression (Danecek, Black, Bolkart 2022): a ResNet-50 and its 2048 features.

The same weights are run in two layouts, and which one matters:

- "caffe": the ResNet-50 of VGGFace2, which EMOCA trained. A stage halves the image in its first block's first (1 x 1)
  convolution, and the pooling after the stem has no border and rounds up.
- "torchvision": what SPECTRE and SMIRK load these weights into. A stage halves in the 3 x 3 convolution, and the
  pooling has a border of one.

All shapes are the same in both, so that the wrong one loads without a word and gives other features: for parity with
SPECTRE's and SMIRK's numbers take "torchvision", for the network that its authors validated take "caffe".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from jaxtyping import Float
from torch import Tensor, nn

from face3d.assets import fill, read_torch_file
from face3d.errors import ArgumentError, CorruptAssetError
from face3d.expression.backbones import in_channels_last, resnet50, unfilled

__all__ = ["EmotionLayout", "EmotionNetwork", "emotion_loss", "read_emotion_network"]

EmotionLayout: TypeAlias = Literal["torchvision", "caffe"]

PREFIX = "backbone."


class EmotionNetwork(nn.Module):
    """The network: RGB faces in [0, 1], not normalised (as SPECTRE feeds it), to 2048 features.

    Args:
        layout: see the module.

    Raises:
        DependencyError: torchvision is not installed or does not load.
    """

    def __init__(self, layout: EmotionLayout = "torchvision") -> None:
        super().__init__()
        if layout not in get_args(EmotionLayout):
            raise ArgumentError(f"there is no layout {layout!r}; choose {', '.join(get_args(EmotionLayout))}")
        self.backbone = resnet50()
        if layout == "caffe":
            _as_caffe(self.backbone)

    def forward(self, faces: Float[Tensor, "B 3 224 224"]) -> Float[Tensor, "B 2048"]:
        """Features before the classes."""
        features: Tensor = self.backbone(faces)
        return features


def emotion_loss(a: Float[Tensor, "*B 2048"], b: Float[Tensor, "*B 2048"]) -> Float[Tensor, ""]:
    """SPECTRE's expression loss: mean squared difference of two images' features.

    Raises:
        ArgumentError: shapes differ.
    """
    if a.shape != b.shape:
        raise ArgumentError(f"features of two images are alike in shape, not {tuple(a.shape)} and {tuple(b.shape)}")
    return (a - b).square().mean()


def read_emotion_network(path: Path, layout: EmotionLayout = "torchvision") -> EmotionNetwork:
    """The network out of EMOCA's Lightning checkpoint, strictly, in evaluation mode; its classes are not read.

    Raises:
        CorruptAssetError: the file is missing, damaged, or another network's.
        DependencyError: torchvision is not installed or does not load.
    """
    content = read_torch_file(path)
    inner = content.get("state_dict")
    weights: dict[str, Any] = inner if isinstance(inner, dict) else content
    backbone = {
        name: value
        for name, value in weights.items()
        # The classes of VGGFace2's people, which EMOCA's network carries along.
        if str(name).startswith(PREFIX) and not str(name).startswith(f"{PREFIX}fc.")
    }
    if not backbone:
        shown = ", ".join(list(map(str, weights))[:3]) or "nothing"
        raise CorruptAssetError(f"{path} does not hold EMOCA's emotion network but {shown}; its names begin {PREFIX}")
    network = fill(unfilled(lambda: EmotionNetwork(layout)), backbone, path, "EMOCA's emotion network")
    return in_channels_last(network)


def _as_caffe(backbone: nn.Module) -> None:
    """Move the halving of stages to the first convolution, and the pooling's border away."""
    for stage in ("layer2", "layer3", "layer4"):
        block = backbone.get_submodule(f"{stage}.0")
        for name, stride in (("conv1", (2, 2)), ("conv2", (1, 1))):
            convolution = block.get_submodule(name)
            assert isinstance(convolution, nn.Conv2d)
            convolution.stride = stride
    backbone.add_module("maxpool", nn.MaxPool2d(3, stride=2, padding=0, ceil_mode=True))

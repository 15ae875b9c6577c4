"""How a mouth looks to a network that reads lips: the front end of `LRS3_V_WER32.3` (Ma, Petridis, Pantic 2022).

SPECTRE compares its features of the filmed and of the rendered mouth, before the network's transformer. Layers carry
the names of the published file, so that its front end loads strictly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from jaxtyping import Float
from torch import Tensor, nn

from face3d.assets import fill, read_torch_file
from face3d.errors import ArgumentError, CorruptAssetError
from face3d.expression.backbones import unfilled
from face3d.expression.mouth_crops import MOUTH_INPUT

__all__ = ["MOUTH_FEATURES", "Activation", "VisualFrontEnd", "lipread_loss", "read_visual_front_end"]

Activation: TypeAlias = Literal["swish", "relu", "prelu"]

STAGES = (64, 128, 256, 512)
"""Width of each stage of two blocks, as in ResNet-18."""

MOUTH_FEATURES = STAGES[-1]
"""Numbers per frame."""

STEM = "frontend3D.0.weight"
SLOPES = "frontend3D.2.weight"
"""Which only the files of a network with PReLU have."""


class VisualFrontEnd(nn.Module):
    """The network: a clip of mouths, as `mouth_crops` cuts them, to 512 numbers per frame.

    Args:
        activation: as the `relu_type` of the published model.json says; swish has no weights, so that the weights of
            a network with ReLU load into one with swish and give wrong features.
    """

    def __init__(self, activation: Activation = "swish") -> None:
        super().__init__()
        if activation not in get_args(Activation):
            raise ArgumentError(f"there is no activation {activation!r}; choose {', '.join(get_args(Activation))}")
        width = STAGES[0]
        self.frontend3D = nn.Sequential(
            nn.Conv3d(1, width, (5, 7, 7), stride=(1, 2, 2), padding=(2, 3, 3), bias=False),
            nn.BatchNorm3d(width),
            _activation(activation, width),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
        )
        self.trunk = nn.Sequential()
        for number, out in enumerate(STAGES, start=1):
            blocks = nn.Sequential(
                _Block(width, out, stride=1 if number == 1 else 2, activation=activation),
                _Block(out, out, stride=1, activation=activation),
            )
            self.trunk.add_module(f"layer{number}", blocks)
            width = out

    def forward(self, mouths: Float[Tensor, "B T 88 88"]) -> Float[Tensor, "B T 512"]:
        """Features of each frame, which see two frames on either side.

        Raises:
            ArgumentError: the clips have another shape.
        """
        if mouths.ndim != 4 or mouths.shape[2:] != (MOUTH_INPUT, MOUTH_INPUT):
            raise ArgumentError(
                f"the lip-reading network takes mouths of (B, T, {MOUTH_INPUT}, {MOUTH_INPUT}), "
                f"not {tuple(mouths.shape)}"
            )
        stem = self.frontend3D(mouths[:, None])
        features = self.trunk(stem.transpose(1, 2).flatten(0, 1)).mean(dim=(2, 3))
        return features.unflatten(0, mouths.shape[:2])


class _Block(nn.Module):
    """ResNet-18's block, with an activation of its own in each place."""

    def __init__(self, width: int, out: int, *, stride: int, activation: Activation) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu1 = _activation(activation, out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu2 = _activation(activation, out)
        self.downsample = (
            nn.Sequential(nn.Conv2d(width, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
            if stride != 1 or width != out
            else None
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The block's output."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        result: Tensor = self.relu2(x + shortcut)
        return result


def _activation(kind: Activation, width: int) -> nn.Module:
    if kind == "prelu":
        return nn.PReLU(width)
    return nn.SiLU() if kind == "swish" else nn.ReLU()


def lipread_loss(a: Float[Tensor, "*B 512"], b: Float[Tensor, "*B 512"]) -> Float[Tensor, ""]:
    """SPECTRE's perceptual loss: 1 less the mean cosine between two clips' features, 0 when both say the same.

    SPECTRE leaves the first and last two frames of a clip out: give it `features[:, 2:-2]`.

    Raises:
        ArgumentError: shapes differ.
    """
    if a.shape != b.shape:
        raise ArgumentError(f"features of two clips are alike in shape, not {tuple(a.shape)} and {tuple(b.shape)}")
    return 1 - nn.functional.cosine_similarity(a, b, dim=-1).mean()


def read_visual_front_end(path: Path, config: Path | None = None) -> VisualFrontEnd:
    """The front end of a lip-reading network, strictly, in evaluation mode; what comes after it is not read.

    Args:
        path: the published `model.pth`.
        config: its `model.json`; None takes the one beside it.

    Raises:
        CorruptAssetError: a file is missing, damaged, or another network's.
    """
    content = read_torch_file(path)
    inner = content.get("state_dict")
    weights = inner if isinstance(inner, dict) else content
    prefix = next((str(name).removesuffix(STEM) for name in weights if str(name).endswith(STEM)), None)
    if prefix is None:
        shown = ", ".join(list(map(str, weights))[:3]) or "nothing"
        raise CorruptAssetError(
            f"{path} does not hold a lip-reading network but {shown}; expected is the model.pth of LRS3_V_WER32.3"
        )
    front = {
        str(name).removeprefix(prefix): value
        for name, value in weights.items()
        if str(name).startswith((f"{prefix}frontend3D.", f"{prefix}trunk."))
    }
    activation = _activation_of(front, path, path.with_name("model.json") if config is None else config)
    network = unfilled(lambda: VisualFrontEnd(activation))
    return fill(network, front, path, f"the front end of a lip-reading network with {activation}")


def _activation_of(front: Mapping[str, Any], path: Path, config: Path) -> Activation:
    """What model.json says; a network with PReLU tells by its weights alone."""
    if not config.is_file():
        if SLOPES in front:
            return "prelu"
        raise CorruptAssetError(
            f"{config} is missing, and only it says whether {path.name} is a swish or a ReLU network; "
            "get it from where that file is from and run `face3d assets add lipread model.pth model.json`"
        )
    try:
        document = json.loads(config.read_text())
        # ESPnet's form is [numbers in, numbers out, {arguments}].
        arguments = document if isinstance(document, dict) else next(e for e in document if isinstance(e, dict))
        activation: Any = arguments["relu_type"]
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise CorruptAssetError(f"{config} is not the lip-reading network's: no `relu_type` in it ({error})") from error
    if activation not in get_args(Activation):
        raise CorruptAssetError(f"{config} names an activation that nobody knows: {activation!r}")
    return activation

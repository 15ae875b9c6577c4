"""torchvision's backbones, without its weights, in the forms that published expression networks keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

from face3d.errors import DependencyError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["in_channels_last", "mobilenet_v2", "resnet50", "unfilled"]

Network = TypeVar("Network", bound=nn.Module)


def resnet50() -> nn.Module:
    """ResNet-50 without its last layer: images to 2048 features, halving in each stage's first 3x3 convolution.

    Raises:
        DependencyError: torchvision is not installed or does not load.
    """
    network = _models().resnet50(weights=None)
    network.fc = nn.Identity()
    return network


def mobilenet_v2() -> nn.Module:
    """MobileNetV2 with its head for ImageNet's classes, which SPECTRE's checkpoint holds though nothing uses it.

    Raises:
        DependencyError: torchvision is not installed or does not load.
    """
    return _models().mobilenet_v2(weights=None)


def unfilled(build: Callable[[], Network]) -> Network:
    """A network whose weights hold nothing yet, for those about to be read: drawing random ones takes longer."""
    with torch.device("meta"):
        network = build()
    return network.to_empty(device="cpu")


def in_channels_last(network: Network) -> Network:
    """The same network in the memory order that makes a CPU's convolutions up to twice as fast."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _models() -> ModuleType:
    try:
        import torchvision.models
    except Exception as error:  # a build for another version of torch fails with a RuntimeError
        raise DependencyError(
            f"expression networks need torchvision ({str(error)[:120]}); run `pip install 'face3d[spectre]'`"
        ) from error
    return torchvision.models

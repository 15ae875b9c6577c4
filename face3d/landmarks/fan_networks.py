"""FAN's networks, built by face-alignment and filled from the user's files; nothing here ever downloads.

Module names and layouts are face-alignment's, so its published weights load strictly.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from face3d.assets import read_torch_file
from face3d.errors import CorruptAssetError, DependencyError
from face3d.landmarks.topologies import TOPOLOGIES

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["FanHeatmaps", "fill", "library", "load_depth_network", "load_fan"]

LANDMARKS = 68
STACKS = 4


class FanHeatmaps(nn.Module):
    """A FAN and its flip test: the heatmaps of a crop plus those of its mirror image, turned back.

    Args:
        network: face-alignment's FAN, whose last stack counts.
        flip: whether the mirror image is looked at too; heatmaps are then sums, with peaks up to 2.
    """

    mirror: Tensor

    def __init__(self, network: nn.Module, *, flip: bool = True) -> None:
        super().__init__()
        self.network = network
        self.flip = flip
        self.register_buffer("mirror", torch.from_numpy(TOPOLOGIES["ibug_68"].mirror.copy()), persistent=False)

    def forward(self, crops: Float[Tensor, "B 3 256 256"]) -> Float[Tensor, "B 68 64 64"]:
        """Heatmaps of RGB crops in [0, 1]."""
        heatmaps: Tensor = self.network(crops)[-1]
        if self.flip:
            # Two calls and not one of twice the batch: batches of another size round differently.
            mirrored: Tensor = self.network(crops.flip(-1))[-1]
            heatmaps = heatmaps + mirrored[:, self.mirror].flip(-1)
        return heatmaps


def library(module: str) -> ModuleType:
    """A module of face-alignment.

    Raises:
        DependencyError: it is not installed or does not load.
    """
    import importlib

    try:
        return importlib.import_module(f"face_alignment.{module}")
    except ImportError as error:
        raise DependencyError(
            f"FAN landmarks need face-alignment 1.5 ({error}); run `pip install 'face3d[fan]'`"
        ) from error


def load_fan(path: Path) -> nn.Module:
    """FAN-4 with the weights of a file, in evaluation mode on the CPU.

    Raises:
        CorruptAssetError: the file is missing, damaged, or another network's.
        DependencyError: face-alignment is not installed.
    """
    return fill(library("models").FAN(STACKS), read_torch_file(path), path, "FAN-4")


def load_depth_network(path: Path) -> nn.Module:
    """FAN's depth network with the weights of a file, in evaluation mode on the CPU.

    Raises:
        CorruptAssetError: the file is missing, damaged, or another network's.
        DependencyError: face-alignment is not installed.
    """
    return fill(library("models").ResNetDepth(), read_torch_file(path), path, "FAN's depth network")


def fill(network: nn.Module, content: Mapping[str, Any], path: Path, name: str) -> nn.Module:
    """Load weights strictly, whether they lie bare, under `state_dict`, or with a `module.` before each name.

    Raises:
        CorruptAssetError: names or shapes differ from the network's.
    """
    inner = content.get("state_dict")
    weights = inner if isinstance(inner, dict) else content
    found = {str(key).removeprefix("module."): value for key, value in weights.items()}
    expected = network.state_dict()
    # Files older than this counter lack it; it plays no part in evaluation.
    found |= {key: value for key, value in expected.items() if key.endswith("num_batches_tracked") and key not in found}
    if found.keys() != expected.keys():
        shown = ", ".join(list(map(str, weights))[:3]) or "nothing"
        raise CorruptAssetError(
            f"{path} does not hold {name} but {shown}, ...: {len(expected.keys() - found.keys())} weights are missing "
            f"and {len(found.keys() - expected.keys())} unknown"
        )
    for key, value in expected.items():
        if not isinstance(found[key], Tensor) or found[key].shape != value.shape:
            given = tuple(found[key].shape) if isinstance(found[key], Tensor) else type(found[key]).__name__
            raise CorruptAssetError(f"{path} does not hold {name}: {key} is {given}, not {tuple(value.shape)}")
    network.load_state_dict(found, strict=True)
    return network.eval().requires_grad_(False)

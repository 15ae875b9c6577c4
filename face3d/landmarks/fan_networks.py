"""FAN's networks, built by face-alignment and filled from the user's files; nothing here ever downloads.

Module names and layouts are face-alignment's, so its published weights load strictly.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from face3d.assets import fill, read_torch_file
from face3d.errors import DependencyError
from face3d.landmarks.topologies import TOPOLOGIES

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["FanHeatmaps", "library", "load_depth_network", "load_fan"]

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

"""Training MICA (Zielonka, Bolkart, Thies 2022) on its own data: which layers learn, its loss, optimiser and file.

Defaults are those of the released `mica.yml`, except that a batch is of all processes together: the original trained an
unsynchronised copy on every GPU, 8 persons each, and kept the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, StepLR

from face3d.assets import asset_path
from face3d.errors import ArgumentError, InputError
from face3d.head import HeadModel, load_head
from face3d.head.arrays import HeadArrays
from face3d.head.flame import read_regions, require_flame
from face3d.head.flame_checkpoint import generator_of_flame
from face3d.identity.arcface import load_arcface
from face3d.identity.mica import MappingNetwork, flame_difference, mica_loss, mica_weights, read_mica
from face3d.train.checkpoints import save_torch
from face3d.train.mica_data import HeldOutImages, Subject, Subjects, read_subjects, split_subjects
from face3d.train.task import Batch, RunState, Samples

__all__ = ["BATCH_SIZE", "STEPS", "MicaNetwork", "MicaTask", "MicaTraining"]

STEPS, BATCH_SIZE = 160_000, 8
"""Steps of the released `mica.yml`, and its persons in a batch (there of each process)."""

LEARNING_RATE, WEIGHT_DECAY = 1e-5, 2e-4
IMAGES_PER_PERSON = 2

DECAY_EVERY, DECAY = 100_000_000, 0.1
"""The learning rates fall to a tenth every so many steps: never, in effect, as in MICA."""

FROZEN = ("conv1", "bn1", "prelu", "layer1", "layer2", "layer3")
"""Layers of ArcFace that MICA keeps."""

FIXED = ("features.weight",)
"""A weight that ArcFace itself fixes at one."""

Reproduce: TypeAlias = Literal["none", "mica"]


@dataclass(frozen=True, slots=True)
class MicaTask:
    """Train MICA (`face3d.train.task.TrainingTask`). A sample is a person with some images.

    Attributes:
        data: folder of MICA's data sets, see `face3d.train.mica_data`.
        lists: folder of its file lists, or None for all files.
        held_out: data set that the best weights are chosen by; None takes FLORENCE, else one person in ten.
        flame: the FLAME model of the registrations: "flame", "mica" or a path, as for `load_head`; None takes that of
            `start`, else "flame".
        masks: FLAME_masks.pkl; None takes the one beside the model.
        arcface: weights to begin with, as for `load_arcface`; None takes the added asset.
        start: a `mica.tar` to go on from instead.
        images: of each person in a batch, K.
        learning_rate, arcface_learning_rate: of the mapping network and of ArcFace's layers.
        weight_decay: AdamW's.
        masked: weigh the loss by region.
        reproduce: "mica" lets the batch normalisations of the frozen layers normalise by the batch and move their
            statistics, as the original does, so that "frozen" features still drift.
        encoder: what makes ArcFace's network of a file; its layers carry ArcFace's names.
    """

    data: Path
    lists: Path | None = None
    held_out: str | None = None
    flame: str | None = None
    masks: Path | None = None
    arcface: Path | None = None
    start: Path | None = None
    images: int = IMAGES_PER_PERSON
    learning_rate: float = LEARNING_RATE
    arcface_learning_rate: float = LEARNING_RATE
    weight_decay: float = WEIGHT_DECAY
    masked: bool = True
    reproduce: Reproduce = "none"
    encoder: Callable[[Path], nn.Module] = load_arcface

    def open(self) -> MicaTraining:
        """Read the data and the starting weights.

        Raises:
            ArgumentError: the options do not fit each other or the data.
            InputError: the data are laid out otherwise, or files are missing or unusable.
            AssetError: weights or the FLAME model are missing, damaged or another system's.
        """
        if self.arcface is not None and self.start is not None:
            raise ArgumentError("--arcface and --start both give ArcFace's weights: give one of them")
        for name in ("images", "learning_rate", "arcface_learning_rate"):
            if not getattr(self, name) > 0:
                raise ArgumentError(f"--{name.replace('_', '-')} is above 0, not {getattr(self, name)}")
        # The data come first: to read them costs less than the weights, and they are more often wrong.
        learned, held_out = split_subjects(read_subjects(self.data, self.lists), self.held_out)
        learned, warnings = self._with_enough_images(learned)
        arcface, mapping, inside = self._networks()
        head = HeadModel(self._flame(inside))
        require_flame(head, "MICA learns")
        if inside is not None and (difference := flame_difference(inside, head)) is not None:
            if inside.template.shape != head.template.shape:
                raise ArgumentError(f"{self.flame}: {difference}")
            warnings.append(f"{self.flame}: {difference}")
        return MicaTraining(self, MicaNetwork(arcface, mapping, head, self.reproduce), learned, held_out, warnings)

    def _with_enough_images(self, subjects: list[Subject]) -> tuple[list[Subject], list[str]]:
        enough = [subject for subject in subjects if len(subject.images) >= self.images]
        if not enough:
            raise InputError(f"nobody in {self.data} has {self.images} images; give a smaller --images")
        left_out = len(subjects) - len(enough)
        warning = f"{left_out} of {len(subjects)} persons have fewer than {self.images} images and are left out"
        return enough, [warning] * bool(left_out)

    def _networks(self) -> tuple[nn.Module, MappingNetwork, HeadArrays | None]:
        if self.start is not None:
            mica = read_mica(self.start)
            return mica.arcface, mica.mapping, mica.flame
        path = asset_path("arcface") if self.arcface is None else self.arcface
        network = self.encoder(path)
        missing = [name for name in FROZEN if not hasattr(network, name)]
        if missing:
            raise ArgumentError(
                f"{path} is an ONNX file, whose layers cannot be trained; give insightface's backbone.pth"
            )
        return network, MappingNetwork(), None

    def _flame(self, inside: HeadArrays | None) -> HeadArrays:
        if self.flame is None and inside is not None:
            arrays = inside
        else:
            arrays = load_head(self.flame or "flame", dtype=torch.float64).arrays()
        if self.masks is not None:
            arrays = replace(arrays, regions=read_regions([self.masks], len(arrays.template)))
        return arrays


class MicaNetwork(nn.Module):
    """Crops to FLAME's identity: ArcFace, whose first layers are kept, and the mapping network.

    Args:
        arcface: its layers carry the names of `IResNet100`.
        mapping: features of unit length to identity.
        head: FLAME.
        reproduce: as for `MicaTask`.
    """

    def __init__(self, arcface: nn.Module, mapping: MappingNetwork, head: HeadModel, reproduce: Reproduce) -> None:
        super().__init__()
        self.arcface, self.mapping, self.head = arcface, mapping, head
        self._kept = () if reproduce == "mica" else FROZEN
        self.requires_grad_(True)
        for name, parameter in arcface.named_parameters():
            parameter.requires_grad_(name.split(".")[0] not in FROZEN and name not in FIXED)
        self.train()

    def train(self, mode: bool = True) -> MicaNetwork:
        """Begin or end training; the statistics of frozen layers stay, unless the original's slip is reproduced."""
        super().train(mode)
        for name in self._kept:
            self.arcface.get_submodule(name).eval()
        return self

    def forward(self, crops: Float[Tensor, "B 3 112 112"]) -> Float[Tensor, "B 300"]:
        """Identity coefficients, of crops as `face3d.identity.arcface_input` makes them."""
        identity: Tensor = self.mapping(nn.functional.normalize(self.arcface(crops)))
        return identity


class MicaTraining:
    """MICA in one process (`face3d.train.task.Training`).

    Args:
        task: what it was opened from.
        network: with its starting weights.
        learned: persons to learn from.
        held_out: persons to measure on; may be empty.
        warnings: lines for people.

    Raises:
        ArgumentError: the FLAME model lacks the regions of the loss, or what the exported file must hold.
    """

    metric = "masked_loss"
    file_name = "mica.tar"

    def __init__(
        self,
        task: MicaTask,
        network: MicaNetwork,
        learned: list[Subject],
        held_out: list[Subject],
        warnings: list[str],
    ) -> None:
        self.network: nn.Module = network
        self._mica = network
        self.samples: Samples = Subjects(learned, task.images)
        self.held_out: Samples | None = HeldOutImages(held_out) if held_out else None
        self.warnings = tuple(warnings)
        self._masked = task.masked
        if task.masked:
            mica_weights(network.head.regions, len(network.head.template))
        self._generator = generator_of_flame(network.head.arrays())
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            [
                {"params": list(network.mapping.parameters()), "lr": task.learning_rate},
                {"params": list(network.arcface.parameters()), "lr": task.arcface_learning_rate},
            ],
            lr=task.learning_rate,
            weight_decay=task.weight_decay,
        )
        self.settings: Mapping[str, Any] = {
            "task": "mica",
            "images": task.images,
            "learning_rate": task.learning_rate,
            "arcface_learning_rate": task.arcface_learning_rate,
            "weight_decay": task.weight_decay,
            "masked": task.masked,
            "reproduce": task.reproduce,
            "held_out": sorted({subject.dataset for subject in held_out}),
        }

    def schedule(self, _steps: int) -> LRScheduler | None:
        """MICA's, which changes nothing within any training of sensible length."""
        return StepLR(self.optimizer, DECAY_EVERY, DECAY)

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        """`loss`: MICA's, in weighted millimetres."""
        predicted, target = self._heads(network, batch)
        return {"loss": mica_loss(predicted, target, self._regions())}

    def errors(self, network: nn.Module, batch: Batch) -> Float[Tensor, " B"]:
        """The loss of each held-out image."""
        predicted, target = self._heads(network, batch)
        pairs = zip(predicted.split(1), target.split(1), strict=True)
        return torch.stack([mica_loss(ours, theirs, self._regions()) for ours, theirs in pairs])

    def export(self, path: Path, state: RunState) -> None:
        """Write a `mica.tar` as `read_mica` and MICA's own programs read it; like theirs it holds the FLAME model."""
        mapping = {f"regressor.{name}": value for name, value in self._mica.mapping.state_dict().items()}
        content = {
            "arcface": _on_cpu(self._mica.arcface.state_dict()),
            "flameModel": _on_cpu(mapping) | self._generator,
            "epoch": state.epoch,
            "global_step": state.step,
            "batch_size": state.batch_size,
        }
        save_torch(path, content)

    def _heads(self, network: nn.Module, batch: Batch) -> tuple[Float[Tensor, "N V 3"], Float[Tensor, "N V 3"]]:
        """Predicted and registered vertices of each image, metres."""
        images = batch["crops"].shape[1]
        crops = batch["crops"].flatten(0, 1).contiguous(memory_format=torch.channels_last)
        predicted = self._mica.head(identity=network(crops)).vertices
        with torch.no_grad():
            target = self._mica.head(identity=batch["identity"]).vertices
        return predicted, target.repeat_interleave(images, dim=0)

    def _regions(self) -> Mapping[str, Tensor] | None:
        return self._mica.head.regions if self._masked else None


def _on_cpu(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Clones in the usual order of memory: the original's copy of the file has no other.
    return {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}

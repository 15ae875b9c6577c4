"""What a training task gives to the loop, and what the loop asks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

__all__ = ["Batch", "Draw", "RunState", "Samples", "Training", "TrainingTask"]

Batch: TypeAlias = dict[str, Tensor]
"""Named tensors, one row per sample."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One sample that is wanted.

    Attributes:
        index: which one.
        entropy: seeds whatever is random about it; unlike for every draw of a run, and the same in whichever process,
            in whichever of its resumptions, the draw is made.
    """

    index: int
    entropy: tuple[int, ...]

    def random(self) -> np.random.Generator:
        """The draw's own source of randomness."""
        return np.random.default_rng(self.entropy)


class Samples(Protocol):
    """A data set."""

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def batch(self, draws: Sequence[Draw]) -> Batch:
        """The samples, each tensor with one row per draw, in their order, on the CPU."""
        ...


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run stands, for the file that it exports.

    Attributes:
        step: steps taken.
        epoch: times that all samples were seen.
        batch_size: samples of a step, over all processes.
        error: the held-out metric at this step; None where nothing is held out.
    """

    step: int
    epoch: int
    batch_size: int
    error: float | None


class Training(Protocol):
    """A task that one process has opened: its network, on the CPU until the loop moves it, and its data.

    Attributes:
        network: called by `losses` and `errors` with what it takes; every parameter that wants a gradient gets one in
            every step. `train()` decides which of its layers keep still.
        optimizer: of the network's parameters.
        samples: to learn from.
        held_out: to choose the best weights by; None keeps none back.
        metric: what `errors` measures, smaller is better.
        settings: plain values that a resumed run must share, by the names of the command's flags where it has them.
        file_name: of the exported file.
        warnings: lines for people.
    """

    network: nn.Module
    optimizer: Optimizer
    samples: Samples
    held_out: Samples | None
    metric: str
    settings: Mapping[str, Any]
    file_name: str
    warnings: tuple[str, ...]

    def schedule(self, steps: int) -> LRScheduler | None:
        """How learning rates change, stepped after every step of `steps`; None leaves them."""
        ...

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        """Means over the batch: `loss` is what training makes small, others are only drawn as curves.

        Args:
            network: `self.network` as the loop wrapped it: call this one, which minds precision and processes.
            batch: of `samples`, on the network's device.
        """
        ...

    def errors(self, network: nn.Module, batch: Batch) -> Float[Tensor, " B"]:
        """The held-out metric of each sample of `held_out`."""
        ...

    def export(self, path: Path, state: RunState) -> None:
        """Write what others read, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        ...


class TrainingTask(Protocol):
    """What is to be trained, as plain data: it is sent to every process, which opens it there."""

    def open(self) -> Training:
        """Read data and starting weights. Random weights come from PyTorch's generator, which the loop has seeded.

        Raises:
            Face3DError: something of it is missing or unusable.
        """
        ...

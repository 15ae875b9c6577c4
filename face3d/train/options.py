"""How a task is trained, and what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from face3d.errors import ArgumentError
from face3d.train.processes import Precision

__all__ = ["RunOptions", "TrainingResult"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a task is trained.

    Attributes:
        out: the run's folder. One that holds checkpoints is gone on with, unless `fresh`.
        batch_size: samples of a step, over all processes together.
        steps: how many; or
        epochs: how often all samples are seen.
        processes, device, precision: as for `face3d.train.processes.launch`.
        workers: processes that read data ahead, for each that trains.
        seed: of the first weights, the order of samples and whatever else is random.
        fresh: begin anew and remove what the folder holds of an earlier run.
        resume: there must be a checkpoint to go on from.
        checkpoint_every, validate_every, log_every: steps between checkpoints, held-out checks, points of the curves.
        progress: draw a bar on stderr.

    Raises:
        ArgumentError: a number is out of range, or they contradict each other.
    """

    out: Path
    batch_size: int
    steps: int | None = None
    epochs: float | None = None
    processes: int = 1
    device: str = "cpu"
    precision: Precision = "32-true"
    workers: int = 0
    seed: int = 0
    fresh: bool = False
    resume: bool = False
    checkpoint_every: int = 1000
    validate_every: int = 300
    log_every: int = 10
    progress: bool = False

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise ArgumentError("give either steps or epochs")
        if self.fresh and self.resume:
            raise ArgumentError("--fresh begins anew and --resume goes on: give one of them")
        for name in ("batch_size", "steps", "epochs", "checkpoint_every", "validate_every", "log_every"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ArgumentError(f"--{name.replace('_', '-')} is above 0, not {value}")
        for name in ("workers", "seed"):
            if getattr(self, name) < 0:
                raise ArgumentError(f"--{name} is not negative, unlike {getattr(self, name)}")
        if self.batch_size % max(1, self.processes):
            raise ArgumentError(
                f"--batch-size {self.batch_size} is what {self.processes} processes share: give a multiple of it"
            )


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a run came to.

    Attributes:
        steps: taken, those before a stop included.
        resumed_from: the step that it went on from, or 0.
        loss: of the last step, as a mean over the processes; None where no step was left to take.
        metric: what was measured on held-out samples, smaller is better.
        best, best_step: its best value, and the step at which it was reached; None where nothing was held out.
        last: its value at the end.
        file: weights at the end, as others read them.
        best_file: those of the best step.
        warnings: lines for people.
    """

    steps: int
    resumed_from: int
    loss: float | None
    metric: str
    best: float | None
    best_step: int | None
    last: float | None
    file: Path
    best_file: Path | None
    warnings: tuple[str, ...]

"""The loop that trains any task: processes, checkpoints that a killed run goes on from, the best weights, curves."""

from __future__ import annotations

import contextlib
import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import DataLoader

from face3d.errors import ArgumentError, TrainingError
from face3d.media import write_whole
from face3d.train.batch_norm import synchronise_batch_norm
from face3d.train.checkpoints import newest_checkpoint, random_states, set_random_states, write_checkpoint
from face3d.train.curves import Curves
from face3d.train.options import RunOptions, TrainingResult
from face3d.train.processes import check_processes, gathered, launch
from face3d.train.run_folder import BEST, CHECKPOINTS, CURVES, LAST, RECORD, clear, held
from face3d.train.sampler import batches_of, held_out_batches
from face3d.train.task import Batch, RunState, Training, TrainingTask

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["train"]

HELD_OUT_BATCH = 64
"""Held-out samples at a time in each process."""


def train(task: TrainingTask, options: RunOptions) -> TrainingResult:
    """Train a task, or go on with training it.

    A run that was stopped in whatever way and is started again with the same arguments, on the same kind of machine and
    with as many processes, ends with the same weights as one that was not, bit for bit on a CPU. Several processes
    train as one does with their batches together, batch normalisation included, to rounding.

    Args:
        task: what.
        options: how. Its folder is filled with `checkpoints/`, `tensorboard/`, `training.json`, and the task's file in
            `last/` and, where samples are held out, in `best/`.

    Raises:
        ArgumentError: the options contradict each other, the machine, or the run that the folder holds.
        TrainingError: the loss or the weights are not finite any more; the message says at which step. The checkpoint
            before it stays.
        OutputError: the folder cannot be written, or another process trains into it.
        DependencyError: a library of the extra `train` is missing.
        Face3DError: the task's data or files are missing or unusable.
    """
    check_processes(options.device, options.processes, options.precision)
    with held(options.out):
        if options.fresh:
            clear(options.out)
        values = launch(
            _train_in_process,
            task,
            options,
            device=options.device,
            processes=options.processes,
            precision=options.precision,
        )
    return TrainingResult(**values)


@dataclass(slots=True)
class _Progress:
    """What changes while a run goes on, besides weights."""

    step: int = 0
    best: float | None = None
    best_step: int | None = None
    history: list[tuple[int, float]] = field(default_factory=list)


def _train_in_process(fabric: Fabric, task: TrainingTask, options: RunOptions) -> dict[str, Any]:
    """What each process does; returns the fields of the result."""
    _seed(options.seed)
    training = task.open()
    if options.processes > 1:
        synchronise_batch_norm(training.network)
    steps = _steps(options, len(training.samples))
    schedule = training.schedule(steps)
    network, optimizer = fabric.setup(training.network, training.optimizer)
    # Processes must not draw the same dropout; those of one run always draw their own.
    _seed(options.seed + 1 + fabric.global_rank)

    settings = dict(training.settings) | {"batch_size": options.batch_size, "seed": options.seed}
    settings |= {"precision": options.precision, "samples": len(training.samples)}
    state, passed_over = newest_checkpoint(options.out / CHECKPOINTS)
    warnings = [*training.warnings, *passed_over]
    progress = _Progress()
    if state is not None:
        _check_settings(options.out, state["settings"], settings)
        network.load_state_dict(state["network"])
        training.optimizer.load_state_dict(state["optimizer"])
        if schedule is not None:
            schedule.load_state_dict(state["schedule"])
        fabric.strategy.precision.load_state_dict(state["precision"])
        progress = _Progress(**state["progress"])
        if len(state["random"]) == fabric.world_size:
            set_random_states(state["random"][fabric.global_rank])
        else:
            warnings.append(
                f"{options.out} was trained by {len(state['random'])} processes and goes on with {fabric.world_size}: "
                "the same to rounding, not bit for bit"
            )
    elif options.resume:
        raise ArgumentError(f"--resume: {options.out} holds no checkpoint to go on from; leave --resume out")
    run = _Run(fabric, training, network, options, progress, settings)
    resumed_from = progress.step
    # A folder that a longer run filled has nothing left to do.
    steps = max(steps, resumed_from)
    curves = Curves(options.out / CURVES, resumed_from) if fabric.is_global_zero else None
    loader = batches_of(
        training.samples,
        options.batch_size,
        seed=options.seed,
        first=resumed_from,
        last=steps,
        process=fabric.global_rank,
        processes=fabric.world_size,
        workers=options.workers,
    )
    losses: dict[str, float] = {}
    network.train()
    try:
        with _bar(options.progress and fabric.is_global_zero, resumed_from, steps) as show:
            for batch in _on_device(fabric, loader):
                optimizer.zero_grad()
                terms = training.losses(network, batch)
                losses = run.finite_means(terms)
                fabric.backward(terms["loss"])
                optimizer.step()
                rate = training.optimizer.param_groups[0]["lr"]
                if schedule is not None:
                    schedule.step()
                progress.step += 1
                ends = progress.step == steps
                drawn: dict[str, float] = {}
                if ends or progress.step % options.log_every == 0:
                    drawn = {f"train/{name}": value for name, value in losses.items()} | {"learning_rate": rate}
                if training.held_out is not None and (ends or progress.step % options.validate_every == 0):
                    drawn[f"held_out/{training.metric}"] = run.validate()
                if curves is not None:
                    curves.add(drawn, progress.step)
                if ends or progress.step % options.checkpoint_every == 0:
                    if curves is not None:
                        curves.flush()
                    run.checkpoint(schedule)
                show(losses["loss"], progress.best)
    finally:
        if curves is not None:
            curves.close()
    run.finish()
    return {
        "steps": progress.step,
        "resumed_from": resumed_from,
        "loss": losses.get("loss"),
        "metric": training.metric,
        "best": progress.best,
        "best_step": progress.best_step,
        "last": progress.history[-1][1] if progress.history else None,
        "file": options.out / LAST / training.file_name,
        "best_file": None if progress.best is None else options.out / BEST / training.file_name,
        "warnings": tuple(warnings),
    }


@dataclass(frozen=True, slots=True)
class _Run:
    """One process of a run: what it measures and what, if it is the first, it writes."""

    fabric: Fabric
    training: Training
    network: nn.Module
    options: RunOptions
    progress: _Progress
    settings: Mapping[str, Any]

    def finite_means(self, terms: Mapping[str, Tensor]) -> dict[str, float]:
        """Each term's mean over the processes.

        Raises:
            TrainingError: one is not finite, in all processes alike.
        """
        values = torch.stack([term.detach().double() for term in terms.values()])
        means = dict(zip(terms, self._reduced(values, "mean"), strict=True))
        for name, mean in means.items():
            if not math.isfinite(mean):
                raise TrainingError(self._stopped(f"{name} became {mean} at step {self.progress.step + 1}"))
        return means

    def validate(self) -> float:
        """Mean of the metric over the held-out samples; the best weights so far are exported."""
        training, progress = self.training, self.progress
        assert training.held_out is not None
        total = torch.zeros(2, dtype=torch.float64, device=self.fabric.device)
        self.network.eval()
        batches = held_out_batches(
            training.held_out,
            HELD_OUT_BATCH,
            process=self.fabric.global_rank,
            processes=self.fabric.world_size,
            workers=self.options.workers,
        )
        with torch.no_grad():
            for batch in _on_device(self.fabric, batches):
                errors = training.errors(self.network, batch).double()
                total += torch.stack([errors.sum(), errors.new_tensor(len(errors))])
        self.network.train()
        summed, count = self._reduced(total, "sum")
        error = summed / count
        if not math.isfinite(error):
            raise TrainingError(self._stopped(f"{training.metric} became {error} at step {progress.step}"))
        progress.history.append((progress.step, error))
        if progress.best is None or error < progress.best:
            progress.best, progress.best_step = error, progress.step
            self._export(BEST)
        return error

    def checkpoint(self, schedule: Any) -> None:
        """Write all that the run goes on from.

        Raises:
            TrainingError: a weight is not finite; nothing is written.
        """
        for name, parameter in self.training.network.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise TrainingError(self._stopped(f"the weights {name} are not finite after step {self.progress.step}"))
        randoms = gathered(random_states())
        if self.fabric.is_global_zero:
            state = {
                "settings": dict(self.settings),
                "network": self.training.network.state_dict(),
                "optimizer": self.training.optimizer.state_dict(),
                "schedule": None if schedule is None else schedule.state_dict(),
                "precision": self.fabric.strategy.precision.state_dict(),
                "random": randoms,
                "progress": asdict(self.progress),
            }
            write_checkpoint(self.options.out / CHECKPOINTS, self.progress.step, state)
            self._record()
        self.fabric.barrier()

    def finish(self) -> None:
        """Export the last weights."""
        self._export(LAST)
        if self.fabric.is_global_zero:
            self._record()

    def _reduced(self, values: Float[Tensor, " N"], how: str) -> list[float]:
        """Each value over all processes, as their mean or sum."""
        reduced = self.fabric.all_reduce(values, reduce_op=how)
        assert isinstance(reduced, Tensor)
        numbers: list[float] = reduced.tolist()
        return numbers

    def _export(self, folder: str) -> None:
        if not self.fabric.is_global_zero:
            return
        progress, batch_size = self.progress, self.options.batch_size
        error = progress.history[-1][1] if progress.history else None
        seen = progress.step * batch_size // len(self.training.samples)
        path = self.options.out / folder / self.training.file_name
        path.parent.mkdir(exist_ok=True)
        self.training.export(path, RunState(progress.step, seen, batch_size, error))

    def _record(self) -> None:
        """Write what the run was made with and what it came to."""
        record = {
            "settings": dict(self.settings),
            "metric": self.training.metric,
            "held_out_samples": None if self.training.held_out is None else len(self.training.held_out),
            **asdict(self.progress),
        }
        text = json.dumps(record, indent=2, default=str) + "\n"
        write_whole(self.options.out / RECORD, lambda file: file.write(text.encode()))

    def _stopped(self, what: str) -> str:
        return (
            f"training stopped: {what}; the last checkpoint in {self.options.out / CHECKPOINTS} stays. Lower the "
            "learning rate, or look for wrong values in the data"
        )


def _on_device(fabric: Fabric, loader: DataLoader[Batch]) -> Iterator[Batch]:
    """The batches on the process's device; which are whose, the loader knows already."""
    moved: Any = fabric.setup_dataloaders(loader, use_distributed_sampler=False)
    batches: Iterator[Batch] = iter(moved)
    return batches


def _steps(options: RunOptions, samples: int) -> int:
    if options.steps is not None:
        return options.steps
    assert options.epochs is not None
    return max(1, math.ceil(options.epochs * samples / options.batch_size))


def _seed(seed: int) -> None:
    """Seed every generator that a task may draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)


def _check_settings(out: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise `ArgumentError` where a run would go on as another."""
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise ArgumentError(
                f"{out} holds a run with {name} {before.get(name)}, not {now.get(name)}: give the same to go on with "
                "it, another --out, or --fresh to begin anew"
            )


@contextlib.contextmanager
def _bar(shown: bool, done: int, steps: int) -> Iterator[Any]:
    """A progress bar on stderr, if it is to be shown; gives what tells it of a step's loss and the best metric."""
    if not shown:
        yield lambda loss, best: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    text = TextColumn("{task.fields[values]}")
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), text, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("training", total=steps, completed=done, values="")

        def show(loss: float, best: float | None) -> None:
            values = f"loss {loss:.4g}" + ("" if best is None else f", best held-out {best:.4g}")
            bar.update(task, advance=1, values=values)

        yield show

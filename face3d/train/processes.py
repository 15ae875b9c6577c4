"""Lightning Fabric: processes, devices, precision. Nothing but this and `quiet_strategy` imports it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
import torch.distributed as dist
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from face3d.errors import ArgumentError, DependencyError, Face3DError, TrainingError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Precision", "check_processes", "gathered", "launch", "quiet"]

Precision: TypeAlias = Literal["32-true", "bf16-mixed", "16-mixed", "64-true"]

START_METHOD: Literal["spawn", "fork"] = "spawn"
"""A process that is forked hangs where the one before it has computed with several threads, or on a GPU."""

_MEETING_POINT = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "RANK", "WORLD_SIZE")


def check_processes(device: str, processes: int, precision: Precision) -> None:
    """Raise unless this machine can train so.

    Raises:
        ArgumentError: it has no such device, too few of them, or they cannot compute in that precision.
        DependencyError: Lightning Fabric is not installed.
    """
    try:
        import lightning_fabric  # noqa: F401
    except ImportError as error:
        raise DependencyError(
            f'training needs lightning-fabric ({error}); run `pip install "face3d[train]"`'
        ) from error
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise ArgumentError(f"training runs on cpu or cuda, not on {device!r}")
    if processes < 1:
        raise ArgumentError(f"--processes is 1 or more, not {processes}")
    if kind == "cpu":
        if precision == "16-mixed":
            raise ArgumentError("--precision 16-mixed needs a GPU; on a CPU choose 32-true or bf16-mixed")
        return
    available = torch.cuda.device_count()
    if number and processes > 1:
        raise ArgumentError(f"{processes} processes take the first {processes} GPUs: give --device cuda, not {device}")
    if max(processes, int(number or 0) + 1) > available:
        raise ArgumentError(f"--device {device} with {processes} processes: this machine has {available} GPUs")


def launch(
    function: Callable[..., dict[str, Any]],
    *arguments: Any,
    device: str,
    processes: int,
    precision: Precision,
) -> dict[str, Any]:
    """Run `function(fabric, *arguments)` in every process and return what the first one returns.

    Args:
        function: at the top of a module, so that other processes find it; returns plain values.
        arguments: plain data, sent to every process.
        device: "cpu", "cuda", or one of several GPUs such as "cuda:1". Several processes on a CPU talk by gloo, on
            GPUs, one each, by NCCL.
        processes: how many.
        precision: "32-true", a mixed one, or "64-true" to tell mistakes from rounding.

    Raises:
        Face3DError: as the function raised it, in whichever process.
        ArgumentError, DependencyError: as `check_processes` says.
    """
    check_processes(device, processes, precision)
    from lightning_fabric import Fabric

    from face3d.train.quiet_strategy import QuietDDPStrategy

    kind, _, number = device.partition(":")
    several = processes > 1
    # Buffers are either constant or statistics that all processes compute alike; to send the head model's along with
    # every step would cost more than the step.
    strategy = QuietDDPStrategy(start_method=START_METHOD, broadcast_buffers=False) if several else "auto"
    with quiet(), _environment_kept():
        fabric = Fabric(
            accelerator=kind,
            devices=[int(number)] if number else processes,
            strategy=strategy,
            precision=precision,
        )
        if not several:
            result: dict[str, Any] = fabric.launch(function, *arguments)
            return result
        errors = multiprocessing.get_context(START_METHOD).SimpleQueue()
        # Fabric looks into arguments for networks and stumbles over frozen dataclasses, unless they are bound already.
        bound = partial(_reporting, errors=errors, function=function, arguments=arguments)
        try:
            result = fabric.launch(bound)
        except ProcessRaisedException:
            if errors.empty():
                raise
            raise errors.get() from None
        except ProcessExitedException as error:
            raise TrainingError(f"a training process ended by itself ({error}); is there memory for all?") from error
        return result


def gathered(value: Any) -> list[Any]:
    """Each process's value, in all of them."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def _reporting(
    fabric: Fabric, *, errors: Any, function: Callable[..., dict[str, Any]], arguments: tuple[Any, ...]
) -> dict[str, Any]:
    """Run a function and hand the error that it ends with to the process that waits for the result."""
    with quiet():
        try:
            return function(fabric, *arguments)
        except Face3DError as error:
            errors.put(type(error)(str(error)))
            raise
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Take back the variables by which processes find each other, so that the next run makes its own."""
    ours = [name for name in _MEETING_POINT if name not in os.environ]
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back what Lightning Fabric says of machines and processes, and its advice on how to load data."""
    loggers = [logging.getLogger(name) for name in ("lightning_fabric", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning_fabric")
            # MICA's network keeps channels last in memory, which gradients between processes are not.
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

"""Where a run stands, on disk: written whole, read without trust, and exact, random generators included."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from face3d.assets import read_torch_file
from face3d.errors import CorruptAssetError, OutputError
from face3d.media import write_whole

__all__ = ["newest_checkpoint", "random_states", "save_torch", "set_random_states", "write_checkpoint"]

FORMAT = "face3d training checkpoint 1"
KEPT = 2
"""Checkpoints that a run keeps: should the newest be damaged, the one before it is there."""

_NAME = re.compile(r"step_(\d{9})\.ckpt")


def save_torch(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values as PyTorch does; the file appears complete, and stays even if the power goes.

    Raises:
        OutputError: it cannot be written.
    """

    def write(file: BinaryIO) -> None:
        torch.save(dict(content), file)
        file.flush()
        os.fsync(file.fileno())

    try:
        write_whole(path, write)
    except RuntimeError as error:  # what torch makes of a full disk
        raise OutputError(f"{path}: cannot be written ({error}); free the disk") from error


def write_checkpoint(folder: Path, step: int, state: Mapping[str, Any]) -> Path:
    """Write a run's state after `step` steps, and remove all but the newest few.

    Args:
        folder: of the run's checkpoints; made where it is missing.
        step: steps taken.
        state: tensors and plain values.

    Returns:
        The file.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / f"step_{step:09d}.ckpt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_torch(path, {"format": FORMAT, "step": step, **state})
        for old in _checkpoints(folder)[KEPT:]:
            old.unlink()
        # What writers that were killed left behind.
        for partial in folder.glob(".step_*.partial"):
            partial.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); check the folder") from error
    return path


def newest_checkpoint(folder: Path) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The newest state that can be read, None if there is none, and a line for each file that was passed over."""
    warnings: list[str] = []
    for path in _checkpoints(folder):
        try:
            state = read_torch_file(path)
        except CorruptAssetError as error:
            warnings.append(f"{error}; an earlier checkpoint is used, if there is one")
            continue
        if state.get("format") == FORMAT:
            return state, tuple(warnings)
        warnings.append(f"{path} is no training checkpoint of this version of face3d; it is passed over")
    return None, tuple(warnings)


def random_states() -> dict[str, Any]:
    """The states of every random generator of this process, as plain values and tensors."""
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002  a task may draw from it
    return {
        "python": random.getstate(),
        "numpy": (str(name), torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, cached),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
    }


def set_random_states(states: Mapping[str, Any]) -> None:
    """Put the random generators of this process where `random_states` saw them."""
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def _checkpoints(folder: Path) -> list[Path]:
    """The run's checkpoints, newest first."""
    try:
        return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), reverse=True)
    except OSError:
        return []

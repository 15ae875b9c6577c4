"""Features of faces and the identities they belong to, as files.

A `.npz`, or a folder of `.npy` files that are mapped into memory instead of read, with the arrays

    features (N, D)   of each face, as its encoder gave them
    identity (N, I)   coefficients of its head
    split (N,)        0: to learn from, 1: held out
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64

from face3d.errors import InputError
from face3d.train.task import Batch, Draw

__all__ = ["FeatureRows", "FeatureTable", "read_features"]

NAMES = ("features", "identity", "split")
CHECKED_ROWS = 65_536
"""Rows that are looked at together for values that are not finite."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """What a feature file holds.

    Attributes:
        features: float16, 32 or 64.
        identity: likewise.
        learned, held_out: rows of each kind.
    """

    features: Float[np.ndarray, "N D"]
    identity: Float[np.ndarray, "N I"]
    learned: Int64[np.ndarray, " L"]
    held_out: Int64[np.ndarray, " H"]


def read_features(path: Path) -> FeatureTable:
    """Read a feature file or folder.

    Raises:
        InputError: it cannot be read, lacks an array, or the arrays do not fit each other or are not finite.
    """
    features, identity, split = (_array(path, name) for name in NAMES) if path.is_dir() else _archived(path)
    for name, array in (("features", features), ("identity", identity)):
        if array.ndim != 2 or array.dtype.kind != "f" or 0 in array.shape:
            raise InputError(f"{path}: {name} is {array.dtype} of {array.shape}, not floats of (N, ...)")
        if len(array) != len(features):
            raise InputError(f"{path}: {len(features)} features and {len(identity)} identities do not belong together")
        for start in range(0, len(array), CHECKED_ROWS):
            finite = np.isfinite(array[start : start + CHECKED_ROWS]).all(axis=1)
            if not finite.all():
                raise InputError(f"{path}: row {start + int(np.argmin(finite))} of {name} is not finite")
    if split.shape != (len(features),) or split.dtype.kind not in "iub" or not np.isin(split, (0, 1)).all():
        raise InputError(f"{path}: split is {split.dtype} of {split.shape}, not a 0 or a 1 for each of {len(features)}")
    learned, held_out = (np.flatnonzero(np.asarray(split) == kind) for kind in (0, 1))
    if not len(learned):
        raise InputError(f"{path}: every row is held out; split is 0 where a row is to be learned from")
    return FeatureTable(features, identity, learned, held_out)


class FeatureRows:
    """Some rows of a table (`face3d.train.task.Samples`)."""

    def __init__(self, table: FeatureTable, rows: Int64[np.ndarray, " R"]) -> None:
        self._table, self._rows = table, rows

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, draws: Sequence[Draw]) -> Batch:
        """`features` (B, D) and `identity` (B, I), float32."""
        rows = self._rows[[draw.index for draw in draws]]
        return {
            name: torch.from_numpy(np.asarray(array[rows], dtype=np.float32))
            for name, array in (("features", self._table.features), ("identity", self._table.identity))
        }


def _array(folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.npy"
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; a folder of features holds {', '.join(NAMES)}, each a .npy") from error
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read as an array ({error})") from error
    return array


def _archived(path: Path) -> tuple[np.ndarray, ...]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if missing := [name for name in NAMES if name not in archive]:
                raise InputError(f"{path} lacks {', '.join(missing)}; a file of features holds {', '.join(NAMES)}")
            return tuple(archive[name] for name in NAMES)
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there; give a .npz of features, or a folder of .npy files") from error
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read as a .npz of {', '.join(NAMES)} ({error})") from error

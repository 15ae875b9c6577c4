"""The folder that a run fills."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from face3d.errors import OutputError

__all__ = ["BEST", "CHECKPOINTS", "CURVES", "LAST", "RECORD", "clear", "held"]

CHECKPOINTS, CURVES, BEST, LAST, RECORD = "checkpoints", "tensorboard", "best", "last", "training.json"
"""What a run's folder holds."""


@contextlib.contextmanager
def held(out: Path) -> Iterator[None]:
    """Keep a run's folder to this run."""
    from filelock import FileLock, Timeout

    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise OutputError(f"another process trains into {out}; wait for it, or choose another --out") from error
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error
    try:
        yield
    finally:
        lock.release()


def clear(out: Path) -> None:
    """Remove what an earlier run left in its folder, and nothing else."""
    try:
        for name in (CHECKPOINTS, CURVES, BEST, LAST):
            if (out / name).is_dir():
                shutil.rmtree(out / name)
        (out / RECORD).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be cleared ({error.strerror}); choose another --out") from error

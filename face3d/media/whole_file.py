"""Files that appear complete or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from face3d.errors import OutputError

__all__ = ["write_whole"]


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file that takes its name, and the place of one that had it, once it is complete.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    try:
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); check the folder") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
        os.chmod(partial, 0o666 & ~_umask())
        os.replace(partial, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        if isinstance(error, OSError):
            raise OutputError(f"{path}: cannot be written ({error.strerror or error}); free the disk") from error
        raise


def _umask() -> int:
    """The process's umask, which can be read only by setting it."""
    current = os.umask(0)
    os.umask(current)
    return current

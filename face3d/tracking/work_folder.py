"""Where a run keeps what it has done so far, on disk: memory does not grow, and a killed run goes on from there."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from face3d.errors import InputError, OutputError
from face3d.media import write_whole

__all__ = ["WorkFolder", "open_work_folder"]

SETTINGS = "settings"
"""The document that says what the folder's content depends on."""

_LOCK = ".lock"

_OWN_FILES = re.compile(r"\.lock|[a-z]+(_\d+)*\.(npz|json)|\..*\.partial")
"""All that such a folder ever holds."""


class WorkFolder:
    """Named arrays and documents of a run; each is there complete or not at all.

    Args:
        path: an existing folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Store arrays under a name.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        write_whole(self.path / f"{name}.npz", lambda file: np.savez(file, allow_pickle=False, **arrays))

    def arrays(self, name: str, *members: str) -> dict[str, np.ndarray] | None:
        """The arrays of a name, or only those of its `members`; None when it is not there or damaged."""
        try:
            with np.load(self.path / f"{name}.npz", allow_pickle=False) as file:
                return {member: file[member] for member in members or file.files}
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
            return None

    def keep_document(self, name: str, document: Mapping[str, Any]) -> None:
        """Store a document of plain numbers, strings, lists and dictionaries.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        text = json.dumps(document, indent=2) + "\n"
        write_whole(self.path / f"{name}.json", lambda file: file.write(text.encode()))

    def document(self, name: str) -> dict[str, Any] | None:
        """The document of a name; None when it is not there or damaged."""
        try:
            found = json.loads((self.path / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def forget(self, name: str) -> None:
        """Remove the arrays of a name, if there are any."""
        with contextlib.suppress(OSError):
            (self.path / f"{name}.npz").unlink()


@contextlib.contextmanager
def open_work_folder(path: Path | None, settings: Mapping[str, Any]) -> Iterator[WorkFolder]:
    """Give the work folder of a run; it stays for the next run when the block is interrupted.

    It is removed when the block ends well, or by an `InputError`, which the next run would only meet again.

    What an earlier run with the same settings has left in it is still there; what one with others has left is removed.

    Args:
        path: of the folder; None gives one that nobody will find again.
        settings: all that its content depends on, plain numbers, strings, lists and dictionaries.

    Raises:
        OutputError: it cannot be written, another run is using it, or something that is no work folder is in the way.
    """
    if path is None:
        with tempfile.TemporaryDirectory(prefix="face3d-track-") as folder:
            yield WorkFolder(Path(folder))
        return
    try:
        if path.is_symlink() or (path.exists() and not _is_own(path)):
            raise OutputError(f"{path} is in the way and no interrupted run; move it or choose another --out")
        path.mkdir(exist_ok=True)
        with FileLock(path / _LOCK, timeout=0):
            work = WorkFolder(path)
            settled = json.loads(json.dumps(settings))
            if work.document(SETTINGS) != settled:
                _empty(path)
                work.keep_document(SETTINGS, settled)
            try:
                yield work
            except InputError:
                shutil.rmtree(path, ignore_errors=True)
                raise
            shutil.rmtree(path, ignore_errors=True)
    except Timeout as error:
        raise OutputError(f"{path}: another `face3d track` is writing there; choose another --out") from error
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another --out"
        ) from error


def _is_own(path: Path) -> bool:
    return path.is_dir() and all(_OWN_FILES.fullmatch(entry.name) for entry in path.iterdir())


def _empty(path: Path) -> None:
    for entry in path.iterdir():
        if entry.name != _LOCK:
            entry.unlink()

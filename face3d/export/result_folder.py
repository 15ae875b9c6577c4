"""Result folders that are either complete under their name or carry a `.partial` one."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from face3d.errors import OutputError

__all__ = ["PARTIAL", "ResultFolders", "ResultNames", "remove_left_over"]

PARTIAL = ".partial"
LONGEST_NAME = 200
"""Bytes of a folder's name; file systems allow 255, and the partial name is longer."""


class ResultNames:
    """Gives every result of a run a name of its own."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def claim(self, stem: str, number: int | None = None, *, fits: Callable[[str], bool] = lambda name: True) -> str:
        """A name that no earlier result of this run has: `<stem>[_<number>]`, and `-2`, `-3`, ... where that is taken.

        Args:
            stem: of the input file.
            number: which of several faces of that input, from 1; None for an only face.
            fits: whether a name may be taken; those that may not are left to others.
        """
        wanted = _shortened(stem.strip().lstrip(".") or "image") + ("" if number is None else f"_{number}")
        name, repeat = wanted, 1
        # Compared without case, as some file systems do.
        while name.casefold() in self._taken or not fits(name):
            repeat += 1
            name = f"{wanted}-{repeat}"
        self._taken.add(name.casefold())
        return name


class ResultFolders:
    """Writes result folders under `out`, each atomically.

    Args:
        out: the folder that holds them; made if it is absent.
        marker: the file that every complete result of this kind holds. Only a folder with it is ever replaced.

    Raises:
        OutputError: nothing can be written in `out`.
    """

    def __init__(self, out: Path, *, marker: str) -> None:
        self._out = out
        self._marker = marker
        try:
            out.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=out):
                pass
        except OSError as error:
            raise _cannot_write(out, error) from error

    def path_of(self, name: str) -> Path:
        """The final folder of a result."""
        return self._out / name

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Give a partial folder to write in, and its final name once the block ends well.

        An earlier result of that name stays until then. When the block raises, the partial folder is removed.

        Raises:
            OutputError: no permission, no space, or something that is no result is in the way.
        """
        final = self.path_of(name)
        try:
            if final.is_symlink() or (final.exists() and not self._replaceable(final)):
                raise OutputError(f"{final} is in the way and no earlier result; move it or choose another --out")
            partial = Path(tempfile.mkdtemp(dir=self._out, prefix=f"{name}.", suffix=PARTIAL))
        except OSError as error:
            raise _cannot_write(final, error) from error
        try:
            yield partial
            partial.chmod(0o777 & ~_umask())
            self._put_in_place(partial, final)
        except OSError as error:
            raise _cannot_write(final, error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _replaceable(self, folder: Path) -> bool:
        return folder.is_dir() and ((folder / self._marker).is_file() or not any(folder.iterdir()))

    def _put_in_place(self, partial: Path, final: Path) -> None:
        if not final.exists():
            partial.rename(final)
            return
        earlier = Path(tempfile.mkdtemp(dir=self._out, prefix=f"{final.name}.earlier.", suffix=PARTIAL))
        final.rename(earlier)
        try:
            partial.rename(final)
        except OSError:
            earlier.rename(final)
            raise
        shutil.rmtree(earlier, ignore_errors=True)


def remove_left_over(out: Path, own_files: re.Pattern[str], *, stem: str | None = None) -> None:
    """Remove what a killed run of a job left half written; only folders that hold nothing but the job's files.

    Args:
        out: the folder that holds the results.
        own_files: full names of all that the job writes.
        stem: of the results to look for, followed by their numbers; all by default.
    """
    names = re.compile((".+" if stem is None else rf"{re.escape(stem)}(_\d+)?") + r"\.[a-z0-9_]{8}\.partial")
    for entry in out.iterdir():
        if not (names.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink()):
            continue
        if all(own_files.fullmatch(child.name) for child in entry.iterdir()):
            shutil.rmtree(entry, ignore_errors=True)


def _shortened(stem: str) -> str:
    return stem.encode()[:LONGEST_NAME].decode(errors="ignore")


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _cannot_write(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"cannot write {path}: {reason}; free some space or choose another --out")

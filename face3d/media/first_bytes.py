"""The start of a file, or why there is none."""

from __future__ import annotations

from pathlib import Path

from face3d.errors import InputError

__all__ = ["first_bytes"]


def first_bytes(path: Path, count: int = 16) -> bytes:
    """The first bytes of a file.

    Raises:
        InputError: it is not there, cannot be read, or is empty.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file; check the path")
    try:
        with path.open("rb") as file:
            head = file.read(count)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if not head:
        raise InputError(f"{path}: is empty; copy or download it again")
    return head

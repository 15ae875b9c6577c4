"""What lies in a folder: its photos and videos, in the order that a person expects."""

from __future__ import annotations

import os
import re
from pathlib import Path

from PIL import Image

from face3d.errors import InputError

__all__ = ["VIDEO_SUFFIXES", "images_in", "is_video_name", "media_in"]

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp")
)
"""Names of files that are read as video."""

_NO_PHOTOS = frozenset((".pdf", ".mpg", ".mpeg", ".eps", ".ps", ".hdf", ".h5", ".bufr", ".grib", ".wmf", ".emf"))
"""Formats of Pillow's that a folder's listing passes over: pages, drawings and scientific grids."""


def is_video_name(path: Path) -> bool:
    """Whether a file's name says that it is a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def images_in(folder: Path) -> list[Path]:
    """The image files of a folder by their names, without its subfolders and hidden files; 10 comes after 9.

    Raises:
        InputError: the folder cannot be read.
    """
    names = _image_suffixes()
    files = (entry for entry in _entries(folder) if entry.is_file() and not entry.name.startswith("."))
    return sorted((file for file in files if file.suffix.lower() in names), key=_natural)


def media_in(folder: Path) -> list[Path]:
    """The photos and videos of a folder and of its subfolders, hidden and partial ones left out.

    Raises:
        InputError: the folder cannot be read.
    """
    names = _image_suffixes() | VIDEO_SUFFIXES
    found = []
    for entry in sorted(_entries(folder), key=_natural):
        if entry.name.startswith(".") or entry.suffix == ".partial":
            continue
        if entry.is_dir() and not entry.is_symlink():
            found += media_in(entry)
        elif entry.suffix.lower() in names and not entry.is_dir():
            found.append(entry)
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries]
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error


def _image_suffixes() -> frozenset[str]:
    return frozenset(Image.registered_extensions()) - _NO_PHOTOS | {".heic", ".heif"}


def _natural(path: Path) -> tuple[list[tuple[str, int]], str]:
    parts = re.split(r"(\d+)", path.name)
    return [("", int(part)) if number % 2 else (part.casefold(), 0) for number, part in enumerate(parts)], path.name

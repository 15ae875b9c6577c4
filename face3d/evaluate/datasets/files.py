"""Files of a data set: which there are, what they are called in reports, and the image that belongs to each."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import scipy.io

from face3d.errors import InputError

__all__ = ["beside", "files_of", "load_mat", "mat_array", "name_in", "safe_relative"]

IMAGE_SUFFIXES = (".jpg", ".png", ".jpeg", ".bmp", ".JPG", ".PNG")


def files_of(path: Path, suffix: str) -> list[Path]:
    """The file itself, or all files of a folder and the folders in it that end so, sorted.

    Raises:
        InputError: there is none.
    """
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob(f"*{suffix}") if file.is_file())
    if not found:
        raise InputError(f"{path} holds no {suffix} files; name the folder of the annotations")
    return found


def name_in(root: Path, file: Path) -> str:
    """The file's path below the root, without suffix, with forward slashes."""
    return (Path(file.name) if root == file else file.relative_to(root)).with_suffix("").as_posix()


def beside(file: Path, name: str, images: Path | None) -> Path | None:
    """The image of an annotation: of the same name below `images`, else beside the file; None if there is none."""
    stems = [file.with_suffix("")] if images is None else [images / name, images / PurePosixPath(name).name]
    for stem in stems:
        for suffix in IMAGE_SUFFIXES:
            candidate = stem.with_name(stem.name + suffix)
            if candidate.is_file():
                return candidate
    return None


def safe_relative(text: str, where: str) -> PurePosixPath:
    """A path that a list names, if it stays inside of the folder it is relative to.

    Raises:
        InputError: it does not.
    """
    path = PurePosixPath(text.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise InputError(f"{where} names {text!r}, which is not a file inside of the images' folder")
    return path


def load_mat(path: Path) -> dict[str, Any]:
    """The variables of a MATLAB file of version 4 to 7.2; no object in it is run.

    Raises:
        InputError: the file cannot be read, or is of version 7.3 (HDF5).
    """
    try:
        return dict(scipy.io.loadmat(path))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; check the path") from error
    except Exception as error:
        # scipy raises whatever a broken file makes it stumble over.
        raise InputError(f"{path} is no MATLAB file that can be read: {error or type(error).__name__}") from error


def mat_array(content: dict[str, Any], name: str, path: Path) -> np.ndarray:
    """One numeric variable.

    Raises:
        InputError: it is not there or not numbers.
    """
    value = content.get(name)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        raise InputError(f"{path} has no array of numbers {name!r}")
    return value

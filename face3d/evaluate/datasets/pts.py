"""iBUG's .pts files: 300-W (68 points) and Menpo (68 frontal, 39 in profile)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from face3d.errors import InputError
from face3d.evaluate.datasets.annotation import ONE_BASED, Annotation, Source, check_points
from face3d.evaluate.datasets.files import beside, files_of, name_in

__all__ = ["pts_sources", "read_pts"]

_FORMAT = re.compile(r"(?:\s*version\s*:?\s*[\d.]+)?\s*n_points\s*:?\s*(\d+)\s*\{([^{}]*)\}\s*", re.IGNORECASE)


def read_pts(path: Path) -> Float[np.ndarray, "N 2"]:
    """Read the points of a .pts file.

    Its pixels are MATLAB's, whose first pixel has its centre at (1, 1): 0.5 is taken off.

    Raises:
        InputError: the file cannot be read, is no .pts file, or holds another number of points than it says.
    """
    try:
        content = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check the path") from error
    match = _FORMAT.fullmatch(content)
    if match is None:
        raise InputError(f"{path} is no .pts file: it lacks the form `version: 1 n_points: N {{ x y ... }}`")
    try:
        points = np.array([line.split() for line in match[2].strip().splitlines() if line.strip()]).astype(np.float64)
    except ValueError as error:
        raise InputError(f"{path} has a line that is not two numbers ({error})") from error
    if len(points) != int(match[1]):
        raise InputError(f"{path} says n_points: {match[1]} and holds {len(points)}")
    return check_points(points, path) + ONE_BASED


def pts_sources(path: Path, images: Path | None) -> list[Source]:
    """Every .pts file of a folder (and the folders in it), or one file."""

    def source(file: Path) -> Source:
        name = name_in(path, file)
        return Source(name, lambda: Annotation(name, name, read_pts(file), beside(file, name, images)))

    return [source(file) for file in files_of(path, ".pts")]

"""One annotated face of a landmark data set, whatever file it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from face3d.errors import InputError

__all__ = ["ONE_BASED", "ZERO_BASED", "Annotation", "Source", "check_points"]

ONE_BASED = -0.5
"""Added to pixels of MATLAB's rule, where the first pixel's centre is (1, 1)."""

ZERO_BASED = 0.5
"""Added to pixels of OpenCV's rule, where the first pixel's centre is (0, 0)."""


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """Where a person has marked the landmarks of a face.

    Attributes:
        name: of this face: the image's path without suffix, `#2` and so on added for more faces of one image.
        image_name: the image's path in the data set without suffix, by which predictions are found.
        points: (N, 2) pixels, first pixel's centre at (0.5, 0.5); NaN where the data set gives no position.
        image: the image file, where it is known.
        pixels: the image itself, RGB, where the data set's file holds it.
        attributes: what the data set says of the face, by name: groups to report errors by.
    """

    name: str
    image_name: str
    points: Float[np.ndarray, "N 2"]
    image: Path | None = None
    pixels: UInt8[np.ndarray, "H W 3"] | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A face that is still in its file.

    Attributes:
        name: of the face, as `Annotation` has it.
        read: makes the annotation; raises InputError where the file is broken.
    """

    name: str
    read: Callable[[], Annotation]


def check_points(points: np.ndarray, where: object) -> Float[np.ndarray, "N 2"]:
    """The first two columns as float64, or InputError unless there are points of which some are finite."""
    if points.ndim != 2 or points.shape[1] not in (2, 3) or len(points) < 2 or points.dtype.kind not in "fiu":
        raise InputError(f"{where} holds no landmarks (N, 2): got {points.dtype} {tuple(points.shape)}")
    points = points[:, :2].astype(np.float64)
    if not np.isfinite(points).any():
        raise InputError(f"{where} has no landmark that is a finite number")
    return points

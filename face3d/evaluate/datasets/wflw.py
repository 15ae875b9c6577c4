"""WFLW's lists: one face per line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from face3d.errors import InputError
from face3d.evaluate.datasets.annotation import ZERO_BASED, Annotation, Source, check_points
from face3d.evaluate.datasets.files import safe_relative

__all__ = ["wflw_sources"]

POINTS = 98
ATTRIBUTES = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
"""Flags behind the rectangle; 1 is the harder case."""


def wflw_sources(path: Path, images: Path | None) -> list[Source]:
    """Each line of a list: 98 points, a rectangle (x0 y0 x1 y1), six flags, and the image's path.

    Lists without rectangle and flags are read too. WFLW does not say where a pixel's centre lies; the coordinates are
    taken in OpenCV's rule, with which the published code draws them (first centre at (0, 0)), and 0.5 is added.

    Raises:
        InputError: the list cannot be read or is empty.
    """
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a list of WFLW ({error}); name the .txt file") from error
    seen: Counter[str] = Counter()
    sources = []
    for number, fields in enumerate(lines, start=1):
        if not fields:
            continue
        image_name = fields[-1].rpartition(".")[0] or fields[-1]
        seen[image_name] += 1
        name = image_name if seen[image_name] == 1 else f"{image_name}#{seen[image_name]}"
        sources.append(_source(f"{path}, line {number}", name, image_name, fields, images))
    if not sources:
        raise InputError(f"{path} is empty; name a list of WFLW")
    return sources


def _source(where: str, name: str, image_name: str, fields: list[str], images: Path | None) -> Source:
    def read() -> Annotation:
        length = len(fields)
        if length not in (2 * POINTS + 1, 2 * POINTS + 4 + len(ATTRIBUTES) + 1):
            raise InputError(f"{where} has {length} fields, not {POINTS} points, 4 + 6 numbers and a path")
        image = safe_relative(fields[-1], where)
        try:
            points = np.array(fields[: 2 * POINTS], dtype=np.float64).reshape(POINTS, 2)
        except ValueError as error:
            raise InputError(f"{where} has coordinates that are no numbers ({error})") from error
        attributes = {}
        if length > 2 * POINTS + 1:
            flags = fields[2 * POINTS + 4 : -1]
            attributes = {key: "hard" if flag == "1" else "normal" for key, flag in zip(ATTRIBUTES, flags, strict=True)}
        file = None if images is None else images / image
        return Annotation(name, image_name, check_points(points, where) + ZERO_BASED, file, None, attributes)

    return Source(name, read)

"""Landmarks as CSV: one row per face and frame, one column per number, as OpenFace and spreadsheets have it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TextIO

from face3d.landmarks.detector import FaceLandmarks, Sighting

__all__ = ["write_landmarks_csv"]


def write_landmarks_csv(file: TextIO, faces: Iterable[FaceLandmarks], *, smoothed: bool = False) -> None:
    """Write faces one by one; only the header's names when there is none.

    Columns: person, frame, time (seconds), shot, interpolated (0 or 1), score, box_left, box_top, box_right,
    box_bottom, then x_0, y_0, z_0, x_1, ... in pixels (z empty for detectors without depth), then the expression curves
    by name. In photos frame and time are empty.

    Args:
        file: open for writing, with newline="".
        faces: of one detector.
        smoothed: write the smoothed points of a video in place of the raw ones.
    """
    writer = csv.writer(file)
    fixed = ["person", "frame", "time", "shot", "interpolated", "score"]
    fixed += ["box_left", "box_top", "box_right", "box_bottom"]
    names: list[str] | None = None
    for face in faces:
        sighting = face.sighting or Sighting(source="", person=1)
        if names is None:
            names = list(face.blendshapes or ())
            writer.writerow([*fixed, *(f"{axis}_{n}" for n in range(len(face.points)) for axis in "xyz"), *names])
        points = sighting.smoothed if smoothed and sighting.smoothed is not None else face.points
        curves = face.blendshapes or {}
        writer.writerow(
            [
                sighting.person,
                "" if sighting.frame is None else sighting.frame,
                "" if sighting.time is None else f"{sighting.time:.6f}",
                sighting.shot,
                int(sighting.interpolated),
                _text(face.score, 4),
                *(_text(value, 3) for value in face.box.tolist()),
                *(_text(value, 3) for value in points.ravel().tolist()),
                *(_text(curves.get(name, float("nan")), 4) for name in names),
            ]
        )
    if names is None:
        writer.writerow(fixed)


def _text(value: float, digits: int) -> str:
    # A number is not equal to itself when it is none.
    return f"{value:.{digits}f}" if value == value else ""

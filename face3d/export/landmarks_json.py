"""Landmarks as JSON: one entry per face and frame, in pixels of the original upright image."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TextIO

import numpy as np
from jaxtyping import Float

from face3d.landmarks.detector import FaceLandmarks, Sighting

__all__ = ["write_landmarks_json"]

SCHEMA_VERSION = 1


def write_landmarks_json(file: TextIO, source: str, faces: Iterable[FaceLandmarks]) -> None:
    """Write faces one by one, so that an hour of video needs no more memory than a photo.

    Args:
        file: open for writing.
        source: the photo or video.
        faces: with their sightings, or without.
    """
    head = {"schema_version": SCHEMA_VERSION, "source": source}
    file.write(json.dumps(head)[:-1] + ', "faces": [')
    for number, face in enumerate(faces):
        file.write((",\n" if number else "\n") + json.dumps(_entry(face), allow_nan=False))
    file.write("\n]}\n")


def _entry(face: FaceLandmarks) -> dict[str, Any]:
    sighting = face.sighting or Sighting(source="", person=1)
    entry: dict[str, Any] = {"person": sighting.person}
    if sighting.frame is not None:
        entry |= {"frame": sighting.frame, "time": _number(sighting.time, 6), "shot": sighting.shot}
        entry |= {"interpolated": sighting.interpolated}
    entry |= {
        "topology": face.topology,
        "detector": face.detector,
        "licence": face.licence,
        "image_size": list(face.image_size),
        "score": _number(face.score, 4),
        "box": _rows(face.box, 3),
        "points": _rows(_known_coordinates(face.points), 3),
        "confidence": _rows(face.confidence, 3),
    }
    if sighting.smoothed is not None:
        entry["smoothed"] = _rows(_known_coordinates(sighting.smoothed), 3)
    if face.blendshapes is not None:
        entry["blendshapes"] = {name: _number(value, 4) for name, value in face.blendshapes.items()}
    if face.face_transform is not None:
        entry["face_transform"] = _rows(face.face_transform, 6)
    return entry


def _known_coordinates(points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N C"]:
    """Without the depths of detectors that give none."""
    return points[:, :2] if np.isnan(points[:, 2]).all() else points


def _rows(values: Float[np.ndarray, ...], digits: int) -> list[Any]:
    values = np.asarray(values, dtype=np.float64)
    rounded = np.round(values, digits)
    if np.isfinite(values).all():
        plain: list[Any] = rounded.tolist()
        return plain
    holes = rounded.astype(object)
    holes[~np.isfinite(values)] = None
    rows: list[Any] = holes.tolist()
    return rows


def _number(value: float | None, digits: int) -> float | None:
    return round(float(value), digits) if value is not None and np.isfinite(value) else None

"""Landmarks as NumPy arrays in one .npz file, without pickled objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import numpy as np

from face3d.landmarks.detector import FaceLandmarks, Sighting

__all__ = ["write_landmarks_npz"]


def write_landmarks_npz(file: BinaryIO, faces: Iterable[FaceLandmarks]) -> None:
    """Write all faces of a photo or a video; F counts faces over frames.

    Arrays: points (F, N, 3) pixels; confidence (F, N); box (F, 4); score, person, shot, interpolated (F,);
    image_size (F, 2); topology, detector and licence; of videos also frame, time (F,) and smoothed (F, N, 3); where the
    detector has them, blendshape_names (C,), blendshapes (F, C) and face_transform (F, 4, 4), NaN where unknown.

    Args:
        file: open for writing.
        faces: of one detector.
    """
    rows = list(faces)
    sightings = [face.sighting or Sighting(source="", person=number) for number, face in enumerate(rows, start=1)]
    arrays: dict[str, np.ndarray] = {
        "points": _stack([face.points for face in rows], (0, 3)),
        "confidence": _stack([face.confidence for face in rows], (0,)),
        "box": _stack([face.box for face in rows], (4,)),
        "score": np.array([face.score for face in rows], dtype=np.float32),
        "image_size": np.array([face.image_size for face in rows], dtype=np.int32).reshape(-1, 2),
        "person": np.array([sighting.person for sighting in sightings], dtype=np.int32),
        "shot": np.array([sighting.shot for sighting in sightings], dtype=np.int32),
        "interpolated": np.array([sighting.interpolated for sighting in sightings], dtype=bool),
    }
    if rows:
        arrays |= {name: np.array(getattr(rows[0], name)) for name in ("topology", "detector", "licence")}
        if all(sighting.frame is not None and sighting.time is not None for sighting in sightings):
            arrays["frame"] = np.array([sighting.frame for sighting in sightings], dtype=np.int64)
            arrays["time"] = np.array([sighting.time for sighting in sightings], dtype=np.float64)
        smoothed = [sighting.smoothed for sighting in sightings if sighting.smoothed is not None]
        if len(smoothed) == len(rows):
            arrays["smoothed"] = _stack(smoothed, (0, 3))
        names = list(rows[0].blendshapes or ())
        if names:
            arrays["blendshape_names"] = np.array(names)
            arrays["blendshapes"] = np.array(
                [[(face.blendshapes or {}).get(name, np.nan) for name in names] for face in rows], dtype=np.float32
            )
        if any(face.face_transform is not None for face in rows):
            unknown = np.full((4, 4), np.nan)
            transforms = [unknown if face.face_transform is None else face.face_transform for face in rows]
            arrays["face_transform"] = _stack(transforms, (4, 4))
    np.savez(file, **arrays)  # type: ignore[arg-type]


def _stack(values: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Single precision, which is a ten-thousandth of a pixel in full HD."""
    return np.stack(values).astype(np.float32) if values else np.zeros((0, *shape), dtype=np.float32)

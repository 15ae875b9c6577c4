"""Predicted landmarks: from files of `face3d align` or anybody's, or made on the fly by a detector."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float

from face3d.errors import InputError
from face3d.evaluate.datasets.annotation import Annotation
from face3d.evaluate.datasets.pts import read_pts
from face3d.landmarks.detector import Detector
from face3d.landmarks.mediapipe_topology import IBUG_68_FROM_478
from face3d.media import read_image

__all__ = ["INDEX_MAPS", "IndexMaps", "detected_faces", "face_of", "predicted_faces"]

IndexMaps = Mapping[tuple[int, int], tuple[int, ...]]
"""From (predicted, annotated) numbers of points to the predicted point that stands for each annotated one."""

INDEX_MAPS: IndexMaps = MappingProxyType({(478, 68): IBUG_68_FROM_478, (468, 68): IBUG_68_FROM_478})
"""MediaPipe's nearest points to iBUG's 68. They are near, not the same: most of all MediaPipe's contour is fixed to the
skin, while iBUG's runs along the edge that the photo shows, so that the jaw's error grows with the yaw whatever the
detector does. Judge it by the other regions, or leave the jaw out."""

_SUFFIXES = (".npz", ".json", ".npy", ".pts")


def predicted_faces(folder: Path, image_name: str) -> list[Float[np.ndarray, "N 2"]]:
    """All faces that a folder of predictions has for an image; an empty list if it has no file for it.

    Looked for are `<path>.npz|json|npy|pts` and `<path>/landmarks.*`, with the image's whole path in the data set and
    then with its last part alone, and further faces in `<path>_1` and so on. .pts files have iBUG's pixels (first
    centre at (1, 1)); the others face3d's, in `points` (or `pixels`), at the top or in each entry of `faces`.

    Raises:
        InputError: a file is broken.
    """
    for name in dict.fromkeys((image_name, PurePosixPath(image_name).name)):
        paths = [folder / name, folder / name / "landmarks"]
        paths += [folder / f"{name}_{number}" for number in range(20)]
        files = [file for path in paths if (file := _first_file(path)) is not None]
        if files:
            return [points for file in files for points in _read(file)]
    return []


def _first_file(path: Path) -> Path | None:
    return next((file for suffix in _SUFFIXES if (file := path.with_name(path.name + suffix)).is_file()), None)


def _read(path: Path) -> list[Float[np.ndarray, "N 2"]]:
    if path.suffix == ".pts":
        return [read_pts(path)]
    try:
        if path.suffix == ".json":
            found = [np.array(each, dtype=np.float64) for each in _point_lists(json.loads(path.read_text()))]
        elif path.suffix == ".npy":
            found = [np.load(path, allow_pickle=False)]
        else:
            with np.load(path, allow_pickle=False) as archive:
                found = [archive[key] for key in ("points", "landmarks", "pixels") if key in archive][:1]
    except Exception as error:
        # zipfile, zlib and NumPy each raise something else at a broken file.
        raise InputError(f"{path} cannot be read as predicted landmarks ({error})") from error
    faces = [face for array in found for face in (array if array.ndim == 3 else [array])]
    for face in faces:
        if face.ndim != 2 or face.shape[1] not in (2, 3) or face.dtype.kind not in "fiu":
            raise InputError(f"{path} has points {face.dtype} {tuple(face.shape)}, not (N, 2) or (N, 3)")
    if not found:
        raise InputError(f"{path} has no `points`; write them as (N, 2) pixels")
    return [face[:, :2].astype(np.float64) for face in faces]


def _point_lists(document: Any) -> list[Any]:
    """The points of each face of a JSON document."""
    if isinstance(document, list):
        if document and all(isinstance(entry, list) for entry in document):
            return [document]
        return [points for entry in document for points in _point_lists(entry)]
    if not isinstance(document, dict):
        raise ValueError("it is neither a list nor an object")
    if "faces" in document:
        return _point_lists(document["faces"])
    for key in ("points", "pixels", "landmarks", "detected"):
        if isinstance(document.get(key), list):
            return [document[key]]
        if isinstance(document.get(key), dict):
            return _point_lists(document[key])
    raise ValueError("it has no `points`")


def detected_faces(detector: Detector, annotation: Annotation) -> list[Float[np.ndarray, "N 2"]]:
    """All faces that a detector finds in an annotation's image.

    Raises:
        InputError: the image is not there or cannot be read.
    """
    if annotation.pixels is not None:
        pixels = annotation.pixels
    elif annotation.image is not None:
        pixels = read_image(annotation.image).pixels
    else:
        raise InputError(f"there is no image for {annotation.name}; name the images' folder by --images")
    return [face.points[:, :2].astype(np.float64) for face in detector.detect(pixels)]


def face_of(
    faces: list[Float[np.ndarray, "N 2"]], annotation: Annotation, index_maps: IndexMaps = INDEX_MAPS
) -> Float[np.ndarray, "M 2"] | None:
    """The predicted face that overlaps the annotated one most, in the annotation's markup; None if none overlaps it.

    Raises:
        InputError: it has another markup from which there is no way.
    """
    truth = _box(annotation.points)
    overlaps = [_overlap(_box(face), truth) for face in faces]
    if not overlaps or max(overlaps) <= 0:
        return None
    face, wanted = faces[int(np.argmax(overlaps))], len(annotation.points)
    if len(face) == wanted:
        return face
    rows = index_maps.get((len(face), wanted))
    if rows is None:
        raise InputError(f"{annotation.name}: {len(face)} points are predicted where {wanted} are annotated")
    return face[list(rows)]


def _box(points: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, " 4"]:
    finite = points[np.isfinite(points).all(axis=1)]
    if not len(finite):
        return np.full(4, np.nan)
    return np.concatenate([finite.min(axis=0), finite.max(axis=0)])


def _overlap(a: Float[np.ndarray, " 4"], b: Float[np.ndarray, " 4"]) -> float:
    """Intersection over union of two boxes."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return 0.0
    inside = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inside
    return float(inside / union) if union > 0 else 0.0

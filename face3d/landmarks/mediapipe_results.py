"""What the Face Landmarker found, taken out of MediaPipe as arrays.

MediaPipe makes a Python object of each of 478 landmarks, which takes 0.5 ms of every reading, a twelfth of it, while no
other thread of Python runs. Its own C structures, which it declares beside them, hold the same numbers in a row. They
are no public part of it: where a version has them otherwise than expected, the public objects are read.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

__all__ = ["FoundFace", "call_of"]

FoundFace: TypeAlias = tuple[Float[np.ndarray, "478 3"], dict[str, float], Float[np.ndarray, "4 4"]]
"""Normalised landmarks, expression curves by name, canonical face to MediaPipe's virtual camera."""

Call: TypeAlias = Callable[[Any, int | None], list[FoundFace]]

_RESULT_FIELDS = ("face_landmarks", "face_blendshapes", "facial_transformation_matrixes")


def call_of(task: Any) -> Call:
    """What asks a Face Landmarker about a MediaPipe image, with a timestamp in milliseconds for the next of a video."""
    return _direct_call(task) or _public_call(task)


def _public_call(task: Any) -> Call:
    def call(image: Any, timestamp_ms: int | None) -> list[FoundFace]:
        result = task.detect(image) if timestamp_ms is None else task.detect_for_video(image, timestamp_ms)
        return [
            (
                np.array([(mark.x, mark.y, mark.z) for mark in landmarks], dtype=np.float64),
                {curve.category_name: float(curve.score) for curve in curves},
                np.array(transform, dtype=np.float64),
            )
            for landmarks, curves, transform in zip(*(getattr(result, name) for name in _RESULT_FIELDS), strict=True)
        ]

    return call


def _direct_call(task: Any) -> Call | None:
    """The same by way of MediaPipe's C structures; None where they are not as expected."""
    module = sys.modules.get(type(task).__module__)
    structure, library = getattr(module, "MpFaceLandmarkerResultC", None), getattr(task, "_lib", None)
    handle = getattr(task, "_handle", None)
    names = {name for name, *_ in getattr(structure, "_fields_", ())}
    functions = [
        getattr(library, f"MpFaceLandmarker{name}", None) for name in ("DetectImage", "DetectForVideo", "CloseResult")
    ]
    expected = {*_RESULT_FIELDS, *(f"{name}_count" for name in _RESULT_FIELDS)}
    if handle is None or names != expected or not all(map(callable, functions)):
        return None
    detect, detect_for_video, close_result = functions
    reference = ctypes.byref
    curve_names: dict[bytes, tuple[str, ...]] = {}

    def call(image: Any, timestamp_ms: int | None) -> list[FoundFace]:
        result = structure()  # type: ignore[misc]
        if timestamp_ms is None:
            detect(handle, image._image_ptr, None, reference(result))  # type: ignore[misc]
        else:
            detect_for_video(handle, image._image_ptr, None, timestamp_ms, reference(result))  # type: ignore[misc]
        try:
            return [
                (
                    _coordinates(result.face_landmarks[number]),
                    _curves(result.face_blendshapes[number], curve_names),
                    np.array(result.facial_transformation_matrixes[number].to_numpy(), dtype=np.float64),
                )
                for number in range(result.face_landmarks_count)
            ]
        finally:
            close_result(reference(result))  # type: ignore[misc]

    return call


def _coordinates(marks: Any) -> Float[np.ndarray, "478 3"]:
    """x, y and z out of a row of C structures, copied."""
    first = marks.landmarks[0]
    values = _rows(first, marks.landmarks_count, "xyz")
    made = np.empty((len(values), 3))
    for column, axis in enumerate("xyz"):
        made[:, column] = values[axis]
    return made


def _curves(found: Any, names: dict[bytes, tuple[str, ...]]) -> dict[str, float]:
    """Scores by their names, which are read anew only where the categories' numbers are others than before."""
    values = _rows(found.categories[0], found.categories_count, ("index", "score"))
    numbers = values["index"].tobytes()
    known = names.get(numbers)
    if known is None:
        known = tuple(found.categories[number].category_name.decode() for number in range(found.categories_count))
        names[numbers] = known
    return dict(zip(known, values["score"].tolist(), strict=True))


def _rows(first: Any, count: int, fields: Sequence[str]) -> np.ndarray:
    """Some numbers of C structures that lie in a row, as a structured array that shares their memory."""
    kind: Any = type(first)
    row = (ctypes.c_char * (ctypes.sizeof(kind) * count)).from_address(ctypes.addressof(first))
    return np.frombuffer(row, dtype=_layout(kind, tuple(fields)))  # type: ignore[call-overload]


@functools.cache
def _layout(kind: type[Any], fields: tuple[str, ...]) -> np.dtype:
    """Of numbers of four bytes each, integers where C has them."""
    types = dict(kind._fields_)
    formats = ["f4" if types[name] is ctypes.c_float else "i4" for name in fields]
    offsets = [getattr(kind, name).offset for name in fields]
    return np.dtype({"names": list(fields), "formats": formats, "offsets": offsets, "itemsize": ctypes.sizeof(kind)})

"""Landmark embeddings for FLAME's topology, in each form that the published systems use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from face3d.errors import CorruptAssetError, InputError
from face3d.head.arrays import YAW_BINS, PointArrays
from face3d.head.whitelist_pickle import dense_array, read_npy, read_npz, read_pickle

__all__ = ["embedded_points", "read_embeddings"]

_CONTOUR = 17
_INNER = 51
_IBUG = _CONTOUR + _INNER
# NoW's seven points in iBUG's numbering: eye corners from the subject's right to left, nose base, mouth corners.
_NOW_7 = (36, 39, 42, 45, 33, 48, 54)
_NOW_LABELS = (
    "right_exocanthion",
    "right_endocanthion",
    "left_endocanthion",
    "left_exocanthion",
    "subnasale",
    "right_cheilion",
    "left_cheilion",
)


def read_embeddings(files: Sequence[Path]) -> dict[str, PointArrays]:
    """Return the point sets that the files embed, recognised by their content.

    Args:
        files: any of `landmark_embedding.npy` (DECA, MICA, SPECTRE, VHAP), `flame_static_embedding.pkl` and
            `flame_dynamic_embedding.npy` (RingNet, FLAME_PyTorch), `mediapipe_landmark_embedding.npz`.

    Returns:
        `ibug_68` (dynamic jaw line, then 51 points), `ibug_68_fixed`, `now_7`, `mediapipe_105`, and `ibug_51` when
        there is no jaw line; as many of these as the files provide.

    Raises:
        InputError: a file cannot be opened.
        CorruptAssetError: a file is damaged or is no landmark embedding.
    """
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    sets: dict[str, PointArrays] = {}
    for file in files:
        content = _content(file)
        try:
            if "landmark_indices" in content:
                sets |= _mediapipe(content)
            else:
                parts |= _parts(content)
        except (InputError, ValueError, TypeError, KeyError, IndexError) as error:
            raise CorruptAssetError(f"{file}: is not a usable landmark embedding: {error}") from error
    return _ibug(parts) | sets


def embedded_points(content: Mapping[str, Any]) -> dict[str, PointArrays]:
    """Return the point sets of one embedding's arrays, named as in `landmark_embedding.npy`.

    Raises:
        InputError: they are none.
    """
    return _ibug(_parts(content))


def _content(file: Path) -> Mapping[str, Any]:
    readers = {".npy": read_npy, ".npz": read_npz, ".pkl": read_pickle}
    if file.suffix.lower() not in readers:
        raise InputError(f"{file}: a landmark embedding is a .npy, .npz or .pkl file")
    content = readers[file.suffix.lower()](file)
    if not isinstance(content, dict):
        raise CorruptAssetError(f"{file}: is not a landmark embedding")
    return content


def _parts(content: Mapping[str, Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return (triangles, barycentric) by part: "static" (51), "dynamic" (79, 17) and "full" (68)."""
    parts = {}
    if "lmk_face_idx" in content:
        triangles, barycentric = _pair(content, "lmk_face_idx", "lmk_b_coords")
        parts["dynamic" if triangles.ndim == 2 else "static"] = triangles, barycentric
    for part in ("static", "dynamic", "full"):
        if f"{part}_lmk_faces_idx" in content:
            triangles, barycentric = _pair(content, f"{part}_lmk_faces_idx", f"{part}_lmk_bary_coords")
            parts[part] = (triangles[0], barycentric[0]) if part == "full" else (triangles, barycentric)
    if not parts:
        raise InputError(f"it has none of the known entries, only {', '.join(sorted(map(str, content)))}")
    # VHAP's variant appends the two eye centres, which lie on no skin.
    for part, size in (("static", _INNER), ("full", _IBUG)):
        if part in parts:
            triangles, barycentric = parts[part]
            if len(triangles) < size or barycentric.shape != (*triangles.shape, 3):
                raise InputError(f"its {part} part has {triangles.shape} points, expected {size}")
            parts[part] = triangles[:size], barycentric[:size]
    if "dynamic" in parts and parts["dynamic"][1].shape != (YAW_BINS, _CONTOUR, 3):
        raise InputError(f"its dynamic part has shape {parts['dynamic'][1].shape}, expected {(YAW_BINS, _CONTOUR, 3)}")
    return parts


def _ibug(parts: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, PointArrays]:
    sets = {}
    if "full" in parts:
        sets["ibug_68_fixed"] = PointArrays(*parts["full"])
    if "static" in parts and "dynamic" in parts:
        dynamic, inner = parts["dynamic"], parts["static"]
        # A frontal head's jaw line stands in where no yaw is known.
        jaw = (
            (parts["full"][0][:_CONTOUR], parts["full"][1][:_CONTOUR])
            if "full" in parts
            else (
                dynamic[0][0],
                dynamic[1][0],
            )
        )
        sets["ibug_68"] = PointArrays(
            triangles=np.concatenate([jaw[0], inner[0]]),
            barycentric=np.concatenate([jaw[1], inner[1]]),
            contour_triangles=dynamic[0],
            contour_barycentric=dynamic[1],
        )
    elif "static" in parts:
        sets["ibug_51"] = PointArrays(*parts["static"])
    inner_points = sets.get("ibug_68_fixed") or sets.get("ibug_68")
    if inner_points is not None:
        rows = list(_NOW_7)
        sets["now_7"] = PointArrays(inner_points.triangles[rows], inner_points.barycentric[rows], _NOW_LABELS)
    return sets


def _mediapipe(content: Mapping[str, Any]) -> dict[str, PointArrays]:
    triangles, barycentric = _pair(content, "lmk_face_idx", "lmk_b_coords")
    numbers = dense_array(content["landmark_indices"])
    return {f"mediapipe_{len(numbers)}": PointArrays(triangles, barycentric, tuple(str(number) for number in numbers))}


def _pair(content: Mapping[str, Any], triangles: str, barycentric: str) -> tuple[np.ndarray, np.ndarray]:
    return dense_array(content[triangles]).astype(np.int64), dense_array(content[barycentric]).astype(np.float64)

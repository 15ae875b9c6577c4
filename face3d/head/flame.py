"""FLAME models from the user's own files (Li et al. 2017; FLAME 2020, 2023 and 2023 Open).

Pickles are read by a whitelist (see `whitelist_pickle`), so neither chumpy nor trust in the file is needed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from face3d.errors import ArgumentError, CorruptAssetError, InputError
from face3d.head.arrays import HeadArrays, PointArrays
from face3d.head.flame_landmarks import read_embeddings
from face3d.head.model import HeadModel
from face3d.head.whitelist_pickle import dense_array, read_npz, read_pickle

__all__ = [
    "COMPANION_FILES",
    "eyeball_regions",
    "flame_arrays",
    "load_flame",
    "read_flame",
    "read_regions",
    "require_flame",
]

#: Files that are used when they lie beside the model: landmark embeddings, then vertex masks.
COMPANION_FILES = (
    "landmark_embedding.npy",
    "flame_static_embedding.pkl",
    "flame_dynamic_embedding.npy",
    "mediapipe_landmark_embedding.npz",
    "FLAME_masks.pkl",
)

_KEYS = ("f", "v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
_JOINT_NAMES = ("root", "neck", "jaw", "left_eye", "right_eye")
# The expression block starts here in every FLAME release, however many identity components are used.
_FIRST_EXPRESSION = 300
# Vertices of FLAME's shared topology: 3931 of the skin, then two eyeballs of 546 each.
_FLAME_VERTICES = 5023
_EYEBALLS = {"left_eyeball": range(3931, 4477), "right_eyeball": range(4477, 5023)}
_LICENCE = "FLAME licence of the user's file (https://flame.is.tue.mpg.de)"

FilePath = str | os.PathLike[str]


def load_flame(
    path: FilePath,
    landmarks: FilePath | tuple[FilePath, ...] | list[FilePath] | None = None,
    masks: FilePath | None = None,
    contour: str = "deca",
    *,
    dtype: torch.dtype = torch.float32,
) -> HeadModel:
    """Load a FLAME model.

    Args:
        path: the pickle (`generic_model.pkl`, `flame2023.pkl`, ...) or an npz with the same keys.
        landmarks: one or more embeddings: `landmark_embedding.npy`, `flame_static_embedding.pkl` and
            `flame_dynamic_embedding.npy`, `mediapipe_landmark_embedding.npz`. None takes those beside the model.
        masks: `FLAME_masks.pkl`, which names vertex regions. None takes the one beside the model.
        contour: which sign of the yaw selects the jaw line: "deca" (+yaw) or "smplx" (-yaw).
        dtype: of the model; float64 keeps the file's own values.

    Returns:
        The model, with as many of these as the files provide. Point sets: `ibug_68` (17 points of the yaw-dependent
        jaw line, then 51), `ibug_68_fixed`, `now_7`, `mediapipe_105` (labels are MediaPipe's landmark numbers).
        Regions: the masks' names.

    Raises:
        InputError: a file cannot be opened.
        CorruptAssetError: a file is damaged, is of another kind, or is a pickle that names anything but arrays.
        ArgumentError: `contour` is unknown.
    """
    return HeadModel(read_flame(path, landmarks, masks), contour=contour, dtype=dtype)


def read_flame(
    path: FilePath,
    landmarks: FilePath | tuple[FilePath, ...] | list[FilePath] | None = None,
    masks: FilePath | None = None,
) -> HeadArrays:
    """Return a FLAME model's arrays in float64; arguments and errors as for `load_flame`."""
    path = Path(path)
    content = _model_content(path)
    landmark_files = _given_or_beside(landmarks, path, COMPANION_FILES[:-1])
    mask_files = _given_or_beside(masks, path, COMPANION_FILES[-1:])
    files = [path, *landmark_files, *mask_files]
    arrays = flame_arrays(content, path, files)
    arrays = replace(arrays, regions=read_regions(mask_files, len(arrays.template)))
    return _with_point_sets(arrays, read_embeddings(landmark_files), landmark_files)


def flame_arrays(content: Mapping[str, Any], path: Path, files: Sequence[Path]) -> HeadArrays:
    """Return a FLAME model of arrays by the names that its pickle has, without regions and point sets.

    Args:
        content: the arrays.
        path: the file they are from, for messages.
        files: that have a part in the model, for its record.

    Raises:
        CorruptAssetError: the arrays do not make a head.
    """
    try:
        template = _floats(content, "v_template")
        directions = _floats(content, "shapedirs")
        correctives = _floats(content, "posedirs")
        parents = dense_array(content["kintree_table"]).astype(np.int64)[0]
        return HeadArrays(
            name="flame",
            licence=_LICENCE,
            template=template,
            triangles=dense_array(content["f"]).astype(np.int64),
            identity_basis=_basis(directions[..., :_FIRST_EXPRESSION], template),
            expression_basis=_basis(directions[..., _FIRST_EXPRESSION:], template),
            pose_basis=_basis(correctives, template),
            joint_regressor=_floats(content, "J_regressor"),
            skinning_weights=_floats(content, "weights"),
            joint_names=_JOINT_NAMES,
            parents=(-1, *(int(parent) for parent in parents[1:])),
            provenance={"files": [file.name for file in files]},
        )
    except (InputError, ValueError, IndexError, TypeError) as error:
        raise CorruptAssetError(f"{path}: is not a usable FLAME model: {error}") from error


def require_flame(model: HeadModel, purpose: str) -> None:
    """Raise `ArgumentError` unless a head is FLAME with all of its identity components.

    Args:
        purpose: what is done with FLAME's identity, the beginning of the message, such as "MICA's files hold".
    """
    if model.name != "flame" or model.identity_size != _FIRST_EXPRESSION:
        raise ArgumentError(
            f"{purpose} the {_FIRST_EXPRESSION} identity components of FLAME, and the head {model.name!r} has "
            f"{model.identity_size} of its own; choose --head flame, or --head mica for the FLAME inside of mica.tar"
        )


def _model_content(path: Path) -> Mapping[str, Any]:
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name the FLAME file in it, such as {path / 'generic_model.pkl'}")
    content = read_npz(path) if path.suffix.lower() == ".npz" else read_pickle(path)
    if not isinstance(content, dict):
        raise CorruptAssetError(f"{path}: holds a {type(content).__name__}, not a FLAME model")
    missing = [key for key in _KEYS if key not in content]
    if missing:
        raise CorruptAssetError(f"{path}: is not a FLAME model; it lacks {', '.join(missing)}")
    return content


def _given_or_beside(
    given: FilePath | tuple[FilePath, ...] | list[FilePath] | None, model: Path, names: tuple[str, ...]
) -> list[Path]:
    if given is None:
        return [model.with_name(name) for name in names if model.with_name(name).is_file()]
    several = given if isinstance(given, tuple | list) else [given]
    return [Path(file) for file in several]


def _floats(content: Mapping[str, Any], key: str) -> np.ndarray:
    try:
        return dense_array(content[key]).astype(np.float64)
    except InputError as error:
        raise InputError(f"{key}: {error}") from error


def _basis(directions: np.ndarray, template: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "K V 3"]:
    """Bring components from the last axis to the first."""
    components = directions.reshape(*template.shape, -1)
    return np.ascontiguousarray(np.moveaxis(components, -1, 0))


def eyeball_regions(vertices: int) -> dict[str, np.ndarray]:
    """Return the eyeballs' vertices by name; none for a model of another topology than FLAME's."""
    return {name: np.array(ids) for name, ids in _EYEBALLS.items()} if vertices == _FLAME_VERTICES else {}


def read_regions(files: Sequence[Path], vertices: int) -> dict[str, np.ndarray]:
    """Return vertex regions by name: the eyeballs, and those of files such as `FLAME_masks.pkl`.

    Args:
        files: pickles of vertex indices by name.
        vertices: how many the model has.

    Raises:
        InputError: a file cannot be opened.
        CorruptAssetError: it is damaged, of another kind, or another model's.
    """
    regions = eyeball_regions(vertices)
    for file in files:
        masks = read_pickle(file)
        if not isinstance(masks, dict):
            raise CorruptAssetError(f"{file}: is not a file of vertex masks")
        try:
            regions |= {str(name): dense_array(ids).astype(np.int64).ravel() for name, ids in masks.items()}
        except (InputError, ValueError, TypeError) as error:
            raise CorruptAssetError(f"{file}: is not a file of vertex masks: {error}") from error
        outside = [name for name, ids in regions.items() if ids.size and not 0 <= ids.min() <= ids.max() < vertices]
        if outside:
            raise CorruptAssetError(f"{file}: mask {outside[0]!r} names vertices that the model does not have")
    return regions


def _with_point_sets(arrays: HeadArrays, sets: Mapping[str, PointArrays], files: list[Path]) -> HeadArrays:
    try:
        return replace(arrays, point_sets=sets)
    except InputError as error:
        named = ", ".join(str(file) for file in files)
        raise CorruptAssetError(f"{named}: does not fit the model: {error}") from error

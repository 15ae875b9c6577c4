"""The FLAME model that MICA's checkpoint holds: its decoder, as PyTorch buffers under `generator.`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from face3d.assets import read_torch_file
from face3d.errors import CorruptAssetError, InputError
from face3d.head.arrays import HeadArrays
from face3d.head.flame import eyeball_regions, flame_arrays
from face3d.head.flame_landmarks import embedded_points

__all__ = ["flame_of_generator", "read_flame_of_mica"]

PREFIX = "generator."

# Names in the pickle, and the buffer that has the same content.
_BUFFERS = {
    "f": "faces_tensor",
    "v_template": "v_template",
    "shapedirs": "shapedirs",
    "posedirs": "posedirs",
    "J_regressor": "J_regressor",
    "weights": "lbs_weights",
    "kintree_table": "parents",
}
# Names in `landmark_embedding.npy`, likewise.
_EMBEDDING = {
    "static_lmk_faces_idx": "lmk_faces_idx",
    "static_lmk_bary_coords": "lmk_bary_coords",
    "dynamic_lmk_faces_idx": "dynamic_lmk_faces_idx",
    "dynamic_lmk_bary_coords": "dynamic_lmk_bary_coords",
    "full_lmk_faces_idx": "full_lmk_faces_idx",
    "full_lmk_bary_coords": "full_lmk_bary_coords",
}


def read_flame_of_mica(path: Path) -> HeadArrays:
    """Return the FLAME model inside of `mica.tar`, which is licensed as FLAME 2020 is.

    Raises:
        CorruptAssetError: the file is damaged or holds no FLAME model.
    """
    model = read_torch_file(path).get("flameModel")
    arrays = flame_of_generator(model if isinstance(model, dict) else {}, path)
    if arrays is None:
        raise CorruptAssetError(f"{path} holds no FLAME model; take the file that MICA's install.sh fetches")
    return arrays


def flame_of_generator(model: Mapping[str, Any], path: Path) -> HeadArrays | None:
    """Return the FLAME model among the weights of MICA's `flameModel`; None where it was left out.

    Args:
        model: names to tensors, those of FLAME beginning with `generator.`.
        path: the file they are from, for messages.

    Raises:
        CorruptAssetError: some of it is missing, or does not make a head.
    """
    buffers = {name.removeprefix(PREFIX): value for name, value in model.items() if name.startswith(PREFIX)}
    if not buffers:
        return None
    missing = [name for name in (*_BUFFERS.values(), *_EMBEDDING.values()) if name not in buffers]
    if missing:
        raise CorruptAssetError(f"{path}: its FLAME model lacks {PREFIX}{missing[0]}; get the file anew")
    arrays = {name: _array(buffers[buffer]) for name, buffer in (_BUFFERS | _EMBEDDING).items()}
    try:
        # The layer keeps the correctives as one row per entry of the pose feature, x, y, z of each vertex in turn.
        arrays["posedirs"] = arrays["posedirs"].T.reshape(*arrays["v_template"].shape, -1)
        arrays["kintree_table"] = arrays["kintree_table"][None]
        head = flame_arrays({name: arrays[name] for name in _BUFFERS}, path, [path])
        points = embedded_points({name: arrays[name] for name in _EMBEDDING})
        return replace(head, point_sets=points, regions=eyeball_regions(len(head.template)))
    except (InputError, ValueError, IndexError) as error:
        raise CorruptAssetError(f"{path}: its FLAME model cannot be used: {error}; get the file anew") from error


def _array(value: Any) -> np.ndarray:
    array: np.ndarray = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    return array

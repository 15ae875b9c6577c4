"""The FLAME model that MICA's checkpoint holds: its decoder, as PyTorch buffers under `generator.`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from face3d.assets import read_torch_file
from face3d.errors import ArgumentError, CorruptAssetError, InputError
from face3d.head.arrays import HeadArrays
from face3d.head.flame import eyeball_regions, flame_arrays
from face3d.head.flame_landmarks import embedded_points

__all__ = ["flame_of_generator", "generator_of_flame", "read_flame_of_mica"]

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


def generator_of_flame(head: HeadArrays) -> dict[str, Tensor]:
    """Return a FLAME model as MICA's checkpoint holds it: buffers by names that begin with `generator.`, float32.

    The inverse of `flame_of_generator`.

    Raises:
        ArgumentError: the model has no landmark embedding, or no pose correctives.
    """
    moving, fixed = (head.point_sets.get(name) for name in ("ibug_68", "ibug_68_fixed"))
    if fixed is None or moving is None or moving.contour_triangles is None or moving.contour_barycentric is None:
        raise ArgumentError(
            "MICA's checkpoint holds FLAME's landmarks, which this model lacks; put landmark_embedding.npy beside it"
        )
    if head.pose_basis is None:
        raise ArgumentError("MICA's checkpoint holds FLAME's pose correctives, which this model lacks")
    jaw = moving.contour_triangles.shape[1]
    arrays = {
        "faces_tensor": head.triangles,
        "v_template": head.template,
        "shapedirs": np.concatenate([head.identity_basis, head.expression_basis]).transpose(1, 2, 0),
        "posedirs": head.pose_basis.reshape(len(head.pose_basis), -1),
        "J_regressor": head.joint_regressor,
        "parents": np.array(head.parents),
        "lbs_weights": head.skinning_weights,
        "eye_pose": np.zeros((1, 6)),
        "neck_pose": np.zeros((1, 3)),
        "lmk_faces_idx": moving.triangles[jaw:],
        "lmk_bary_coords": moving.barycentric[jaw:],
        "dynamic_lmk_faces_idx": moving.contour_triangles,
        "dynamic_lmk_bary_coords": moving.contour_barycentric,
        "full_lmk_faces_idx": fixed.triangles[None],
        "full_lmk_bary_coords": fixed.barycentric[None],
        # From the neck to the root.
        "neck_kin_chain": np.array([1, 0]),
    }
    return {
        PREFIX + name: torch.from_numpy(array.astype(np.int64 if array.dtype.kind in "iu" else np.float32, order="C"))
        for name, array in arrays.items()
    }


def _array(value: Any) -> np.ndarray:
    array: np.ndarray = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    return array

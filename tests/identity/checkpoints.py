"""A mica.tar without anybody's data: recipe weights, and the synthetic FLAME as its decoder."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from face3d.head import HeadModel
from face3d.head.flame import read_flame
from face3d.identity import IResNet100, MappingNetwork
from tests.golden.recipe import ARCFACE_DAMPING, ARCFACE_PRELU, recipe_weights
from tests.head.golden import FLAME


def arcface_weights():
    """Recipe weights of IResNet-100, all 925 entries, in a dictionary of the caller's own."""
    return dict(_arcface_weights())


@lru_cache(maxsize=1)
def _arcface_weights():
    with torch.device("meta"):
        names = IResNet100().state_dict()
    weights = recipe_weights(names, damping=ARCFACE_DAMPING, prelu=ARCFACE_PRELU)
    return weights | {name: torch.tensor(7) for name in names if name.endswith("num_batches_tracked")}


def generator():
    """The synthetic FLAME as MICA's layer keeps it: float32 buffers, correctives as (36, 3V)."""
    arrays = read_flame(FLAME)
    basis = np.concatenate([arrays.identity_basis, arrays.expression_basis])
    embedding = np.load(FLAME.with_name("landmark_embedding.npy"), allow_pickle=True, encoding="latin1").item()
    embedding = {name: torch.as_tensor(value) for name, value in embedding.items()}
    buffers = {
        "faces_tensor": torch.from_numpy(arrays.triangles),
        "v_template": torch.from_numpy(arrays.template).float(),
        "shapedirs": torch.from_numpy(basis).float().permute(1, 2, 0),
        "posedirs": torch.from_numpy(arrays.pose_basis).float().reshape(36, -1),
        "J_regressor": torch.from_numpy(arrays.joint_regressor).float(),
        "parents": torch.tensor(arrays.parents),
        "lbs_weights": torch.from_numpy(arrays.skinning_weights).float(),
        "eye_pose": torch.zeros(1, 6),
        "neck_pose": torch.zeros(1, 3),
        "neck_kin_chain": torch.tensor([1, 0]),
        "lmk_faces_idx": embedding["static_lmk_faces_idx"],
        "lmk_bary_coords": embedding["static_lmk_bary_coords"],
    }
    for part in ("dynamic", "full"):
        for kind in ("faces_idx", "bary_coords"):
            buffers[f"{part}_lmk_{kind}"] = embedding[f"{part}_lmk_{kind}"]
    return {f"generator.{name}": value.clone() for name, value in buffers.items()}


def mica_content():
    """What a checkpoint of MICA's trainer holds, as far as anybody reads it."""
    mapping = recipe_weights(MappingNetwork().state_dict())
    return {
        "arcface": arcface_weights(),
        "flameModel": {f"regressor.{name}": value for name, value in mapping.items()} | generator(),
        "epoch": 3,
        "global_step": 160000,
        "validator": {"best": np.float64(0.9)},
    }


def synthetic_flame():
    """The head that the checkpoint's identities belong to."""
    return HeadModel(read_flame(FLAME))

"""Camera poses as COLMAP writes them: a unit quaternion, scalar first, and a translation."""

from __future__ import annotations

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from face3d.camera.rigid import rigid_transform

__all__ = ["from_colmap", "to_colmap"]


def to_colmap(camera_from_head: Float[Tensor, "*B 4 4"]) -> tuple[Float[Tensor, "*B 4"], Float[Tensor, "*B 3"]]:
    """Return COLMAP's pose: unit quaternion (w, x, y, z) with w >= 0, and translation in metres.

    COLMAP's axes are OpenCV's and its first pixel's centre is (0.5, 0.5) as here, so K needs no change.
    """
    xyzw = roma.rotmat_to_unitquat(camera_from_head[..., :3, :3])
    wxyz = roma.quat_xyzw_to_wxyz(xyzw)
    wxyz = torch.where(wxyz[..., :1] < 0, -wxyz, wxyz)
    return wxyz, camera_from_head[..., :3, 3]


def from_colmap(quaternion: Float[Tensor, "*B 4"], translation: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 4 4"]:
    """Return the transform of a COLMAP pose (quaternion w, x, y, z of any length); the inverse of `to_colmap`."""
    unit = quaternion / quaternion.norm(dim=-1, keepdim=True)
    return rigid_transform(roma.unitquat_to_rotmat(roma.quat_wxyz_to_xyzw(unit)), translation)

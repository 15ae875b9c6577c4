"""Where a head is in metres, from what DECA's camera says of its crop: a start for the metric fit."""

from __future__ import annotations

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from face3d.camera import perspective_from_weak
from face3d.camera.rigid import rigid_transform
from face3d.errors import InputError
from face3d.expression.coarse_encoder import CoarseCodes

__all__ = ["metric_poses"]

HALF_PIXEL = 0.5
"""DECA and SPECTRE learned to put landmarks at (p + 1) 112 counted from the first pixel's centre; face3d counts from
that pixel's corner."""


def metric_poses(
    codes: CoarseCodes,
    crop_from_image: Float[Tensor, "T 2 3"],
    intrinsics: Float[Tensor, "3 3"],
    *,
    root_joint: Float[Tensor, " 3"],
    pivot: Float[Tensor, " 3"],
) -> Float[Tensor, "T 4 4"]:
    """The rigid pose of each frame that shows the head, not turned at its root, as DECA's weak-perspective camera does.

    The depth is where FLAME's metre has the size that the camera's scale says; it is as good as the size of the head
    that it is used with, so that the fit should refine it. Expression, jaw and identity stay what they are.

    Args:
        codes: of T frames.
        crop_from_image: `Crop.matrix` of each frame's crop, in face3d's pixels.
        intrinsics: K in pixels of the whole image.
        root_joint: of the head at rest, metres, about which DECA's head turns.
        pivot: point of the head at rest, metres, that shall lie exactly where the weak camera has it: the middle of
            the face.

    Returns:
        camera_from_head, for a head with `root` at zero.

    Raises:
        InputError: a frame's camera has a scale that is not positive, as of crops without a face.
        ArgumentError: a crop that mirrors.
    """
    bad = torch.nonzero(~(codes.camera[:, 0] > 0)).flatten().tolist()
    if bad:
        raise InputError(f"frame {bad[0]}: DECA's camera has no positive scale; its crop shows no face, leave it out")
    rotation = roma.rotvec_to_rotmat(codes.root)
    joint = root_joint.to(rotation)
    posed_from_head = rigid_transform(rotation, joint - (rotation @ joint[:, None])[..., 0])
    start = (rotation @ (pivot.to(rotation) - joint)[:, None])[..., 0] + joint
    crops = crop_from_image.to(rotation) - crop_from_image.new_tensor([0.0, 0.0, HALF_PIXEL]).to(rotation)
    camera_from_posed = perspective_from_weak(
        codes.camera, intrinsics.to(rotation).expand(len(rotation), 3, 3), crop_from_image=crops, pivot=start
    )
    return camera_from_posed @ posed_from_head

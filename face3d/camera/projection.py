"""Pinhole projection of points to image pixels."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["project", "project_camera"]


def project(
    points: Float[Tensor, "*B N 3"],
    camera_from_head: Float[Tensor, "*B 4 4"],
    intrinsics: Float[Tensor, "*B 3 3"],
) -> Float[Tensor, "*B N 2"]:
    """Project head-frame points to image pixels.

    Args:
        points: metres, head frame.
        camera_from_head: rigid transform into the OpenCV camera frame.
        intrinsics: K in pixels of the original image.

    Returns:
        Pixels, origin at the top-left corner of the top-left pixel. Points at or behind the camera give NaN (and no
        gradient).
    """
    rotation, translation = camera_from_head[..., :3, :3], camera_from_head[..., :3, 3]
    in_camera = points @ rotation.transpose(-1, -2) + translation[..., None, :]
    return project_camera(in_camera, intrinsics)


def project_camera(points: Float[Tensor, "*B N 3"], intrinsics: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B N 2"]:
    """Project points that are in the OpenCV camera frame already; as `project` otherwise."""
    depth = points[..., 2:]
    visible = depth > 0
    # Dividing by 1 where the depth is unusable keeps NaN out of the gradients of the visible points.
    normalised = points / torch.where(visible, depth, torch.ones_like(depth))
    pixels = (normalised @ intrinsics.transpose(-1, -2))[..., :2]
    return torch.where(visible, pixels, torch.full_like(pixels, torch.nan))

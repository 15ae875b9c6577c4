"""PyTorch3D's cameras and its normalised device coordinates (NDC), without importing PyTorch3D.

Its camera frame is +x left, +y up, +z forward and points are rows (x R + T). Its NDC has +x left, +y up, the middle of
the image at 0, and the shorter side spans [-1, 1].
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from face3d.camera.projection import project_camera
from face3d.camera.rigid import flip_axes, rigid_transform
from face3d.errors import ArgumentError

__all__ = [
    "from_pytorch3d",
    "pixels_from_pytorch3d_ndc",
    "pytorch3d_ndc_from_camera",
    "pytorch3d_ndc_from_pixels",
    "to_pytorch3d",
]


def pytorch3d_ndc_from_pixels(pixels: Float[Tensor, "*B N 2"], image_size: tuple[int, int]) -> Float[Tensor, "*B N 2"]:
    """Return PyTorch3D's NDC: +x left, +y up, the shorter side spans [-1, 1], the middle of the image at 0.

    Args:
        pixels: face3d's rule.
        image_size: (width, height) pixels.
    """
    middle = pixels.new_tensor(image_size) / 2
    return (middle - pixels) / (min(image_size) / 2)


def pixels_from_pytorch3d_ndc(ndc: Float[Tensor, "*B N 2"], image_size: tuple[int, int]) -> Float[Tensor, "*B N 2"]:
    """Return pixels of PyTorch3D NDC points; the inverse of `pytorch3d_ndc_from_pixels`."""
    middle = ndc.new_tensor(image_size) / 2
    return middle - ndc * (min(image_size) / 2)


def pytorch3d_ndc_from_camera(
    points: Float[Tensor, "*B N 3"], intrinsics: Float[Tensor, "*B 3 3"], image_size: tuple[int, int]
) -> Float[Tensor, "*B N 3"]:
    """Return what PyTorch3D's and face3d's rasterisers take: NDC x and y, and the depth in metres as it is.

    Args:
        points: metres, OpenCV camera frame. Points at or behind the camera give NaN in x and y.
        intrinsics: K in pixels.
        image_size: (width, height) pixels.
    """
    xy = pytorch3d_ndc_from_pixels(project_camera(points, intrinsics), image_size)
    return torch.cat([xy, points[..., 2:]], dim=-1)


def to_pytorch3d(
    camera_from_head: Float[Tensor, "*B 4 4"], intrinsics: Float[Tensor, "*B 3 3"], image_size: tuple[int, int]
) -> tuple[Float[Tensor, "*B 3 3"], Float[Tensor, "*B 3"], Float[Tensor, "*B 2"], Float[Tensor, "*B 2"]]:
    """Return (R, T, focal_length, principal_point) for PyTorch3D's `PerspectiveCameras(in_ndc=True)`.

    Its camera frame is +x left, +y up, +z forward, points are rows (x R + T), NDC as in `pytorch3d_ndc_from_pixels`.
    A skew in K has no place there and is refused.

    Raises:
        ArgumentError: K has a skew.
    """
    if bool((intrinsics[..., 0, 1] != 0).any()):
        raise ArgumentError("PyTorch3D's camera has no skew; give intrinsics without one")
    flipped = flip_axes(camera_from_head, (-1.0, -1.0, 1.0, 1.0))
    half_side = min(image_size) / 2
    focal = torch.stack([intrinsics[..., 0, 0], intrinsics[..., 1, 1]], dim=-1) / half_side
    principal = (intrinsics.new_tensor(image_size) / 2 - intrinsics[..., :2, 2]) / half_side
    return flipped[..., :3, :3].transpose(-1, -2), flipped[..., :3, 3], focal, principal


def from_pytorch3d(
    rotation: Float[Tensor, "*B 3 3"],
    translation: Float[Tensor, "*B 3"],
    focal_length: Float[Tensor, "*B 2"],
    principal_point: Float[Tensor, "*B 2"],
    image_size: tuple[int, int],
) -> tuple[Float[Tensor, "*B 4 4"], Float[Tensor, "*B 3 3"]]:
    """Return (camera_from_head, K) of a PyTorch3D camera in NDC; the inverse of `to_pytorch3d`."""
    camera_from_head = flip_axes(rigid_transform(rotation.transpose(-1, -2), translation), (-1.0, -1.0, 1.0, 1.0))
    half_side = min(image_size) / 2
    intrinsics = torch.diag_embed(torch.cat([focal_length * half_side, torch.ones_like(focal_length[..., :1])], dim=-1))
    centre = focal_length.new_tensor(image_size) / 2 - principal_point * half_side
    column = torch.cat([centre, torch.ones_like(centre[..., :1])], dim=-1)
    return camera_from_head, torch.cat([intrinsics[..., :2], column[..., None]], dim=-1)

"""PyTorch3D's cameras and its normalised device coordinates (NDC), without importing PyTorch3D.

Its camera frame is +x left, +y up, +z forward and points are rows (x R + T). Its NDC has +x left, +y up, the middle of
the image at 0, and the shorter side spans [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from face3d.camera.clip_planes import clip_planes
from face3d.camera.opengl import refuse_off_centre
from face3d.camera.projection import project_camera
from face3d.camera.rigid import flip_axes, rigid_transform
from face3d.errors import ArgumentError

__all__ = [
    "PyTorch3DFoV",
    "from_pytorch3d",
    "from_pytorch3d_fov",
    "pixels_from_pytorch3d_ndc",
    "pytorch3d_ndc_from_camera",
    "pytorch3d_ndc_from_pixels",
    "to_pytorch3d",
    "to_pytorch3d_fov",
]


def pytorch3d_ndc_from_pixels(pixels: Float[Tensor, "*B 2"], image_size: tuple[int, int]) -> Float[Tensor, "*B 2"]:
    """Return PyTorch3D's NDC: +x left, +y up, the shorter side spans [-1, 1], the middle of the image at 0.

    Args:
        pixels: face3d's rule.
        image_size: (width, height) pixels.
    """
    middle = pixels.new_tensor(image_size) / 2
    return (middle - pixels) / (min(image_size) / 2)


def pixels_from_pytorch3d_ndc(ndc: Float[Tensor, "*B 2"], image_size: tuple[int, int]) -> Float[Tensor, "*B 2"]:
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
    camera_from_head: Float[Tensor, "*B 4 4"],
    intrinsics: Float[Tensor, "*B 3 3"],
    image_size: tuple[int, int],
    *,
    in_ndc: bool = True,
) -> tuple[Float[Tensor, "*B 3 3"], Float[Tensor, "*B 3"], Float[Tensor, "*B 2"], Float[Tensor, "*B 2"]]:
    """Return (R, T, focal_length, principal_point) for PyTorch3D's `PerspectiveCameras`.

    Its camera frame is +x left, +y up, +z forward, points are rows (x R + T), NDC as in `pytorch3d_ndc_from_pixels`.
    A skew in K has no place there and is refused.

    Args:
        camera_from_head: rigid transform into the OpenCV camera frame.
        intrinsics: K in pixels.
        image_size: (width, height) pixels.
        in_ndc: focal length and principal point in NDC. False: in pixels, for `in_ndc=False` and
            `image_size=((height, width),)`, whose pixel rule is face3d's.

    Raises:
        ArgumentError: K has a skew.
    """
    if bool((intrinsics[..., 0, 1] != 0).any()):
        raise ArgumentError("PyTorch3D's camera has no skew; give intrinsics without one")
    rotation, translation = _pytorch3d_pose(camera_from_head)
    focal = torch.stack([intrinsics[..., 0, 0], intrinsics[..., 1, 1]], dim=-1)
    principal = intrinsics[..., :2, 2]
    if in_ndc:
        focal = focal / (min(image_size) / 2)
        principal = pytorch3d_ndc_from_pixels(principal, image_size)
    return rotation, translation, focal, principal


def from_pytorch3d(
    rotation: Float[Tensor, "*B 3 3"],
    translation: Float[Tensor, "*B 3"],
    focal_length: Float[Tensor, "*B 2"],
    principal_point: Float[Tensor, "*B 2"],
    image_size: tuple[int, int],
    *,
    in_ndc: bool = True,
) -> tuple[Float[Tensor, "*B 4 4"], Float[Tensor, "*B 3 3"]]:
    """Return (camera_from_head, K) of a PyTorch3D `PerspectiveCameras`; the inverse of `to_pytorch3d`."""
    if in_ndc:
        focal_length = focal_length * (min(image_size) / 2)
        principal_point = pixels_from_pytorch3d_ndc(principal_point, image_size)
    return _pose_of_pytorch3d(rotation, translation), _pinhole(focal_length, principal_point)


@dataclass(frozen=True, slots=True, eq=False)
class PyTorch3DFoV:
    """The arguments of PyTorch3D's `FoVPerspectiveCameras`, under their names there.

    `FoVPerspectiveCameras(R=..., T=..., fov=..., aspect_ratio=..., znear=..., zfar=..., degrees=True)`. The shorter
    side of the picture spans the field of view, whichever it is, as everywhere in PyTorch3D's NDC.

    Attributes:
        R: (*B, 3, 3), for points as rows.
        T: (*B, 3) metres.
        fov: (*B) degrees, along y over the length of the shorter image side.
        aspect_ratio: (*B) fy / fx, 1 for square pixels. Not width / height.
        znear: (*B) metres. PyTorch3D's rasteriser drops what is nearer than half of it.
        zfar: (*B) metres.
    """

    R: Float[Tensor, "*B 3 3"]
    T: Float[Tensor, "*B 3"]
    fov: Float[Tensor, "*B"]
    aspect_ratio: Float[Tensor, "*B"]
    znear: Float[Tensor, "*B"]
    zfar: Float[Tensor, "*B"]


def to_pytorch3d_fov(
    camera_from_head: Float[Tensor, "*B 4 4"], intrinsics: Float[Tensor, "*B 3 3"], image_size: tuple[int, int]
) -> PyTorch3DFoV:
    """Return the arguments of PyTorch3D's `FoVPerspectiveCameras`, with planes that keep the head (`clip_planes`).

    Args:
        camera_from_head: rigid transform into the OpenCV camera frame.
        intrinsics: K in pixels.
        image_size: (width, height) pixels.

    Raises:
        ArgumentError: the principal point is not in the middle or K has a skew; `to_pytorch3d` can say the former.
    """
    refuse_off_centre(intrinsics, image_size, "PyTorch3D's FoVPerspectiveCameras")
    rotation, translation = _pytorch3d_pose(camera_from_head)
    fx, fy = intrinsics[..., 0, 0], intrinsics[..., 1, 1]
    fov = torch.rad2deg(2 * torch.atan(min(image_size) / 2 / fy))
    znear, zfar = clip_planes(camera_from_head)
    return PyTorch3DFoV(R=rotation, T=translation, fov=fov, aspect_ratio=fy / fx, znear=znear, zfar=zfar)


def from_pytorch3d_fov(
    camera: PyTorch3DFoV, image_size: tuple[int, int]
) -> tuple[Float[Tensor, "*B 4 4"], Float[Tensor, "*B 3 3"]]:
    """Return (camera_from_head, K) of a PyTorch3D `FoVPerspectiveCameras`; the inverse of `to_pytorch3d_fov`."""
    fy = min(image_size) / 2 / torch.tan(torch.deg2rad(camera.fov) / 2)
    focal = torch.stack([fy / camera.aspect_ratio, fy], dim=-1)
    middle = (focal.new_tensor(image_size) / 2).expand_as(focal)
    return _pose_of_pytorch3d(camera.R, camera.T), _pinhole(focal, middle)


def _pytorch3d_pose(camera_from_head: Float[Tensor, "*B 4 4"]) -> tuple[Float[Tensor, "*B 3 3"], Float[Tensor, "*B 3"]]:
    flipped = flip_axes(camera_from_head, (-1.0, -1.0, 1.0, 1.0))
    return flipped[..., :3, :3].transpose(-1, -2), flipped[..., :3, 3]


def _pose_of_pytorch3d(
    rotation: Float[Tensor, "*B 3 3"], translation: Float[Tensor, "*B 3"]
) -> Float[Tensor, "*B 4 4"]:
    return flip_axes(rigid_transform(rotation.transpose(-1, -2), translation), (-1.0, -1.0, 1.0, 1.0))


def _pinhole(focal: Float[Tensor, "*B 2"], principal: Float[Tensor, "*B 2"]) -> Float[Tensor, "*B 3 3"]:
    one = torch.ones_like(focal[..., :1])
    diagonal = torch.diag_embed(torch.cat([focal, one], dim=-1))
    column = torch.cat([principal, one], dim=-1)
    return torch.cat([diagonal[..., :2], column[..., None]], dim=-1)

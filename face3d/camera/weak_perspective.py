"""The weak-perspective camera of DECA and SPECTRE, and its exchange for a metric perspective one.

A camera is (s, tx, ty): scale in half crops per metre, and a translation in metres INSIDE the scale, so
p = s (X + (tx, ty, 0)); then y and z change sign. X are the posed head's points: +x the subject's left, +y up, +z
towards the viewer. p spans [-1, 1] over the square crop, +x right, +y down, +z away from the viewer.

A crop's pixel is (p + 1) size / 2. DECA and SPECTRE read that number as a distance from the crop's corner where they
rasterise, which is face3d's rule, and from the first pixel's centre where they compare with landmarks. Whoever wants
points where the landmarks were adds 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from face3d.camera.projection import project
from face3d.camera.rigid import rigid_transform
from face3d.errors import ArgumentError

__all__ = [
    "WEAK_CROP_SIZE",
    "WeakPerspectiveCamera",
    "image_from_crop_pixels",
    "perspective_from_weak",
    "pixels_from_weak",
    "project_weak",
    "weak_from_perspective",
]

WEAK_CROP_SIZE = 224
"""Side of the crop that DECA's and SPECTRE's encoders see, pixels."""

DEPTH_SHIFT = 10.0
"""Added to the scaled depth before rasterising, as in DECA, so that all of it lies before the viewer."""


@dataclass(frozen=True, slots=True, eq=False)
class WeakPerspectiveCamera:
    """A batch of weak-perspective cameras, for renderers that take a `PinholeCamera` too.

    Attributes:
        parameters: (B, 3) s, tx, ty.
        size: side of the square image, pixels.
    """

    parameters: Float[Tensor, "B 3"]
    size: int = WEAK_CROP_SIZE

    def __post_init__(self) -> None:
        if self.parameters.ndim != 2 or self.parameters.shape[1] != 3:
            raise ArgumentError(f"a weak-perspective camera is (B, 3), not {tuple(self.parameters.shape)}")
        if self.size < 1:
            raise ArgumentError(f"an image size must be positive, got {self.size}")

    @property
    def image_size(self) -> tuple[int, int]:
        """(width, height) pixels."""
        return self.size, self.size

    @property
    def perspective(self) -> bool:
        """Whether depth divides; here it does not."""
        return False

    def ndc(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        """Return posed points in PyTorch3D's NDC; the depth is the scaled one, and ten more (as in DECA)."""
        return project_weak(points, self.parameters) * points.new_tensor([-1.0, -1.0, 1.0]) + points.new_tensor(
            [0.0, 0.0, DEPTH_SHIFT]
        )

    def view_directions(self, directions: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        """Return directions in the viewer's frame (+x right, +y up, +z towards the viewer): they are there already."""
        return directions


def project_weak(points: Float[Tensor, "*B N 3"], camera: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B N 3"]:
    """Project the posed head's points as DECA and SPECTRE do, y and z negated; [-1, 1] spans the crop.

    Args:
        points: metres; +y up, +z towards the viewer.
        camera: s, tx, ty.
    """
    shift = torch.cat([camera[..., 1:], torch.zeros_like(camera[..., :1])], dim=-1)
    return camera[..., None, :1] * (points + shift[..., None, :]) * points.new_tensor([1.0, -1.0, -1.0])


def pixels_from_weak(projected: Float[Tensor, "*B N 3"], size: int = WEAK_CROP_SIZE) -> Float[Tensor, "*B N 2"]:
    """Return crop pixels of projected points: (p + 1) size / 2. The module says how the published systems read them."""
    return (projected[..., :2] + 1) * (size / 2)


def image_from_crop_pixels(
    pixels: Float[Tensor, "*B N 2"], crop_from_image: Float[Tensor, "*B 2 3"]
) -> Float[Tensor, "*B N 2"]:
    """Return pixels of the whole image for pixels of a crop.

    Args:
        pixels: of the crop.
        crop_from_image: the crop's affine matrix, in the same pixel rule.

    Raises:
        ArgumentError: the matrix has no inverse.
    """
    linear, shift = crop_from_image[..., :2], crop_from_image[..., 2]
    if bool((torch.linalg.det(linear) == 0).any()):
        raise ArgumentError("the crop's matrix squeezes the image to a line and has no inverse")
    return torch.linalg.solve(linear, (pixels - shift[..., None, :]).mT).mT


def perspective_from_weak(
    camera: Float[Tensor, "*B 3"],
    intrinsics: Float[Tensor, "*B 3 3"],
    *,
    crop_from_image: Float[Tensor, "*B 2 3"] | None = None,
    size: int = WEAK_CROP_SIZE,
    pivot: Float[Tensor, "*B 3"] | None = None,
) -> Float[Tensor, "*B 4 4"]:
    """Return a metric perspective pose that sees posed points as a weak-perspective camera does.

    The pivot lands on exactly the pixel where the weak camera sees it, at the depth where a metre measures as many
    pixels: focal length / (pixels per metre). A crop shows the head as if it were looked at along the optical axis, so
    the head is turned by the angle between that axis and the ray to the pivot. What is left is the perspective itself:
    a point whose depth is z nearer than the pivot's appears larger by the factor 1 / (1 - z / depth), which for a face
    (10 cm) is 10 % at 1 m, and 1 - cos of that angle in scale.

    Args:
        camera: s, tx, ty; s positive.
        intrinsics: K in pixels of the whole image.
        crop_from_image: the crop's similarity (it may turn, not mirror), in face3d's pixels; None where the crop is
            the image.
        size: side of the crop, pixels.
        pivot: point of the posed head, metres, whose surroundings should match best; None for the origin. The middle
            of the face is better than the origin, which in FLAME lies behind it.

    Returns:
        camera_from_head for the same posed points that the weak camera projects.

    Raises:
        ArgumentError: a scale that is not positive, or a crop that mirrors.
    """
    if not bool((camera[..., 0] > 0).all()):
        raise ArgumentError(f"the scale of a weak-perspective camera is positive, got {camera[..., 0].tolist()}")
    pivot = torch.zeros_like(camera) if pivot is None else pivot
    pixel = pixels_from_weak(project_weak(pivot[..., None, :], camera), size)
    pixel, zoom, turn = _out_of_crop(pixel, crop_from_image)
    metres_to_pixels = camera[..., 0] * (size / 2) / zoom
    depth = _focal(intrinsics) / metres_to_pixels
    ray = _rays(pixel, intrinsics)[..., 0, :]
    upright = turn * camera.new_tensor([1.0, -1.0, -1.0])
    rotation = _turn_to(ray) @ upright
    translation = depth[..., None] * ray - (rotation @ pivot[..., None])[..., 0]
    return rigid_transform(rotation, translation)


def weak_from_perspective(
    camera_from_head: Float[Tensor, "*B 4 4"],
    intrinsics: Float[Tensor, "*B 3 3"],
    *,
    crop_from_image: Float[Tensor, "*B 2 3"] | None = None,
    size: int = WEAK_CROP_SIZE,
    pivot: Float[Tensor, "*B 3"] | None = None,
) -> tuple[Float[Tensor, "*B 3"], Float[Tensor, "*B 3 3"]]:
    """Return the weak-perspective camera (s, tx, ty) that sees a crop as a perspective camera does, and a rotation.

    The inverse of `perspective_from_weak`, with its approximation. A weak camera cannot turn, so the head must be:
    project `points @ rotation.mT`, metres, with `project_weak`. For a camera that `perspective_from_weak` made, the
    rotation is the identity.

    Args:
        camera_from_head: rigid transform into the OpenCV camera frame; the pivot must lie before the camera.
        intrinsics: K in pixels of the whole image.
        crop_from_image: as in `perspective_from_weak`.
        size: side of the crop, pixels.
        pivot: point of the head, metres, before the rotation.

    Raises:
        ArgumentError: the pivot lies at or behind the camera, or a crop that mirrors.
    """
    rotation, translation = camera_from_head[..., :3, :3], camera_from_head[..., :3, 3]
    pivot = torch.zeros_like(translation) if pivot is None else pivot
    pixel = project(pivot[..., None, :], camera_from_head, intrinsics)
    place = (rotation @ pivot[..., None])[..., 0] + translation
    depth = place[..., 2]
    if not bool((depth > 0).all()):
        raise ArgumentError(f"the head lies behind the camera (depth {depth.tolist()} m): no crop can show it")
    _, zoom, turn = _out_of_crop(pixel, crop_from_image)
    scale = _focal(intrinsics) / depth * zoom / (size / 2)
    upright = turn * camera_from_head.new_tensor([1.0, -1.0, -1.0])
    weak_rotation = upright.mT @ _turn_to(place / depth[..., None]).mT @ rotation
    in_crop = pixel
    if crop_from_image is not None:
        in_crop = pixel @ crop_from_image[..., :2].mT + crop_from_image[..., None, :, 2]
    seen = (in_crop[..., 0, :] * (2 / size) - 1) / scale[..., None] * in_crop.new_tensor([1.0, -1.0])
    shift = seen - (weak_rotation @ pivot[..., None])[..., :2, 0]
    return torch.cat([scale[..., None], shift], dim=-1), weak_rotation


def _focal(intrinsics: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B"]:
    return torch.sqrt(intrinsics[..., 0, 0] * intrinsics[..., 1, 1])


def _rays(pixels: Float[Tensor, "*B N 2"], intrinsics: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B N 3"]:
    """Directions in the camera frame, with z = 1."""
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
    return torch.linalg.solve(intrinsics, homogeneous.mT).mT


def _out_of_crop(
    pixel: Float[Tensor, "*B 1 2"], crop_from_image: Float[Tensor, "*B 2 3"] | None
) -> tuple[Float[Tensor, "*B 1 2"], Float[Tensor, "*B"], Float[Tensor, "*B 3 3"]]:
    """The pixel of the image, crop pixels per image pixel, and the turn about the optical axis out of the crop."""
    if crop_from_image is None:
        one = torch.ones_like(pixel[..., 0, 0])
        identity = torch.eye(3, dtype=pixel.dtype, device=pixel.device)
        return pixel, one, identity.expand(*one.shape, 3, 3)
    linear = crop_from_image[..., :2]
    determinant = torch.linalg.det(linear)
    if not bool((determinant > 0).all()):
        raise ArgumentError("the crop mirrors or squeezes the image to a line; give a crop that only moves and scales")
    angle = torch.atan2(linear[..., 1, 0] - linear[..., 0, 1], linear[..., 0, 0] + linear[..., 1, 1])
    about_axis = torch.stack([torch.zeros_like(angle), torch.zeros_like(angle), -angle], dim=-1)
    return image_from_crop_pixels(pixel, crop_from_image), torch.sqrt(determinant), roma.rotvec_to_rotmat(about_axis)


def _turn_to(ray: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """The shortest rotation that takes the optical axis to a ray with positive z."""
    unit = torch.nn.functional.normalize(ray, dim=-1)
    axis = torch.stack([-unit[..., 1], unit[..., 0], torch.zeros_like(unit[..., 0])], dim=-1)
    # The quaternion of the turn from z to u is (z x u, 1 + z . u), not yet of unit length.
    quaternion = torch.cat([axis, 1 + unit[..., 2:]], dim=-1)
    return roma.unitquat_to_rotmat(torch.nn.functional.normalize(quaternion, dim=-1))

"""Cameras as OpenGL, glTF and Blender describe them: +x right, +y up, +z backwards."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from face3d.camera.intrinsics import checked_size
from face3d.camera.rigid import flip_axes
from face3d.errors import ArgumentError

__all__ = [
    "GltfPerspective",
    "from_gltf_perspective",
    "from_opengl",
    "from_opengl_projection",
    "pixels_from_opengl_ndc",
    "to_gltf_perspective",
    "to_opengl",
    "to_opengl_projection",
]

CENTRE_TOLERANCE = 1e-4
"""Pixels by which a principal point may miss the middle of the image and still count as being there."""


@dataclass(frozen=True, slots=True)
class GltfPerspective:
    """A glTF 2.0 `camera.perspective`: looks along -z, +y up, the optical axis in the middle of the picture.

    Attributes:
        yfov: full vertical field of view, radians.
        aspect_ratio: tan(horizontal field of view / 2) over tan(yfov / 2); width / height where pixels are square.
        znear: metres.
        zfar: metres; None for a projection without far plane.
    """

    yfov: float
    aspect_ratio: float
    znear: float
    zfar: float | None


def to_opengl(camera_from_head: Float[Tensor, "*B 4 4"]) -> Float[Tensor, "*B 4 4"]:
    """Return the transform into the OpenGL, glTF and Blender camera frame: +x right, +y up, +z backwards.

    A glTF node or Blender object holds the camera's place in the world, which is this transform's inverse.
    """
    return flip_axes(camera_from_head, (1.0, -1.0, -1.0, 1.0))


def from_opengl(camera_from_head: Float[Tensor, "*B 4 4"]) -> Float[Tensor, "*B 4 4"]:
    """Return the OpenCV-frame transform of an OpenGL, glTF or Blender one; the inverse of `to_opengl`."""
    return flip_axes(camera_from_head, (1.0, -1.0, -1.0, 1.0))


def to_opengl_projection(
    intrinsics: Float[Tensor, "*B 3 3"],
    image_size: tuple[int, int],
    znear: float | Float[Tensor, "*B"],
    zfar: float | Float[Tensor, "*B"] = math.inf,
) -> Float[Tensor, "*B 4 4"]:
    """Return the OpenGL projection matrix: clip = P x, x a column in the OpenGL camera frame.

    Principal point and skew are kept. Depth maps to [-1, 1] from near to far, as in `glFrustum` of the OpenGL 2.1
    reference and in the glTF 2.0 specification, section 3.10.3.2, which also gives the form without far plane.

    Args:
        intrinsics: K in pixels.
        image_size: (width, height) pixels.
        znear: metres, positive; see `clip_planes`.
        zfar: metres, beyond znear; infinity for no far plane.

    Raises:
        ArgumentError: planes that are not 0 < znear < zfar.
    """
    width, height = checked_size(image_size)
    near = torch.as_tensor(znear, dtype=intrinsics.dtype, device=intrinsics.device)
    far = torch.as_tensor(zfar, dtype=intrinsics.dtype, device=intrinsics.device)
    if not bool(((near > 0) & (far > near)).all()):
        raise ArgumentError(f"clip planes must be 0 < znear < zfar, got {near.tolist()} and {far.tolist()}")
    # Pixels are K x with x in OpenCV's frame; y and z change sign into OpenGL's frame, y again from down to up.
    batch = torch.broadcast_shapes(intrinsics.shape[:-2], near.shape, far.shape)
    fx, skew, cx = (intrinsics[..., 0, column] for column in range(3))
    fy, cy = intrinsics[..., 1, 1], intrinsics[..., 1, 2]
    # Written so that an infinite far plane gives numbers and not infinity over infinity.
    ratio = near / far
    entries = {
        (0, 0): 2 * fx / width,
        (0, 1): -2 * skew / width,
        (0, 2): 1 - 2 * cx / width,
        (1, 1): 2 * fy / height,
        (1, 2): 2 * cy / height - 1,
        (2, 2): -(1 + ratio) / (1 - ratio),
        (2, 3): -2 * near / (1 - ratio),
        (3, 2): -torch.ones_like(near),
    }
    zero = torch.zeros_like(near)
    rows = [
        torch.stack([entries.get((row, column), zero).expand(batch) for column in range(4)], -1) for row in range(4)
    ]
    return torch.stack(rows, -2)


def from_opengl_projection(
    projection: Float[Tensor, "*B 4 4"], image_size: tuple[int, int]
) -> tuple[Float[Tensor, "*B 3 3"], Float[Tensor, "*B"], Float[Tensor, "*B"]]:
    """Return (K, znear, zfar) of an OpenGL perspective projection; the inverse of `to_opengl_projection`.

    Raises:
        ArgumentError: the matrix is not a perspective projection along -z.
    """
    width, height = checked_size(image_size)
    last = projection.new_tensor([0.0, 0.0, -1.0, 0.0])
    if not torch.equal(projection[..., 3, :], last.expand_as(projection[..., 3, :])):
        raise ArgumentError("an OpenGL perspective projection has the last row (0, 0, -1, 0)")
    one, zero = torch.ones_like(projection[..., 0, 0]), torch.zeros_like(projection[..., 0, 0])
    fx, skew = projection[..., 0, 0] * width / 2, -projection[..., 0, 1] * width / 2
    cx = (1 - projection[..., 0, 2]) * width / 2
    fy, cy = projection[..., 1, 1] * height / 2, (1 + projection[..., 1, 2]) * height / 2
    intrinsics = torch.stack((fx, skew, cx, zero, fy, cy, zero, zero, one), -1).unflatten(-1, (3, 3))
    a, b = projection[..., 2, 2], projection[..., 2, 3]
    return intrinsics, b / (a - 1), torch.where(a == -1, torch.inf, b / (a + 1))


def pixels_from_opengl_ndc(ndc: Float[Tensor, "*B N 2"], image_size: tuple[int, int]) -> Float[Tensor, "*B N 2"]:
    """Return pixels of OpenGL's NDC: +x right, +y up, both image sides span [-1, 1]."""
    size = ndc.new_tensor(checked_size(image_size))
    return (1 + ndc * ndc.new_tensor([1.0, -1.0])) * size / 2


def to_gltf_perspective(
    intrinsics: Float[Tensor, "3 3"],
    image_size: tuple[int, int],
    znear: float,
    zfar: float | None = None,
) -> GltfPerspective:
    """Return the glTF camera of one image.

    Args:
        intrinsics: K in pixels.
        image_size: (width, height) pixels.
        znear: metres; see `clip_planes`.
        zfar: metres; None for no far plane.

    Raises:
        ArgumentError: the principal point is not in the middle or K has a skew, which glTF cannot say; or planes that
            are not 0 < znear < zfar.
    """
    width, height = checked_size(image_size)
    fx, fy = float(intrinsics[0, 0]), float(intrinsics[1, 1])
    refuse_off_centre(intrinsics, (width, height), "glTF's camera")
    if not 0 < znear < (math.inf if zfar is None else zfar):
        raise ArgumentError(f"clip planes must be 0 < znear < zfar, got {znear} and {zfar}")
    return GltfPerspective(2 * math.atan(height / 2 / fy), (width * fy) / (height * fx), znear, zfar)


def from_gltf_perspective(perspective: GltfPerspective, image_size: tuple[int, int]) -> Float[Tensor, "3 3"]:
    """Return K (float64) of a glTF camera whose picture has the given size; the inverse of `to_gltf_perspective`."""
    width, height = checked_size(image_size)
    fy = height / 2 / math.tan(perspective.yfov / 2)
    fx = width * fy / (height * perspective.aspect_ratio)
    return torch.tensor([[fx, 0.0, width / 2], [0.0, fy, height / 2], [0.0, 0.0, 1.0]], dtype=torch.float64)


def refuse_off_centre(intrinsics: Float[Tensor, "*B 3 3"], image_size: tuple[int, int], system: str) -> None:
    """Raise unless the principal point is in the middle of the image and there is no skew.

    Raises:
        ArgumentError: it is not, or there is; the message names the system that cannot say so.
    """
    off = (intrinsics[..., :2, 2] - intrinsics.new_tensor(image_size) / 2).abs()
    if bool((off > CENTRE_TOLERANCE).any()):
        centre = intrinsics[..., :2, 2].tolist()
        raise ArgumentError(f"{system} has its principal point in the middle of the image, but K has it at {centre}")
    if bool((intrinsics[..., 0, 1] != 0).any()):
        raise ArgumentError(f"{system} has no skew; give intrinsics without one")

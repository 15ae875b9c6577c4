"""One perspective view: pose, intrinsics and image size together, as renderers take it."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from face3d.camera.intrinsics import checked_size
from face3d.camera.pytorch3d_cameras import pytorch3d_ndc_from_camera
from face3d.errors import ArgumentError

__all__ = ["PinholeCamera"]


@dataclass(frozen=True, slots=True, eq=False)
class PinholeCamera:
    """A batch of pinhole cameras that share one image size.

    Attributes:
        camera_from_head: (B, 4, 4) rigid transforms into the OpenCV camera frame, metres.
        intrinsics: (B, 3, 3) K in pixels.
        image_size: (width, height) pixels.
    """

    camera_from_head: Float[Tensor, "B 4 4"]
    intrinsics: Float[Tensor, "B 3 3"]
    image_size: tuple[int, int]

    def __post_init__(self) -> None:
        for name, side in (("camera_from_head", 4), ("intrinsics", 3)):
            shape = tuple(getattr(self, name).shape)
            if len(shape) != 3 or shape[1:] != (side, side):
                raise ArgumentError(f"{name} must have the shape (B, {side}, {side}), not {shape}")
        object.__setattr__(self, "image_size", checked_size(self.image_size))

    @property
    def perspective(self) -> bool:
        """Whether depth divides: barycentric coordinates must then be corrected for it."""
        return True

    def ndc(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        """Return head-frame points in PyTorch3D's NDC with the depth in metres, as rasterisers take them."""
        rotation, translation = self.camera_from_head[:, :3, :3], self.camera_from_head[:, :3, 3]
        in_camera = points @ rotation.mT + translation[:, None]
        return pytorch3d_ndc_from_camera(in_camera, self.intrinsics, self.image_size)

    def view_directions(self, directions: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        """Return head-frame directions in the viewer's frame, OpenGL's: +x right, +y up, +z towards the viewer."""
        return (directions @ self.camera_from_head[:, :3, :3].mT) * directions.new_tensor([1.0, -1.0, -1.0])

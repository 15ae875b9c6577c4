"""Cameras as OpenGL, glTF and Blender describe them: +x right, +y up, +z backwards."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from face3d.camera.rigid import flip_axes

__all__ = ["from_opengl", "to_opengl"]


def to_opengl(camera_from_head: Float[Tensor, "*B 4 4"]) -> Float[Tensor, "*B 4 4"]:
    """Return the transform into the OpenGL, glTF and Blender camera frame: +x right, +y up, +z backwards."""
    return flip_axes(camera_from_head, (1.0, -1.0, -1.0, 1.0))


def from_opengl(camera_from_head: Float[Tensor, "*B 4 4"]) -> Float[Tensor, "*B 4 4"]:
    """Return the OpenCV-frame transform of an OpenGL, glTF or Blender one; the inverse of `to_opengl`."""
    return flip_axes(camera_from_head, (1.0, -1.0, -1.0, 1.0))

"""Near and far planes that keep a whole head, for the cameras of systems that clip."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["HEAD_RADIUS", "NEAREST_PLANE", "clip_planes"]

HEAD_RADIUS = 0.3
"""Metres from the head frame's origin within which every vertex of a head lies, FLAME's shoulders included."""

NEAREST_PLANE = 0.01
"""Metres. A plane nearer than this costs depth buffers their digits and no camera focuses there."""


def clip_planes(
    camera_from_head: Float[Tensor, "*B 4 4"], *, radius: float = HEAD_RADIUS
) -> tuple[Float[Tensor, "*B"], Float[Tensor, "*B"]]:
    """Return (znear, zfar) in metres between which the whole head lies, however it is turned.

    PyTorch3D's `FoVPerspectiveCameras` has znear = 1 by default and its rasteriser drops what is nearer than half of
    that: a head at 0.4 m, a usual selfie, vanishes. OpenGL and glTF drop what is nearer than znear itself.

    Args:
        camera_from_head: rigid transform into the OpenCV camera frame.
        radius: metres around the head frame's origin that must be kept.
    """
    depth = camera_from_head[..., 2, 3].detach()
    nearest = (depth - radius).clamp_min(NEAREST_PLANE)
    return nearest, torch.maximum(depth + radius, 2 * nearest)

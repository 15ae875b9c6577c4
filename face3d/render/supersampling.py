"""Several samples per pixel over the part of an image that a mesh covers, for smooth edges at little cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

__all__ = ["SampleGrid", "sample_grid"]

MAX_SAMPLES = 6_000_000
"""Supersampling is lowered where more samples than this would be drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleGrid:
    """Where the samples of an image lie.

    Attributes:
        box: left, top, right, bottom in pixels, the last two exclusive; outside of it the mesh is not seen.
        factor: samples per pixel and axis.
        intrinsics: K in samples, origin at the box's corner.
    """

    box: tuple[int, int, int, int]
    factor: int
    intrinsics: Float[np.ndarray, "3 3"]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in samples."""
        left, top, right, bottom = self.box
        return (bottom - top) * self.factor, (right - left) * self.factor

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Rows and columns of the image that the box takes."""
        left, top, right, bottom = self.box
        return slice(top, bottom), slice(left, right)

    def summed(self, samples: Shaped[np.ndarray, "h w *C"]) -> Shaped[np.ndarray, "H W *C"]:
        """The sum of the samples of each pixel of the box."""
        height, width = self.size
        cells = (height // self.factor, self.factor, width // self.factor, self.factor)
        return samples.reshape(*cells, *samples.shape[2:]).sum((1, 3))


def sample_grid(
    vertices_camera: Float[np.ndarray, "V 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    image_size: tuple[int, int],
    supersample: int,
) -> SampleGrid | None:
    """Lay samples over the pixels that can see a mesh.

    Args:
        vertices_camera: OpenCV camera frame, metres.
        intrinsics: K in pixels of the image.
        image_size: (height, width).
        supersample: samples per pixel and axis; fewer are taken where they would be more than MAX_SAMPLES.

    Returns:
        None if the mesh lies out of the image.
    """
    box = _covered_box(vertices_camera, intrinsics, image_size)
    if box is None:
        return None
    left, top, right, bottom = box
    factor = max(1, min(supersample, math.isqrt(MAX_SAMPLES // ((bottom - top) * (right - left)))))
    finer = np.diag([factor, factor, 1.0]) @ np.array([[1.0, 0, -left], [0, 1, -top], [0, 0, 1]]) @ intrinsics
    return SampleGrid(box, factor, finer)


def _covered_box(
    vertices_camera: Float[np.ndarray, "V 3"], intrinsics: Float[np.ndarray, "3 3"], image_size: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Pixels (left, top, right, bottom; the last two exclusive) that hold the mesh; None if it is out of the image."""
    height, width = image_size
    finite = vertices_camera[np.isfinite(vertices_camera).all(-1)]
    if not len(finite) or (finite[:, 2] <= 0).all():
        return None
    if (finite[:, 2] <= 1e-3).any():
        return 0, 0, width, height
    pixels = finite @ np.asarray(intrinsics, dtype=np.float64).T
    pixels = (pixels[:, :2] / pixels[:, 2:]).clip(-1.0, [width + 1.0, height + 1.0])
    left, top = np.floor(pixels.min(0)).astype(int).clip(0).tolist()
    right, bottom = np.ceil(pixels.max(0)).astype(int).tolist()
    right, bottom = min(right, width), min(bottom, height)
    return (left, top, right, bottom) if right > left and bottom > top else None

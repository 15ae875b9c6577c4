"""FAN's crop of a face: from a box to a 256 x 256 input, and from its 64 x 64 heatmaps back to the image.

A box becomes a centre, raised by 12 % of its height, and a scale in units of 200 pixels; the square of that many pixels
around the centre is cut out at whole pixels and stretched to the input (face-alignment 1.5, `crop` and `transform`).
Heatmap coordinates are those of `face3d.landmarks.heatmaps`, image coordinates face3d's pixels; the crop's own rounding
to whole pixels is not part of the way back, as the network was trained without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int32, UInt8
from numpy import ndarray

from face3d.errors import InputError

__all__ = ["FAN_SIZE", "HEATMAP_SIZE", "REFERENCE_SCALE", "FanFrame", "fan_crop", "fan_frame"]

FAN_SIZE = 256
HEATMAP_SIZE = 64
SCALE_UNIT = 200.0
"""Pixels of the image per unit of scale."""

CENTRE_RAISED = 0.12
"""Of the box's height: face boxes begin at the brows, the crop wants the middle of the face."""

REFERENCE_SCALE = 195.0
"""Width plus height of a box, in pixels, at scale 1; 165 for detectors with tighter boxes."""

LEAST_SIDE = 2.0
"""Pixels of the square's side; smaller ones come from boxes that are no faces."""

LARGEST_SIDE = 20_000.0
"""Pixels; a larger patch does not fit into memory."""


@dataclass(frozen=True, slots=True, eq=False)
class FanFrame:
    """The square that FAN looks at.

    Attributes:
        centre: (2,) pixels of the image.
        scale: side of the square over 200 pixels.
    """

    centre: Float[ndarray, " 2"]
    scale: float

    @property
    def side(self) -> float:
        """Side of the square, pixels of the image."""
        return SCALE_UNIT * self.scale

    def to_image(self, points: Float[ndarray, "*B 2"], size: int = HEATMAP_SIZE) -> Float[ndarray, "*B 2"]:
        """Points of a map of `size` cells over the square, in pixels of the image."""
        return self.centre + self.side * (np.asarray(points, dtype=np.float64) / size - 0.5)

    def to_map(self, points: Float[ndarray, "*B 2"], size: int = HEATMAP_SIZE) -> Float[ndarray, "*B 2"]:
        """Points of the image in a map of `size` cells over the square; the inverse of `to_image`."""
        return (np.asarray(points, dtype=np.float64) - self.centre) * (size / self.side) + size / 2

    def to_whole_pixels(self, points: Float[ndarray, "N 2"], size: int = HEATMAP_SIZE) -> Int32[ndarray, "N 2"]:
        """Points of a map in the image as face-alignment gives them: cut to integers towards zero.

        By the same inverse matrix in double precision as there, since a rounding error at an integer moves a pixel.
        """
        inverse = np.linalg.pinv(self._matrix(size))
        homogeneous = np.column_stack([points, np.ones(len(points))]).astype(np.float64)
        return np.array([np.dot(inverse, point)[:2] for point in homogeneous]).astype(np.int32)

    def corners(self) -> tuple[Int32[ndarray, " 2"], Int32[ndarray, " 2"]]:
        """First pixel and one past the last of the patch that is cut out, x and y.

        In single precision and cut to integers, as face-alignment does.
        """
        inverse = torch.inverse(torch.from_numpy(self._matrix(FAN_SIZE)).float())
        ends = [inverse @ torch.tensor([value, value, 1.0]) for value in (1.0, float(FAN_SIZE))]
        low, high = (end[:2].int().numpy() for end in ends)
        return low, high

    def _matrix(self, size: int) -> Float[ndarray, "3 3"]:
        matrix = np.eye(3)
        matrix[0, 0] = matrix[1, 1] = size / self.side
        matrix[:2, 2] = size * (-self.centre / self.side + 0.5)
        return matrix


def fan_frame(box: Float[ndarray, 4], *, reference_scale: float = REFERENCE_SCALE) -> FanFrame:
    """The square for a face box.

    Args:
        box: x0, y0, x1, y1 in pixels.
        reference_scale: width plus height of a box at scale 1, which depends on the detector that made it.

    Raises:
        InputError: the box is not finite, empty, or absurdly small or large.
    """
    x0, y0, x1, y1 = (float(value) for value in np.asarray(box, dtype=np.float64).reshape(-1)[:4])
    shown = f"({x0:g}, {y0:g}, {x1:g}, {y1:g})"
    if not np.isfinite([x0, y0, x1, y1]).all():
        raise InputError(f"the face box {shown} is not finite; give x0, y0, x1, y1 in pixels")
    if x1 <= x0 or y1 <= y0:
        raise InputError(f"the face box {shown} is empty; give x0 < x1 and y0 < y1 in pixels")
    centre = np.array([x1 - (x1 - x0) / 2.0, y1 - (y1 - y0) / 2.0 - (y1 - y0) * CENTRE_RAISED])
    frame = FanFrame(centre, (x1 - x0 + y1 - y0) / reference_scale)
    if not LEAST_SIDE <= frame.side <= LARGEST_SIDE:
        raise InputError(f"the face box {shown} is not of a face's size; its crop would be {frame.side:.1f} pixels")
    return frame


def fan_crop(
    image: UInt8[ndarray, "H W 3"], frame: FanFrame
) -> tuple[UInt8[ndarray, "256 256 3"], Float[ndarray, "2 3"]]:
    """What FAN sees: the patch, black beyond the image, bilinear to 256 x 256, as face-alignment cuts it.

    Returns:
        The crop, and the matrix from image to crop in face3d's pixels, of the patch as it was really cut.

    Raises:
        InputError: the square lies outside of the image, or holds not one whole pixel.
    """
    low, high = frame.corners()
    height, width = image.shape[:2]
    begin, end = np.maximum(low, 0), np.minimum(high, [width, height])
    if (begin >= end).any():
        raise InputError(f"a face box around {np.round(frame.centre, 1)} lies outside of the {width} x {height} image")
    patch = np.zeros((high[1] - low[1], high[0] - low[0], 3), dtype=np.uint8)
    patch[begin[1] - low[1] : end[1] - low[1], begin[0] - low[0] : end[0] - low[0]] = image[
        begin[1] : end[1], begin[0] : end[0]
    ]
    stretch = FAN_SIZE / (high - low)
    crop = cv2.resize(patch, (FAN_SIZE, FAN_SIZE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(crop, dtype=np.uint8), np.column_stack([np.diag(stretch), -low * stretch])

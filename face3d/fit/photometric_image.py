"""What a photo says of its face in a photometric fit: blurred logarithms of linear light, with their slopes.

The logarithm turns light times albedo into a sum and makes errors relative, as the model's errors are (shine, cast
shadows, make-up). Blur widens the reach of a fit that starts some pixels off, and is what makes the pyramid coarse.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from face3d.media.colour import linear_from_srgb

__all__ = ["LOG_FLOOR", "BlurredLog", "FaceImage"]

LOG_FLOOR = 0.01
"""Added to linear light before the logarithm: below it, a photo's noise and black level say more than the face."""

CLIPPED = 250
"""A channel from here on (of 255) was cut off by the camera's exposure: shine, or a burnt-out cheek."""

MARGIN = 0.1
"""Of the face's extent, kept around it."""


@dataclass(frozen=True, slots=True)
class BlurredLog:
    """Log light of a cut-out of a photo at one level of blur; sampled at pixels of the photo.

    Attributes:
        layers: (h, w, 9) float32: value, slope by x and slope by y of each channel, per pixel of the cut-out.
        scale, corner: cut-out pixels are scale * (photo pixels - corner).
    """

    layers: Float[ndarray, "h w 9"]
    scale: float
    corner: Float[ndarray, " 2"]

    def sample(
        self, pixels: Float[ndarray, "N 2"]
    ) -> tuple[Float[ndarray, "N 3"], Float[ndarray, "N 3 2"], Bool[ndarray, " N"]]:
        """Log light at photo pixels, its slope per photo pixel, and which points lie in the cut-out."""
        height, width = self.layers.shape[:2]
        # Pixel centres are at one half here and at whole numbers in OpenCV.
        places = (pixels - self.corner) * self.scale - 0.5
        inside = ((places >= 0) & (places <= [width - 1, height - 1])).all(axis=1)
        places = np.where(inside[:, None], places, 0.0).astype(np.float32)
        columns, rows = places[:, 0].astype(np.int64), places[:, 1].astype(np.int64)
        across, down = (places[:, 0] - columns)[:, None], (places[:, 1] - rows)[:, None]
        right, below = np.minimum(columns + 1, width - 1), np.minimum(rows + 1, height - 1)
        upper = self.layers[rows, columns] * (1 - across) + self.layers[rows, right] * across
        lower = self.layers[below, columns] * (1 - across) + self.layers[below, right] * across
        values = (upper * (1 - down) + lower * down).astype(np.float64)
        slopes = np.stack((values[:, 3:6], values[:, 6:]), axis=-1) * self.scale
        return values[:, :3], slopes, inside


@dataclass(frozen=True, slots=True)
class FaceImage:
    """The part of a photo around a face, in linear light, at a working resolution.

    Attributes:
        linear: (h, w, 3) float32 linear RGB.
        usable: (h, w) float32, 0 where the camera's exposure cut a channel off.
        scale, corner: as in `BlurredLog`.
    """

    linear: Float[ndarray, "h w 3"]
    usable: Float[ndarray, "h w"]
    scale: float
    corner: Float[ndarray, " 2"]

    @staticmethod
    def of(photo: UInt8[ndarray, "H W 3"], face: Float[ndarray, "N 2"], *, size: int) -> FaceImage:
        """Cut out the face whose projected points are given, its longer side made at most `size` pixels."""
        height, width = photo.shape[:2]
        low, high = np.nanmin(face, axis=0), np.nanmax(face, axis=0)
        margin = MARGIN * float((high - low).max())
        left, top = np.floor(low - margin).clip(0, [width - 1, height - 1]).astype(int).tolist()
        right, bottom = np.ceil(high + margin).clip([left + 1, top + 1], [width, height]).astype(int).tolist()
        part = photo[top:bottom, left:right]
        linear = _LINEAR_OF_BYTE[part]
        usable = (part.max(axis=2) < CLIPPED).astype(np.float32)
        scale = min(1.0, size / max(part.shape[:2]))
        if scale < 1.0:
            shape = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
            # One factor for both axes: what rounding of the shape leaves is under half a pixel of the cut-out.
            linear = cv2.resize(linear, shape, interpolation=cv2.INTER_AREA)
            usable = cv2.resize(usable, shape, interpolation=cv2.INTER_AREA)
        return FaceImage(linear, usable, scale, np.array([left, top], dtype=np.float64))

    def usable_at(self, pixels: Float[ndarray, "N 2"]) -> Float[ndarray, " N"]:
        """`usable` at pixels of the photo; beyond the cut-out that of its border."""
        height, width = self.usable.shape
        columns, rows = ((pixels - self.corner) * self.scale).astype(int).clip(0, [width - 1, height - 1]).T
        return self.usable[rows, columns]

    def blurred(self, sigma: float) -> BlurredLog:
        """The logarithm after a Gaussian blur of `sigma` photo pixels."""
        linear = self.linear
        if sigma * self.scale > 0.3:
            linear = cv2.GaussianBlur(linear, (0, 0), sigma * self.scale, borderType=cv2.BORDER_REPLICATE)
        log = np.log(linear + LOG_FLOOR)
        slope_x = cv2.Sobel(log, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
        slope_y = cv2.Sobel(log, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
        return BlurredLog(np.concatenate((log, slope_x, slope_y), axis=2), self.scale, self.corner)


_LINEAR_OF_BYTE = linear_from_srgb(np.arange(256) / 255.0).astype(np.float32)

"""Dots and short lines with smooth edges, placed to a fraction of a pixel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, UInt8

__all__ = ["LANDMARK_COLOUR", "draw_points", "draw_segments"]

LANDMARK_COLOUR = (64, 224, 160)


def draw_points(
    image: UInt8[np.ndarray, "H W 3"],
    points: Float[np.ndarray, "N 2"],
    *,
    colour: tuple[int, int, int] = LANDMARK_COLOUR,
    radius: float | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Return a copy of the image with a smooth-edged dot at each point.

    Args:
        image: RGB.
        points: pixels, the first pixel's centre at (0.5, 0.5); rows that are not finite are left out.
        colour: sRGB.
        radius: pixels; by default to suit the points' extent.
    """
    pixels = np.asarray(points, dtype=np.float64)
    pixels = pixels[np.isfinite(pixels).all(-1)]
    if not len(pixels):
        return image.copy()
    size = float(np.ptp(pixels, axis=0).max()) / 200 if radius is None else radius
    return draw_segments(image, pixels, pixels, colour=colour, width=2 * max(size, 0.75))


def draw_segments(
    image: UInt8[np.ndarray, "H W 3"],
    starts: Float[np.ndarray, "N 2"],
    ends: Float[np.ndarray, "N 2"],
    *,
    colour: tuple[int, int, int],
    width: float = 1.5,
) -> UInt8[np.ndarray, "H W 3"]:
    """Return a copy of the image with a straight line with round, smooth-edged ends from each start to its end.

    Args:
        image: RGB.
        starts: pixels, the first pixel's centre at (0.5, 0.5).
        ends: pixels; a line with an end that is not finite is left out.
        colour: sRGB.
        width: pixels.
    """
    drawn = image.astype(np.float32)
    ink = np.asarray(colour, dtype=np.float32)
    for start, end, rows, columns in _within(starts, ends, width / 2 + 1, image.shape[:2]):
        x = np.arange(columns.start, columns.stop) + 0.5 - start[0]
        y = np.arange(rows.start, rows.stop)[:, None] + 0.5 - start[1]
        along_x, along_y = end - start
        share_along = ((x * along_x + y * along_y) / max(along_x**2 + along_y**2, 1e-12)).clip(0.0, 1.0)
        distance = np.hypot(x - share_along * along_x, y - share_along * along_y)
        share = (width / 2 + 0.5 - distance).clip(0.0, 1.0)[..., None]
        patch = drawn[rows, columns]
        patch += share * (ink - patch)
    return np.rint(drawn).astype(np.uint8)


def _within(
    starts: Float[np.ndarray, "N 2"], ends: Float[np.ndarray, "N 2"], reach: float, image_size: tuple[int, int]
) -> Iterator[tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"], slice, slice]]:
    """The lines that touch the image, each with the rows and columns that it can touch."""
    height, width = image_size
    starts, ends = np.asarray(starts, dtype=np.float64), np.asarray(ends, dtype=np.float64)
    known = np.isfinite(starts).all(-1) & np.isfinite(ends).all(-1)
    for start, end in zip(starts[known], ends[known], strict=True):
        low = np.floor((np.minimum(start, end) - reach).clip(0.0, [width, height])).astype(int)
        high = np.ceil((np.maximum(start, end) + reach).clip(0.0, [width, height])).astype(int)
        if (low < high).all():
            yield start, end, slice(low[1], high[1]), slice(low[0], high[0])

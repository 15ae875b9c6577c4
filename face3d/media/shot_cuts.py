"""Where one shot of a video ends and the next begins."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

__all__ = ["ShotCuts"]

_GRID = (48, 32)
"""Pixels, width and height, of the small image that is compared."""

_BINS = 8
"""Of the histogram, per channel."""

COLOUR_CHANGE = 0.18
"""Least part of the pixels that change their colour at a cut, by the histogram; in ten clips 0.26 or more at cuts, and
0.14 or less in a fast pan."""

STRUCTURE_KEPT = 0.4
"""Greatest correlation of the small images over a cut; 0.2 or less at cuts, 0.6 or more in a fast pan."""

OUTSTANDING = 3.0
"""How many times as much as in the frames before the image changes at a cut; a pan or a whirl changes all along."""


class ShotCuts:
    """Tells of each frame of a video whether a new shot begins with it.

    A cut changes both the colours (histogram) and the structure (correlation of a small grey image), and more than the
    frames before did. A flash changes the colours and keeps the structure; something that passes near by changes the
    structure of a part. Dissolves are not found: over one, a tracked face is lost and found again.
    """

    def __init__(self) -> None:
        self._before: tuple[Float[np.ndarray, " P"], Float[np.ndarray, " Q"]] | None = None
        self._usual = 0.0

    def begins(self, image: UInt8[np.ndarray, "H W 3"]) -> bool:
        """Whether the next RGB frame begins a new shot; the first frame does not."""
        now = _signature(image)
        before, self._before = self._before, now
        if before is None:
            return False
        colour = float(np.abs(now[1] - before[1]).sum() / 2)
        kept = float(now[0] @ before[0])
        change = colour + (1 - kept)
        cut = colour > COLOUR_CHANGE and kept < STRUCTURE_KEPT and change > OUTSTANDING * self._usual
        self._usual = 0.0 if cut else max(0.7 * self._usual, change * 0.5)
        return cut


def _signature(image: UInt8[np.ndarray, "H W 3"]) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " Q"]]:
    """A small grey image of mean 0 and length 1, and the histogram of a small colour image."""
    step = max(1, min(image.shape[0] // (2 * _GRID[1]), image.shape[1] // (2 * _GRID[0])))
    small = cv2.resize(np.ascontiguousarray(image[::step, ::step]), _GRID, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float64).ravel()
    grey -= grey.mean()
    length = np.linalg.norm(grey)
    histogram = cv2.calcHist([small], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3).ravel() / (_GRID[0] * _GRID[1])
    return (grey / length if length > 1e-6 else grey), histogram

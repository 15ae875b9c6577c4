"""Which places on a head's lips lie where a picture shows their edges, and how far they are from there.

Where along its contour a lip is cannot be seen: each reading is compared with the place of the modelled contour that
lies on the same upright line (`face3d.landmarks.lip_contours`), and tells nothing of motion along the contour. Beside
the edges themselves, what differences between them say is told anew, as errors that all edges of a mouth share drop out
of them: how far the mouth is open, how thick each lip is and how wide the mouth is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from face3d.fit.lip_surface import LipSurface
from face3d.landmarks.lip_contours import COLUMNS, READINGS, MouthFrames, mouth_frames

__all__ = ["LipMisses", "LipsSeen", "MatchedLips", "lip_misses", "match_lips"]

_COUNT = len(COLUMNS)

FLOOR, GAP_FLOOR = 0.0006, 0.00025
"""Metres that an edge may be off whatever the reader says, and the height of the gap between two lips."""

EDGE_DOUBT, GAP_DOUBT = 3.0, 1.0
"""Factors on the reader's standard deviations: neighbouring edges err together, the gap between them less so."""

CLOSED_GAP, CONTACT = 0.0004, 0.00025
"""Metres between lips below which they are taken to touch, and how exactly they do then."""

ROBUST_SCALE = 3.0
"""Standardised miss beyond which a reading counts linearly (pseudo-Huber)."""

WORTH_READING = 0.0025
"""Metres: median standard deviation of the edges above which a mouth counts as not seen."""


@dataclass(frozen=True, slots=True, eq=False)
class LipsSeen:
    """What was read of the lips in T frames.

    Attributes:
        mouth: the axes that readings are in.
        place: (T, R) pixels; sigma: (T, R) pixels, infinite where nothing was read.
    """

    mouth: MouthFrames
    place: Float[ndarray, "T R"]
    sigma: Float[ndarray, "T R"]

    @staticmethod
    def of(points: Float[ndarray, "T N 3"], lips: Float[ndarray, "T R 2"]) -> LipsSeen:
        """Of MediaPipe's landmarks and what `read_lips` read with them."""
        lips = lips.astype(np.float64)
        return LipsSeen(mouth_frames(points.astype(np.float32)), lips[..., 0], lips[..., 1])

    def __getitem__(self, part: slice | ndarray) -> LipsSeen:
        return LipsSeen(self.mouth[part], self.place[part], self.sigma[part])

    def usable(self, metres_per_pixel: Float[ndarray, " T"] | float) -> Bool[ndarray, " T"]:
        """In which frames the mouth was seen well enough to be told of."""
        known: Bool[ndarray, " T"] = np.median(self.sigma[:, :-2], axis=1) * metres_per_pixel < WORTH_READING
        return known


@dataclass(frozen=True, slots=True, eq=False)
class MatchedLips:
    """The modelled edges of T frames: each lies between two points of the `LipSurface`.

    Attributes:
        first, second: (T, R) the points; share: (T, R) how far towards the second.
        direction: (T, R, 2) how `place` follows the points' pixels.
        place: (T, R) pixels, in the mouth's axes; NaN where a line misses the modelled mouth.
    """

    first: Int[ndarray, "T R"]
    second: Int[ndarray, "T R"]
    share: Float[ndarray, "T R"]
    direction: Float[ndarray, "T R 2"]
    place: Float[ndarray, "T R"]


@dataclass(frozen=True, slots=True, eq=False)
class LipMisses:
    """Standardised, modelled minus read, with their weights' roots in them; Q rows each.

    Attributes:
        residual: (T, Q); jacobian: (T, Q, D); cost: (T,) robust half sum of squares.
    """

    residual: Float[ndarray, "T Q"]
    jacobian: Float[ndarray, "T Q D"]
    cost: Float[ndarray, " T"]


def match_lips(surface: LipSurface, pixels: Float[ndarray, "T P 2"], mouth: MouthFrames) -> MatchedLips:
    """The modelled edges on the lines that edges are read along.

    Args:
        surface: the lips.
        pixels: of its points.
        mouth: the axes.
    """
    count = len(pixels)
    away = pixels - mouth.centre[:, None]
    x = np.einsum("tpc,tc->tp", away, mouth.along)
    y = np.einsum("tpc,tc->tp", away, mouth.up)
    outer = surface.outer
    contours = np.empty((count, 4, 11), int)
    contours[:, 0] = [outer[0], *outer[19:10:-1], outer[10]]
    contours[:, 3] = outer[:11]
    for lip, (profiles, outermost) in enumerate(((surface.upper, np.argmin), (surface.lower, np.argmax)), start=1):
        contours[:, lip, 0], contours[:, lip, -1] = surface.corners
        for station, profile in enumerate(profiles, start=1):
            contours[:, lip, station] = profile[outermost(y[:, profile], axis=1)]
    frame = np.arange(count)[:, None, None]
    across, height = x[frame, contours], y[frame, contours]
    lines = (np.array(COLUMNS) * mouth.half_width[:, None])[:, None]
    here = (across[:, :, None, :-1] <= lines[..., None]) & (lines[..., None] < across[:, :, None, 1:])
    known, segment = here.any(axis=3), here.argmax(axis=3)
    ends = [np.take_along_axis(values, segment + k, 2) for values in (contours, across, height) for k in (0, 1)]
    first, second, left, right, before, after = ends
    run = np.where(known, right - left, 1.0)
    share = np.clip((lines - left) / run, 0, 1)
    slope = np.where(known, (after - before) / run, 0.0).clip(-3, 3)
    direction = mouth.up[:, None, None] - slope[..., None] * mouth.along[:, None, None]
    place = np.where(known, (1 - share) * before + share * after, np.nan)
    corners = np.tile(outer[[0, 10]], (count, 1))

    def all_readings(edges: ndarray, ends: ndarray) -> ndarray:
        return np.concatenate([edges.reshape(count, READINGS - 2, *edges.shape[3:]), ends], axis=1)

    return MatchedLips(
        first=all_readings(first, corners),
        second=all_readings(second, corners),
        share=all_readings(share, np.zeros((count, 2))),
        direction=all_readings(direction, np.repeat(mouth.along[:, None], 2, axis=1)),
        place=all_readings(place, x[:, outer[[0, 10]]]),
    )


def lip_misses(
    matched: MatchedLips,
    seen: LipsSeen,
    metres_per_pixel: Float[ndarray, " T"],
    jacobian_of: Callable[[Int[ndarray, "T R"], Float[ndarray, "T R 2"]], Float[ndarray, "T R D"]] | None,
    *,
    doubt: float = 1.0,
) -> LipMisses:
    """What the modelled lips miss of those read.

    Args:
        matched: the modelled edges.
        seen: the readings.
        metres_per_pixel: at the head.
        jacobian_of: gives, of points and weights of their pixels, the slope of the weighted sum; None for costs alone.
        doubt: factor on all standard deviations.
    """
    scale = metres_per_pixel[:, None]
    known = np.isfinite(matched.place) & np.isfinite(seen.sigma) & np.isfinite(seen.place)
    known &= seen.usable(metres_per_pixel)[:, None]
    miss = np.where(known, matched.place - seen.place, 0.0) * scale
    sigma = np.where(known, seen.sigma, 1.0) * scale
    miss, inverse = _with_gaps(miss, 1 / np.hypot(EDGE_DOUBT * sigma, FLOOR), known, matched, seen, scale)
    inverse /= doubt
    standard = miss * inverse
    cost = ROBUST_SCALE**2 * (np.sqrt(1 + (standard / ROBUST_SCALE) ** 2) - 1).sum(axis=1)
    root = inverse * (1 + (standard / ROBUST_SCALE) ** 2) ** -0.25
    if jacobian_of is None:
        return LipMisses(miss * root, np.zeros((*miss.shape, 0)), cost)
    direction = matched.direction * scale[..., None]
    slope = jacobian_of(matched.first, direction * (1 - matched.share)[..., None])
    slope = slope + jacobian_of(matched.second, direction * matched.share[..., None])
    jacobian = np.concatenate([slope, slope[:, _UPPER] - slope[:, _LOWER]], axis=1) * root[..., None]
    return LipMisses(miss * root, jacobian, cost)


_UPPER, _LOWER = slice(_COUNT, 2 * _COUNT), slice(2 * _COUNT, 3 * _COUNT)
"""The edges between which the mouth opens, among the readings."""


def _with_gaps(
    miss: Float[ndarray, "T R"],
    inverse: Float[ndarray, "T R"],
    known: Bool[ndarray, "T R"],
    matched: MatchedLips,
    seen: LipsSeen,
    scale: Float[ndarray, "T 1"],
) -> tuple[Float[ndarray, "T Q"], Float[ndarray, "T Q"]]:
    """The misses, and after them those of the gap between the lips on every line, which is never below nothing."""
    gap = (matched.place[:, _UPPER] - matched.place[:, _LOWER]) * scale
    read = np.maximum((seen.place[:, _UPPER] - seen.place[:, _LOWER]) * scale, 0.0)
    both = known[:, _UPPER] & known[:, _LOWER]
    sigma = np.where(both, np.hypot(seen.sigma[:, _UPPER], seen.sigma[:, _LOWER]) * scale, 1.0)
    touching = both & (read < CLOSED_GAP)
    doubt = np.where(touching, np.maximum(CONTACT, 0.3 * sigma), np.hypot(GAP_DOUBT * sigma, GAP_FLOOR))
    told = np.where(touching, 0.0, read)
    # Lips never pass through each other, seen or not.
    crossing = ~both & np.isfinite(gap) & (gap < 0)
    gap_miss = np.where(both, np.where(np.isfinite(gap), gap, 0.0) - told, np.where(crossing, gap, 0.0))
    gap_inverse = np.where(both, 1 / doubt, np.where(crossing, 1 / CONTACT, 0.0))
    return (
        np.concatenate([miss, gap_miss], axis=1),
        np.concatenate([np.where(known, inverse, 0.0), gap_inverse], axis=1),
    )

"""The One-Euro filter on landmarks, with parameters in hertz and interocular distances.

Casiez, Roussel and Vogel 2012, "1 € Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems": a first-order low-pass whose cut-off rises with the speed, so that what is still does not tremble and what
moves does not lag. Speeds are counted in the face's own interocular distances per second, so that one setting fits
faces of any size and videos of any rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from face3d.errors import ArgumentError

__all__ = ["OneEuro", "OneEuroFilter", "smooth_track"]

_VALUES_AT_ONCE = 1_000_000
"""Frames times landmarks that are smoothed together."""


@dataclass(frozen=True, slots=True)
class OneEuro:
    """How strongly to smooth.

    Attributes:
        still_cutoff: hertz; the cut-off of a point at rest. Lower is calmer. The filter lags by up to
            1 / (2 pi cut-off) seconds: 159 ms at 1 Hz, where there is no motion to lag behind.
        speed_coefficient: hertz per interocular distance per second; how much the cut-off rises with the speed. Higher
            lags less in motion.
        speed_cutoff: hertz; the cut-off of the low-pass on the speed itself.
    """

    still_cutoff: float = 1.0
    speed_coefficient: float = 30.0
    speed_cutoff: float = 2.0

    def __post_init__(self) -> None:
        if not (self.still_cutoff > 0 and self.speed_cutoff > 0 and self.speed_coefficient >= 0):
            raise ArgumentError(f"cut-offs are above 0 Hz and the speed coefficient not below 0, got {self}")


class OneEuroFilter:
    """Smooths the points of one face as its frames come in; each result depends on the frames so far alone."""

    def __init__(self, options: OneEuro | None = None) -> None:
        self._options = options or OneEuro()
        self._time = 0.0
        self._raw: Float[np.ndarray, "N C"] | None = None
        self._smooth: Float[np.ndarray, "N C"] | None = None
        self._velocity: Float[np.ndarray, "N C"] | None = None

    def __call__(self, points: Float[np.ndarray, "N C"], time: float, unit: float) -> Float[np.ndarray, "N C"]:
        """Smooth the points of the next frame.

        Args:
            points: pixels.
            time: seconds, greater than before.
            unit: pixels of one interocular distance in this frame.

        Raises:
            ArgumentError: the time does not increase.
        """
        if self._raw is None or self._smooth is None or self._velocity is None:
            self._smooth, self._velocity = points.copy(), np.zeros_like(points)
        else:
            step = time - self._time
            if not step > 0:
                raise ArgumentError(f"times must increase, got {time} s after {self._time} s")
            velocity = (points - self._raw) / step
            self._velocity = self._velocity + _weight(self._options.speed_cutoff, step) * (velocity - self._velocity)
            cutoff = _cutoffs(self._velocity, unit, self._options)
            self._smooth = self._smooth + _weight(cutoff, step) * (points - self._smooth)
        self._raw, self._time = points.copy(), time
        return self._smooth.copy()


def smooth_track(
    points: Float[np.ndarray, "T N C"],
    times: Float[np.ndarray, " T"],
    unit: Float[np.ndarray, " T"],
    options: OneEuro | None = None,
) -> Float[np.ndarray, "T N C"]:
    """Smooth a finished track without any lag.

    The same filter run over the frames forwards and backwards, with one cut-off per point and frame, taken from the
    speed that is itself smoothed both ways. The delays cancel, and less noise passes than by the causal filter.

    Args:
        points: pixels, unsmoothed.
        times: seconds, increasing.
        unit: pixels of one interocular distance in each frame.
        options: how strongly.

    Raises:
        ArgumentError: the times do not increase.
    """
    options = options or OneEuro()
    steps = np.diff(np.asarray(times, dtype=np.float64))
    if not (steps > 0).all():
        raise ArgumentError("the times of a track must increase")
    result = np.array(points, dtype=np.float64)
    if len(points) < 2:
        return result
    # In blocks of landmarks, so that an hour of video does not need several copies of itself at once.
    block = max(1, _VALUES_AT_ONCE // len(points))
    for first in range(0, points.shape[1], block):
        part = result[:, first : first + block].copy()
        velocity = _both_ways(np.gradient(part, times, axis=0), [_weight(options.speed_cutoff, step) for step in steps])
        cutoff = _cutoffs(velocity, np.asarray(unit)[:, None], options)
        weights = [_weight((cutoff[n] + cutoff[n + 1]) / 2, step) for n, step in enumerate(steps)]
        result[:, first : first + block] = _both_ways(part, weights)
    return result


def _both_ways(
    values: Float[np.ndarray, "T N C"], weights: list[Float[np.ndarray, "*W"]]
) -> Float[np.ndarray, "T N C"]:
    """The mean of a first-order low-pass run forwards then backwards and of one run backwards then forwards.

    `weights[n]` goes with the step between frames n and n + 1. Either order alone would lag near one of the ends.
    """
    one = _backwards(_forwards(values, weights), weights)
    other = _forwards(_backwards(values, weights), weights)
    return (one + other) / 2


def _forwards(values: Float[np.ndarray, "T N C"], weights: list[Float[np.ndarray, "*W"]]) -> Float[np.ndarray, "T N C"]:
    result = values.copy()
    for n, weight in enumerate(weights):
        result[n + 1] = result[n] + weight * (values[n + 1] - result[n])
    return result


def _backwards(
    values: Float[np.ndarray, "T N C"], weights: list[Float[np.ndarray, "*W"]]
) -> Float[np.ndarray, "T N C"]:
    return _forwards(values[::-1], weights[::-1])[::-1]


def _cutoffs(
    velocity: Float[np.ndarray, "*T N C"], unit: float | Float[np.ndarray, "*T"], options: OneEuro
) -> Float[np.ndarray, "*T N 1"]:
    """The cut-off of each point in hertz. By its speed in the image, so that it does not depend on the axes."""
    speed = np.hypot(velocity[..., 0], velocity[..., 1]) / unit
    return (options.still_cutoff + options.speed_coefficient * speed)[..., None]


def _weight(cutoff: float | Float[np.ndarray, "*W"], step: float) -> Float[np.ndarray, "*W"]:
    """Weight of the new value in a low-pass sampled every `step` seconds: 1 / (1 + tau / step), tau = 1 / (2 pi f)."""
    angle = 2 * np.pi * np.asarray(cutoff, dtype=np.float64) * step
    return angle / (1 + angle)

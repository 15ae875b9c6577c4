"""What is said of many errors: summaries, cumulative curves, and how sure one can be of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from face3d.errors import InputError

__all__ = [
    "Interval",
    "PooledInterval",
    "Summary",
    "bootstrap_mean",
    "bootstrap_ratio",
    "cumulative_share",
    "gap",
    "summarise",
]

PERCENTILES = (50, 75, 90, 95, 99)

_RESAMPLES = 2000
_LEVEL = 0.95
_BINS = 8000


@dataclass(frozen=True, slots=True)
class Summary:
    """A pool of distances in numbers, in the unit of the distances.

    Attributes:
        count: how many there are.
        median: half of them are smaller.
        mean: their mean.
        std: their population standard deviation, as the NoW evaluation has it.
        maximum: the largest.
        percentiles: by per cent.
    """

    count: int
    median: float
    mean: float
    std: float
    maximum: float
    percentiles: Mapping[int, float]


def summarise(distances: Float[np.ndarray, " N"] | Sequence[Float[np.ndarray, " N"]]) -> Summary:
    """Summary of all distances pooled: of several arrays, every number counts the same, as in the NoW evaluation.

    Raises:
        InputError: there is no number.
    """
    pooled = distances if isinstance(distances, np.ndarray) else np.concatenate([np.zeros(0), *distances])
    if not len(pooled):
        raise InputError("there are no distances to summarise")
    return Summary(
        count=len(pooled),
        median=float(np.median(pooled)),
        mean=float(pooled.mean()),
        std=float(pooled.std()),
        maximum=float(pooled.max()),
        percentiles={q: float(value) for q, value in zip(PERCENTILES, np.percentile(pooled, PERCENTILES), strict=True)},
    )


def cumulative_share(values: Float[np.ndarray, " N"], limits: Float[np.ndarray, " L"]) -> Float[np.ndarray, " L"]:
    """The share of values up to and including each limit; values that are missing (NaN or infinite) exceed them all."""
    found = np.sort(values[np.isfinite(values)])
    return np.searchsorted(found, limits, side="right") / max(len(values), 1)


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and the interval that 95 % of bootstrap resamples of its images (or subjects) fall in."""

    value: float
    low: float
    high: float


def bootstrap_mean(values: Float[np.ndarray, " N"], *, seed: int = 0) -> Interval:
    """The mean and its interval by the percentile bootstrap (Efron 1979)."""
    return _interval(float(values.mean()), _resampled_means(values, seed))


def bootstrap_ratio(parts: Float[np.ndarray, " N"], wholes: Float[np.ndarray, " N"], *, seed: int = 0) -> Interval:
    """Sum of parts over sum of wholes, such as errors over words of several clips, resampled by clip.

    Resamples without anything in their wholes count as 0.
    """
    random = np.random.default_rng(seed)
    ratios = np.empty(_RESAMPLES)
    for at in range(_RESAMPLES):
        picks = random.integers(0, len(parts), len(parts))
        ratios[at] = parts[picks].sum() / max(float(wholes[picks].sum()), np.finfo(float).tiny)
    return _interval(float(parts.sum() / wholes.sum()), ratios)


def gap(worst: Float[np.ndarray, " N"], best: Float[np.ndarray, " M"], *, seed: int = 0) -> Interval:
    """Mean of one group less mean of another, with the interval of independent resamples of both."""
    difference = _resampled_means(worst, seed) - _resampled_means(best, seed + 1)
    return _interval(float(worst.mean() - best.mean()), difference)


def _resampled_means(values: Float[np.ndarray, " N"], seed: int) -> Float[np.ndarray, " R"]:
    # One resample at a time: with many images, all picks at once would take gigabytes.
    random = np.random.default_rng(seed)
    return np.array([values[random.integers(0, len(values), len(values))].mean() for _ in range(_RESAMPLES)])


def _interval(value: float, resampled: Float[np.ndarray, " R"]) -> Interval:
    low, high = np.quantile(resampled, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(value, float(low), float(high))


class PooledInterval:
    """Medians of pooled distances, resampled by cluster: the images of one subject share a face, and stay together.

    Distances are kept as one histogram per cluster, so that a resample costs a sum of rows and not a sort of millions.
    """

    def __init__(self, clusters: Mapping[str, Sequence[Float[np.ndarray, " N"]]]) -> None:
        """Count the distances of each cluster, by its name, in bins of 1/8000 of their range."""
        self._names = {name: row for row, name in enumerate(clusters)}
        largest = max((float(each.max()) for arrays in clusters.values() for each in arrays if len(each)), default=0.0)
        self._edges = np.linspace(0.0, max(largest, np.finfo(float).tiny), _BINS + 1)
        self._counts = np.array(
            [
                np.histogram(np.concatenate([np.zeros(0), *arrays]), self._edges)[0].astype(np.float64)
                for arrays in clusters.values()
            ]
        ).reshape(len(clusters), _BINS)

    def medians(self, names: Sequence[str], *, seed: int = 0) -> Float[np.ndarray, " R"]:
        """The pooled median of each resample of the named clusters."""
        counts = self._counts[[self._names[name] for name in names]]
        picks = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), _RESAMPLES)
        medians = np.empty(_RESAMPLES)
        for at, pick in enumerate(picks):
            total = np.cumsum(pick @ counts)
            half = total[-1] / 2
            bin_ = int(np.searchsorted(total, half))
            before = total[bin_ - 1] if bin_ else 0.0
            inside = (half - before) / max(total[bin_] - before, 1.0)
            medians[at] = self._edges[bin_] + inside * (self._edges[bin_ + 1] - self._edges[bin_])
        return medians

    def median(self, names: Sequence[str], value: float, *, seed: int = 0) -> Interval:
        """The interval of a pooled median whose exact value is given."""
        return _interval(value, self.medians(names, seed=seed))

    def gap(self, worst: Sequence[str], best: Sequence[str], value: float, *, seed: int = 0) -> Interval:
        """The interval of the difference of two groups' pooled medians, whose exact value is given."""
        return _interval(value, self.medians(worst, seed=seed) - self.medians(best, seed=seed + 1))

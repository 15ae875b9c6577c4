"""A prior over smooth, symmetric changes of a head's shape: what the sampled population's mean may lack.

A Gaussian process on the surface (Lüthi et al. 2018, "Gaussian Process Morphable Models"): displacements of nearby
points are alike, those of mirror points are mirror images. Lengths are metres.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["sample_smooth", "smooth_covariance"]

# Standard deviation of a displacement's component, and over which distance displacements stay alike.
_MEAN_SCALES = ((0.0022, 0.045), (0.0015, 0.020), (0.0008, 0.010))
# What people's heads differ in beyond the ways of the sampled population.
_PEOPLE_SCALES = ((0.0016, 0.045), (0.0005, 0.032))
_ASYMMETRY = 0.25
_INDUCING = 700
_MIRROR = np.array([-1.0, 1.0, 1.0])


def smooth_covariance(
    first: Float[np.ndarray, "N 3"], second: Float[np.ndarray, "M 3"]
) -> Float[np.ndarray, "N 3 M 3"]:
    """Covariance of the displacements at one set of places with those at another."""
    plain, crossed = (_kernel(first, other, _MEAN_SCALES) for other in (second, second * _MIRROR))
    result = np.zeros((len(first), 3, len(second), 3))
    for k in range(3):
        result[:, k, :, k] = 0.5 * (plain + _MIRROR[k] * crossed)
    return result


def sample_smooth(
    places: Float[np.ndarray, "N 3"], count: int, generator: np.random.Generator
) -> Float[np.ndarray, "B N 3"]:
    """Smooth displacements, mostly symmetric, of a head's points; one field per person."""
    total = np.zeros((count, len(places), 3))
    chosen = places[np.sort(generator.choice(len(places), min(_INDUCING, len(places)), replace=False))]
    for scale in _PEOPLE_SCALES:
        root = np.linalg.cholesky(_kernel(chosen, chosen, (scale,)) + 1e-5 * scale[0] ** 2 * np.eye(len(chosen)))
        # A field through values at some points: its regression on them.
        weights = np.linalg.solve(root.T, generator.normal(size=(len(chosen), count * 3)))
        plain = (_kernel(places, chosen, (scale,)) @ weights).reshape(-1, count, 3)
        crossed = (_kernel(places * _MIRROR, chosen, (scale,)) @ weights).reshape(-1, count, 3) * _MIRROR
        even, odd = (plain + crossed) / np.sqrt(2), (plain - crossed) / np.sqrt(2)
        total += (even + _ASYMMETRY * odd).transpose(1, 0, 2)
    return total


def _kernel(
    first: Float[np.ndarray, "N 3"], second: Float[np.ndarray, "M 3"], scales: tuple[tuple[float, float], ...]
) -> Float[np.ndarray, "N M"]:
    squared = ((first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T).clip(0)
    return sum((sigma**2 * np.exp(-squared / (2 * reach**2)) for sigma, reach in scales), np.zeros_like(squared))

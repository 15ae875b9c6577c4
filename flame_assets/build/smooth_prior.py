"""A prior over smooth, symmetric changes of a head's shape: what the sampled population's mean may lack.

A Gaussian process on the surface (Lüthi et al. 2018, "Gaussian Process Morphable Models"): displacements of nearby points
are alike, those of mirror points are mirror images. Lengths are metres.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["smooth_covariance"]

# Standard deviation of a displacement's component, and over which distance displacements stay alike.
_SCALES = ((0.0022, 0.045), (0.0015, 0.020), (0.0008, 0.010))
_MIRROR = np.array([-1.0, 1.0, 1.0])


def smooth_covariance(
    first: Float[np.ndarray, "N 3"], second: Float[np.ndarray, "M 3"], strength: float = 1.0
) -> Float[np.ndarray, "N 3 M 3"]:
    """Covariance of the displacements at one set of places with those at another."""
    plain, crossed = _kernel(first, second), _kernel(first, second * _MIRROR)
    result = np.zeros((len(first), 3, len(second), 3))
    for k in range(3):
        result[:, k, :, k] = 0.5 * strength**2 * (plain + _MIRROR[k] * crossed)
    return result


def _kernel(first: Float[np.ndarray, "N 3"], second: Float[np.ndarray, "M 3"]) -> Float[np.ndarray, "N M"]:
    squared = ((first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T).clip(0)
    return sum((sigma**2 * np.exp(-squared / (2 * reach**2)) for sigma, reach in _SCALES), np.zeros_like(squared))

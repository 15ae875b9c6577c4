"""How large the head is, how sure that is, and what says so.

One photo fixes shape and direction but not size: a head twice as large and twice as far looks the same. Size comes from
knowledge: the spread of head sizes among people, the iris (nearly the same in every adult), or a distance the user
measured. Each source estimates the same number, the head's size relative to the population's mean head; independent
estimates are fused by inverse variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

if TYPE_CHECKING:
    from face3d.head import HeadModel

IRIS_DIAMETER = 0.0117
"""Horizontal visible iris diameter of adults in metres (white-to-white; Ruefer et al. 2005: 11.71 mm)."""

IRIS_POPULATION_SIGMA = 0.5 / 11.7
"""Its relative standard deviation between people."""

IRIS_MEASUREMENT_SIGMA = 0.05
"""Relative error of measuring it in a photo with MediaPipe's iris points, mean of the four radii (on 191 renders whose
irises spread as people's do, the estimate is off by 6.6 %, of which 4.3 % are the people's)."""

TYPED_DISTANCE_SIGMA = 1e-6
"""Metres. A distance that the user typed is held, whatever else speaks against it."""

TYPED_FIT_SIGMA = 1e-4
"""Metres; its weight while the fit settles, which then closes what is left of it exactly."""


@dataclass(frozen=True, slots=True)
class ScaleSource:
    """One estimate of the head's size relative to the mean head, with its relative standard deviation."""

    name: str
    value: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Scale:
    """The head's size relative to the population's mean head, its relative standard deviation, and their sources."""

    value: float
    sigma: float
    sources: tuple[ScaleSource, ...]


def fuse(sources: Sequence[ScaleSource]) -> Scale:
    """Inverse-variance fusion of independent estimates, on the log scale."""
    precisions = np.array([source.sigma**-2 for source in sources])
    logs = np.log([source.value for source in sources])
    mean = float(precisions @ logs / precisions.sum())
    return Scale(math.exp(mean), float(precisions.sum() ** -0.5), tuple(sources))


class HeadSize:
    """The size of a head model's heads: root mean square distance of the face's vertices from their centroid.

    Identities are given by their first `components` coefficients, all by default.
    """

    def __init__(self, model: HeadModel, components: int | None = None) -> None:
        ids: Int[ndarray, " S"] = (
            model.regions["face"].cpu().numpy() if "face" in model.regions else np.arange(len(model.template))
        )
        template = model.template.detach().cpu().numpy()[ids].astype(np.float64)
        basis = model.identity_basis.detach().cpu().numpy()[:components, ids].astype(np.float64)
        self._template = template - template.mean(axis=0)
        self._basis = basis - basis.mean(axis=1, keepdims=True)
        self._mean_log = self._log_size(self._template)

    @property
    def components(self) -> int:
        """How many coefficients the identities have."""
        return len(self._basis)

    def log_ratio(self, identity: Float[ndarray, " I"]) -> tuple[float, Float[ndarray, " I"]]:
        """Log of the size relative to the mean head, and its gradient."""
        shape = self._template + np.tensordot(identity, self._basis, axes=1)
        gradient = np.einsum("ivx,vx->i", self._basis, shape) / np.sum(shape**2)
        return self._log_size(shape) - self._mean_log, gradient

    @staticmethod
    def _log_size(centred: Float[ndarray, "S 3"]) -> float:
        return 0.5 * math.log(float(np.sum(centred**2)))


def population_size(size: HeadSize) -> ScaleSource:
    """What is known of the size of anybody's head."""
    return stated_size("population", size, np.zeros(size.components), np.eye(size.components))


def stated_size(name: str, size: HeadSize, mean: Float[ndarray, " I"], precision: Float[ndarray, "I I"]) -> ScaleSource:
    """The size of heads whose identity is Gaussian."""
    log_ratio, slope = size.log_ratio(mean)
    return ScaleSource(name, math.exp(log_ratio), float(np.sqrt(slope @ np.linalg.solve(precision, slope))))


@lru_cache(maxsize=4)
def head_size(model: HeadModel, components: int) -> HeadSize:
    """`HeadSize` of a model; kept, as models do not change."""
    return HeadSize(model, components)


def size_of(model: HeadModel, identity: Float[ndarray, " I"]) -> float:
    """A head's size relative to the mean head, as `Scale.value` states it."""
    return math.exp(head_size(model, len(identity)).log_ratio(identity)[0])


def size_slope(model: HeadModel, identity: Float[ndarray, " I"]) -> Float[ndarray, " I"]:
    """Derivative of the logarithm of `size_of`."""
    return head_size(model, len(identity)).log_ratio(identity)[1]


def iris_source(log_ratio: float, apparent_diameters: Sequence[float]) -> ScaleSource | None:
    """The head's size by its irises.

    Args:
        log_ratio: log size of the fitted head relative to the mean head.
        apparent_diameters: iris diameters in metres as they come out at the fitted distance, one per eye and photo.

    Returns:
        None when no iris was measured. The population's spread does not shrink with more photos of the same eyes, the
        measurement's error does.
    """
    if not apparent_diameters:
        return None
    apparent = float(np.exp(np.mean(np.log(apparent_diameters))))
    # Both eyes of a photo share most of the error.
    sigma = math.hypot(IRIS_POPULATION_SIGMA, IRIS_MEASUREMENT_SIGMA / math.sqrt((len(apparent_diameters) + 1) / 2))
    return ScaleSource("iris", math.exp(log_ratio) * IRIS_DIAMETER / apparent, sigma)

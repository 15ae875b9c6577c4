"""An identity that something else than the landmarks tells, such as a network that looks at the whole face."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from face3d.fit.landmark_problem import IdentityPrior, LandmarkProblem
from face3d.fit.scale import HeadSize, ScaleSource, stated_size

__all__ = ["ForetoldIdentity", "KnownIdentity", "held_covariance"]

FORETOLD_WEIGHT = 4.0
"""How much more what is foretold counts beside landmarks than it states. Errors of landmarks go together, so that they
speak several times too loud: twice by the spread of single fits (`DetectorResponse.doubt` squared); on 90 drawn heads
the error of both together falls from 2.64 over 2.56 to 2.51 mm with weights of 2, 4 and 8."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownIdentity:
    """An identity from elsewhere and how far it is to be believed.

    Attributes:
        name: of its source, as `Scale.sources` shows it.
        mean: (I,) coefficients of the head model.
        scale_sigma: relative standard deviation of the size of the head that they make.
        weight: factor on the certainty that `scale_sigma` states, where the fit may change the identity; infinite, the
            default, holds the identity exactly.
    """

    name: str
    mean: Float[ndarray, " I"]
    scale_sigma: float
    weight: float = math.inf

    def prior(self, size: HeadSize) -> IdentityPrior:
        """The Gaussian whose heads vary in size by `scale_sigma`.

        Its coefficients err independently and all alike, as nothing finer is published of a network's errors, and by
        no more than people differ.
        """
        mean = np.asarray(self.mean, dtype=np.float64)
        slope = float(np.linalg.norm(size.log_ratio(mean)[1]))
        sigma = min(1.0, self.scale_sigma / max(slope, 1e-12))
        held = math.isinf(self.weight)
        precision = (1.0 if held else self.weight) / sigma**2
        return IdentityPrior(mean, precision * np.eye(len(mean)), held)

    def size(self, size: HeadSize) -> ScaleSource:
        """What it says of the head's size alone."""
        return ScaleSource(self.name, math.exp(size.log_ratio(np.asarray(self.mean, np.float64))[0]), self.scale_sigma)


@dataclass(frozen=True, slots=True, eq=False)
class ForetoldIdentity:
    """An identity that something foretells with stated doubt, for landmarks to correct where they know better.

    Attributes:
        name: of what foretells it.
        mean: (I,) the first coefficients of the head model.
        precision: (I, I) inverse covariance of their errors, what the population's spread says included.
    """

    name: str
    mean: Float[ndarray, " I"]
    precision: Float[ndarray, "I I"]

    def prior(self, size: HeadSize) -> IdentityPrior:
        """The population's Gaussian with what is foretold; the size says nothing more.

        Where nothing is foretold it is the population's alone.
        """
        mean, precision = (np.asarray(part, np.float64) for part in (self.mean, self.precision))
        population = np.eye(len(mean))
        return IdentityPrior(mean, population + FORETOLD_WEIGHT * (precision - population))

    def size(self, size: HeadSize) -> ScaleSource:
        """What it says of the head's size alone, as surely as it states: no landmarks speak beside it."""
        return stated_size(self.name, size, *(np.asarray(part, np.float64) for part in (self.mean, self.precision)))


def held_covariance(problem: LandmarkProblem) -> Float[ndarray, "I I"]:
    """What is left unsure of an identity that is held: its prior, less what distances that the user typed tell."""
    precision = problem.prior.precision.copy()
    for term in problem.linear_terms:
        precision += np.outer(term.row, term.row) / term.sigma**2
    return np.asarray(np.linalg.inv(precision))

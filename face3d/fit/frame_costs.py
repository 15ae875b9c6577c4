"""The cost of every frame of a motion as a quadratic about where its evidence was asked last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = ["FrameCosts"]


@dataclass(frozen=True, slots=True, eq=False)
class FrameCosts:
    """Costs of T frames of D unknowns, which are written into.

    Attributes:
        hessian, gradient: (T, D, D), (T, D) where each frame was asked.
        since: (T, D) its steps since then.
    """

    hessian: Float[ndarray, "T D D"]
    gradient: Float[ndarray, "T D"]
    since: Float[ndarray, "T D"]

    @staticmethod
    def nothing(count: int, weakest: Float[ndarray, " D"]) -> FrameCosts:
        """Frames of which nothing is known, but that unknowns keep their place with so much precision."""
        size = len(weakest)
        hessian = np.zeros((count, size, size))
        np.einsum("tdd->td", hessian)[:] = weakest
        return FrameCosts(hessian, np.zeros((count, size)), np.zeros((count, size)))

    @property
    def scale(self) -> Float[ndarray, "T D"]:
        """One over the standard deviation of each unknown if all others were known."""
        return np.sqrt(np.einsum("tdd->td", self.hessian))

    def moved(self) -> Float[ndarray, " T"]:
        """By how much, in those standard deviations, a frame's unknowns have moved at most since it was asked."""
        largest: Float[ndarray, " T"] = np.abs(self.since * self.scale).max(axis=1)
        return largest

    def slopes(self, step: Float[ndarray, "T D"] | None = None) -> Float[ndarray, "T D"]:
        """Of the costs where frames are, or after another step."""
        away = self.since if step is None else self.since + step
        return self.gradient + (self.hessian @ away[:, :, None])[:, :, 0]

    def tell(
        self, frames: Int[ndarray, " A"], hessian: Float[ndarray, "A D D"], gradient: Float[ndarray, "A D"]
    ) -> None:
        """Set the costs of frames, where they are now."""
        self.hessian[frames], self.gradient[frames] = hessian, gradient
        self.since[frames] = 0.0

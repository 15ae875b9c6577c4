"""The photometric problem of frames of one clip: skin whose own marks are unknown, but stay.

As `face3d.fit.photometric_problem`, but for what photos taken apart do not share. What the low-rank albedo and the
harmonics miss of a face's colours (freckles, shine, the shadow beside the nose) is missed alike in all frames, so that
a dozen frames know hardly more of it than one does. Each sample has a colour of its own here, of known variance, the
same in all frames; it is linear and solved for whenever the other unknowns are looked at (variable projection, Golub
and Pereyra 1973). What is left is how the colours of one place change from frame to frame, which tells where it is.

Dimension letters as there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from face3d.fit.photometric_problem import PhotometricProblem, PhotometricState, ShadedView

__all__ = ["ClipPhotometricProblem"]

OWN_COLOUR_SHARE = 0.9
"""Share of the variance of a sample's colour error that stays the same in all frames of a clip. On four drawn clips the
neutral head was off by 1.98 mm without own colours, by 1.76 with a share of 0.75 and 1.70 with 0.9."""

OWN_COLOUR_PASSES = 8
"""Times that the samples' own colours and the robust weights are found from each other."""


class ClipPhotometricProblem(PhotometricProblem):
    """`face3d.fit.solver.Problem` over `PhotometricState`, the samples' own colours at their best."""

    def own_colours(self, state: PhotometricState) -> Float[ndarray, "N 3"]:
        """The samples' own colours, standardised by the photos' noise."""
        return self._best_colours(self._shaded(state))[0]

    def photometric_cost(self, state: PhotometricState) -> float:
        """The colours' part of the cost alone."""
        shaded = self._shaded(state)
        return self._loss(shaded, self._best_colours(shaded)[0])

    def add_colours(
        self, state: PhotometricState, gradient: Float[ndarray, " P"], hessian: Float[ndarray, "P P"]
    ) -> float:
        """As `PhotometricProblem.add_colours`."""
        shaded = self._shaded(state)
        own, weights = self._best_colours(shaded)
        # Where the head does not move, only what comes after it has a say.
        first = 0 if self.moves else self.landmarks.size
        summed = np.zeros((len(own), 3, self.size - first), np.float32)
        for index, (one, weight) in enumerate(zip(shaded, weights, strict=True)):
            used, columns = np.flatnonzero(weight > 0), self.columns(index)
            rows = self.jacobian(state, index, one, used, weight[used])
            root = np.sqrt(weight[used])[:, None]
            hessian[np.ix_(columns, columns)] += rows.T @ rows
            gradient[columns] += rows.T @ ((one.residual - own)[used] * root).ravel()
            part = (rows.reshape(len(used), 3, -1) * root[:, :, None]).astype(np.float32)
            summed[used[:, None, None], np.arange(3)[:, None], columns - first] += part
        known = np.sqrt(weights.sum(axis=0) + self.share / OWN_COLOUR_SHARE)
        rows = (summed / known[:, None, None]).reshape(-1, self.size - first)
        hessian[first:, first:] -= rows.T @ rows
        return self._loss(shaded, own)

    def _shaded(self, state: PhotometricState) -> list[ShadedView]:
        return [self.shade(state, index) for index in range(len(self.views))]

    def _best_colours(self, shaded: Sequence[ShadedView]) -> tuple[Float[ndarray, "N 3"], Float[ndarray, "B N"]]:
        """The own colours, and each photo's robust weights beside them."""
        residual = np.stack([one.residual for one in shaded])
        trust = np.stack([one.trust for one in shaded]) / (1 - OWN_COLOUR_SHARE)
        own, weight = np.zeros_like(residual[0]), trust
        for _ in range(OWN_COLOUR_PASSES):
            squared = np.sum((residual - own) ** 2, axis=2) / (1 - OWN_COLOUR_SHARE)
            weight = trust / (1 + squared / self.noise.robust_scale**2)
            known = weight.sum(axis=0) + self.share / OWN_COLOUR_SHARE
            own = np.einsum("bn,bnc->nc", weight, residual) / known[:, None]
        return own, weight

    def _loss(self, shaded: Sequence[ShadedView], own: Float[ndarray, "N 3"]) -> float:
        scale = self.noise.robust_scale**2
        cost = 0.5 * self.share / OWN_COLOUR_SHARE * float(np.sum(own**2))
        for one in shaded:
            squared = np.sum((one.residual - own) ** 2, axis=1) / (1 - OWN_COLOUR_SHARE)
            cost += 0.5 * float(one.trust @ (scale * np.log1p(squared / scale)))
        return cost

"""The photometric problem of frames of one clip: skin whose own marks are unknown, but stay.

As `face3d.fit.photometric_problem`, but for what photos taken apart do not share. What the low-rank albedo and the
harmonics miss of a face's colours (freckles, shine, the shadow beside the nose) is missed alike in all frames, so that
a dozen frames know hardly more of it than one does. Each sample has a colour of its own here, of known variance, the same
in all frames; it is linear and solved for whenever the other unknowns are looked at (variable projection, Golub and
Pereyra 1973). What is left is how the colours of one place change from frame to frame, which tells where it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from face3d.fit.photometric_problem import PhotometricProblem, PhotometricState, _Shaded
from face3d.fit.solver import Linearization

__all__ = ["ClipPhotometricProblem"]

OWN_COLOUR_SHARE = 0.75
"""Share of the variance of a sample's colour error that stays the same in all frames of a clip."""

OWN_COLOUR_PASSES = 3
"""Times that the samples' own colours and the robust weights are found from each other."""


class ClipPhotometricProblem(PhotometricProblem):
    """`face3d.fit.solver.Problem` over `PhotometricState`, the samples' own colours at their best."""

    def _own_colours(self, shaded: Sequence[_Shaded]) -> tuple[Float[ndarray, "N 3"], Float[ndarray, "B N"]]:
        """The own colours, standardised, and each frame's robust weights beside them."""
        residual = np.stack([one.residual for one in shaded])
        trust = np.stack([one.trust for one in shaded]) / (1 - OWN_COLOUR_SHARE)
        own = np.zeros_like(residual[0])
        scale = self._robust_scale**2
        for _ in range(OWN_COLOUR_PASSES):
            squared = np.sum((residual - own) ** 2, axis=2) / (1 - OWN_COLOUR_SHARE)
            weight = trust / (1 + squared / scale)
            total = weight.sum(axis=0) + self._share / OWN_COLOUR_SHARE
            own = np.einsum("bn,bnc->nc", weight, residual) / total[:, None]
        return own, weight

    def _loss(self, shaded: Sequence[_Shaded], own: Float[ndarray, "N 3"]) -> float:
        scale = self._robust_scale**2
        cost = 0.5 * self._share / OWN_COLOUR_SHARE * float(np.sum(own**2))
        for one in shaded:
            squared = np.sum((one.residual - own) ** 2, axis=1) / (1 - OWN_COLOUR_SHARE)
            cost += 0.5 * float(one.trust @ (scale * np.log1p(squared / scale)))
        return cost

    def photometric_cost(self, state: PhotometricState) -> float:
        """The colours' part of the cost alone."""
        shaded = [self._shade(state, index) for index in range(len(self.views))]
        return self._loss(shaded, self._own_colours(shaded)[0])

    def _add_colours(
        self, state: PhotometricState, gradient: Float[ndarray, " P"], hessian: Float[ndarray, "P P"]
    ) -> float:
        shaded = [self._shade(state, index) for index in range(len(self.views))]
        own, weights = self._own_colours(shaded)
        total = weights.sum(axis=0) + self._share / OWN_COLOUR_SHARE
        summed = np.zeros((len(total), 3, self.size), np.float32)
        for index, (one, weight) in enumerate(zip(shaded, weights, strict=True)):
            used, columns = np.flatnonzero(weight > 0), self._columns(index)
            rows = self._jacobian(state, index, one, used, weight[used])
            root = np.sqrt(weight[used])[:, None]
            hessian[np.ix_(columns, columns)] += rows.T @ rows
            gradient[columns] += rows.T @ ((one.residual - own)[used] * root).ravel()
            part = (rows.reshape(len(used), 3, -1) * root[:, :, None]).astype(np.float32)
            summed[used[:, None, None], np.arange(3)[:, None], columns] += part
        flat = (summed / np.sqrt(total)[:, None, None]).reshape(-1, self.size)
        hessian -= flat.T @ flat
        return self._loss(shaded, own)

"""The landmark problem of frames of one clip: one camera, and a detector that errs alike in all of them.

As `face3d.fit.landmark_problem`, but for two things that photos taken apart do not share. The focal length is one. And
of the detector's correlated errors most belongs to the person and stays, so that a dozen frames know hardly more of the
head than one does; fitted as independent they would claim to. What remains of a frame's own errors is linear and is
solved for whenever the other unknowns are looked at (variable projection, Golub and Pereyra 1973).

Unknowns, in this order: identity, log of the focal length's factor, the shared errors; then per view expression, turns
of jaw and eyes, and pose.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float
from numpy import ndarray

from face3d.fit.landmark_problem import (
    ROTATIONS,
    FitState,
    LandmarkProblem,
    Projected,
    ViewEvidence,
    ViewState,
    cauchy,
)
from face3d.fit.motion_evidence import CONSTANT_SHARE
from face3d.fit.solver import Linearization

__all__ = ["ClipProblem"]

OWN_ERROR_PASSES = 3
"""Times that a view's own errors and the robust weights are found from each other."""


KNOWN_FOCAL_SIGMA = 1e-4
"""Relative, of a focal length that is held."""


class ClipProblem(LandmarkProblem):
    """`face3d.fit.solver.Problem` over `FitState` whose views share `log_focal` and `errors`, the shared ones."""

    @property
    def size(self) -> int:
        """Number of unknowns P."""
        return self.identity_size + 1 + len(self.response.modes) + len(self.views) * self._own_size

    @property
    def _own_size(self) -> int:
        return self.expression_size + 3 * ROTATIONS + 6

    def surface_columns(self, index: int) -> list[int]:
        """As `LandmarkProblem.surface_columns`; the focal length is the clip's."""
        ident, own = self.identity_size, self._own_size
        start = ident + 1 + len(self.response.modes) + index * own
        return [*range(ident), *range(start, start + own), ident]

    def linearize(self, state: FitState) -> Linearization:
        """Cost, gradient and Gauss-Newton Hessian at `state`, the views' own errors at their best."""
        ident, modes, own = self.identity_size, len(self.response.modes), self._own_size
        shared = ident + 1 + modes
        hessian, gradient = np.zeros((self.size, self.size)), np.zeros(self.size)
        errors = slice(ident + 1, shared)
        # Where a view's Jacobian has the columns of this problem: identity, focal length, errors, own.
        order = np.concatenate(
            [np.arange(ident), [ident + own], ident + own + 1 + np.arange(modes), ident + np.arange(own)]
        )
        cost = self._shared_prior(state, gradient, hessian)
        for index, (view, evidence) in enumerate(zip(state.views, self.views, strict=True)):
            projected = self.project_view(state.identity, view, evidence, with_jacobian=True)
            loss, weights, projected = self._with_own_errors(projected, evidence)
            assert projected.jacobian is not None
            scale = (projected.inverse_sigma * np.sqrt(weights)[:, None]).reshape(-1)
            used = np.flatnonzero(scale > 0)
            rows = projected.jacobian.reshape(len(scale), -1)[np.ix_(used, order)] * scale[used, None]
            residual = projected.residual.reshape(-1)[used] * scale[used]
            normal, slope = rows.T @ rows, rows.T @ residual
            if modes:
                # The view's own errors look like the shared ones: take them out of the normal equations.
                inner = scipy.linalg.cholesky(
                    normal[errors, errors] + np.eye(modes) / (1 - CONSTANT_SHARE), lower=True, check_finite=False
                )
                known = scipy.linalg.solve_triangular(inner, normal[errors], lower=True, check_finite=False)
                normal -= known.T @ known
            deviation, precision = self._own_prior(view, evidence)
            start = shared + index * own
            place = np.concatenate([np.arange(shared), np.arange(start, start + own)])
            hessian[np.ix_(place, place)] += normal
            gradient[place] += slope
            np.einsum("ii->i", hessian)[start : start + own] += precision
            gradient[start : start + own] += precision * deviation
            cost += loss + 0.5 * float(precision @ deviation**2)
        cost += self._add_terms(state, gradient, hessian)
        return Linearization(cost, gradient, hessian)

    def cost(self, state: FitState) -> float:
        """Half sum of squares, infinite for a head behind the camera."""
        cost = self._shared_prior(state, None, None)
        for view, evidence in zip(state.views, self.views, strict=True):
            if view.translation[2] <= 0:
                return float("inf")
            projected = self.project_view(state.identity, view, evidence, with_jacobian=False)
            deviation, precision = self._own_prior(view, evidence)
            cost += self._with_own_errors(projected, evidence)[0] + 0.5 * float(precision @ deviation**2)
        return cost + self._add_terms(state, None, None)

    def move(self, state: FitState, step: Float[ndarray, " P"]) -> FitState:
        """Take a step; rotations on the manifold, expressions within their bounds."""
        ident, modes = self.identity_size, len(self.response.modes)
        common = step[ident : ident + 1 + modes]
        own = step[ident + 1 + modes :].reshape(len(self.views), self._own_size)
        spread = np.concatenate([own, np.tile(common, (len(own), 1))], axis=1)
        return super().move(state, np.concatenate([step[:ident], spread.reshape(-1)]))

    def blocked(self, state: FitState, gradient: Float[ndarray, " P"]) -> Bool[ndarray, " P"]:
        """Expressions at a bound that the gradient pushes outwards, a focal length that is known, a held identity."""
        ident, modes = self.identity_size, len(self.response.modes)
        own = gradient[ident + 1 + modes :].reshape(len(self.views), self._own_size)
        spread = np.concatenate([own, np.zeros((len(own), 1 + modes))], axis=1)
        mask = super().blocked(state, np.concatenate([gradient[:ident], spread.reshape(-1)]))
        views = mask[ident:].reshape(len(own), -1)
        common = [self.views[0].focal_sigma == 0, *[False] * modes]
        return np.concatenate([mask[:ident], common, views[:, : self._own_size].reshape(-1)])

    def _with_own_errors(
        self, projected: Projected, evidence: ViewEvidence
    ) -> tuple[float, Float[ndarray, " N"], Projected]:
        """Robust half cost with the view's own errors at their best, the weights then, and what the errors leave."""
        modes = self.response.modes
        if not len(modes):
            return *cauchy(projected, evidence.confidence), projected
        flat = modes.copy()
        relief = projected.inverse_sigma[:, 2] ** 2
        if relief.any():
            # Only differences of depth are observed.
            flat[:, :, 2] -= (flat[:, :, 2] @ relief)[:, None] / relief.sum()
        rows = (flat * projected.inverse_sigma).reshape(len(modes), -1)
        standardised = (projected.residual * projected.inverse_sigma).reshape(-1)
        left, own = projected, np.zeros(len(modes))
        for _ in range(OWN_ERROR_PASSES):
            weights = np.repeat(cauchy(left, evidence.confidence)[1], 3)
            normal = (rows * weights) @ rows.T
            np.einsum("ii->i", normal)[:] += 1 / (1 - CONSTANT_SHARE)
            own = scipy.linalg.solve(normal, rows @ (weights * standardised), assume_a="pos", check_finite=False)
            left = replace(projected, residual=projected.residual - np.tensordot(own, flat, axes=1))
        loss, share = cauchy(left, evidence.confidence)
        return loss + 0.5 * float(own @ own) / (1 - CONSTANT_SHARE), share, left

    def _shared_prior(
        self, state: FitState, gradient: Float[ndarray, " P"] | None, hessian: Float[ndarray, "P P"] | None
    ) -> float:
        """Of identity, focal length and shared errors."""
        ident, view, sigma = self.identity_size, state.views[0], self.views[0].focal_sigma
        precision = np.full(1 + len(view.errors), 1 / CONSTANT_SHARE)
        precision[0] = max(sigma, KNOWN_FOCAL_SIGMA) ** -2
        value = np.concatenate([[view.log_focal], view.errors])
        if gradient is not None and hessian is not None:
            own, rest = slice(ident), slice(ident, ident + len(value))
            gradient[own] += self.prior.precision @ (state.identity - self.prior.mean)
            hessian[own, own] += self.prior.precision
            gradient[rest] += precision * value
            np.einsum("ii->i", hessian)[rest] += precision
        return self.prior.cost(state.identity) + 0.5 * float(precision @ value**2)

    def _own_prior(self, view: ViewState, evidence: ViewEvidence) -> tuple[Float[ndarray, " Q"], Float[ndarray, " Q"]]:
        deviation, precision = self.view_prior(view, evidence)
        return deviation[: self._own_size], precision[: self._own_size]

"""The landmark problem of frames of one clip: one camera, and a detector that errs alike in all of them.

As `face3d.fit.landmark_problem`, but for two things that photos taken apart do not share. The focal length is one. And
of the detector's correlated errors most belongs to the person and stays, as does what is special in a person's
expressions (`face3d.fit.expression_errors`), so that a dozen frames know hardly more of the head than one does; fitted
as independent they would claim to. What remains of a frame's own errors is linear and is
solved for whenever the other unknowns are looked at (variable projection, Golub and Pereyra 1973).

Unknowns, in this order: identity, log of the focal length's factor, the shared errors; then per view expression, turns
of jaw and eyes, and pose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import scipy.linalg
from jaxtyping import Float
from numpy import ndarray

from face3d.fit.evidence import DetectorResponse
from face3d.fit.expression_errors import expression_errors
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
from face3d.fit.point_model import PointModel
from face3d.fit.solver import Linearization

__all__ = ["ClipProblem"]

OWN_ERROR_PASSES = 3
"""Times that a view's own errors and the robust weights are found from each other."""


KNOWN_FOCAL_SIGMA = 1e-4
"""Relative, of a focal length that is held."""


_Cost: TypeAlias = tuple[float, Float[ndarray, " N"], Projected]
"""Of a view: robust half cost, its weights, and what its own errors leave."""


class ClipProblem(LandmarkProblem):
    """`face3d.fit.solver.Problem` over `FitState` whose views share `log_focal` and `errors`, the shared ones."""

    sized_by_shape = False
    # People's proportions go with their size, but weakly: what landmarks of a smile or a nod are off by would change it
    # by some percent, while faces that are drawn are not measured any better with it than without.

    _costs: tuple[FitState, list[_Cost]] | None = None

    def __init__(
        self, points: PointModel, response: DetectorResponse, views: tuple[ViewEvidence, ...], **named: Any
    ) -> None:
        done = np.stack([view.expression_mean for view in views])
        if (bounds := named.get("bounds")) is not None:
            done = np.clip(done, *bounds.T)
        own = expression_errors(points.rest_points, points.rest_basis[:, :, points.identity_size :], done)
        views = tuple(
            replace(view, modes=np.concatenate([response.modes, errors]))
            for view, errors in zip(views, own, strict=True)
        )
        super().__init__(points, response, views, **named)

    @property
    def size(self) -> int:
        """Number of unknowns P."""
        return self.identity_size + 1 + self.error_count + len(self.views) * self._own_size

    @property
    def _own_size(self) -> int:
        return self.expression_size + 3 * ROTATIONS + 6

    def surface_columns(self, index: int) -> list[int]:
        """As `LandmarkProblem.surface_columns`; the focal length is the clip's."""
        ident, own = self.identity_size, self._own_size
        start = ident + 1 + self.error_count + index * own
        return [*range(ident), *range(start, start + own), ident]

    def linearize(self, state: FitState) -> Linearization:
        """Cost, gradient and Gauss-Newton Hessian at `state`, the views' own errors at their best."""
        ident, modes, own = self.identity_size, self.error_count, self._own_size
        shared = ident + 1 + modes
        hessian, gradient = np.zeros((self.size, self.size)), np.zeros(self.size)
        # Columns of a view's Jacobian: identity, own, focal length and errors; each stays together in this problem too.
        errors = slice(ident + own + 1, ident + own + 1 + modes)
        cost = self._shared_prior(state, gradient, hessian)
        known_costs, self._costs = self._costs, None
        for index, (view, evidence) in enumerate(zip(state.views, self.views, strict=True)):
            projected = self.project_view(state.identity, view, evidence, with_jacobian=True)
            assert projected.jacobian is not None
            if known_costs is not None and known_costs[0] is state:
                loss, weights, left = known_costs[1][index]
            else:
                loss, weights, left = self._with_own_errors(projected, evidence)
            scale = projected.inverse_sigma * np.sqrt(weights)[:, None]
            rows = np.multiply(projected.jacobian, scale[:, :, None], out=projected.jacobian).reshape(scale.size, -1)
            normal, slope = rows.T @ rows, rows.T @ (left.residual * scale).reshape(-1)
            if modes:
                # The view's own errors look like the shared ones: take them out of the normal equations.
                inner = scipy.linalg.cholesky(
                    normal[errors, errors] + np.eye(modes) / (1 - CONSTANT_SHARE), lower=True, check_finite=False
                )
                known = scipy.linalg.solve_triangular(inner, normal[errors], lower=True, check_finite=False)
                normal -= known.T @ known
            deviation, precision = self._own_prior(view, evidence)
            start = shared + index * own
            places = slice(0, ident), slice(start, start + own), slice(ident, shared)
            columns = slice(0, ident), slice(ident, ident + own), slice(ident + own, None)
            self._add_normal(hessian, gradient, normal, slope, places, columns)
            np.einsum("ii->i", hessian)[start : start + own] += precision
            gradient[start : start + own] += precision * deviation
            cost += loss + 0.5 * float(precision @ deviation**2)
        cost += self._add_terms(state, gradient, hessian)
        return Linearization(cost, gradient, hessian)

    @staticmethod
    def _add_normal(
        hessian: Float[ndarray, "P P"],
        gradient: Float[ndarray, " P"],
        normal: Float[ndarray, "Q Q"],
        slope: Float[ndarray, " Q"],
        places: Sequence[slice],
        columns: Sequence[slice],
    ) -> None:
        """Add a view's normal equations: the unknowns in its `columns` stand at `places` in all."""
        for place, column in zip(places, columns, strict=True):
            gradient[place] += slope[column]
            for other_place, other_column in zip(places, columns, strict=True):
                hessian[place, other_place] += normal[column, other_column]

    def cost(self, state: FitState) -> float:
        """Half sum of squares, infinite for a head behind the camera."""
        cost = self._shared_prior(state, None, None)
        costs = []
        for view, evidence in zip(state.views, self.views, strict=True):
            if view.translation[2] <= 0:
                return float("inf")
            projected = self.project_view(state.identity, view, evidence, with_jacobian=False)
            costs.append(self._with_own_errors(projected, evidence))
            deviation, precision = self._own_prior(view, evidence)
            cost += costs[-1][0] + 0.5 * float(precision @ deviation**2)
        # A solver linearizes next where it has just found the cost to be low.
        self._costs = state, costs
        return cost + self._add_terms(state, None, None)

    def move(self, state: FitState, step: Float[ndarray, " P"]) -> FitState:
        """Take a step; rotations on the manifold, expressions within their bounds."""
        ident, modes = self.identity_size, self.error_count
        common = step[ident : ident + 1 + modes]
        own = step[ident + 1 + modes :].reshape(len(self.views), self._own_size)
        spread = np.concatenate([own, np.tile(common, (len(own), 1))], axis=1)
        return super().move(state, np.concatenate([step[:ident], spread.reshape(-1)]))

    def limits(
        self, state: FitState, gradient: Float[ndarray, " P"]
    ) -> tuple[Float[ndarray, " P"], Float[ndarray, " P"]]:
        """Those of expressions, so that no step is taken for longer than it will be; what is held does not move."""
        ident, modes, own = self.identity_size, self.error_count, self._own_size
        low, high = np.full(self.size, -np.inf), np.full(self.size, np.inf)
        if self.prior.held:
            low[:ident] = high[:ident] = 0.0
        if self.views[0].focal_sigma == 0:
            low[ident] = high[ident] = 0.0
        if self.bounds is not None:
            room = [self.bounds.T - view.expression for view in state.views]
            for limit, ends in zip((low, high), zip(*room, strict=True), strict=True):
                limit[ident + 1 + modes :].reshape(-1, own)[:, : self.expression_size] = np.stack(ends)
        return low, high

    def _camera_after(self, view: ViewState, step: Float[ndarray, " 4"]) -> tuple[Float[ndarray, " 3"], float]:
        """To first order the sum.

        What landmarks tell of perspective is nearly straight in the inverse of the distance, and the focal length goes
        with the distance: a step changes its inverse, so that long ones along that valley stay in it.
        """
        growth = _log_growth(float(step[3]))
        depth = view.translation[2]
        along = step[2] / depth
        centre = (view.translation[:2] + step[:2] - view.translation[:2] * along) / depth
        return np.append(centre, 1.0) * (depth * math.exp(along + growth - step[3])), view.log_focal + growth

    def _with_own_errors(self, projected: Projected, evidence: ViewEvidence) -> _Cost:
        """Robust half cost with the view's own errors at their best, the weights then, and what the errors leave."""
        modes = self.modes_of(evidence)
        if not len(modes):
            return *cauchy(projected.residual, projected.inverse_sigma, evidence.confidence), projected
        inverse = projected.inverse_sigma
        relief = inverse[:, 2] ** 2
        mean = (modes[:, :, 2] @ relief) / relief.sum() if relief.any() else np.zeros(len(modes))
        rows = modes * inverse
        # Only differences of depth are observed.
        rows[:, :, 2] -= mean[:, None] * inverse[:, 2]
        rows = rows.reshape(len(modes), -1)
        standardised = (projected.residual * inverse).reshape(-1)
        left, own = standardised, np.zeros(len(modes))
        for _ in range(OWN_ERROR_PASSES):
            root = np.repeat(np.sqrt(cauchy(left.reshape(-1, 3), 1.0, evidence.confidence)[1]), 3)
            weighted = rows * root
            normal = weighted @ weighted.T
            np.einsum("ii->i", normal)[:] += 1 / (1 - CONSTANT_SHARE)
            own = scipy.linalg.lapack.dposv(normal, weighted @ (root * standardised), overwrite_a=True)[1]
            left = standardised - own @ rows
        loss, share = cauchy(left.reshape(-1, 3), 1.0, evidence.confidence)
        residual = projected.residual - np.tensordot(own, modes, axes=1)
        residual[:, 2] += own @ mean
        return loss + 0.5 * float(own @ own) / (1 - CONSTANT_SHARE), share, replace(projected, residual=residual)

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


def _log_growth(step: float) -> float:
    """Log of the factor on a focal length whose inverse falls by this share; steps over a half go on in a straight line
    instead, as an inverse that falls by all of itself is that of no length.
    """
    return -math.log1p(-step) if step < 0.5 else math.log(2) + 2 * (step - 0.5)

"""The least-squares problem of a landmark fit: one head, one or more views of it.

Unknowns, in this order: the identity shared by all views; then per view expression, the turns of jaw and eyes, the pose
(rotation about the head's origin and translation, both on the camera's side), the log of the focal length's factor and
the amounts of the detector's correlated errors. Residuals are measured in metres at the head's distance, in the image
plane turned upright with the head, where the detector's response was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from face3d.fit.evidence import DetectorResponse
from face3d.fit.point_model import MOVING_JOINTS, PointModel, cross_matrix
from face3d.fit.solver import Linearization

ROTATIONS = len(MOVING_JOINTS)
ROBUST_SCALE = 3.0
"""Standardised error beyond which a landmark loses weight (Cauchy loss)."""


BIAS_STEP = 1e-3
"""Radians, for the derivative of the detector's bias."""

_SMALL_TURNS = Rotation.from_rotvec(BIAS_STEP * np.eye(3)).as_matrix()


@dataclass(frozen=True, slots=True)
class ViewEvidence:
    """What one photo says.

    Attributes:
        pixels: (N, 3) image x, y of the original image and relative depth in pixels (NaN where unknown).
        confidence: (N,) factor on each landmark's inverse variance, 0 leaves it out.
        intrinsics: (3, 3).
        focal_sigma: relative standard deviation of the focal length, 0 when known.
        expression_mean, expression_sigma: (E,) Gaussian prior.
        metres_per_pixel: size of a pixel at the head; fixed, so that no residual shrinks by moving the head.
        modes: (R, N, 3) errors that go together in this view, one standard deviation each; None for the detector's.
    """

    pixels: Float[ndarray, "N 3"]
    confidence: Float[ndarray, " N"]
    intrinsics: Float[ndarray, "3 3"]
    focal_sigma: float
    expression_mean: Float[ndarray, " E"]
    expression_sigma: Float[ndarray, " E"]
    metres_per_pixel: float
    modes: Float[ndarray, "R N 3"] | None = None


@dataclass(frozen=True, slots=True)
class ViewState:
    """The unknowns of one view; `turns` are the rotation matrices of `MOVING_JOINTS`."""

    expression: Float[ndarray, " E"]
    turns: Float[ndarray, "K 3 3"]
    rotation: Float[ndarray, "3 3"]
    translation: Float[ndarray, " 3"]
    log_focal: float
    errors: Float[ndarray, " R"]

    def intrinsics(self, evidence: ViewEvidence) -> Float[ndarray, "3 3"]:
        """The photo's K with the focal length of this state."""
        matrix = evidence.intrinsics.copy()
        matrix[[0, 1], [0, 1]] *= np.exp(self.log_focal)
        return matrix

    def in_camera(self, points: PointModel, identity: Float[ndarray, " I"]) -> Float[ndarray, "N 3"]:
        """Points of the head in the camera's frame, metres."""
        coefficients = np.concatenate([identity, self.expression])
        return points.evaluate(coefficients, self.turns).points @ self.rotation.T + self.translation

    def project(
        self, points: PointModel, identity: Float[ndarray, " I"], evidence: ViewEvidence
    ) -> Float[ndarray, "N 2"]:
        """Points of the head in the photo, pixels. Skew is left out: cameras have none."""
        camera, matrix = self.in_camera(points, identity), self.intrinsics(evidence)
        return camera[:, :2] / camera[:, 2:] * np.diag(matrix)[:2] + matrix[:2, 2]


@dataclass(frozen=True, slots=True)
class FitState:
    """All unknowns."""

    identity: Float[ndarray, " I"]
    views: tuple[ViewState, ...]


@dataclass(frozen=True, slots=True, eq=False)
class IdentityPrior:
    """The identity before the landmarks speak: a Gaussian, and whether the landmarks may change it.

    Attributes:
        mean: (I,) coefficients of the head model.
        precision: (I, I) inverse covariance.
        held: whether the mean stays, whatever the landmarks say.
    """

    mean: Float[ndarray, " I"]
    precision: Float[ndarray, "I I"]
    held: bool = False

    @staticmethod
    def of_the_population(size: int) -> IdentityPrior:
        """The head model's own: each coefficient standard normal."""
        return IdentityPrior(np.zeros(size), np.eye(size))

    def cost(self, identity: Float[ndarray, " I"]) -> float:
        """Half sum of squares."""
        deviation = identity - self.mean
        return 0.5 * float(deviation @ self.precision @ deviation)


@dataclass(frozen=True, slots=True)
class LinearTerm:
    """A soft equation on the identity alone: (target - row @ identity) / sigma."""

    row: Float[ndarray, " I"]
    target: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Projected:
    """One view evaluated: standardised residuals before robust weighting, and their Jacobian when asked for."""

    residual: Float[ndarray, "N 3"]
    inverse_sigma: Float[ndarray, "N 3"]
    jacobian: Float[ndarray, "N 3 P"] | None


class LandmarkProblem:
    """`face3d.fit.solver.Problem` over `FitState`."""

    sized_by_shape: ClassVar[bool] = True
    """Whether a face's proportions, as landmarks tell them, say how large it is."""

    def __init__(
        self,
        points: PointModel,
        response: DetectorResponse,
        views: tuple[ViewEvidence, ...],
        *,
        turn_sigma: Float[ndarray, " 9"],
        bounds: Float[ndarray, "E 2"] | None,
        linear_terms: tuple[LinearTerm, ...] = (),
        prior: IdentityPrior | None = None,
    ) -> None:
        self.response = response
        self.views = views
        self.turn_sigma = turn_sigma
        self.bounds = bounds
        self.linear_terms = linear_terms
        self.identity_size = points.identity_size
        self.prior = prior or IdentityPrior.of_the_population(points.identity_size)
        # The detector sees the surface points displaced by its own habits: fold that into the points once.
        self._displaced = points.displaced(response.gain)
        self.points = points
        self.expression_size = points.size - self.identity_size
        self.error_count = len(self.modes_of(views[0]))
        self.view_size = self.expression_size + 3 * ROTATIONS + 7 + self.error_count

    def modes_of(self, evidence: ViewEvidence) -> Float[ndarray, "R N 3"]:
        """Errors that go together in a view."""
        return self.response.modes if evidence.modes is None else evidence.modes

    @property
    def size(self) -> int:
        """Number of unknowns P."""
        return self.identity_size + len(self.views) * self.view_size

    def surface_columns(self, index: int) -> list[int]:
        """Unknowns that move one view's surface in its picture: identity, expression, turns, pose, focal length."""
        start = self.identity_size + index * self.view_size
        # The detector's errors, the last of a view's unknowns, move no surface.
        return [*range(self.identity_size), *range(start, start + self.view_size - self.error_count)]

    def linearize(self, state: FitState) -> Linearization:
        """Cost, gradient and Gauss-Newton Hessian at `state`."""
        size, ident = self.size, self.identity_size
        hessian = np.zeros((size, size))
        gradient = np.zeros(size)
        prior = np.zeros(size)
        hessian[:ident, :ident] = self.prior.precision
        gradient[:ident] = self.prior.precision @ (state.identity - self.prior.mean)
        cost = self.prior.cost(state.identity)
        for index, (view, evidence) in enumerate(zip(state.views, self.views, strict=True)):
            part = slice(ident + index * self.view_size, ident + (index + 1) * self.view_size)
            projected = self.project_view(state.identity, view, evidence, with_jacobian=True)
            loss, weights = cauchy(projected.residual, projected.inverse_sigma, evidence.confidence)
            assert projected.jacobian is not None
            rows = projected.jacobian.reshape(-1, projected.jacobian.shape[2])
            scale = (projected.inverse_sigma * np.sqrt(weights)[:, None]).reshape(-1)
            used = np.flatnonzero(scale > 0)
            rows = rows[used] * scale[used, None]
            residual = (projected.residual.reshape(-1)[used]) * scale[used]
            normal = rows.T @ rows
            slope = rows.T @ residual
            shared = slice(ident)
            hessian[shared, shared] += normal[:ident, :ident]
            hessian[shared, part] += normal[:ident, ident:]
            hessian[part, shared] += normal[ident:, :ident]
            hessian[part, part] += normal[ident:, ident:]
            gradient[shared] += slope[:ident]
            gradient[part] += slope[ident:]
            deviation, precision = self.view_prior(view, evidence)
            prior[part] = precision
            gradient[part] += precision * deviation
            cost += loss + 0.5 * float(np.sum(precision * deviation**2))
        np.einsum("ii->i", hessian)[:] += prior
        cost += self._add_terms(state, gradient, hessian)
        return Linearization(cost, gradient, hessian)

    def extend(self, here: Linearization, state: FitState) -> Linearization:
        """A linearization made before `linear_terms` were set, with them."""
        gradient, hessian = here.gradient.copy(), here.hessian.copy()
        cost = here.cost + self._add_linear_terms(state, gradient, hessian)
        return Linearization(cost, gradient, hessian)

    def cost(self, state: FitState) -> float:
        """Half sum of squares, infinite for a head behind the camera."""
        cost = self.prior.cost(state.identity)
        for view, evidence in zip(state.views, self.views, strict=True):
            if view.translation[2] <= 0:
                return float("inf")
            projected = self.project_view(state.identity, view, evidence, with_jacobian=False)
            deviation, precision = self.view_prior(view, evidence)
            loss, _ = cauchy(projected.residual, projected.inverse_sigma, evidence.confidence)
            cost += loss + 0.5 * float(np.sum(precision * deviation**2))
        return cost + self._add_terms(state, None, None)

    def move(self, state: FitState, step: Float[ndarray, " P"]) -> FitState:
        """Take a step; rotations on the manifold, expressions within their bounds."""
        views = []
        for index, view in enumerate(state.views):
            part = step[self.identity_size + index * self.view_size :][: self.view_size]
            expression = view.expression + part[: self.expression_size]
            if self.bounds is not None:
                expression = np.clip(expression, self.bounds[:, 0], self.bounds[:, 1])
            turns, pose = part[self.expression_size :][: 3 * ROTATIONS], part[self.expression_size + 3 * ROTATIONS :]
            translation, log_focal = self._camera_after(view, pose[3:7])
            views.append(
                ViewState(
                    expression=expression,
                    turns=Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix() @ view.turns,
                    rotation=Rotation.from_rotvec(pose[:3]).as_matrix() @ view.rotation,
                    translation=translation,
                    log_focal=log_focal,
                    errors=view.errors + pose[7:],
                )
            )
        return FitState(state.identity + step[: self.identity_size], tuple(views))

    def _camera_after(self, view: ViewState, step: Float[ndarray, " 4"]) -> tuple[Float[ndarray, " 3"], float]:
        """Translation and log of the focal length's factor after a step."""
        return view.translation + step[:3], view.log_focal + float(step[3])

    def limits(
        self, state: FitState, gradient: Float[ndarray, " P"]
    ) -> tuple[Float[ndarray, " P"], Float[ndarray, " P"]]:
        """Held are expressions at a bound that the gradient pushes outwards, focal lengths that are known, and an
        identity that is; others step as far as they like, and `move` clips them.
        """
        held = np.zeros(len(gradient), bool)
        held[: self.identity_size] = self.prior.held
        for index, (view, evidence) in enumerate(zip(state.views, self.views, strict=True)):
            start = self.identity_size + index * self.view_size
            part = slice(start, start + self.expression_size)
            if self.bounds is not None:
                low, high = view.expression <= self.bounds[:, 0], view.expression >= self.bounds[:, 1]
                held[part] = (low & (gradient[part] > 0)) | (high & (gradient[part] < 0))
            held[start + self.expression_size + 3 * ROTATIONS + 6] = evidence.focal_sigma == 0
        return np.where(held, 0.0, -np.inf), np.where(held, 0.0, np.inf)

    def surface_errors(self, state: FitState, index: int) -> Float[ndarray, "N 2"]:
        """Detected landmarks minus the projected points of the fitted surface itself, in pixels of one view.

        Of an outline, minus the points where it lies on the skin in this view.
        """
        view, evidence = state.views[index], self.views[index]
        errors = evidence.pixels[:, :2] - view.project(self.points, state.identity, evidence)
        if outline := self.response.outline:
            slide = self.response.bias_at(*view_angles(view.rotation, view.translation))[:outline, :2]
            errors[:outline] -= slide @ _upright(view.rotation) / evidence.metres_per_pixel
        return errors

    def project_view(
        self, identity: Float[ndarray, " I"], view: ViewState, evidence: ViewEvidence, *, with_jacobian: bool
    ) -> Projected:
        """One view's residuals, and their slopes by the identity and the view's own unknowns."""
        coefficients = np.concatenate([identity, view.expression])
        if with_jacobian:
            state = self._displaced.evaluate(coefficients, view.turns)
            points = state.points
        else:
            points = self._displaced.points_at(coefficients[None], view.turns[None])[0]
        arms = points @ view.rotation.T
        camera = arms + view.translation
        depth = camera[:, 2:]
        normalized = camera[:, :2] / depth
        # Skew is left out: cameras have none.
        focal = np.diag(evidence.intrinsics)[:2] * np.exp(view.log_focal) * evidence.metres_per_pixel
        observed = (evidence.pixels[:, :2] - evidence.intrinsics[:2, 2]) * evidence.metres_per_pixel
        upright = _upright(view.rotation)
        yaw, pitch = view_angles(view.rotation, view.translation)
        response = self.response
        error = np.zeros((len(camera), 3))
        misses = (observed - normalized * focal) @ upright.T
        error[:, :2] = misses
        # Depth is told in pixels too, so that a head twice as large and twice as far fits as well.
        relief = arms[:, 2] * (focal[0] / view.translation[2])
        relative = evidence.pixels[:, 2] * evidence.metres_per_pixel
        known = np.isfinite(relative)
        error[:, 2] = np.where(known, relative - relief, 0.0)
        error -= response.bias_at(yaw, pitch)
        modes = self.modes_of(evidence)
        if len(modes):
            error -= np.tensordot(view.errors, modes, axes=1)
        sigma = response.sigma_at(yaw)
        inverse = np.where(np.isfinite(sigma), 1 / sigma, 0.0)
        inverse[~known, 2] = 0.0
        if inverse[:, 2].any():
            # Only differences of depth are observed: leave the weighted mean out.
            share = inverse[:, 2] ** 2 / np.sum(inverse[:, 2] ** 2)
            error[:, 2] -= share @ error[:, 2]
        if not with_jacobian:
            return Projected(error, inverse, None)
        by_point = np.zeros((len(camera), 3, 3))
        by_point[:, 0, 0] = focal[0] / depth[:, 0]
        by_point[:, 1, 1] = focal[1] / depth[:, 0]
        by_point[:, :2, 2] = -normalized * (focal / depth)
        by_point[:, :2] = upright @ by_point[:, :2]
        by_point[:, 2, 2] = focal[0] / view.translation[2]
        by_head = by_point @ view.rotation
        ident, expr = self.identity_size, self.expression_size
        jacobian = np.empty((len(camera), 3, ident + self.view_size))
        np.matmul(by_head, state.by_coefficient, out=jacobian[:, :, : ident + expr])
        cursor = ident + expr
        np.matmul(by_head, state.by_rotation, out=jacobian[:, :, cursor : cursor + 3 * ROTATIONS])
        cursor += 3 * ROTATIONS
        jacobian[:, :, cursor : cursor + 3] = -by_point @ cross_matrix(arms)
        jacobian[:, :, cursor : cursor + 3] += self._bias_slope(view)
        # Rolling the head also turns the upright frame that misses are measured in.
        jacobian[:, 0, cursor + 2] -= misses[:, 1]
        jacobian[:, 1, cursor + 2] += misses[:, 0]
        jacobian[:, :, cursor + 3 : cursor + 6] = by_point
        jacobian[:, 2, cursor + 5] = -relief / view.translation[2]
        jacobian[:, :2, cursor + 6] = (normalized * focal) @ upright.T
        jacobian[:, 2, cursor + 6] = relief
        if len(modes):
            jacobian[:, :, cursor + 7 :] = modes.transpose(1, 2, 0)
        if inverse[:, 2].any():
            jacobian[:, 2] -= share @ jacobian[:, 2]
        # The residual is observed minus modelled.
        return Projected(error, inverse, np.negative(jacobian, out=jacobian))

    def _bias_slope(self, view: ViewState) -> Float[ndarray, "N 3 3"]:
        """How the detector's bias changes as the head turns about the camera's axes, by differences."""
        turned = [view.rotation, *_SMALL_TURNS @ view.rotation]
        angles = np.array([view_angles(rotation, view.translation) for rotation in turned])
        here, *there = np.moveaxis(self.response.biases_at(*angles.T), 2, 0)
        return np.stack([(moved - here) / BIAS_STEP for moved in there], axis=2)

    def view_prior(self, view: ViewState, evidence: ViewEvidence) -> tuple[Float[ndarray, " Q"], Float[ndarray, " Q"]]:
        """Deviation from the prior mean and its precision for the unknowns of one view."""
        turns = Rotation.from_matrix(view.turns).as_rotvec().reshape(-1)
        deviation = np.concatenate(
            [view.expression - evidence.expression_mean, turns, np.zeros(6), [view.log_focal], view.errors]
        )
        focal = 0.0 if evidence.focal_sigma == 0 else evidence.focal_sigma**-2
        precision = np.concatenate(
            [evidence.expression_sigma**-2, self.turn_sigma**-2, np.full(6, 1e-9), [focal], np.ones(len(view.errors))]
        )
        return deviation, precision

    def _add_terms(
        self, state: FitState, gradient: Float[ndarray, " P"] | None, hessian: Float[ndarray, "P P"] | None
    ) -> float:
        """Costs of all that is not landmarks or a prior, added to gradient and Hessian too."""
        return self._add_linear_terms(state, gradient, hessian)

    def _add_linear_terms(
        self, state: FitState, gradient: Float[ndarray, " P"] | None, hessian: Float[ndarray, "P P"] | None
    ) -> float:
        cost, ident = 0.0, self.identity_size
        for term in self.linear_terms:
            error = (float(term.row @ state.identity) - term.target) / term.sigma
            cost += 0.5 * error**2
            if gradient is not None and hessian is not None:
                row = term.row / term.sigma
                gradient[:ident] += row * error
                hessian[:ident, :ident] += np.outer(row, row)
        return cost


def view_angles(rotation: Float[ndarray, "3 3"], translation: Float[ndarray, " 3"]) -> tuple[float, float]:
    """Where the camera stands as seen from the head: (yaw towards the subject's left, pitch upwards), radians."""
    towards = -(rotation.T @ translation)
    towards = towards / np.linalg.norm(towards)
    return float(np.arctan2(towards[0], towards[2])), float(np.arcsin(np.clip(towards[1], -1, 1)))


def _upright(rotation: Float[ndarray, "3 3"]) -> Float[ndarray, "2 2"]:
    """Turns image vectors so that the head's own x axis runs along the image's."""
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    cosine, sine = np.cos(roll), np.sin(roll)
    return np.array([[cosine, sine], [-sine, cosine]])


def cauchy(
    residual: Float[ndarray, "N 3"], inverse_sigma: Float[ndarray, "N 3"] | float, confidence: Float[ndarray, " N"]
) -> tuple[float, Float[ndarray, " N"]]:
    """Robust half cost and the weights of the equivalent least squares, one per landmark."""
    standardised = residual * inverse_sigma
    squared = np.einsum("nx,nx->n", standardised, standardised)
    scale = ROBUST_SCALE**2
    cost = 0.5 * float(confidence @ (scale * np.log1p(squared / scale)))
    return cost, confidence / (1 + squared / scale)

"""Landmarks of one or more photos of a person -> metric head, expression, gaze, pose and camera.

Perspective throughout: the camera is a pinhole with the photo's own focal length, so that a selfie at arm's length and
a portrait from across a room give the same head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import cv2
import numpy as np
import scipy.linalg
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from face3d.camera import Intrinsics
from face3d.errors import ArgumentError, InputError
from face3d.fit.blas_threads import one_blas_thread
from face3d.fit.evidence import DetectorResponse
from face3d.fit.known_identity import ForetoldIdentity, KnownIdentity, held_covariance
from face3d.fit.landmark_problem import FitState, LandmarkProblem, LinearTerm, ViewEvidence, ViewState
from face3d.fit.metric_evidence import apparent_iris_diameters, hold_exactly, set_point, typed_sources, typed_terms
from face3d.fit.point_model import MOVING_JOINTS, PointModel
from face3d.fit.responses import response_of
from face3d.fit.scale import Scale, ScaleSource, fuse, head_size, iris_source, population_size, size_of
from face3d.fit.solver import Linearization, Solution, blocked, damped_step, minimize
from face3d.head import HeadModel
from face3d.landmarks import FaceLandmarks

JAW_SIGMA = (0.25, 0.03, 0.03)
"""Radians, axis-angle: opening, small turns sideways. Where the expressions open the jaw themselves it is held."""

EYE_SIGMA = (0.25, 0.35, 0.01)
"""Radians, axis-angle: looking up and down, sideways; eyes hardly roll."""

HELD_SIGMA = 1e-4
"""Radians: a joint that the fit leaves at rest."""

LEAST_SAID = 0.1
"""Share of the fit's own certainty of a head's size that a word on it has at least, where its stated one is no more."""

REPROJECTION_WARNING = 0.06
"""Mean reprojection error, as a share of the interocular distance, that no good fit shows."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Landmarks of one photo and the camera that took it."""

    landmarks: FaceLandmarks
    intrinsics: Intrinsics


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How the fit is done; the defaults are what `reconstruct` uses.

    Attributes:
        pupillary_distance: metres, far; held exactly when given.
        known_distances: metres, by the names of two points of the head's `anatomy` set; held exactly.
        use_iris: whether the irises take part in the metric scale.
        identity_components: how many of the identity's components are looked for; the smaller ones, which landmarks
            cannot tell, stay at the mean.
        known_identity: an identity that the fit holds to, with all of its components, or one that is foretold and that
            the landmarks correct; None finds it by the landmarks.
        max_iterations: Levenberg-Marquardt steps at most.
        tolerance: relative cost change that ends the iteration.
    """

    pupillary_distance: float | None = None
    known_distances: Mapping[tuple[str, str], float] = field(default_factory=dict)
    use_iris: bool = True
    identity_components: int = 80
    known_identity: KnownIdentity | ForetoldIdentity | None = None
    max_iterations: int = 25
    tolerance: float = 1e-3


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted head; B photos, metres, axis-angle radians.

    Attributes:
        identity: (I,), identity_covariance: (I, I) posterior.
        expression: (B, E), jaw: (B, 3), neck: (B, 3) zero, eyes: (B, 6) left then right.
        camera_from_head: (B, 4, 4) with the head's neck and root at rest.
        intrinsics: per photo, with the focal length that was fitted where it was unknown.
        scale: size and its uncertainty.
        reprojection_pixels: (B, N) distance of each detected landmark from the fitted surface point.
        interocular_pixels: (B,) distance of the outer eye corners in the photo, as landmark errors are normalised by.
        converged: whether the solver came to rest.
    """

    identity: Float[ndarray, " I"]
    identity_covariance: Float[ndarray, "I I"]
    expression: Float[ndarray, "B E"]
    jaw: Float[ndarray, "B 3"]
    neck: Float[ndarray, "B 3"]
    eyes: Float[ndarray, "B 6"]
    camera_from_head: Float[ndarray, "B 4 4"]
    intrinsics: tuple[Intrinsics, ...]
    scale: Scale
    reprojection_pixels: Float[ndarray, "B N"]
    interocular_pixels: Float[ndarray, " B"]
    iterations: int
    converged: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SolvedLandmarks:
    """A landmark fit at rest, as later evidence takes it up.

    Attributes:
        problem: with what the irises and the user say about size in its `linear_terms`.
        solution: where it came to rest.
        scale: size and its uncertainty.
        typed: metres by the names of the two points, distances that are held exactly.
    """

    problem: LandmarkProblem
    solution: Solution[FitState]
    scale: Scale
    typed: Mapping[tuple[str, str], float]


def fit_landmarks(
    model: HeadModel,
    observations: Sequence[Observation],
    options: FitOptions = FitOptions(),
    *,
    response: DetectorResponse | None = None,
) -> Fit:
    """Fit one head to the landmarks of one or more photos of the same person.

    Args:
        observations: one per photo; all landmarks from the same detector.
        response: the detector's measured response on this model; without one, landmarks are taken for surface points of
            the model's point set named like their topology, with equal noise.

    Raises:
        InputError: landmarks that no head can have made (not finite, all in one place).
        ArgumentError: no observation, or the model lacks the landmarks' point set.
    """
    return describe_fit(model, solve_landmarks(model, observations, options, response=response), observations)


@one_blas_thread()
def solve_landmarks(
    model: HeadModel,
    observations: Sequence[Observation],
    options: FitOptions = FitOptions(),
    *,
    response: DetectorResponse | None = None,
    problem_of: Callable[..., LandmarkProblem] = LandmarkProblem,
    begin: FitState | None = None,
) -> SolvedLandmarks:
    """`fit_landmarks` up to the solver's rest.

    `problem_of` says what its views share, `begin` where to begin instead of at the mean head; the rest is the same.
    """
    if not observations:
        raise ArgumentError("a fit needs at least one photo's landmarks")
    if response is None:
        response = response_of(model, observations[0].landmarks.topology)
    held = held_joints(model)
    known = options.known_identity
    points = _points_of(model, response, held, options.identity_components if known is None else len(known.mean))
    bounds = None if model.expression_bounds is None else model.expression_bounds.cpu().numpy().astype(np.float64)
    views = []
    poses = []
    for observation in observations:
        rotation, translation = _initial_pose(points, response, observation)
        evidence = _evidence(model, response, observation, float(translation[2]))
        poses.append((rotation, translation))
        views.append(evidence)
    jaw_sigma = (HELD_SIGMA,) * 3 if held else JAW_SIGMA
    problem = problem_of(
        points,
        response,
        tuple(views),
        turn_sigma=np.array([*jaw_sigma, *EYE_SIGMA, *EYE_SIGMA]),
        bounds=bounds,
        prior=None if known is None else known.prior(head_size(model, len(known.mean))),
    )
    typed = _typed_distances(options)
    if problem.prior.held:
        # Distances that the user typed change a held identity before the fit, so that pose and camera follow them.
        mean = hold_exactly(model, problem.points, problem.prior.mean, typed, np.linalg.inv(problem.prior.precision))
        problem.prior = replace(problem.prior, mean=mean)
    begin = begin or FitState(
        problem.prior.mean, tuple(_at_rest(problem, *one) for one in zip(views, poses, strict=True))
    )
    free = minimize(problem, begin, max_iterations=options.max_iterations, tolerance=options.tolerance)
    if problem.prior.held and isinstance(known, KnownIdentity):
        return _state_size(model, problem, free, known, typed)
    return _fix_size(model, problem, free, observations, options)


def _state_size(
    model: HeadModel,
    problem: LandmarkProblem,
    solution: Solution[FitState],
    known: KnownIdentity,
    typed: Mapping[tuple[str, str], float],
) -> SolvedLandmarks:
    """The size of a held identity: neither landmarks nor irises have a say in it."""
    sources = [ScaleSource(known.name, size_of(model, known.mean), known.scale_sigma)]
    identity = solution.state.identity
    sources += typed_sources(model, problem.points, typed, identity, size_of(model, identity))
    problem.linear_terms = typed_terms(model, problem.points, typed, identity)
    scale = replace(fuse(sources), value=size_of(model, identity))
    return SolvedLandmarks(problem, solution, scale, typed)


def _typed_distances(options: FitOptions) -> dict[tuple[str, str], float]:
    """Metres by the ends of each distance that the user gave."""
    typed = dict(options.known_distances)
    if options.pupillary_distance is not None:
        typed[("left_eye", "right_eye")] = options.pupillary_distance
    return typed


def held_joints(model: HeadModel) -> tuple[str, ...]:
    """Joints that a fit leaves at rest: the jaw, where an expression opens it."""
    return ("jaw",) if "jawOpen" in model.expression_names else ()


@lru_cache(maxsize=4)
def _points_of(model: HeadModel, response: DetectorResponse, held: tuple[str, ...], components: int) -> PointModel:
    """Kept between fits: models and responses do not change."""
    return PointModel.of(model, response.triangles, response.barycentric, held=held, identity_components=components)


def _initial_pose(
    points: PointModel, response: DetectorResponse, observation: Observation
) -> tuple[Float[ndarray, "3 3"], Float[ndarray, " 3"]]:
    """Pose of the mean head that explains the landmarks (SQPnP, Terzakis and Lourakis 2020)."""
    pixels = observation.landmarks.points[response.indices, :2].astype(np.float64)
    if not np.isfinite(pixels).all() or np.ptp(pixels, axis=0).max() < 2:
        raise InputError("the landmarks are not finite or lie in one place; no head can be fitted to them")
    found, turn, translation = cv2.solvePnP(
        points.rest_points, pixels, observation.intrinsics.matrix, None, flags=cv2.SOLVEPNP_SQPNP
    )
    if not found or not np.isfinite(translation).all() or translation[2, 0] <= 0:
        raise InputError("no head pose explains the landmarks; is this a face?")
    return cv2.Rodrigues(turn)[0], translation[:, 0]


def _at_rest(
    problem: LandmarkProblem, evidence: ViewEvidence, pose: tuple[Float[ndarray, "3 3"], Float[ndarray, " 3"]]
) -> ViewState:
    """Where the unknowns of a view begin: the expression that is known of beforehand, eyes ahead, no errors."""
    expression, bounds = evidence.expression_mean, problem.bounds
    return ViewState(
        expression=expression if bounds is None else np.clip(expression, bounds[:, 0], bounds[:, 1]),
        turns=np.tile(np.eye(3), (len(MOVING_JOINTS), 1, 1)),
        rotation=pose[0],
        translation=pose[1],
        log_focal=0.0,
        errors=np.zeros(problem.error_count),
    )


def _evidence(model: HeadModel, response: DetectorResponse, observation: Observation, depth: float) -> ViewEvidence:
    landmarks, intrinsics = observation.landmarks, observation.intrinsics
    mean, sigma = response.expression_prior(model, landmarks.blendshapes)
    return ViewEvidence(
        pixels=landmarks.points[response.indices].astype(np.float64),
        confidence=landmarks.confidence[response.indices].astype(np.float64),
        intrinsics=intrinsics.matrix,
        focal_sigma=intrinsics.focal_sigma,
        expression_mean=mean,
        expression_sigma=sigma,
        metres_per_pixel=depth / float(intrinsics.matrix[0, 0]),
    )


def _fix_size(
    model: HeadModel,
    problem: LandmarkProblem,
    free: Solution[FitState],
    observations: Sequence[Observation],
    options: FitOptions,
) -> SolvedLandmarks:
    """Bring in what the irises and the user say about size, and let the fit settle again."""
    size = head_size(model, len(free.state.identity))
    identity = free.state.identity
    log_ratio, gradient = size.log_ratio(identity)
    doubt = problem.response.doubt
    covariance = doubt**2 * identity_covariance(free.linearization.hessian, len(identity))
    spread = float(gradient @ covariance @ gradient)
    if problem.sized_by_shape:
        sources = [ScaleSource("identity", math.exp(log_ratio), math.sqrt(spread))]
    else:
        known = options.known_identity
        sources = [population_size(size) if known is None else known.size(size)]
    typed = _typed_distances(options)
    sources += typed_sources(model, problem.points, typed, identity, size_of(model, identity))
    iris = None
    if options.use_iris and not typed:
        iris = iris_source(log_ratio, _iris_diameters(problem, free.state, observations))
    if iris is not None:
        sources.append(iris)
    told = iris if problem.sized_by_shape else _what_tells(fuse(sources), log_ratio, spread)
    if told is not None and not typed:
        target = math.log(told.value) - log_ratio + float(gradient @ identity)
        problem.linear_terms = (LinearTerm(gradient, target, told.sigma / doubt),)
    if typed:
        problem.linear_terms = typed_terms(model, problem.points, typed, identity)
        solution = minimize(problem, free.state, max_iterations=options.max_iterations, tolerance=options.tolerance)
        held = hold_exactly(model, problem.points, solution.state.identity, typed, covariance)
        solution = replace(solution, state=replace(solution.state, identity=held))
    elif told is not None:
        solution = _nudged(problem, free, options)
    else:
        solution = free
    scale = replace(fuse(sources), value=size_of(model, solution.state.identity))
    return SolvedLandmarks(problem, solution, scale, typed)


def _what_tells(wanted: Scale, log_ratio: float, spread: float) -> ScaleSource:
    """What must be said of the size of a fitted head for it to be the wanted one: a cut of what landmarks say of it
    (modular inference, Plummer 2015), which leaves the rest of the shape to them.

    Args:
        wanted: size and its uncertainty without the landmarks.
        log_ratio: of the fitted head.
        spread: variance of that.
    """
    precision = max(wanted.sigma**-2 - 1 / spread, LEAST_SAID / spread)
    reach = 1 + 1 / (precision * spread)
    return ScaleSource("cut", math.exp(log_ratio + reach * (math.log(wanted.value) - log_ratio)), precision**-0.5)


def _nudged(problem: LandmarkProblem, free: Solution[FitState], options: FitOptions) -> Solution[FitState]:
    """Answer a soft word on size: it moves a fit at rest so little that one Gauss-Newton step nearly always does."""
    here = problem.extend(free.linearization, free.state)
    change = Linearization(here.cost, here.gradient - free.linearization.gradient, here.hessian)
    limits = problem.limits(free.state, here.gradient)
    held = blocked(here.gradient, limits)
    step = damped_step(change, (np.where(held, 0.0, limits[0]), np.where(held, 0.0, limits[1])), 0.0)
    state = problem.move(free.state, step)
    if problem.cost(state) < here.cost:
        return replace(free, state=state, linearization=here)
    return minimize(problem, free.state, max_iterations=options.max_iterations, tolerance=options.tolerance)


def _iris_diameters(problem: LandmarkProblem, state: FitState, observations: Sequence[Observation]) -> list[float]:
    diameters: list[float] = []
    for observation, view in zip(observations, state.views, strict=True):
        focal = float(observation.intrinsics.matrix[0, 0]) * math.exp(view.log_focal)
        diameters += apparent_iris_diameters(problem.points, observation.landmarks, view, state.identity, focal)
    return diameters


def identity_covariance(hessian: Float[ndarray, "P P"], identity_size: int) -> Float[ndarray, "I I"]:
    """Posterior covariance of the identity with all other unknowns marginalised (Laplace approximation)."""
    factor = scipy.linalg.cho_factor(hessian, lower=True)
    block = np.eye(len(hessian), identity_size)
    return scipy.linalg.cho_solve(factor, block)[:identity_size]


@one_blas_thread()
def describe_fit(model: HeadModel, solved: SolvedLandmarks, observations: Sequence[Observation]) -> Fit:
    """What the solver found, as a `Fit`."""
    problem, solution = solved.problem, solved.solution
    state = solution.state
    corners = outer_eye_corners(model, problem.points, state.identity)
    poses, cameras, eyes, interocular, errors = [], [], [], [], []
    for index, (view, observation) in enumerate(zip(state.views, observations, strict=True)):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = view.rotation, view.translation
        poses.append(pose)
        matrix = observation.intrinsics.matrix.copy()
        matrix[[0, 1], [0, 1]] *= math.exp(view.log_focal)
        cameras.append(replace(observation.intrinsics, matrix=matrix))
        eyes.append(Rotation.from_matrix(view.turns[1:]).as_rotvec().reshape(-1))
        ends = [matrix @ (view.rotation @ corner + view.translation) for corner in corners]
        interocular.append(float(np.linalg.norm(ends[0][:2] / ends[0][2] - ends[1][:2] / ends[1][2])))
        errors.append(np.linalg.norm(problem.surface_errors(state, index), axis=1))
    warnings = []
    relative = [float(np.mean(error)) / eye for error, eye in zip(errors, interocular, strict=True)]
    if max(relative) > REPROJECTION_WARNING:
        warnings.append(
            f"the fitted head misses the landmarks by {100 * max(relative):.1f} % of the interocular distance; "
            "check the overlay"
        )
    if not solution.converged:
        warnings.append("the fit stopped before it came to rest; the result may be improved by more iterations")
    padding = model.identity_size - len(state.identity)
    covariance = np.eye(model.identity_size)
    known = slice(None, len(state.identity))
    if problem.prior.held:
        covariance[known, known] = held_covariance(problem)
    else:
        posterior = identity_covariance(solution.linearization.hessian, len(state.identity))
        covariance[known, known] = problem.response.doubt**2 * posterior
    return Fit(
        identity=np.pad(state.identity, (0, padding)),
        identity_covariance=covariance,
        expression=np.stack([view.expression for view in state.views]),
        jaw=np.stack([Rotation.from_matrix(view.turns[0]).as_rotvec() for view in state.views]),
        neck=np.zeros((len(poses), 3)),
        eyes=np.stack(eyes),
        camera_from_head=np.stack(poses),
        intrinsics=tuple(cameras),
        scale=solved.scale,
        reprojection_pixels=np.stack(errors),
        interocular_pixels=np.array(interocular),
        iterations=solution.iterations,
        converged=solution.converged,
        warnings=tuple(warnings),
    )


def outer_eye_corners(
    model: HeadModel, points: PointModel, identity: Float[ndarray, " I"]
) -> list[Float[ndarray, " 3"]]:
    """Outer corners of both eyes at rest; the eye joints for a head that does not name them."""
    if "now_7" in model.point_sets:
        return [set_point(model, "now_7", number, identity)[0] for number in (0, 3)]
    return [points.joint(eye, identity)[0] for eye in ("right_eye", "left_eye")]

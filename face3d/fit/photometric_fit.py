"""Landmarks and colours of photos -> metric head: analysis by synthesis on top of the landmark fit.

Coarse to fine, the landmark problem is solved again together with the photos' colours: light and tone per photo, one
low-rank albedo. The landmarks stay in the problem, so the colours can only move the head where landmarks leave room;
where the whole does not come out better than the landmark fit, that stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from face3d.errors import ArgumentError
from face3d.fit.albedo import AlbedoBasis, albedo_of
from face3d.fit.blas_threads import one_blas_thread
from face3d.fit.evidence import DetectorResponse
from face3d.fit.landmark_fit import (
    Fit,
    FitOptions,
    Observation,
    SolvedLandmarks,
    describe_fit,
    held_joints,
    identity_covariance,
    solve_landmarks,
)
from face3d.fit.metric_evidence import hold_exactly
from face3d.fit.photometric_image import LOG_FLOOR, FaceImage
from face3d.fit.photometric_problem import (
    PhotometricNoise,
    PhotometricProblem,
    PhotometricState,
)
from face3d.fit.photometric_views import EVEN_LIGHT, seen_samples
from face3d.fit.point_model import PointModel
from face3d.fit.scale import size_of
from face3d.fit.skin_surface import SkinSurface
from face3d.fit.solver import Solution, minimize
from face3d.head import HeadModel
from face3d.media.colour import srgb_from_linear

__all__ = [
    "PhotoColours",
    "PhotometricFit",
    "PhotometricOptions",
    "SolvedColours",
    "check_photos",
    "fit_photometric",
    "skin_of",
    "solve_colours",
]

NOISE_ROUNDS = 3
"""How often a photo's noise is measured and its colours are fitted to it. The first measure, with the mean face's
colours, is large: brows and lips of another colour look like hands and hair at first, and must not be given up."""
COLOUR_STEPS = 8
"""Steps at most of a fit of light, tone and albedo alone."""
DOUBT = 1.15
"""Factor on the posterior's standard deviations: how much larger errors of measurements on renders of known heads were
than this model of the noise says."""


@dataclass(frozen=True, slots=True)
class PhotometricOptions:
    """How the photometric fit is done; the defaults are what `--refine photometric` uses.

    Attributes:
        noise: how far the colours may be off.
        blurs: metres on the face, Gaussian sigma of each level of the pyramid, coarse to fine.
        steps: Levenberg-Marquardt steps at most, per level.
        image_size: longer side in pixels of the cut-out that the fit works on.
        tolerance: relative cost change that ends a level.
    """

    noise: PhotometricNoise = field(default_factory=PhotometricNoise)
    blurs: tuple[float, ...] = (0.004, 0.002, 0.001)
    steps: tuple[int, ...] = (4, 4, 6)
    image_size: int = 384
    tolerance: float = 1e-3


@dataclass(frozen=True, slots=True)
class PhotoColours:
    """What a photometric fit says of one photo; attributes as of `PhotometricFit`, residuals over all its photos."""

    light: Float[ndarray, "9 3"]
    tone: float
    noise_factor: float
    residual_before: float
    residual_after: float
    refined: bool


@dataclass(frozen=True, slots=True)
class PhotometricFit:
    """A head fitted to landmarks and colours; B photos, N sampled vertices.

    Attributes:
        fit: the head; the landmark fit's own where the colours made nothing better.
        lights: (B, 9, 3) spherical harmonics on normals of each photo's camera frame, linear RGB.
        tones: (B,) contrast of each photo, 1 for sRGB.
        vertices: (N,) which vertices `log_albedo` speaks of; log_albedo: (N, 3) of linear RGB.
        noise_factors: (B,) how many times noisier each photo's colours were than `PhotometricNoise` says.
        residual_before, residual_after: mean absolute difference of the model's colours from the photos', sRGB in
            [0, 1], over the visible skin, with light and albedo fitted to the landmark fit and to the result.
        refined: whether the result differs from the landmark fit.
    """

    fit: Fit
    lights: Float[ndarray, "B 9 3"]
    tones: Float[ndarray, " B"]
    vertices: Int[ndarray, " N"]
    log_albedo: Float[ndarray, "N 3"]
    noise_factors: tuple[float, ...]
    residual_before: float
    residual_after: float
    refined: bool

    def of_photo(self, index: int) -> PhotoColours:
        """The part of one photo."""
        return PhotoColours(
            self.lights[index],
            float(self.tones[index]),
            self.noise_factors[index],
            self.residual_before,
            self.residual_after,
            self.refined,
        )


@dataclass(frozen=True, slots=True, eq=False)
class SolvedColours:
    """What the solver found, and all that it takes to say more of it.

    Attributes:
        landmarks: the landmark problem's solution, refined where that made it better.
        problem: of landmarks and colours at the finest level.
        state: of that problem; plain: the landmark fit's own head with the best colours for it.
        refined: whether the result differs from the landmark fit.
    """

    landmarks: SolvedLandmarks
    problem: PhotometricProblem
    state: PhotometricState
    plain: PhotometricState
    refined: bool


@one_blas_thread()
def fit_photometric(
    model: HeadModel,
    observations: Sequence[Observation],
    photos: Sequence[UInt8[ndarray, "H W 3"]],
    options: FitOptions | None = None,
    photometric: PhotometricOptions | None = None,
    *,
    response: DetectorResponse | None = None,
) -> PhotometricFit:
    """Fit one head to the landmarks and the colours of one or more photos of the same person.

    Args:
        observations: landmarks and camera of each photo.
        photos: their pixels, RGB, upright.
        options: of the landmark fit.
        photometric: of what follows it.
        response: as in `fit_landmarks`.

    Raises:
        InputError: landmarks that no head can have made.
        ArgumentError: no observation, photos that are not one per observation or of another size, or a model that
            lacks the landmarks' point set.
    """
    check_photos(observations, photos)
    solved = solve_landmarks(model, observations, options or FitOptions(), response=response)
    found = solve_colours(model, solved, photos, photometric or PhotometricOptions())
    problem, state = found.problem, found.state
    return PhotometricFit(
        fit=describe_fit(model, found.landmarks, observations),
        lights=state.lights,
        tones=state.tones,
        vertices=problem.albedo.vertices,
        log_albedo=problem.albedo.log(state.albedo),
        noise_factors=tuple(view.noise_factor for view in problem.views),
        residual_before=_residual(problem, found.plain),
        residual_after=_residual(problem, state),
        refined=found.refined,
    )


def solve_colours(
    model: HeadModel,
    solved: SolvedLandmarks,
    photos: Sequence[UInt8[ndarray, "H W 3"]],
    how: PhotometricOptions,
    *,
    problem_of: type[PhotometricProblem] = PhotometricProblem,
) -> SolvedColours:
    """`fit_photometric` from a landmark solution on; `problem_of` says what its photos share, the rest is the same."""
    problem, start = solved.problem, solved.solution.state
    skin, albedo = skin_of(model, problem.identity_size)
    images = []
    for photo, view, evidence in zip(photos, start.views, problem.views, strict=True):
        images.append(FaceImage.of(photo, view.project(skin.points, start.identity, evidence), size=how.image_size))
    state, light_scale = _first_colours(skin, albedo, solved, images)
    for blur, steps in zip(how.blurs, how.steps, strict=True):
        views = tuple(
            seen_samples(model, skin, state.landmarks, evidence, index, image, blur)
            for index, (evidence, image) in enumerate(zip(problem.views, images, strict=True))
        )
        colours = problem_of(problem, skin, albedo, views, how.noise, light_scale, moves=False)
        for _ in range(NOISE_ROUNDS):
            colours.views = tuple(
                replace(view, noise_factor=colours.noise_factor(state, index))
                for index, view in enumerate(colours.views)
            )
            state = minimize(colours, state, max_iterations=COLOUR_STEPS, tolerance=how.tolerance).state
        whole = problem_of(problem, skin, albedo, colours.views, how.noise, light_scale)
        solution = minimize(whole, state, max_iterations=steps, tolerance=how.tolerance)
        state = solution.state
    # The best that the landmark fit's own head can do with the same colours at the finest level, to compare with.
    plain = replace(state, landmarks=start)
    plain = minimize(colours, plain, max_iterations=2 * COLOUR_STEPS, tolerance=how.tolerance).state
    if not whole.cost(state) < whole.cost(plain):
        return SolvedColours(solved, whole, plain, plain, refined=False)
    return SolvedColours(_with_refined(model, solved, solution), whole, state, plain, refined=True)


def check_photos(observations: Sequence[Observation], photos: Sequence[UInt8[ndarray, "H W 3"]]) -> None:
    """Raise `ArgumentError` unless there is a photo of the right size for each observation."""
    if len(photos) != len(observations):
        raise ArgumentError(f"{len(observations)} observations need as many photos, not {len(photos)}")
    for photo, observation in zip(photos, observations, strict=True):
        width, height = observation.intrinsics.image_size
        if photo.shape != (height, width, 3) or photo.dtype != np.uint8:
            raise ArgumentError(
                f"a photo must be uint8 of the shape {(height, width, 3)}, not {photo.dtype} {photo.shape}"
            )


@lru_cache(maxsize=2)
def skin_of(model: HeadModel, components: int) -> tuple[SkinSurface, AlbedoBasis]:
    """The sampled skin and its albedo; kept between fits, models do not change."""
    albedo = albedo_of(model)
    triangles = model.triangles.cpu().numpy()
    row = np.full(len(model.template), -1)
    row[albedo.vertices] = np.arange(len(albedo.vertices))
    whole = (row[triangles] >= 0).all(axis=1)
    # A point on each vertex: any triangle that has it as a corner will do.
    corner_of = np.zeros(len(model.template), dtype=np.int64)
    corner_of[triangles.ravel()] = np.arange(triangles.size)
    triangle, corner = np.divmod(corner_of[albedo.vertices], 3)
    points = PointModel.of(model, triangle, np.eye(3)[corner], held=held_joints(model), identity_components=components)
    return SkinSurface.of(points, row[triangles[whole]]), albedo


def _first_colours(
    skin: SkinSurface, albedo: AlbedoBasis, solved: SolvedLandmarks, images: Sequence[FaceImage]
) -> tuple[PhotometricState, Float[ndarray, "B 3"]]:
    """Even light on the mean albedo, as bright as the face is in the photo; and the size of that light."""
    start = solved.solution.state
    scale = np.empty((len(images), 3))
    for index, (image, evidence) in enumerate(zip(images, solved.problem.views, strict=True)):
        pixels = start.views[index].project(skin.points, start.identity, evidence)
        observed, _, inside = image.blurred(0.0).sample(pixels)
        level = np.median((observed - albedo.mean)[inside], axis=0) if inside.any() else np.zeros(3)
        scale[index] = np.exp(level) / EVEN_LIGHT
    lights = np.zeros((len(images), 9, 3))
    lights[:, 0] = scale
    return PhotometricState(start, lights, np.ones(len(images)), np.zeros(len(albedo.basis))), scale


def _residual(problem: PhotometricProblem, state: PhotometricState) -> float:
    """Mean absolute difference in sRGB, [0, 1], between predicted and photographed colours of the visible skin."""
    total = weight = 0.0
    for index in range(len(problem.views)):
        observed, predicted, trust = problem.compared(state, index)
        shown, drawn = (srgb_from_linear(np.exp(log) - LOG_FLOOR) for log in (observed, predicted))
        total += float(trust @ np.abs(shown - drawn).mean(axis=1))
        weight += float(trust.sum())
    return total / max(weight, 1e-12)


def _with_refined(model: HeadModel, solved: SolvedLandmarks, solution: Solution[PhotometricState]) -> SolvedLandmarks:
    """The landmark solution with the refined head in it, typed distances held exactly, and its size stated anew."""
    state = solution.state.landmarks
    doubtful = replace(solution.linearization, hessian=solution.linearization.hessian / DOUBT**2)
    if solved.typed:
        covariance = identity_covariance(doubtful.hessian, len(state.identity))
        held = hold_exactly(model, solved.problem.points, state.identity, solved.typed, covariance)
        state = replace(state, identity=held)
    iterations = solved.solution.iterations + solution.iterations
    refined = Solution(state, doubtful, iterations, solved.solution.converged)
    return replace(solved, solution=refined, scale=replace(solved.scale, value=size_of(model, state.identity)))

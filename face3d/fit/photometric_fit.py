"""Landmarks and colours of photos -> metric head: analysis by synthesis on top of the landmark fit.

Coarse to fine, the landmark problem is solved again together with the photos' colours: light and tone per photo, one
low-rank albedo. The landmarks stay in the problem, so the colours can only move the head where landmarks leave room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from face3d.errors import ArgumentError
from face3d.fit.albedo import AlbedoBasis, albedo_of
from face3d.fit.blas_threads import one_blas_thread
from face3d.fit.evidence import DetectorResponse
from face3d.fit.harmonics import harmonics
from face3d.fit.landmark_fit import (
    Fit,
    FitOptions,
    Observation,
    SolvedLandmarks,
    describe_fit,
    hold_exactly,
    identity_covariance,
    size_of,
    solve_landmarks,
)
from face3d.fit.landmark_problem import FitState, LandmarkProblem, ViewState
from face3d.fit.photometric_image import FaceImage, LOG_FLOOR
from face3d.fit.photometric_problem import (
    PhotometricNoise,
    PhotometricProblem,
    PhotometricState,
    PhotometricView,
    SkinSurface,
)
from face3d.fit.point_model import PointModel
from face3d.fit.solver import Solution, minimize
from face3d.head import HeadModel
from face3d.render.rasterize_numba import rasterize_camera

__all__ = ["PhotometricFit", "PhotometricOptions", "fit_photometric"]

DEPTH_SIDE = 256
"""Pixels of the depth map that visibility is read from."""
DEPTH_BIAS = 0.004
"""Metres that a vertex may lie behind the surface seen at its pixel and still count as seen."""
NOISE_ROUNDS = 3
"""How often a photo's noise is measured and its colours are fitted to it. The first measure, of the mean face's colours,
is large: brows and lips of another colour than its look like hands and hair at first, and must not be given up."""
FACING = (0.15, 0.45)
"""Cosine between normal and sight from which a vertex begins to count and from which it counts in full."""


@dataclass(frozen=True, slots=True)
class PhotometricOptions:
    """How the photometric fit is done; the defaults are what `--refine photometric` uses.

    Attributes:
        noise: how far the colours may be off.
        blurs: metres on the face, Gaussian sigma of each level of the pyramid, coarse to fine.
        iterations: Levenberg-Marquardt steps at most, per level.
        image_size: longer side in pixels of the cut-out that the fit works on.
        tolerance: relative cost change that ends a level.
    """

    noise: PhotometricNoise = PhotometricNoise()
    blurs: tuple[float, ...] = (0.004, 0.002, 0.001)
    iterations: tuple[int, ...] = (4, 4, 6)
    image_size: int = 384
    tolerance: float = 1e-3


@dataclass(frozen=True, slots=True)
class PhotometricFit:
    """A head fitted to landmarks and colours.

    Attributes:
        fit: the head; the landmark fit's own where the colours made nothing better.
        lights: (B, 9, 3) spherical harmonics on normals of each photo's camera frame, linear RGB.
        tones: (B,) contrast of each photo, 1 for sRGB.
        vertices: (N,) which vertices `log_albedo` speaks of; log_albedo: (N, 3) of linear RGB.
        residual_before, residual_after: mean absolute difference of the model's colours from the photos', sRGB in
            [0, 1], over the visible skin, with light and albedo fitted to the landmark fit and to the result.
        refined: whether the result differs from the landmark fit.
    """

    fit: Fit
    lights: Float[ndarray, "B 9 3"]
    tones: Float[ndarray, " B"]
    vertices: ndarray
    log_albedo: Float[ndarray, "N 3"]
    residual_before: float
    residual_after: float
    refined: bool


@one_blas_thread()
def fit_photometric(
    model: HeadModel,
    observations: Sequence[Observation],
    photos: Sequence[UInt8[ndarray, "H W 3"]],
    options: FitOptions = FitOptions(),
    photometric: PhotometricOptions = PhotometricOptions(),
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
        InputError, ArgumentError: as `fit_landmarks`; also photos that are not one per observation.
    """
    if len(photos) != len(observations):
        raise ArgumentError(f"{len(observations)} observations need as many photos, not {len(photos)}")
    solved = solve_landmarks(model, observations, options, response=response)
    problem, start = solved.problem, solved.solution.state
    skin, albedo = _skin_of(model, problem)
    images = [
        FaceImage.of(photo, _pixels(skin.points, start, problem, index), size=photometric.image_size)
        for index, photo in enumerate(photos)
    ]
    state, light_scale = _first_colours(skin, albedo, problem, start, images)
    moved = state
    finest = before = None
    for blur, steps in zip(photometric.blurs, photometric.iterations, strict=True):
        views = _views(model, skin, problem, moved.landmarks, images, blur)
        for _ in range(NOISE_ROUNDS):
            colours_only = PhotometricProblem(
                problem, skin, albedo, views, photometric.noise, light_scale, moves=False
            )
            views = tuple(
                replace(view, noise_factor=colours_only.noise_factor(moved, index))
                for index, view in enumerate(views)
            )
            colours_only.views = views
            moved = minimize(colours_only, moved, max_iterations=8, tolerance=1e-3).state
        finest = PhotometricProblem(problem, skin, albedo, views, photometric.noise, light_scale)
        solution = minimize(finest, moved, max_iterations=steps, tolerance=photometric.tolerance)
        moved = solution.state
    assert finest is not None
    # What the landmark fit's own head can explain of the same colours, to compare with.
    plain = replace(moved, landmarks=start)
    before = minimize(colours_only, plain, max_iterations=12, tolerance=1e-3).state
    better = finest.cost(moved) < finest.cost(before)
    final = moved if better else before
    residuals = [_residual(finest, each) for each in (before, final)]
    if better:
        solved = _settled(model, solved, replace(solution, state=moved))
    return PhotometricFit(
        fit=describe_fit(model, solved, observations),
        lights=final.lights,
        tones=final.tones,
        vertices=albedo.vertices,
        log_albedo=albedo.mean + np.tensordot(final.albedo, albedo.basis, axes=1),
        residual_before=residuals[0],
        residual_after=residuals[1],
        refined=better,
    )


@lru_cache(maxsize=2)
def _skin_surface(
    model: HeadModel, components: int, held: tuple[str, ...]
) -> tuple[SkinSurface, AlbedoBasis]:
    albedo = albedo_of(model)
    row = np.full(len(model.template), -1)
    row[albedo.vertices] = np.arange(len(albedo.vertices))
    triangles = row[model.triangles.cpu().numpy()]
    whole = (triangles >= 0).all(axis=1)
    # A point on each vertex: any triangle that has it as a corner will do.
    corner_of = np.zeros(len(model.template), dtype=np.int64)
    all_triangles = model.triangles.cpu().numpy()
    corner_of[all_triangles.ravel()] = np.arange(all_triangles.size)
    chosen = corner_of[albedo.vertices]
    points = PointModel.of(
        model, chosen // 3, np.eye(3)[chosen % 3], held=held, identity_components=components
    )
    return SkinSurface.of(points, triangles[whole]), albedo


def _skin_of(model: HeadModel, problem: LandmarkProblem) -> tuple[SkinSurface, AlbedoBasis]:
    held = ("jaw",) if "jawOpen" in model.expression_names else ()
    return _skin_surface(model, problem.identity_size, held)


def _in_camera(points: PointModel, state: FitState, view: ViewState) -> Float[ndarray, "N 3"]:
    coefficients = np.concatenate([state.identity, view.expression])
    return points.evaluate(coefficients, view.turns).points @ view.rotation.T + view.translation


def _pixels(
    points: PointModel, state: FitState, problem: LandmarkProblem, index: int
) -> Float[ndarray, "N 2"]:
    view = state.views[index]
    camera = _in_camera(points, state, view)
    matrix = _intrinsics(problem, view, index)
    return camera[:, :2] / camera[:, 2:] * np.diag(matrix)[:2] + matrix[:2, 2]


def _intrinsics(problem: LandmarkProblem, view: ViewState, index: int) -> Float[ndarray, "3 3"]:
    matrix = problem.views[index].intrinsics.copy()
    matrix[[0, 1], [0, 1]] *= np.exp(view.log_focal)
    return matrix


def _first_colours(
    skin: SkinSurface,
    albedo: AlbedoBasis,
    problem: LandmarkProblem,
    start: FitState,
    images: Sequence[FaceImage],
) -> tuple[PhotometricState, Float[ndarray, "B 3"]]:
    """Even light on the mean albedo, as bright as the face is in the photo; and the size of that light."""
    scales = []
    for index, image in enumerate(images):
        observed, _, inside = image.blurred(0.0).sample(_pixels(skin.points, start, problem, index))
        level = np.median((observed - albedo.mean)[inside], axis=0) if inside.any() else np.zeros(3)
        scales.append(np.exp(level) / float(harmonics(np.array([[0.0, 0.0, 1.0]]))[0, 0]))
    scale = np.stack(scales)
    lights = np.zeros((len(images), 9, 3))
    lights[:, 0] = scale
    return PhotometricState(start, lights, np.ones(len(images)), np.zeros(len(albedo.basis))), scale


def _views(
    model: HeadModel,
    skin: SkinSurface,
    problem: LandmarkProblem,
    state: FitState,
    images: Sequence[FaceImage],
    blur: float,
) -> tuple[PhotometricView, ...]:
    views = []
    for index, image in enumerate(images):
        view = state.views[index]
        focal = float(_intrinsics(problem, view, index)[0, 0])
        blurred = image.blurred(blur * focal / float(view.translation[2]))
        views.append(PhotometricView(blurred, _visible(model, skin, problem, state, index, image)))
    return tuple(views)


def _visible(
    model: HeadModel,
    skin: SkinSurface,
    problem: LandmarkProblem,
    state: FitState,
    index: int,
    image: FaceImage,
) -> Float[ndarray, " N"]:
    """How far each sample can be trusted: not hidden by the head itself, not seen at a grazing angle, not burnt out."""
    view = state.views[index]
    matrix = _intrinsics(problem, view, index)
    posed = _posed(model, state, view) @ view.rotation.T + view.translation
    samples = _in_camera(skin.points, state, view)
    pixels = samples[:, :2] / samples[:, 2:] * np.diag(matrix)[:2] + matrix[:2, 2]
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    factor = DEPTH_SIDE / max(float((high - low).max()), 1e-6)
    shift = np.array([[factor, 0, -factor * low[0]], [0, factor, -factor * low[1]], [0, 0, 1.0]])
    depth = rasterize_camera(
        posed, model.triangles.cpu().numpy(), shift @ matrix, (DEPTH_SIDE, DEPTH_SIDE), threads=1
    ).depth
    column, row = ((pixels - low) * factor).astype(int).clip(0, DEPTH_SIDE - 1).T
    seen = samples[:, 2] < depth[row, column] + DEPTH_BIAS
    normals, _ = skin.normals(samples)
    cosine = -np.einsum("nx,nx->n", normals, samples) / np.linalg.norm(samples, axis=1)
    facing = np.clip((cosine - FACING[0]) / (FACING[1] - FACING[0]), 0, 1)
    places = ((pixels - image.corner) * image.scale).astype(int)
    height, width = image.usable.shape
    places = places.clip(0, [width - 1, height - 1])
    return seen * facing * image.usable[places[:, 1], places[:, 0]]


def _posed(model: HeadModel, state: FitState, view: ViewState) -> Float[ndarray, "V 3"]:
    """All vertices of the head in one view, head frame."""
    from scipy.spatial.transform import Rotation

    turns = torch.from_numpy(Rotation.from_matrix(view.turns).as_rotvec()).reshape(-1)
    with torch.no_grad():
        geometry = model(
            identity=torch.from_numpy(state.identity),
            expression=torch.from_numpy(view.expression),
            jaw=turns[:3],
            eyes=turns[3:],
        )
    vertices: Float[ndarray, "V 3"] = geometry.vertices[0].double().cpu().numpy()
    return vertices


def _residual(problem: PhotometricProblem, state: PhotometricState) -> float:
    """Mean absolute difference in sRGB, [0, 1], between predicted and photographed colours of the visible skin."""
    from face3d.fit.photometric_image import srgb_from_linear

    total = weight = 0.0
    for index, view in enumerate(problem.views):
        observed, _, inside = view.image.sample(problem.pixels(state, index))
        shown, drawn = (
            srgb_from_linear(np.exp(log) - LOG_FLOOR) for log in (observed, problem.predicted_log(state, index))
        )
        trust = problem.skin.weight * view.visible * inside
        total += float(trust @ np.abs(shown - drawn).mean(axis=1))
        weight += float(trust.sum())
    return total / max(weight, 1e-12)


def _settled(model: HeadModel, solved: SolvedLandmarks, solution: Solution[PhotometricState]) -> SolvedLandmarks:
    """The landmark solution with the refined head in it, typed distances held exactly, and its size stated anew."""
    state = solution.state.landmarks
    size = len(state.identity)
    if solved.typed:
        covariance = identity_covariance(solution.linearization.hessian, size)
        state = replace(state, identity=hold_exactly(model, solved.problem, state.identity, solved.typed, covariance))
    refined = Solution(state, solution.linearization, solved.solution.iterations + solution.iterations, True)
    scale = replace(solved.scale, value=size_of(model, state.identity))
    return replace(solved, solution=refined, scale=scale)

"""The least-squares problem of a photometric fit: a landmark fit that also has to explain the face's colours.

The face is compared with its photos at the vertices of its skin and not at pixels: each vertex is followed to where it
is seen, and the light it sends is looked up there. What a face in a scene sends is taken for

    log light = tone * (log albedo + log(spherical harmonics of the normal . light))

with a low-rank albedo shared by all photos, and per photo a light and a tone, the contrast that the
camera's curve adds.

Unknowns, in this order: those of the landmark problem; per photo 27 of light and one of tone; the albedo.

Dimension letters: N sample vertices, F triangles among them, C coefficients (identity, then expression), P unknowns,
B photos, K albedo components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int
from numpy import ndarray

from face3d.fit.albedo import AlbedoBasis
from face3d.fit.harmonics import harmonics, harmonics_slope
from face3d.fit.landmark_problem import FitState, LandmarkProblem
from face3d.fit.photometric_image import BlurredLog
from face3d.fit.point_model import PointState, cross_matrix
from face3d.fit.skin_surface import SkinSurface, block_diagonal
from face3d.fit.solver import Linearization

__all__ = ["PhotometricNoise", "PhotometricProblem", "PhotometricState", "PhotometricView", "log_shading"]

LIGHT_SIZE = 27
SHADING_FLOOR = 0.05
"""Of the mean light: what reaches a face's dark side in any room; shading fades into it smoothly."""
LIGHT_SIGMA = (0.5, *[0.5] * 3, *[0.25] * 5)
"""Of the light's coefficients relative to the mean light, which is guessed well within a factor of two."""
LEAST_NOISE = 0.5
"""Factor below which no photo's noise is believed to be: what errors of neighbours share does not show in residuals."""
MEDIAN_SQUARE = 2.366
"""Median of the sum of three squared standard normal numbers."""
TONE_SIGMA = 0.2
"""Of the tone, whose mean is 1: cameras' curves lift contrast, flat profiles lower it."""


@dataclass(frozen=True, slots=True)
class PhotometricNoise:
    """How far log light may be off: standard deviations of the common part of the channels and of their differences.

    Attributes:
        brightness, colour: in the logarithm.
        independent: how many independent vertices the face is worth: errors of neighbours go together.
        robust_scale: standardised error beyond which a vertex loses weight (Cauchy loss): hair, glasses, hands, cast
            shadows, shine.
    """

    brightness: float = 0.07
    colour: float = 0.03
    independent: float = 150.0
    robust_scale: float = 2.5


@dataclass(frozen=True, slots=True)
class PhotometricView:
    """One photo at one level of the pyramid.

    Attributes:
        image: blurred log light.
        visible: (N,) share of trust in each sample, 0 where something is in front or the surface turns away.
        noise_factor: how many times noisier than `PhotometricNoise` says this photo is.
    """

    image: BlurredLog
    visible: Float[ndarray, " N"]
    noise_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class PhotometricState:
    """All unknowns: those of the landmarks, and per photo light (9, 3) and tone, and the shared albedo (K,)."""

    landmarks: FitState
    lights: Float[ndarray, "B 9 3"]
    tones: Float[ndarray, " B"]
    albedo: Float[ndarray, " K"]


@dataclass(frozen=True, slots=True)
class ShadedView:
    """One photo evaluated at a state.

    Attributes:
        surface: the sampled skin in the head's frame.
        camera, turned: its places and normals in the camera's frame.
        observed, slopes: log light photographed, and its slope per pixel.
        model: log albedo + log shading; per_light: derivative of the latter by the plain harmonic sum.
        residual: standardised; trust, weight: of each sample before and after the robust loss; cost: robust.
    """

    surface: PointState
    camera: Float[ndarray, "N 3"]
    turned: Float[ndarray, "N 3"]
    observed: Float[ndarray, "N 3"]
    slopes: Float[ndarray, "N 3 2"]
    model: Float[ndarray, "N 3"]
    per_light: Float[ndarray, "N 3"]
    residual: Float[ndarray, "N 3"]
    trust: Float[ndarray, " N"]
    weight: Float[ndarray, " N"]
    cost: float


class PhotometricProblem:
    """`face3d.fit.solver.Problem` over `PhotometricState`."""

    def __init__(
        self,
        landmarks: LandmarkProblem,
        skin: SkinSurface,
        albedo: AlbedoBasis,
        views: tuple[PhotometricView, ...],
        noise: PhotometricNoise,
        light_scale: Float[ndarray, "B 3"],
        *,
        moves: bool = True,
    ) -> None:
        """Set up the problem.

        Args:
            light_scale: per photo and channel, the size of its mean light's coefficient: the unit of the light's prior.
            moves: False looks for light, tone and albedo alone.
        """
        self.landmarks = landmarks
        self.skin = skin
        self.albedo = albedo
        self.views = views
        self.moves = moves
        self.light_scale = light_scale
        self.noise = noise
        used = max(float(np.sum(skin.weight > 0)), 1.0)
        self.share = min(noise.independent / used, 1.0)
        self.whiten = np.linalg.inv(_channel_root(noise.brightness, noise.colour))
        self._albedo_columns = np.moveaxis(albedo.basis, 0, -1)

    @property
    def size(self) -> int:
        """Number of unknowns P."""
        return self.landmarks.size + len(self.views) * (LIGHT_SIZE + 1) + len(self.albedo.basis)

    def linearize(self, state: PhotometricState) -> Linearization:
        """Cost, gradient and Gauss-Newton Hessian at `state`."""
        size, geometric = self.size, self.landmarks.size
        hessian, gradient = np.zeros((size, size)), np.zeros(size)
        inner = self.landmarks.linearize(state.landmarks)
        cost = inner.cost
        gradient[:geometric], hessian[:geometric, :geometric] = inner.gradient, inner.hessian
        deviation, precision = self._priors(state)
        cost += 0.5 * float(np.sum(precision * deviation**2))
        gradient[geometric:] += precision * deviation
        np.einsum("ii->i", hessian)[geometric:] += precision
        cost += self.add_colours(state, gradient, hessian)
        return Linearization(cost, gradient, hessian)

    def add_colours(
        self, state: PhotometricState, gradient: Float[ndarray, " P"], hessian: Float[ndarray, "P P"]
    ) -> float:
        """Add the colours' part, priors apart, to the normal equations; gives its cost."""
        cost = 0.0
        for index in range(len(self.views)):
            shaded = self.shade(state, index)
            used = np.flatnonzero(shaded.weight > 0)
            rows, columns = self.jacobian(state, index, shaded, used, shaded.weight[used]), self.columns(index)
            cost += shaded.cost
            hessian[np.ix_(columns, columns)] += rows.T @ rows
            gradient[columns] += rows.T @ (shaded.residual[used] * np.sqrt(shaded.weight[used])[:, None]).ravel()
        return cost

    def cost(self, state: PhotometricState) -> float:
        """Half sum of squares, infinite for a head behind the camera."""
        cost = self.landmarks.cost(state.landmarks)
        if not np.isfinite(cost):
            return cost
        deviation, precision = self._priors(state)
        return cost + 0.5 * float(np.sum(precision * deviation**2)) + self.photometric_cost(state)

    def photometric_cost(self, state: PhotometricState) -> float:
        """The colours' part of the cost alone."""
        return sum(self.shade(state, index).cost for index in range(len(self.views)))

    def move(self, state: PhotometricState, step: Float[ndarray, " P"]) -> PhotometricState:
        """Take a step."""
        geometric, views = self.landmarks.size, len(self.views)
        light = step[geometric:][: views * (LIGHT_SIZE + 1)].reshape(views, LIGHT_SIZE + 1)
        landmarks = self.landmarks.move(state.landmarks, step[:geometric]) if self.moves else state.landmarks
        return PhotometricState(
            landmarks,
            state.lights + light[:, :LIGHT_SIZE].reshape(views, 9, 3),
            np.maximum(state.tones + light[:, LIGHT_SIZE], 0.2),
            state.albedo + step[geometric + light.size :],
        )

    def limits(
        self, state: PhotometricState, gradient: Float[ndarray, " P"]
    ) -> tuple[Float[ndarray, " P"], Float[ndarray, " P"]]:
        """Those of the landmark problem, whose parameters are held where only colours are looked for."""
        low, high = np.full(self.size, -np.inf), np.full(self.size, np.inf)
        head = slice(self.landmarks.size)
        low[head], high[head] = self.landmarks.limits(state.landmarks, gradient[head]) if self.moves else (0.0, 0.0)
        return low, high

    def compared(
        self, state: PhotometricState, index: int
    ) -> tuple[Float[ndarray, "N 3"], Float[ndarray, "N 3"], Float[ndarray, " N"]]:
        """Log light photographed and predicted at each sample of one photo, and its weight without the robust loss."""
        shaded = self.shade(state, index)
        return shaded.observed, state.tones[index] * shaded.model, shaded.trust

    def noise_factor(self, state: PhotometricState, index: int) -> float:
        """How many times larger the usual residual of one photo is than the noise says, at least LEAST_NOISE."""
        shaded = self.shade(state, index)
        if not shaded.trust.any():
            return 1.0
        squared = np.sum(shaded.residual**2, axis=1)
        order = np.argsort(squared)
        passed = np.cumsum(shaded.trust[order])
        middle = squared[order][np.searchsorted(passed, passed[-1] / 2)]
        return max(self.views[index].noise_factor * float(np.sqrt(middle / MEDIAN_SQUARE)), LEAST_NOISE)

    def shade(self, state: PhotometricState, index: int) -> ShadedView:
        """Evaluate one photo."""
        view, photo, evidence = state.landmarks.views[index], self.views[index], self.landmarks.views[index]
        coefficients = np.concatenate([state.landmarks.identity, view.expression])
        surface = self.skin.points.evaluate(coefficients, view.turns)
        normals = self.skin.normals(surface.points)
        camera, turned = surface.points @ view.rotation.T + view.translation, normals @ view.rotation.T
        matrix = view.intrinsics(evidence)
        pixels = camera[:, :2] / camera[:, 2:] * np.diag(matrix)[:2] + matrix[:2, 2]
        observed, slopes, inside = photo.image.sample(pixels)
        shading, per_light = log_shading(harmonics(turned) @ state.lights[index], self.light_scale[index])
        model = self.albedo.log(state.albedo) + shading
        residual = (observed - state.tones[index] * model) @ self.whiten.T / photo.noise_factor
        trust = self.share * self.skin.weight * photo.visible * inside
        squared, scale = np.sum(residual**2, axis=1), self.noise.robust_scale**2
        return ShadedView(
            surface=surface,
            camera=camera,
            turned=turned,
            observed=observed,
            slopes=slopes,
            model=model,
            per_light=per_light,
            residual=residual,
            trust=trust,
            weight=trust / (1 + squared / scale),
            cost=0.5 * float(trust @ (scale * np.log1p(squared / scale))),
        )

    def jacobian(
        self,
        state: PhotometricState,
        index: int,
        shaded: ShadedView,
        used: Int[ndarray, " M"],
        weight: Float[ndarray, " M"],
    ) -> Float[ndarray, "3*M Q"]:
        """Derivative of the weighted residuals of the samples in use by the unknowns in `columns`."""
        view, tone = state.landmarks.views[index], state.tones[index]
        whiten = self.whiten / self.views[index].noise_factor
        root = np.sqrt(weight)[:, None, None] * whiten
        blocks: list[ndarray] = []
        if self.moves:
            focal = np.diag(view.intrinsics(self.landmarks.views[index]))[:2]
            camera, turned = shaded.camera[used], shaded.turned[used]
            normalized, depth = camera[:, :2] / camera[:, 2:], camera[:, 2:]
            by_pixel = root @ shaded.slopes[used]
            by_camera = np.empty((len(used), 3, 3))
            by_camera[:, :, :2] = by_pixel * (focal / depth)[:, None]
            by_camera[:, :, 2] = -np.einsum("nck,nk->nc", by_pixel, normalized * (focal / depth))
            slope = np.einsum("nkx,kc->ncx", harmonics_slope(turned), state.lights[index])
            by_turned = -tone * (root @ (shaded.per_light[used][:, :, None] * slope))
            # One sparse matrix from the places of all samples to the residuals, for a single product with the basis.
            rows = (3 * used[:, None] + np.arange(3)).ravel()
            ones, count = np.ones(len(rows)), 3 * len(shaded.camera)
            chosen = scipy.sparse.csr_array((ones, (np.arange(len(rows)), rows)), shape=(len(rows), count))
            by_place = block_diagonal(by_camera @ view.rotation) @ chosen
            slopes = chosen @ self.skin.normals_slope(shaded.surface.points)
            by_place = by_place + block_diagonal(by_turned @ view.rotation) @ slopes
            blocks.append(by_place @ shaded.surface.by_coefficient.reshape(count, -1))
            blocks.append(by_place @ shaded.surface.by_rotation.reshape(count, -1))
            arms = camera - view.translation
            by_turn = -by_camera @ cross_matrix(arms) - by_turned @ cross_matrix(turned)
            by_focal = np.einsum("nck,nk->nc", by_pixel, normalized * focal)
            blocks.append(np.concatenate([by_turn, by_camera, by_focal[:, :, None]], axis=2).reshape(-1, 7))
        per_light, basis = root * shaded.per_light[used][:, None, :], harmonics(shaded.turned[used])
        # Columns in the order of lights.ravel(): harmonic first, then channel.
        by_light = per_light[:, :, None, :] * basis[:, None, :, None]
        blocks.append(-tone * by_light.reshape(-1, LIGHT_SIZE))
        blocks.append(-(root @ shaded.model[used][:, :, None]).reshape(-1, 1))
        blocks.append(-tone * (root @ self._albedo_columns[used]).reshape(-1, len(self.albedo.basis)))
        return np.concatenate(blocks, axis=1)

    def columns(self, index: int) -> Int[ndarray, " Q"]:
        """Unknowns that one photo's colours depend on, in the order of the Jacobian's columns."""
        first = self.landmarks.size
        geometric = self.landmarks.surface_columns(index) if self.moves else []
        light = first + index * (LIGHT_SIZE + 1)
        albedo = first + len(self.views) * (LIGHT_SIZE + 1)
        return np.array([*geometric, *range(light, light + LIGHT_SIZE + 1), *range(albedo, self.size)])

    def _priors(self, state: PhotometricState) -> tuple[Float[ndarray, " Q"], Float[ndarray, " Q"]]:
        """Deviation from the prior mean and its precision for lights, tones and albedo."""
        deviations, precisions = [], []
        for light, tone, scale in zip(state.lights, state.tones, self.light_scale, strict=True):
            directed = light.copy()
            directed[0] -= scale
            deviations.append(np.append(directed.ravel(), tone - 1))
            precisions.append(np.append(((np.array(LIGHT_SIGMA)[:, None] * scale) ** -2).ravel(), TONE_SIGMA**-2))
        return (
            np.concatenate([*deviations, state.albedo]),
            np.concatenate([*precisions, np.ones(len(state.albedo))]),
        )


def log_shading(
    plain: Float[ndarray, "N 3"], scale: Float[ndarray, " 3"]
) -> tuple[Float[ndarray, "N 3"], Float[ndarray, "N 3"]]:
    """Logarithm of the light on surfaces whose plain harmonic sum is given, and its derivative by that sum.

    Args:
        plain: linear RGB.
        scale: size of the mean light's coefficient.
    """
    floor = 2 * SHADING_FLOOR * scale
    root = np.sqrt(plain**2 + floor**2)
    shading = 0.5 * (plain + root)
    return np.log(shading), 0.5 * (1 + plain / root) / shading


def _channel_root(brightness: float, colour: float) -> Float[ndarray, "3 3"]:
    """Root of the covariance of log RGB errors: one part common to the channels, one of their differences."""
    common = np.full((3, 3), 1 / 3)
    return brightness * np.sqrt(3) * common + colour * (np.eye(3) - common)

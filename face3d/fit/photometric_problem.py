"""The least-squares problem of a photometric fit: a landmark fit that also has to explain the face's colours.

The face is compared with its photos at the vertices of its skin and not at pixels: each vertex is followed to where it
is seen, and the light it sends is looked up there. What a face in a scene sends is taken for

    log light = tone * (log albedo + log(spherical harmonics of the normal . light))

with a low-rank albedo shared by all photos, and a light and a tone (the contrast that the camera's curve adds) per photo.
Unknowns, in this order: those of the landmark problem; per photo 27 of light and one of tone; the albedo.

Dimension letters: N sample vertices, F triangles among them, C coefficients (identity, then expression), P unknowns,
B photos, K albedo components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from face3d.fit.albedo import AlbedoBasis
from face3d.fit.landmark_problem import FitState, LandmarkProblem, ViewState
from face3d.fit.photometric_image import BlurredLog
from face3d.fit.point_model import PointModel, cross_matrix
from face3d.fit.solver import Linearization
from face3d.fit.harmonics import harmonics, harmonics_slope

__all__ = ["PhotometricNoise", "PhotometricProblem", "PhotometricState", "PhotometricView", "SkinSurface"]

LIGHT_SIZE = 27
SHADING_FLOOR = 0.05
"""Of the mean light: what reaches a face's dark side in any room; shading fades into it smoothly."""
LIGHT_SIGMA = (10.0, *[0.7] * 3, *[0.35] * 5)
"""Of the light's coefficients relative to the mean light: that itself is free, directions are not stronger than it."""
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
class SkinSurface:
    """The sampled skin of a head: where its vertices and normals are for given coefficients, with derivatives.

    Attributes:
        points: the sample vertices as a `PointModel`.
        triangles: (F, 3) rows of `points`, of every triangle whose corners are all sampled.
        weight: (N,) area that each vertex stands for, mean 1 where not 0; 0 at the rim, where normals are not whole.
    """

    points: PointModel
    triangles: Int[ndarray, "F 3"]
    weight: Float[ndarray, " N"]
    _rows: Int[ndarray, " Z"]
    _columns: Int[ndarray, " Z"]

    @staticmethod
    def of(points: PointModel, triangles: Int[ndarray, "F 3"]) -> SkinSurface:
        """Build from the sample points at rest and the triangles among them."""
        corners = points.rest_points[triangles]
        areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 6
        weight = np.bincount(triangles.ravel(), np.repeat(areas, 3), minlength=len(points.rest_points))
        edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
        unique, count = np.unique(edges, axis=0, return_counts=True)
        weight[np.unique(unique[count == 1])] = 0
        # Entry (normal of corner i, position of corner j) of the derivative: a cross product, six numbers.
        target = np.repeat(triangles, 3, axis=1)
        source = np.tile(triangles, (1, 3))
        row_axis, column_axis = np.array([0, 0, 1, 1, 2, 2]), np.array([1, 2, 0, 2, 0, 1])
        rows = (3 * target[..., None] + row_axis).ravel()
        columns = (3 * source[..., None] + column_axis).ravel()
        return SkinSurface(points, triangles, weight * np.count_nonzero(weight) / weight.sum(), rows, columns)

    def normals(
        self, places: Float[ndarray, "N 3"]
    ) -> tuple[Float[ndarray, "N 3"], scipy.sparse.csr_array]:
        """Unit normals and their derivative by the places, (3 N, 3 N)."""
        a, b, c = np.moveaxis(places[self.triangles], 1, 0)
        face = np.cross(b - a, c - a)
        total = np.empty_like(places)
        for axis in range(3):
            total[:, axis] = np.bincount(
                self.triangles.ravel(), np.repeat(face[:, axis], 3), minlength=len(places)
            )
        length = np.maximum(np.linalg.norm(total, axis=1), 1e-15)
        normal = total / length[:, None]
        # d(face normal) = (c - b) x da + (a - c) x db + (b - a) x dc.
        arms = np.stack([c - b, a - c, b - a], axis=1)
        x, y, z = np.moveaxis(arms, -1, 0)
        cross = np.stack([-z, y, z, -x, -y, x], axis=-1)
        values = np.broadcast_to(cross[:, None], (len(face), 3, 3, 6)).ravel()
        size = 3 * len(places)
        raw = scipy.sparse.coo_array((values, (self._rows, self._columns)), shape=(size, size)).tocsr()
        project = (np.eye(3) - normal[:, :, None] * normal[:, None, :]) / length[:, None, None]
        return normal, _block_diagonal(project) @ raw


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
class _Shaded:
    """Standardised residual of one view, its robust cost and weights, and what its derivatives need."""

    residual: Float[ndarray, "N 3"]
    cost: float
    weight: Float[ndarray, " N"]
    jacobian: tuple[Float[ndarray, "M P"], Int[ndarray, " P"]] | None


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
        self._robust_scale = noise.robust_scale
        used = max(float(np.sum(skin.weight > 0)), 1.0)
        self._share = min(noise.independent / used, 1.0)
        self._whiten = np.linalg.inv(_channel_root(noise.brightness, noise.colour))
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
        for index in range(len(self.views)):
            shaded = self._shade(state, index, with_jacobian=True)
            assert shaded.jacobian is not None
            rows, columns = shaded.jacobian
            cost += shaded.cost
            used = shaded.weight > 0
            residual = (shaded.residual[used] * np.sqrt(shaded.weight[used])[:, None]).ravel()
            hessian[np.ix_(columns, columns)] += (rows.T @ rows).astype(np.float64)
            gradient[columns] += rows.T @ residual
        return Linearization(cost, gradient, hessian)

    def cost(self, state: PhotometricState) -> float:
        """Half sum of squares, infinite for a head behind the camera."""
        cost = self.landmarks.cost(state.landmarks)
        if not np.isfinite(cost):
            return cost
        deviation, precision = self._priors(state)
        return cost + 0.5 * float(np.sum(precision * deviation**2)) + self.photometric_cost(state)

    def photometric_cost(self, state: PhotometricState) -> float:
        """The colours' part of the cost alone."""
        return sum(self._shade(state, index, with_jacobian=False).cost for index in range(len(self.views)))

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

    def blocked(self, state: PhotometricState, gradient: Float[ndarray, " P"]) -> Bool[ndarray, " P"]:
        """What the landmark problem blocks, and all of it where only colours are looked for."""
        blocked = np.zeros(self.size, bool)
        geometric = self.landmarks.size
        blocked[:geometric] = (
            self.landmarks.blocked(state.landmarks, gradient[:geometric]) if self.moves else True
        )
        return blocked

    def predicted_log(self, state: PhotometricState, index: int) -> Float[ndarray, "N 3"]:
        """Log light that each sample vertex should send to one photo."""
        view = state.landmarks.views[index]
        places = self._places(state, view)
        normals, _ = self.skin.normals(places)
        log_shading, _ = self._log_shading(normals @ view.rotation.T, state.lights[index], index)
        return state.tones[index] * (self._log_albedo(state) + log_shading)

    def pixels(self, state: PhotometricState, index: int) -> Float[ndarray, "N 2"]:
        """Where each sample vertex is seen in one photo."""
        view = state.landmarks.views[index]
        camera = self._places(state, view) @ view.rotation.T + view.translation
        return camera[:, :2] / camera[:, 2:] * self._focal(view, index) + self._centre(index)

    def weights(self, state: PhotometricState, index: int) -> Float[ndarray, " N"]:
        """How much each sample vertex counts in one photo after the robust loss, 0 to its area's weight."""
        return self._shade(state, index, with_jacobian=False).weight

    def noise_factor(self, state: PhotometricState, index: int) -> float:
        """How many times larger the usual residual of one photo is than the noise says, at least 1."""
        shaded, photo = self._shade(state, index, with_jacobian=False), self.views[index]
        counted = shaded.weight > 0
        if not counted.any():
            return 1.0
        squared = np.sum(shaded.residual[counted] ** 2, axis=1)
        trust = (self.skin.weight * photo.visible)[counted]
        order = np.argsort(squared)
        middle = np.searchsorted(np.cumsum(trust[order]), trust.sum() / 2)
        return max(photo.noise_factor * float(np.sqrt(squared[order][middle] / MEDIAN_SQUARE)), 1.0)

    def _places(self, state: PhotometricState, view: ViewState) -> Float[ndarray, "N 3"]:
        coefficients = np.concatenate([state.landmarks.identity, view.expression])
        return self.skin.points.evaluate(coefficients, view.turns).points

    def _log_albedo(self, state: PhotometricState) -> Float[ndarray, "N 3"]:
        return self.albedo.mean + np.tensordot(state.albedo, self.albedo.basis, axes=1)

    def _focal(self, view: ViewState, index: int) -> Float[ndarray, " 2"]:
        return np.diag(self.landmarks.views[index].intrinsics)[:2] * np.exp(view.log_focal)

    def _centre(self, index: int) -> Float[ndarray, " 2"]:
        return self.landmarks.views[index].intrinsics[:2, 2]

    def _shade(self, state: PhotometricState, index: int, *, with_jacobian: bool) -> _Shaded:
        view, photo = state.landmarks.views[index], self.views[index]
        coefficients = np.concatenate([state.landmarks.identity, view.expression])
        surface = self.skin.points.evaluate(coefficients, view.turns)
        normals, normals_by_place = self.skin.normals(surface.points)
        arms = surface.points @ view.rotation.T
        camera = arms + view.translation
        depth = camera[:, 2:]
        focal = self._focal(view, index)
        normalized = camera[:, :2] / depth
        observed, slopes, inside = photo.image.sample(normalized * focal + self._centre(index))
        turned = normals @ view.rotation.T
        log_shading, per_light = self._log_shading(turned, state.lights[index], index)
        tone = float(state.tones[index])
        model = self._log_albedo(state) + log_shading
        whiten = self._whiten / photo.noise_factor
        residual = (observed - tone * model) @ whiten.T
        trust = self._share * self.skin.weight * photo.visible * inside
        squared = np.sum(residual**2, axis=1)
        scale = self._robust_scale**2
        cost = 0.5 * float(trust @ (scale * np.log1p(squared / scale)))
        weight = trust / (1 + squared / scale)
        if not with_jacobian:
            return _Shaded(residual, cost, weight, None)

        used = np.flatnonzero(weight > 0)
        root = np.sqrt(weight[used])[:, None, None] * whiten
        by_pixel = root @ slopes[used]
        by_camera = np.empty((len(used), 3, 3))
        by_camera[:, :, :2] = by_pixel * (focal / depth[used])[:, None]
        by_camera[:, :, 2] = -np.einsum("nck,nk->nc", by_pixel, normalized[used] * (focal / depth[used]))
        slope = np.einsum("nkx,kc->ncx", harmonics_slope(turned[used]), state.lights[index])
        by_turned = -tone * (root @ (per_light[used][:, :, None] * slope))
        blocks: list[ndarray] = []
        if self.moves:
            # One sparse matrix from the places of vertices to the residuals, for a single product with the basis.
            spread = scipy.sparse.csr_array(
                (np.ones(len(used) * 3), (np.arange(len(used) * 3), (3 * used[:, None] + np.arange(3)).ravel())),
                shape=(len(used) * 3, 3 * len(normals)),
            )
            by_place = _block_diagonal(by_camera @ view.rotation) @ spread
            by_place = by_place + _block_diagonal(by_turned @ view.rotation) @ (spread @ normals_by_place)
            points = len(surface.points)
            blocks.append(by_place @ surface.by_coefficient.reshape(3 * points, -1))
            blocks.append(by_place @ surface.by_rotation.reshape(3 * points, -1))
            by_turn = -by_camera @ cross_matrix(arms[used]) - by_turned @ cross_matrix(turned[used])
            by_focal = np.einsum("nck,nk->nc", by_pixel, normalized[used] * focal)
            pose = np.concatenate([by_turn, by_camera, by_focal[:, :, None]], axis=2)
            blocks.append(pose.reshape(-1, 7))
        # Columns in the order of lights.ravel(): harmonic first, then channel.
        by_light = (root * per_light[used][:, None, :])[:, :, None, :] * harmonics(turned[used])[:, None, :, None]
        blocks.append(-tone * by_light.reshape(-1, LIGHT_SIZE))
        blocks.append(-(root @ model[used][:, :, None]).reshape(-1, 1))
        blocks.append(-tone * (root @ self._albedo_columns[used]).reshape(-1, len(self.albedo.basis)))
        return _Shaded(residual, cost, weight, (np.concatenate(blocks, axis=1), self._columns(index)))

    def _columns(self, index: int) -> Int[ndarray, " Q"]:
        """Unknowns that one photo's colours depend on, in the order of the Jacobian's columns."""
        landmarks, first = self.landmarks, self.landmarks.size
        geometric: list[int] = []
        if self.moves:
            start = landmarks.identity_size + index * landmarks.view_size
            # The detector's errors, the last of a view's unknowns, move no surface.
            moved = landmarks.view_size - len(landmarks.response.modes)
            geometric = [*range(landmarks.identity_size), *range(start, start + moved)]
        light = first + index * (LIGHT_SIZE + 1)
        albedo = first + len(self.views) * (LIGHT_SIZE + 1)
        return np.array([*geometric, *range(light, light + LIGHT_SIZE + 1), *range(albedo, self.size)])

    def _log_shading(
        self, normals: Float[ndarray, "N 3"], light: Float[ndarray, "9 3"], index: int
    ) -> tuple[Float[ndarray, "N 3"], Float[ndarray, "N 3"]]:
        """Logarithm of the light on normals of the camera frame, and its derivative by the plain harmonic sum."""
        plain = harmonics(normals) @ light
        floor = 2 * SHADING_FLOOR * self.light_scale[index]
        root = np.sqrt(plain**2 + floor**2)
        shading = 0.5 * (plain + root)
        return np.log(shading), 0.5 * (1 + plain / root) / shading

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


def _channel_root(brightness: float, colour: float) -> Float[ndarray, "3 3"]:
    """Root of the covariance of log RGB errors: one part common to the channels, one of their differences."""
    common = np.full((3, 3), 1 / 3)
    return brightness * np.sqrt(3) * common + colour * (np.eye(3) - common)


def _block_diagonal(blocks: Float[ndarray, "N 3 3"]) -> scipy.sparse.csr_array:
    count = len(blocks)
    return scipy.sparse.bsr_array((blocks, np.arange(count), np.arange(count + 1)), shape=(3 * count, 3 * count)).tocsr()


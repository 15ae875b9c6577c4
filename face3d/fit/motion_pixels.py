"""What the pixels of many frames say about pose and expression, as normal equations of each frame.

A clip shows one skin in one light: its colours are known from the frames that the head was fitted to
(`face3d.fit.clip_photometric`), and each frame is laid so that the picture has those colours where the skin's vertices
are seen. How bright the frame is as a whole is its own affair and is solved for on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from jaxtyping import Float, UInt8
from numpy import ndarray

from face3d.camera import Intrinsics
from face3d.fit.harmonics import harmonics, harmonics_slope
from face3d.fit.motion_evidence import Frames, NormalEquations
from face3d.fit.motion_points import MotionPoints
from face3d.fit.photometric_image import BlurredLog, FaceImage
from face3d.fit.photometric_problem import SHADING_FLOOR
from face3d.fit.photometric_views import DEPTH_BIAS, DEPTH_SIDE, FACING
from face3d.fit.point_model import cross_matrix
from face3d.fit.skin_surface import SkinSurface, block_diagonal
from face3d.head import HeadModel
from face3d.render.rasterize_numba import rasterize_camera

__all__ = ["ClipColours", "PixelEvidence", "SeenSkin"]

GAIN_SIGMA = 0.2
"""Of a frame's own brightness, per channel, in the logarithm: exposure and white balance follow the scene."""
GAIN_PASSES = 3


@dataclass(frozen=True, slots=True, eq=False)
class ClipColours:
    """How a person's skin looks in a clip; N sampled vertices.

    Attributes:
        log_albedo: (N, 3) logarithm of linear RGB.
        own: (N, 3) what albedo and light do not explain, in the photo's logarithm.
        light: (9, 3) spherical harmonics on normals of the camera's frame; tone: contrast.
        floor: (3,) light that reaches every place.
        whiten: (3, 3) makes differences of logarithms standard normal.
        independent: how many independent samples all are worth.
        robust_scale: standardised error beyond which a sample loses weight.
    """

    log_albedo: Float[ndarray, "N 3"]
    own: Float[ndarray, "N 3"]
    light: Float[ndarray, "9 3"]
    tone: float
    floor: Float[ndarray, " 3"]
    whiten: Float[ndarray, "3 3"]
    independent: float
    robust_scale: float


@dataclass(frozen=True, slots=True, eq=False)
class SeenSkin:
    """One frame's picture of the skin: blurred log light, and the trust (N,) in each sample."""

    image: BlurredLog
    visible: Float[ndarray, " N"]


class PixelEvidence:
    """Compares frames' pixels with one person's skin; unknowns as of `LandmarkEvidence`."""

    def __init__(
        self,
        model: HeadModel,
        skin: SkinSurface,
        identity: Float[ndarray, " I"],
        intrinsics: Intrinsics,
        colours: ClipColours,
        turning: tuple[int, ...],
    ) -> None:
        self._model = model
        self._skin = skin
        self.points = MotionPoints.of(skin.points, identity)
        self._identity = identity
        self._intrinsics = intrinsics
        self._focal = np.diag(intrinsics.matrix)[:2].copy()
        self._centre = intrinsics.matrix[:2, 2].copy()
        self._colours = colours
        used = max(float(np.sum(skin.weight > 0)), 1.0)
        self._share = min(colours.independent / used, 1.0)
        self._turn_columns = np.array([3 * joint + axis for joint in turning for axis in range(3)], int)

    @property
    def size(self) -> int:
        """Number of unknowns D of a frame."""
        return self.points.basis.shape[2] + len(self._turn_columns) + 6

    def cut_out(self, photo: UInt8[ndarray, "H W 3"], frames: Frames, size: int = 384) -> FaceImage:
        """The face of the one frame."""
        return FaceImage.of(photo, self._project(frames)[0], size=size)

    def _project(self, frames: Frames) -> Float[ndarray, "T N 2"]:
        points = self.points.evaluate(frames.expression, frames.turns, slopes=False).points
        camera = points @ frames.rotation.transpose(0, 2, 1) + frames.translation[:, None]
        return camera[..., :2] / camera[..., 2:] * self._focal + self._centre

    def see(self, images: Sequence[FaceImage], frames: Frames, vertices: Float[ndarray, "T V 3"], blur: float) -> list[SeenSkin]:
        """Which samples each frame shows, and its picture blurred by `blur` metres on the face."""
        samples = self.points.evaluate(frames.expression, frames.turns, slopes=False).points
        triangles = self._model.triangles.cpu().numpy()
        matrix = self._intrinsics.matrix

        def one(t: int) -> SeenSkin:
            rotation, translation, image = frames.rotation[t], frames.translation[t], images[t]
            camera = samples[t] @ rotation.T + translation
            pixels = camera[:, :2] / camera[:, 2:] * self._focal + self._centre
            low, high = pixels.min(axis=0), pixels.max(axis=0)
            factor = DEPTH_SIDE / max(float((high - low).max()), 1e-6)
            onto_map = np.array([[factor, 0, -factor * low[0]], [0, factor, -factor * low[1]], [0, 0, 1.0]])
            surface = vertices[t] @ rotation.T + translation
            depth = rasterize_camera(surface, triangles, onto_map @ matrix, (DEPTH_SIDE, DEPTH_SIDE), threads=1).depth
            column, row = ((pixels - low) * factor).astype(int).clip(0, DEPTH_SIDE - 1).T
            seen = camera[:, 2] < depth[row, column] + DEPTH_BIAS
            normals = self._skin.normals(camera)
            cosine = -np.einsum("nx,nx->n", normals, camera) / np.linalg.norm(camera, axis=1)
            facing = np.clip((cosine - FACING[0]) / (FACING[1] - FACING[0]), 0, 1)
            blurred = image.blurred(blur * float(matrix[0, 0]) / float(translation[2]))
            return SeenSkin(blurred, seen * facing * image.usable_at(pixels))

        return [one(t) for t in range(len(images))]

    def linearize(self, frames: Frames, seen: Sequence[SeenSkin]) -> NormalEquations:
        """Normal equations of every frame, robust weights included."""
        count, size = len(seen), self.size
        out = NormalEquations(np.zeros((count, size, size)), np.zeros((count, size)), np.zeros(count))
        with ThreadPoolExecutor(max_workers=2) as beside:
            list(beside.map(lambda t: self._linearize(frames[t : t + 1], seen[t], out, t), range(count)))
        return out

    def residuals(self, frames: Frames, seen: Sequence[SeenSkin]):
        res = []
        for t in range(len(seen)):
            posed = self.points.evaluate(frames[t:t+1].expression, frames[t:t+1].turns)
            res.append(self._residual(posed.points[0], frames[t:t+1], seen[t])[:2])
        return res

    def _residual(self, points, frames, seen):
        colours = self._colours
        rotation, translation = frames.rotation[0], frames.translation[0]
        arms = points @ rotation.T
        camera = arms + translation
        normals = self._skin.normals(points)
        turned = normals @ rotation.T
        pixels = camera[:, :2] / camera[:, 2:] * self._focal + self._centre
        observed, slopes, inside = seen.image.sample(pixels)
        plain = harmonics(turned) @ colours.light
        floor = 2 * SHADING_FLOOR * colours.floor
        root = np.sqrt(plain**2 + floor**2)
        shading = 0.5 * (plain + root)
        per_light = 0.5 * (1 + plain / root) / shading
        expected = colours.tone * (colours.log_albedo + np.log(shading)) + colours.own
        residual = (observed - expected) @ colours.whiten.T
        trust = self._share * self._skin.weight * seen.visible * inside
        scale = colours.robust_scale**2
        gain = np.zeros(3)
        by_gain = colours.whiten
        prior = np.eye(3) / GAIN_SIGMA**2
        for _ in range(GAIN_PASSES):
            left = residual - by_gain @ gain
            weight = trust / (1 + np.sum(left**2, axis=1) / scale)
            normal = weight.sum() * by_gain.T @ by_gain + prior
            gain = np.linalg.solve(normal, by_gain.T @ (weight @ residual))
        left = residual - by_gain @ gain
        return left, weight, arms, camera, turned, slopes, per_light, normal, gain, prior

    def _linearize(self, frames: Frames, seen: SeenSkin, out: NormalEquations, t: int) -> None:
        colours = self._colours
        posed = self.points.evaluate(frames.expression, frames.turns)
        points = posed.points[0]
        rotation = frames.rotation[0]
        left, weight, arms, camera, turned, slopes, per_light, normal_gain, gain, prior = self._residual(points, frames, seen)
        used = np.flatnonzero(weight > 0)
        whiten = np.sqrt(weight[used])[:, None, None] * colours.whiten
        cam, depth = camera[used], camera[used][:, 2:]
        normalized = cam[:, :2] / depth
        by_pixel = whiten @ slopes[used]
        by_camera = np.empty((len(used), 3, 3))
        by_camera[:, :, :2] = by_pixel * (self._focal / depth)[:, None]
        by_camera[:, :, 2] = -np.einsum("nck,nk->nc", by_pixel, normalized * (self._focal / depth))
        slope = np.einsum("nkx,kc->ncx", harmonics_slope(turned[used]), colours.light)
        by_turned = -colours.tone * (whiten @ (per_light[used][:, :, None] * slope))
        rows = (3 * used[:, None] + np.arange(3)).ravel()
        ones, count = np.ones(len(rows)), 3 * len(points)
        chosen = scipy.sparse.csr_array((ones, (np.arange(len(rows)), rows)), shape=(len(rows), count))
        by_place = block_diagonal(by_camera @ rotation) @ chosen
        by_place = by_place + block_diagonal(by_turned @ rotation) @ (chosen @ self._skin.normals_slope(points))
        basis = self.points.basis.reshape(count, -1)
        expressions = basis.shape[1]
        jacobian = np.zeros((len(rows), self.size + 4))
        jacobian[:, :expressions] = by_place @ basis
        cursor = expressions + len(self._turn_columns)
        if posed.by_expression is not None and posed.by_turns is not None:
            raise NotImplementedError
        jacobian[:, cursor : cursor + 3] = (-by_camera @ cross_matrix(arms[used]) - by_turned @ cross_matrix(turned[used])).reshape(-1, 3)
        jacobian[:, cursor + 3 : cursor + 6] = by_camera.reshape(-1, 3)
        jacobian[:, -4:-1] = -whiten.reshape(-1, 3)
        jacobian[:, -1] = (left[used] * np.sqrt(weight[used])[:, None]).ravel()
        jacobian = jacobian.astype(np.float32)
        normal = (jacobian.T @ jacobian).astype(np.float64)
        d = self.size
        gg = normal[d:-1, d:-1] + prior
        cross = np.linalg.solve(gg, np.concatenate([normal[d:-1, :d], normal[d:-1, -1:] + (prior @ gain)[:, None]], axis=1))
        out.hessian[t] = normal[:d, :d] - normal[:d, d:-1] @ cross[:, :d]
        out.gradient[t] = normal[:d, -1] - normal[:d, d:-1] @ cross[:, -1]
        out.surprise[t] = normal[-1, -1] / max(3 * weight.sum(), 1e-9)

"""What the pixels of many frames say about pose and expression, as normal equations of each frame.

A clip shows one skin in one light. Its colours are known from the frames that the head was fitted to
(`face3d.fit.clip_colours`), and each frame is laid so that its picture has those colours where it shows the skin's
vertices. How bright a frame is as a whole is its own affair, and is solved for on the way.

Dimension letters: T frames, N sampled vertices, V all vertices, D unknowns of a frame (`LandmarkEvidence`).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy.spatial.transform import Rotation

from face3d.camera import Intrinsics
from face3d.fit.blas_threads import one_blas_thread
from face3d.fit.harmonics import harmonics, harmonics_slope
from face3d.fit.motion_evidence import Frames, NormalEquations
from face3d.fit.motion_points import MotionPoints
from face3d.fit.photometric_image import BlurredLog, FaceImage
from face3d.fit.photometric_problem import log_shading
from face3d.fit.photometric_views import seen_share
from face3d.fit.point_model import cross_matrix
from face3d.fit.skin_surface import SkinSurface
from face3d.head import HeadModel

__all__ = ["LEVELS", "ClipColours", "FilmedFrames", "SkinEvidence", "SkinPictures"]

GAIN_SIGMA = 0.2
"""Of a frame's own brightness, per channel, in the logarithm: exposure and white balance follow the scene."""

GAIN_PASSES = 3
"""Times that a frame's brightness and the robust weights are found from each other."""

LEVELS = ((0.002, 3), (0.001, 4))
"""Coarse to fine: metres of blur on the face, and Gauss-Newton steps at most. Landmarks are right to a few millimetres,
so that nothing coarser is needed."""

IMAGE_SIZE = 320
"""Longer side in pixels of the cut-out of a face: a pixel is about as large as the finest blur."""

THREADS = 2
"""That look at frames side by side."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipColours:
    """How a person's skin looks in a clip.

    Attributes:
        log_albedo: (N, 3) logarithm of linear RGB.
        own: (N, 3) what albedo and light do not explain, in the picture's logarithm.
        light: (9, 3) spherical harmonics on normals of the camera's frame.
        light_scale: (3,) size of its mean; tone: contrast.
        whiten: (3, 3) makes errors of log RGB standard normal.
        independent: how many independent samples all are worth.
        robust_scale: standardised error beyond which a sample loses weight (Cauchy loss).
    """

    log_albedo: Float[ndarray, "N 3"]
    own: Float[ndarray, "N 3"]
    light: Float[ndarray, "9 3"]
    light_scale: Float[ndarray, " 3"]
    tone: float
    whiten: Float[ndarray, "3 3"]
    independent: float
    robust_scale: float


@dataclass(frozen=True, slots=True, eq=False)
class SkinPictures:
    """T frames' pictures of the skin at one level of blur: log light, and the trust (T, N) in each sample."""

    images: Sequence[BlurredLog]
    trust: Float[ndarray, "T N"]


@dataclass(frozen=True, slots=True, eq=False)
class FilmedFrames:
    """Frames that are laid on their pictures, and where to begin.

    Attributes:
        skin: of the person.
        images: the faces of the T frames, as `SkinEvidence.cut_out` cuts them out; None where not seen.
        begin: the T frames as they were fitted so far.
    """

    skin: SkinEvidence
    images: Sequence[FaceImage | None]
    begin: Frames


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    """One frame's samples: standardised `residual` at the frame's best `gain`, and robust `weight`.

    `arms` and `turned` are places about the head's origin and normals on the camera's axes.
    """

    residual: Float[ndarray, "N 3"]
    weight: Float[ndarray, " N"]
    slopes: Float[ndarray, "N 3 2"]
    per_light: Float[ndarray, "N 3"]
    arms: Float[ndarray, "N 3"]
    turned: Float[ndarray, "N 3"]
    gain: Float[ndarray, " 3"]


class SkinEvidence:
    """Compares pictures with one person's skin; unknowns are those of `LandmarkEvidence`.

    Args:
        model: the head.
        skin: its sampled skin.
        identity: (I,) of the person.
        intrinsics: of the clip.
        colours: of the skin in the clip.
        turning: numbers of the joints of `MOVING_JOINTS` that turn.
    """

    def __init__(
        self,
        model: HeadModel,
        skin: SkinSurface,
        identity: Float[ndarray, " I"],
        intrinsics: Intrinsics,
        colours: ClipColours,
        turning: tuple[int, ...],
    ) -> None:
        self._model, self._skin, self._colours = model, skin, colours
        self._identity = identity
        self._points = MotionPoints.of(skin.points, identity)
        self._matrix = intrinsics.matrix
        self._focal = np.diag(intrinsics.matrix)[:2].copy()
        used = max(float(np.sum(skin.weight > 0)), 1.0)
        self._share = min(colours.independent / used, 1.0) * skin.weight
        self._turn_columns = np.array([3 * joint + axis for joint in turning for axis in range(3)], int)
        basis = self._points.basis
        # How normals turn with an expression changes little with the expression; at rest it is one matrix for all.
        normals = skin.normals_slope(self._points.rest) @ basis.reshape(-1, basis.shape[2])
        self._by_expression = np.concatenate([basis, normals.reshape(basis.shape)], axis=1).astype(np.float32)

    @property
    def size(self) -> int:
        """Number of unknowns D of a frame."""
        return self._points.basis.shape[2] + len(self._turn_columns) + 6

    def cut_out(self, photo: UInt8[ndarray, "H W 3"], frame: Frames) -> FaceImage:
        """The face of one frame."""
        camera = self._samples(frame)[0]
        pixels = camera[:, :2] / camera[:, 2:] * self._focal + self._matrix[:2, 2]
        return FaceImage.of(photo, pixels, size=IMAGE_SIZE)

    def trust(self, images: Sequence[FaceImage], frames: Frames) -> Float[ndarray, "T N"]:
        """How well each frame shows each sample, 0 where something is in front or the surface turns away."""
        camera, vertices = self._samples(frames), self._vertices(frames)

        def one(t: int) -> Float[ndarray, " N"]:
            return seen_share(self._model, self._skin, camera[t], vertices[t], self._matrix, images[t])

        with ThreadPoolExecutor(THREADS, thread_name_prefix="face3d-skin") as beside:
            return np.stack(list(beside.map(one, range(len(images)))))

    def pictures(
        self, images: Sequence[FaceImage], trust: Float[ndarray, "T N"], frames: Frames, blur: float
    ) -> SkinPictures:
        """The pictures blurred by `blur` metres on the face."""
        pixels = blur * self._focal[0] / frames.translation[:, 2]
        with ThreadPoolExecutor(THREADS, thread_name_prefix="face3d-skin") as beside:
            return SkinPictures(list(beside.map(FaceImage.blurred, images, pixels.tolist())), trust)

    @one_blas_thread()
    def linearize(self, frames: Frames, seen: SkinPictures) -> NormalEquations:
        """Normal equations of the frames of these pictures, robust weights included."""
        count, size = len(seen.images), self.size
        out = NormalEquations(np.empty((count, size, size)), np.empty((count, size)), np.empty(count))

        def one(t: int) -> None:
            self._linearize(frames[t : t + 1], seen.images[t], seen.trust[t], out, t)

        with ThreadPoolExecutor(THREADS, thread_name_prefix="face3d-skin") as beside:
            list(beside.map(one, range(count)))
        return out

    def _samples(self, frames: Frames) -> Float[ndarray, "T N 3"]:
        """Places in the camera's frame."""
        points = self._points.evaluate(frames.expression, frames.turns, slopes=False).points
        return points @ frames.rotation.transpose(0, 2, 1) + frames.translation[:, None]

    def _vertices(self, frames: Frames) -> Float[ndarray, "T V 3"]:
        """All vertices in the camera's frame."""
        count = len(frames.expression)
        turns = Rotation.from_matrix(frames.turns.reshape(-1, 3, 3)).as_rotvec().reshape(count, -1)
        given = {
            "identity": np.broadcast_to(self._identity, (count, len(self._identity))),
            "expression": frames.expression,
            "jaw": turns[:, :3],
            "eyes": turns[:, 3:],
        }
        with torch.no_grad():
            tensors = {name: torch.as_tensor(values.copy()).to(self._model.template) for name, values in given.items()}
            vertices = self._model(**tensors).vertices.double().cpu().numpy()
        placed: Float[ndarray, "T V 3"] = vertices @ frames.rotation.transpose(0, 2, 1) + frames.translation[:, None]
        return placed

    def _compare(
        self, points: Float[ndarray, "N 3"], frame: Frames, image: BlurredLog, trust: Float[ndarray, " N"]
    ) -> tuple[_Compared, Float[ndarray, "3 3"]]:
        """The samples of one frame, and the precision of its brightness."""
        colours, rotation = self._colours, frame.rotation[0]
        arms = points @ rotation.T
        camera = arms + frame.translation[0]
        turned = self._skin.normals(points) @ rotation.T
        pixels = camera[:, :2] / camera[:, 2:] * self._focal + self._matrix[:2, 2]
        observed, slopes, inside = image.sample(pixels)
        shading, per_light = log_shading(harmonics(turned) @ colours.light, colours.light_scale)
        expected = colours.tone * (colours.log_albedo + shading) + colours.own
        residual = (observed - expected) @ colours.whiten.T
        weight = trust = self._share * trust * inside
        shared = colours.whiten.T @ colours.whiten
        left, gain = residual, np.zeros(3)
        for _ in range(GAIN_PASSES):
            precision = weight.sum() * shared + np.eye(3) / GAIN_SIGMA**2
            gain = np.linalg.solve(precision, colours.whiten.T @ (weight @ residual))
            left = residual - colours.whiten @ gain
            weight = trust / (1 + np.sum(left**2, axis=1) / colours.robust_scale**2)
        return _Compared(left, weight, slopes, per_light, arms, turned, gain), precision

    def _linearize(
        self, frame: Frames, image: BlurredLog, trust: Float[ndarray, " N"], out: NormalEquations, t: int
    ) -> None:
        posed = self._points.evaluate(frame.expression, frame.turns)
        found, precision = self._compare(posed.points[0], frame, image, trust)
        rotation = frame.rotation[0]
        root = np.sqrt(found.weight)[:, None, None] * self._colours.whiten
        camera = found.arms + frame.translation[0]
        normalized, depth = camera[:, :2] / camera[:, 2:], camera[:, 2:]
        by_pixel = (root @ found.slopes) * (self._focal / depth)[:, None]
        by_camera = np.concatenate([by_pixel, -by_pixel @ normalized[:, :, None]], axis=2)
        light = np.einsum("nkx,kc->ncx", harmonics_slope(found.turned), self._colours.light)
        by_turned = -self._colours.tone * (root @ (found.per_light[:, :, None] * light))
        expressions = self._by_expression.shape[2]
        jacobian = np.empty((len(root), 3, self.size + 4), np.float32)
        by_head = np.concatenate([by_camera @ rotation, by_turned @ rotation], axis=2).astype(np.float32)
        np.matmul(by_head, self._by_expression, out=jacobian[:, :, :expressions])
        cursor = expressions + len(self._turn_columns)
        jacobian[:, :, expressions:cursor] = 0
        if posed.by_expression is not None and posed.by_turns is not None:
            carried = self._points.carried
            here = by_head[carried, :, :3]
            jacobian[carried, :, :expressions] = here @ posed.by_expression[0] + (
                by_head[carried, :, 3:] @ self._by_expression[carried, 3:]
            )
            jacobian[carried, :, expressions:cursor] = here @ posed.by_turns[0][..., self._turn_columns]
        jacobian[:, :, cursor : cursor + 3] = -by_camera @ cross_matrix(found.arms) - by_turned @ cross_matrix(
            found.turned
        )
        jacobian[:, :, cursor + 3 : cursor + 6] = by_camera
        jacobian[:, :, -4:-1] = -root
        jacobian[:, :, -1] = found.residual * np.sqrt(found.weight)[:, None]
        rows = jacobian.reshape(-1, jacobian.shape[2])
        normal = (rows.T @ rows).astype(np.float64)
        own, gain = slice(self.size), slice(self.size, self.size + 3)
        # The frame's brightness is at its best and out of the way.
        normal[own, own] -= normal[own, gain] @ np.linalg.solve(precision, normal[gain, own])
        out.hessian[t], out.gradient[t] = normal[own, own], normal[own, -1]
        out.surprise[t] = normal[-1, -1] / max(3 * float(found.weight.sum()), 1e-9)

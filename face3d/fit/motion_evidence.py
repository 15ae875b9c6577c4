"""What the landmarks of many frames say about pose, expression and gaze, as normal equations of each frame.

The detector's errors go together, and most of them stay the same for one person in one clip: what is known of those
is taken off, and what is left, correlated as it is, weighs the landmarks. Residuals are metres at the head's distance
in the image plane turned upright with the head, as in `face3d.fit.landmark_problem`; relative depth is left out, which
tells a head of known shape little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float
from numpy import ndarray

from face3d.camera import Intrinsics
from face3d.fit.evidence import DetectorResponse
from face3d.fit.motion_points import MotionPoints
from face3d.fit.point_model import cross_matrix
from face3d.landmarks.lip_contours import BETWEEN_CORNERS, INNER, OUTER

__all__ = ["CONSTANT_SHARE", "Frames", "LandmarkEvidence", "NormalEquations"]

CONSTANT_SHARE = 0.75
"""Share of the variance of a detector's correlated errors that stays the same for one person throughout a clip, as
measured on rendered clips of known heads (0.65 to 0.85)."""

FOLLOWED = (
    OUTER + INNER,
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
"""MediaPipe's lips and eyelids. The shape that they have in the picture is what a viewer compares the head with."""

FOLLOWED_SHARE = 0.2
"""Factor on the detector's correlated errors in the shape of each of them. Measured over photos of all expressions,
strong and odd ones too, an opening of the lips is off by 4.7 mm; in speech, most of which repeats, by less than 2."""

READ_LIPS_WEIGHT = 0.3
"""Factor on the inverse standard deviations of the lips' landmarks in frames whose lips were read themselves. Without
any, the surface of the lips is free to roll under their contours."""

FRAMES_AT_ONCE = 16
"""Frames whose Jacobians are held in memory together."""

MOST_KEPT = 32
"""Sets of weights for which the landmarks' common errors are kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """The unknowns of T frames: `turns` are rotation matrices of `MOVING_JOINTS`, the poses camera_from_head."""

    expression: Float[ndarray, "T E"]
    turns: Float[ndarray, "T K 3 3"]
    rotation: Float[ndarray, "T 3 3"]
    translation: Float[ndarray, "T 3"]

    def __getitem__(self, part: slice | ndarray) -> Frames:
        return Frames(self.expression[part], self.turns[part], self.rotation[part], self.translation[part])

    @staticmethod
    def join(first: Frames, second: Frames) -> Frames:
        """The frames of both in a row."""
        pairs = ((getattr(first, name), getattr(second, name)) for name in Frames.__slots__)
        return Frames(*(np.concatenate(pair) for pair in pairs))


@dataclass(frozen=True, slots=True, eq=False)
class NormalEquations:
    """Gauss-Newton of each frame's landmarks, and how well they are explained.

    Attributes:
        hessian, gradient: (T, D, D), (T, D).
        surprise: (T,) mean squared standardised residual, about 1 where the noise is as measured.
    """

    hessian: Float[ndarray, "T D D"]
    gradient: Float[ndarray, "T D"]
    surprise: Float[ndarray, " T"]


class LandmarkEvidence:
    """Compares landmarks with one person's head; unknowns are expression, free joints' turns, rotation, translation.

    Args:
        points: the head at its landmarks, displaced as the detector sees them.
        response: of the detector.
        intrinsics: of the clip.
        errors: (R,) of the person's constant errors, None when unknown.
        turning: numbers of the joints of `MOVING_JOINTS` that turn.
    """

    def __init__(
        self,
        points: MotionPoints,
        response: DetectorResponse,
        intrinsics: Intrinsics,
        errors: Float[ndarray, " R"] | None,
        turning: tuple[int, ...],
    ) -> None:
        self.points = points
        self._response = response
        self._focal = np.diag(intrinsics.matrix)[:2].copy()
        self._centre = intrinsics.matrix[:2, 2].copy()
        modes = _followed(response)
        self._offset = np.zeros(modes.shape[1:])
        if errors is not None:
            self._offset = np.tensordot(errors, response.modes[:, :, :2], 1)
        self._turn_columns = np.array([3 * joint + axis for joint in turning for axis in range(3)], int)
        share = 1.0 if errors is None else 1 - CONSTANT_SHARE
        sigma = np.where(np.isfinite(response.sigma[:, :, :2]), response.sigma[:, :, :2], 1e3)
        # Frontal sigmas set how errors go together; those of other views scale a landmark's whole error.
        self._sigma = sigma
        frontal = self._sigma_at(np.zeros(1))[0]
        self._root = (1 / frontal).reshape(-1)
        self._whitened = modes.reshape(len(modes), len(self._root)) * self._root * np.sqrt(share)
        self._commons: dict[bytes, Float[ndarray, "R P"]] = {}

    @property
    def size(self) -> int:
        """Number of unknowns D of a frame."""
        return self.points.basis.shape[2] + len(self._turn_columns) + 6

    def weights(
        self, confidence: Float[ndarray, "T N"], read: Bool[ndarray, " T"] | None = None
    ) -> Float[ndarray, "T N"]:
        """Factors on the landmarks' inverse standard deviations: 0 leaves one out.

        Args:
            confidence: of each landmark.
            read: in which frames the lips themselves were read, next to which their landmarks count little.
        """
        known = (confidence > 0.5).astype(np.float64)
        if read is not None:
            lips = np.isin(self._response.indices, BETWEEN_CORNERS)
            known[read[:, None] & lips] *= READ_LIPS_WEIGHT
        return known

    def linearize(
        self, frames: Frames, pixels: Float[ndarray, "T N 2"], weights: Float[ndarray, "T N"]
    ) -> NormalEquations:
        """Normal equations of every frame, without robust weights; `weights` as the method gives them."""
        count, size = len(pixels), self.size
        equations = NormalEquations(np.empty((count, size, size)), np.empty((count, size)), np.empty(count))

        for first in range(0, count, FRAMES_AT_ONCE):
            part = slice(first, first + FRAMES_AT_ONCE)
            self._linearize(
                frames[part],
                pixels[part],
                weights[part],
                NormalEquations(equations.hessian[part], equations.gradient[part], equations.surprise[part]),
            )
        return equations

    def pixels(self, frames: Frames) -> Float[ndarray, "T N 2"]:
        """Where the surface points of the frames' heads appear, as the detector sees them but for its bias."""
        points = self.points.evaluate(frames.expression, frames.turns, slopes=False).points
        camera = points @ frames.rotation.transpose(0, 2, 1) + frames.translation[:, None]
        projected: Float[ndarray, "T N 2"] = camera[..., :2] / camera[..., 2:] * self._focal + self._centre
        return projected

    def _sigma_at(self, yaw: Float[ndarray, " T"]) -> Float[ndarray, "T N 2"]:
        knots = self._response.yaw_bins
        position = np.interp(yaw, knots, np.arange(len(knots)))
        low = np.minimum(position.astype(int), max(len(knots) - 2, 0))
        high = np.minimum(low + 1, len(knots) - 1)
        share = (position - low)[:, None, None]
        between: Float[ndarray, "T N 2"] = (1 - share) * self._sigma[low] + share * self._sigma[high]
        return between

    def _linearize(
        self,
        frames: Frames,
        pixels: Float[ndarray, "T N 2"],
        weights: Float[ndarray, "T N"],
        out: NormalEquations,
    ) -> None:
        posed = self.points.evaluate(frames.expression, frames.turns)
        count, landmarks = posed.points.shape[:2]
        rotation, translation = frames.rotation, frames.translation
        arms = posed.points @ rotation.transpose(0, 2, 1)
        camera = arms + translation[:, None]
        depth = camera[..., 2]
        normalized = camera[..., :2] / depth[..., None]
        # Metres per pixel at the head: held while a step is looked for, so that no residual shrinks by moving away.
        scale = translation[:, 2] / self._focal[0]
        focal = self._focal * scale[:, None]
        upright = _upright(rotation)
        misses = ((pixels - self._centre) * scale[:, None, None] - normalized * focal[:, None]) @ upright.transpose(
            0, 2, 1
        )
        yaw, pitch, angle_slopes = _view_angles(rotation, translation)
        bias, bias_slope = self._bias(yaw, pitch, angle_slopes)
        residual = misses - bias - self._offset
        # Residual per metre in the camera: observed minus modelled.
        by_camera = np.zeros((count, landmarks, 2, 3))
        by_camera[..., 0, 0] = -focal[:, None, 0] / depth
        by_camera[..., 1, 1] = -focal[:, None, 1] / depth
        by_camera[..., 2] = normalized * (focal[:, None] / depth[..., None])
        by_camera = upright[:, None] @ by_camera
        by_head = by_camera @ rotation[:, None]
        expressions = self.points.basis.shape[2]
        jacobian = np.zeros((count, landmarks, 2, self.size + 1), np.float32)
        by_head32 = by_head.astype(np.float32)
        np.matmul(by_head32, self.points.basis.astype(np.float32), out=jacobian[..., :expressions])
        cursor = expressions + len(self._turn_columns)
        if posed.by_expression is not None and posed.by_turns is not None:
            carried = self.points.carried
            jacobian[:, carried, :, :expressions] = by_head[:, carried] @ posed.by_expression
            jacobian[:, carried, :, expressions:cursor] = by_head[:, carried] @ posed.by_turns[..., self._turn_columns]
        jacobian[..., cursor : cursor + 3] = -by_camera @ cross_matrix(arms) - bias_slope[..., :3]
        # Rolling the head also turns the upright frame that misses are measured in.
        jacobian[..., 0, cursor + 2] += misses[..., 1]
        jacobian[..., 1, cursor + 2] -= misses[..., 0]
        jacobian[..., cursor + 3 : cursor + 6] = by_camera - bias_slope[..., 3:]
        jacobian[..., -1] = residual
        weight = weights[:, :, None] / self._sigma_at(yaw)
        jacobian *= weight[..., None].astype(np.float32)
        rows = jacobian.reshape(count, 2 * landmarks, -1)
        kinds: dict[bytes, list[int]] = {}
        for t, pattern in enumerate(weights):
            kinds.setdefault(pattern.tobytes(), []).append(t)
        shared = np.empty((count, len(self._whitened), rows.shape[2]), np.float32)
        for alike in kinds.values():
            part = alike if len(kinds) > 1 else slice(None)
            shared[part] = self._common(weights[alike[0]]) @ rows[part]
        normal = (rows.transpose(0, 2, 1) @ rows - shared.transpose(0, 2, 1) @ shared).astype(np.float64)
        out.hessian[:] = normal[:, :-1, :-1]
        out.gradient[:] = normal[:, :-1, -1]
        out.surprise[:] = normal[:, -1, -1] / np.maximum(2 * (weights > 0).sum(axis=1), 1)

    def _common(self, weights: Float[ndarray, " N"]) -> Float[ndarray, "R P"]:
        """What errors that go together take from landmarks that count so much; few sets of weights occur in a clip."""
        key = weights.tobytes()
        common = self._commons.get(key)
        if common is None:
            common = _woodbury(self._whitened * np.repeat(weights, 2))
            if len(self._commons) >= MOST_KEPT:
                self._commons.clear()
            self._commons[key] = common
        return common

    def _bias(
        self, yaw: Float[ndarray, " T"], pitch: Float[ndarray, " T"], slopes: Float[ndarray, "T 2 6"]
    ) -> tuple[Float[ndarray, "T N 2"], Float[ndarray, "T N 2 6"]]:
        """The detector's bias in these views, and its slope by the head's rotation and translation."""
        limit = 0.87
        inside = np.stack([np.abs(yaw) < limit, np.abs(pitch) < limit], axis=1)
        yaw, pitch = np.clip(yaw, -limit, limit), np.clip(pitch, -limit, limit)
        zero, one = np.zeros_like(yaw), np.ones_like(yaw)
        terms = np.stack([one, yaw, pitch, yaw * yaw, yaw * pitch, pitch * pitch], axis=1)
        by_yaw = np.stack([zero, one, zero, 2 * yaw, pitch, zero], axis=1) * inside[:, :1]
        by_pitch = np.stack([zero, zero, one, zero, yaw, 2 * pitch], axis=1) * inside[:, 1:]
        coefficients = self._response.view_bias[:, :2]
        shape = (len(coefficients), 2)
        table = coefficients.reshape(-1, 6).T
        bias = (terms @ table).reshape(-1, *shape)
        by_angle = np.stack([(by_yaw @ table).reshape(-1, *shape), (by_pitch @ table).reshape(-1, *shape)], axis=-1)
        return bias, by_angle @ slopes[:, None]


def _followed(response: DetectorResponse) -> Float[ndarray, "R N 2"]:
    """The correlated errors, those in the shape of mouth and lids reduced."""
    modes = response.modes[:, :, :2].copy()
    for landmarks in FOLLOWED:
        rows = np.flatnonzero(np.isin(response.indices, landmarks))
        if len(rows) and len(modes):
            middle = modes[:, rows].mean(axis=1, keepdims=True)
            modes[:, rows] = middle + FOLLOWED_SHARE * (modes[:, rows] - middle)
    return modes


def _woodbury(modes: Float[ndarray, "R P"]) -> Float[ndarray, "R P"]:
    """The v of (1 + modes^T modes)^-1 = 1 - v^T v, in single precision."""
    if not len(modes):
        return modes.astype(np.float32)
    inner = np.linalg.cholesky(np.eye(len(modes)) + modes @ modes.T)
    return scipy.linalg.solve_triangular(inner, modes, lower=True).astype(np.float32)


def _upright(rotation: Float[ndarray, "T 3 3"]) -> Float[ndarray, "T 2 2"]:
    """Turns image vectors so that each head's own x axis runs along the image's."""
    roll = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
    cosine, sine = np.cos(roll), np.sin(roll)
    return np.stack([np.stack([cosine, sine], axis=1), np.stack([-sine, cosine], axis=1)], axis=1)


def _view_angles(
    rotation: Float[ndarray, "T 3 3"], translation: Float[ndarray, "T 3"]
) -> tuple[Float[ndarray, " T"], Float[ndarray, " T"], Float[ndarray, "T 2 6"]]:
    """Yaw and pitch as `face3d.fit.landmark_problem.view_angles`, and their slopes by left rotation and translation."""
    inverse = rotation.transpose(0, 2, 1)
    towards = -(inverse @ translation[:, :, None])[:, :, 0]
    # Turning by w takes R^T t to R^T t + R^T (t x w).
    change = np.concatenate([-inverse @ cross_matrix(translation), -inverse], axis=2)
    flat = towards[:, 0] ** 2 + towards[:, 2] ** 2
    squared = flat + towards[:, 1] ** 2
    yaw = np.arctan2(towards[:, 0], towards[:, 2])
    pitch = np.arctan2(towards[:, 1], np.sqrt(flat))
    zero = np.zeros_like(flat)
    by_yaw = np.stack([towards[:, 2], zero, -towards[:, 0]], axis=1) / flat[:, None]
    by_pitch = -towards * towards[:, 1:2]
    by_pitch[:, 1] += squared
    by_pitch /= (squared * np.sqrt(flat))[:, None]
    slopes = np.stack([by_yaw, by_pitch], axis=1) @ change
    return yaw, pitch, slopes

"""What the landmarks of many frames say about pose, expression and gaze, as normal equations of each frame.

The detector's errors go together, and most of them stay the same for one person in one clip: what is known of those
is taken off, and what is left, correlated as it is, weighs the landmarks. Residuals are metres at the head's distance
in the image plane turned upright with the head, as in `face3d.fit.landmark_problem`; relative depth is left out, which
tells a head of known shape little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from face3d.camera import Intrinsics
from face3d.fit.evidence import DetectorResponse
from face3d.fit.motion_kernels import compare_landmarks, fill_jacobian, pull_back
from face3d.fit.motion_points import MotionPoints
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
"""Frames whose Jacobians are held in memory together, near the processor."""

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


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    """Landmarks of T frames beside the modelled ones, standardised one by one: Q unknowns beside the expression."""

    residual: Float[ndarray, "T N 2"]
    by_head: Float[ndarray, "T N 2 3"]
    others: Float[ndarray, "T N 2 Q"]


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """The S parts that points are sums of: of which point, which joint turns it (-1: none), how expressions move it."""

    owners: Int[ndarray, " S"]
    joints: Int[ndarray, " S"]
    basis: Float[ndarray, "S 3 E"]

    @staticmethod
    def of(points: MotionPoints) -> _Parts:
        free = np.setdiff1d(np.arange(len(points.rest)), points.carried)
        kinds = len(points.parts)
        owners = np.concatenate([free, np.tile(points.carried, kinds)])
        joints = np.concatenate([np.full(len(free), -1), np.repeat(np.arange(kinds) - 1, len(points.carried))])
        basis = np.concatenate([points.basis[free], points.parts_basis.reshape(-1, *points.basis.shape[1:])])
        moves = basis.any(axis=(1, 2))
        return _Parts(owners[moves], joints[moves], basis[moves].astype(np.float32))


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
        self._sigma, self._knots = sigma, np.asarray(response.yaw_bins, np.float64)
        ahead = float(np.interp(0.0, self._knots, np.arange(len(sigma))))
        low, high = math.floor(ahead), math.ceil(ahead)
        frontal = sigma[low] + (ahead - low) * (sigma[high] - sigma[low])
        self._bias = np.ascontiguousarray(response.view_bias[:, :2])
        self._parts = _Parts.of(points)
        self._slots = points.slots
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
        self,
        frames: Frames,
        pixels: Float[ndarray, "T N 2"],
        weights: Float[ndarray, "T N"],
        hessian: Float[ndarray, "T D D"] | None = None,
    ) -> NormalEquations:
        """Normal equations of every frame, without robust weights.

        Args:
            frames: where.
            pixels: of the landmarks.
            weights: as the method gives them.
            hessian: of the same landmarks somewhere near, which then is the result's; making it is most of the work.
        """
        count, size = len(pixels), self.size
        made = np.empty((count, size, size)) if hessian is None else hessian
        equations = NormalEquations(made, np.empty((count, size)), np.empty(count))

        for first in range(0, count, FRAMES_AT_ONCE):
            part = slice(first, first + FRAMES_AT_ONCE)
            compared = self._compare(frames[part], pixels[part], weights[part])
            self._pull(frames[part], compared, weights[part], equations.gradient[part], equations.surprise[part])
            if hessian is None:
                self._curve(frames[part], compared, weights[part], made[part])
        return equations

    def _compare(self, frames: Frames, pixels: Float[ndarray, "T N 2"], weights: Float[ndarray, "T N"]) -> _Compared:
        count, landmarks = weights.shape
        turning = len(self._turn_columns)
        points = self.points.evaluate(frames.expression, frames.turns, slopes=False).points
        by_turns = np.ascontiguousarray(self.points.by_turns(frames.expression, frames.turns)[..., self._turn_columns])
        compared = _Compared(
            np.empty((count, landmarks, 2), np.float32),
            np.empty((count, landmarks, 2, 3), np.float32),
            np.empty((count, landmarks, 2, turning + 6), np.float32),
        )
        compare_landmarks(
            points,
            by_turns,
            self._slots,
            frames.rotation,
            frames.translation,
            pixels,
            weights,
            self._focal,
            self._centre,
            self._bias,
            self._offset,
            self._sigma,
            self._knots,
            compared.residual,
            compared.by_head,
            compared.others,
        )
        return compared

    def _pull(
        self,
        frames: Frames,
        compared: _Compared,
        weights: Float[ndarray, "T N"],
        gradient: Float[ndarray, "T D"],
        surprise: Float[ndarray, " T"],
    ) -> None:
        """The gradients, and how well landmarks are explained."""
        count, landmarks = weights.shape
        residual = compared.residual.reshape(count, -1)
        left = residual.copy()
        for part, common in self._alike(weights):
            left[part] -= (residual[part] @ common.T) @ common
        parts = self._parts
        asked = np.empty((count, len(parts.owners), 3), np.float32)
        pull_back(
            compared.by_head,
            left.reshape(count, landmarks, 2),
            parts.owners,
            parts.joints,
            frames.turns,
            asked,
        )
        expressions = parts.basis.shape[2]
        gradient[:, :expressions] = asked.reshape(count, -1) @ parts.basis.reshape(-1, expressions)
        others = compared.others.reshape(count, 2 * landmarks, -1)
        gradient[:, expressions:] = (left[:, None] @ others)[:, 0]
        used = np.maximum(2 * (weights > 0).sum(axis=1), 1)
        surprise[:] = np.einsum("tp,tp->t", left, residual) / used

    def _curve(
        self, frames: Frames, compared: _Compared, weights: Float[ndarray, "T N"], hessian: Float[ndarray, "T D D"]
    ) -> None:
        """The Hessians."""
        count, landmarks = weights.shape
        parts = self._parts
        rows = np.empty((count, 2 * landmarks, self.size), np.float32)
        fill_jacobian(compared.by_head, compared.others, parts.owners, parts.joints, frames.turns, parts.basis, rows)
        shared = np.empty((count, len(self._whitened), self.size), np.float32)
        for part, common in self._alike(weights):
            shared[part] = common @ rows[part]
        hessian[:] = rows.transpose(0, 2, 1) @ rows - shared.transpose(0, 2, 1) @ shared

    def _alike(self, weights: Float[ndarray, "T N"]) -> Iterator[tuple[slice | ndarray, Float[ndarray, "R P"]]]:
        """Frames with the same weights, and what errors that go together take from their landmarks."""
        if (weights == weights[:1]).all():
            yield slice(None), self._common(weights[0])
            return
        kinds: dict[bytes, list[int]] = {}
        for t, pattern in enumerate(weights):
            kinds.setdefault(pattern.tobytes(), []).append(t)
        for frames in kinds.values():
            yield np.array(frames), self._common(weights[frames[0]])

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

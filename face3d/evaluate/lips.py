"""How well lips move: their opening, width and protrusion over a clip, when they close, and where their vertices are.

Everything is measured on iBUG's 68 points, which every landmark set and head of face3d leads to. Dimension letters: T
frames, D 2 in an image or 3 in space, L vertices of the lips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from face3d.errors import InputError
from face3d.evaluate.similarity import procrustes

__all__ = [
    "CLOSED",
    "Agreement",
    "Closures",
    "LipSeries",
    "agreement",
    "closures",
    "interocular",
    "lip_series",
    "lip_vertex_errors",
    "upper_face",
]

OPENING = ((61, 67), (62, 66), (63, 65))
"""Inner upper lip and the point below it."""

CORNERS = (48, 54)
OUTER_EYES = (36, 45)
NOSE_BASE = 33
LIPS = slice(48, 68)

UPPER_FACE = slice(27, 48)
"""Nose and eyes, which speech leaves in place."""

CLOSED = 0.015
"""Lips are closed when their opening exceeds that of lips at rest by less than this part of the distance between the
eyes' outer corners: 1.3 mm on the mean head. Landmarks of lips at rest lie apart themselves (2.7 mm on the mean open
head), as they are on the lips and not between them."""


@dataclass(frozen=True, slots=True, eq=False)
class LipSeries:
    """A clip's lips in numbers, in the unit of the points.

    Attributes:
        aperture: (T,) mean distance of inner upper and lower lip.
        width: (T,) from corner to corner.
        protrusion: (T,) mean height of the lips' points over the plane through the eyes' outer corners and the base of
            the nose; None of points in an image.
    """

    aperture: Float[np.ndarray, " T"]
    width: Float[np.ndarray, " T"]
    protrusion: Float[np.ndarray, " T"] | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike two series are.

    Attributes:
        correlation: Pearson's, NaN where one of them does not change.
        rms: root mean square of their difference, in their unit.
    """

    correlation: float
    rms: float


@dataclass(frozen=True, slots=True)
class Closures:
    """Frames with closed lips, counted; a frame is met if the other side is closed within the tolerance of it.

    Attributes:
        predicted: how many the prediction closes.
        met: how many of those are closed in truth.
        true: how many are closed in truth.
        found: how many of those the prediction closes.
    """

    predicted: int
    met: int
    true: int
    found: int

    @property
    def precision(self) -> float:
        """Share of the predicted closures that are true; NaN if none is predicted."""
        return self.met / self.predicted if self.predicted else float("nan")

    @property
    def recall(self) -> float:
        """Share of the true closures that are found; NaN if there is none."""
        return self.found / self.true if self.true else float("nan")


def lip_series(points: Float[np.ndarray, "T 68 D"]) -> LipSeries:
    """Opening, width and, of points in space, protrusion of the lips in each frame.

    The frame of the points does not matter, as long as it is right-handed.
    """
    upper, lower = np.array(OPENING).T
    aperture = np.linalg.norm(points[:, upper] - points[:, lower], axis=-1).mean(axis=1)
    width = np.linalg.norm(points[:, CORNERS[0]] - points[:, CORNERS[1]], axis=-1)
    if points.shape[-1] == 2:
        return LipSeries(aperture, width, None)
    right, left, base = points[:, OUTER_EYES[0]], points[:, OUTER_EYES[1]], points[:, NOSE_BASE]
    # From the subject's right eye to its left and down to the nose: their cross product leads into the head.
    inwards = np.cross(left - right, base - right)
    outwards = -inwards / np.linalg.norm(inwards, axis=-1, keepdims=True)
    protrusion = np.einsum("tc,tlc->tl", outwards, points[:, LIPS] - base[:, None]).mean(axis=1)
    return LipSeries(aperture, width, protrusion)


def interocular(points: Float[np.ndarray, "T 68 D"]) -> Float[np.ndarray, " T"]:
    """Distance of the eyes' outer corners in each frame, in the unit of the points."""
    return np.linalg.norm(points[:, OUTER_EYES[0]] - points[:, OUTER_EYES[1]], axis=-1)


def agreement(predicted: Float[np.ndarray, " T"], true: Float[np.ndarray, " T"]) -> Agreement:
    """Correlation and root mean square difference of two series of the same frames."""
    rms = float(np.sqrt(np.mean((predicted - true) ** 2)))
    a, b = predicted - predicted.mean(), true - true.mean()
    # A series that only rounding moves has no correlation with anything.
    still = min(
        np.abs(a).max() / max(np.abs(predicted).max(), 1e-300), np.abs(b).max() / max(np.abs(true).max(), 1e-300)
    )
    if still < 1e-6:
        return Agreement(float("nan"), rms)
    return Agreement(float((a @ b) / np.sqrt((a @ a) * (b @ b))), rms)


def closures(predicted: Bool[np.ndarray, " T"], true: Bool[np.ndarray, " T"], *, tolerance: int = 1) -> Closures:
    """Count closed frames and those that the other side meets.

    Args:
        predicted: whether the lips are closed, by frame.
        true: likewise.
        tolerance: frames by which a closure may come too early or too late.
    """
    return Closures(
        predicted=int(predicted.sum()),
        met=int((predicted & _widened(true, tolerance)).sum()),
        true=int(true.sum()),
        found=int((true & _widened(predicted, tolerance)).sum()),
    )


def _widened(closed: Bool[np.ndarray, " T"], frames: int) -> Bool[np.ndarray, " T"]:
    return np.convolve(closed, np.ones(2 * frames + 1), mode="full")[frames : frames + len(closed)] > 0.5


def lip_vertex_errors(
    predicted: Float[np.ndarray, "T L 3"],
    true: Float[np.ndarray, "T L 3"],
    predicted_face: Float[np.ndarray, "T N 3"],
    true_face: Float[np.ndarray, "T N 3"],
) -> tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]]:
    """Mean and largest distance of the lips' vertices in each frame, in their unit.

    The largest one's mean over frames is the "lip vertex error" of MeshTalk (Richard et al. 2021) and its successors.

    Args:
        predicted: the lips' vertices.
        true: the same vertices.
        predicted_face: points of nose and eyes, by which each frame is laid on the truth without changing its size.
        true_face: the same points.

    Raises:
        InputError: the lips differ in their vertices.
    """
    if predicted.shape != true.shape:
        raise InputError(f"lips of {predicted.shape} and {true.shape} have no vertices in common")
    distances = np.empty(predicted.shape[:2])
    for frame, face in enumerate(predicted_face):
        laid = procrustes(face, true_face[frame], scale=1.0)
        distances[frame] = np.linalg.norm(laid.apply(predicted[frame]) - true[frame], axis=1)
    return distances.mean(axis=1), distances.max(axis=1)


def upper_face(points: Float[np.ndarray, "T 68 3"]) -> Float[np.ndarray, "T 21 3"]:
    """The points by which `lip_vertex_errors` lays a frame on the truth."""
    return points[:, UPPER_FACE]

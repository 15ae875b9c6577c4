"""How well landmarks are met by a fitted motion, and how much its frames can be relied on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from face3d.camera import Intrinsics
from face3d.fit.motion_evidence import Frames
from face3d.fit.motion_points import MotionPoints
from face3d.fit.motion_problem import Seen

__all__ = ["KNOWN", "frame_quality", "reprojection"]

KNOWN = 0.5
"""Confidence above which a landmark counts."""

DOUBTFUL_RESIDUAL = 0.06
"""Relative residual that halves a frame's quality, that of `face3d.fit.landmark_fit.REPROJECTION_WARNING`."""

GAP_QUALITY, GAP_FADING = 0.5, 0.2
"""Quality of a bridged frame next to a perfect one, and the seconds in which it falls to a third."""


def frame_quality(
    given: Seen, trust: Float[ndarray, " T"], residual: Float[ndarray, " T"], before: tuple[float, int] | None
) -> Float[ndarray, " T"]:
    """0 to 1: what landmarks are worth where there are any; elsewhere what is left of the nearest frame that has some.

    Args:
        given: T frames or more, those after the T only looked at.
        trust: the weight that landmarks kept.
        residual: relative, of the T frames.
        before: time and shot of a frame before these that is known; None if there is none.
    """
    own = np.zeros(len(trust))
    count = len(residual)
    seen = (given.confidence[:count] > KNOWN).mean(axis=1)
    own[:count] = trust[:count] * seen / (1 + (residual / DOUBTFUL_RESIDUAL) ** 2)
    own[~given.valid] = 0
    sure = np.flatnonzero(given.valid)
    times, shots, worth = given.times[sure], given.shots[sure], np.maximum(own[sure], 0)
    worth[sure >= count] = 1.0
    if before is not None:
        times, shots, worth = (
            np.concatenate([[first], rest]) for first, rest in ((before[0], times), (before[1], shots), (1.0, worth))
        )
    for t in np.flatnonzero(~given.valid[:count]):
        fading = np.exp(-np.abs(times - given.times[t]) / GAP_FADING) * worth * (shots == given.shots[t])
        own[t] = GAP_QUALITY * fading.max(initial=0.0)
    return own


def reprojection(
    surface: MotionPoints,
    corners: Float[ndarray, "2 3"],
    intrinsics: Intrinsics,
    frames: Frames,
    pixels: Float[ndarray, "T N 2"],
    confidence: Float[ndarray, "T N"],
) -> Float[ndarray, " T"]:
    """Mean distance of the fitted surface from the landmarks, relative to the interocular distance.

    Args:
        surface: the head at its landmarks.
        corners: the eyes' outer corners, head frame.
        intrinsics: of the clip.
        frames: T of them, as fitted.
        pixels: of the landmarks.
        confidence: of each.
    """
    matrix = intrinsics.matrix
    points = surface.evaluate(frames.expression, frames.turns, slopes=False).points
    seen = []
    for places in (points, corners):
        camera = places @ frames.rotation.transpose(0, 2, 1) + frames.translation[:, None]
        seen.append(camera[..., :2] / camera[..., 2:] * np.diag(matrix)[:2] + matrix[:2, 2])
    weight = (confidence > KNOWN) / np.maximum((confidence > KNOWN).sum(axis=1), 1)[:, None]
    unit = np.linalg.norm(seen[1][:, 0] - seen[1][:, 1], axis=1)
    distance = np.einsum("tn,tn->t", weight, np.linalg.norm(pixels - seen[0], axis=2))
    relative: Float[ndarray, " T"] = distance / np.maximum(unit, 1e-6)
    return relative

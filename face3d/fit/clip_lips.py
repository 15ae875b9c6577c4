"""The fit of a clip's head once more, to its lips as they were read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from face3d.fit.landmark_fit import Fit, Observation
from face3d.fit.landmark_problem import LandmarkProblem
from face3d.fit.lip_clip_problem import LipClipProblem
from face3d.fit.lip_matching import LipsSeen
from face3d.fit.lip_surface import lip_surface
from face3d.fit.motion_evidence import READ_LIPS_WEIGHT
from face3d.head import HeadModel
from face3d.landmarks import FaceLandmarks
from face3d.landmarks.lip_contours import BETWEEN_CORNERS, UNREAD

__all__ = ["ClipLips", "with_lips"]


@dataclass(frozen=True, slots=True, eq=False)
class ClipLips:
    """What the second fit is given.

    Attributes:
        observations: the frames, with the camera that the first one found; landmarks of lips that were read count
            little.
        problem: makes the problem.
    """

    observations: tuple[Observation, ...]
    problem: Callable[..., LandmarkProblem]


def with_lips(model: HeadModel, observations: Sequence[Observation], fitted: Fit) -> ClipLips | None:
    """How to fit a clip's head to its lips; None where no frame's were read or the model has none.

    Lips tell nothing of the focal length, which the first fit has found: it is held.
    """
    if all(one.landmarks.lips is None for one in observations) or lip_surface(model) is None:
        return None
    read = [UNREAD if one.landmarks.lips is None else one.landmarks.lips for one in observations]
    seen = LipsSeen.of(np.stack([one.landmarks.points for one in observations]), np.stack(read))
    focal = np.array([camera.matrix[0, 0] for camera in fitted.intrinsics])
    usable = seen.usable(fitted.camera_from_head[:, 2, 3] / focal)
    if not usable.any():
        return None
    held = tuple(
        Observation(_less_of_lips(one.landmarks) if known else one.landmarks, replace(camera, focal_sigma=0.0))
        for one, camera, known in zip(observations, fitted.intrinsics, usable, strict=True)
    )
    return ClipLips(held, partial(LipClipProblem, model=model, seen=seen))


def _less_of_lips(landmarks: FaceLandmarks) -> FaceLandmarks:
    confidence = landmarks.confidence.copy()
    confidence[list(BETWEEN_CORNERS)] *= READ_LIPS_WEIGHT**2
    return replace(landmarks, confidence=confidence)

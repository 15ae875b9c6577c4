"""What a head does over time: pose, expression, jaw and gaze of every frame of a clip, from its landmarks.

Identity and camera are known here. What is left is one least-squares problem over all frames: the landmarks of each
frame, weighed by the detector's measured errors, and a prior that ties each frame to the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from face3d.camera import Intrinsics
from face3d.fit.evidence import DetectorResponse
from face3d.head import HeadModel
from face3d.landmarks import Topology

__all__ = ["Motion", "MotionFitter", "MotionOptions", "MotionState"]


@dataclass(frozen=True, slots=True)
class MotionOptions:
    """How strongly frames are tied together; the defaults are what `track` uses.

    Attributes:
        smoothness: factor on all time constants: 0 fits every frame alone, 1 is calibrated on real clips.
        iterations: Gauss-Newton steps at most.
        tolerance: a largest change of the standardised unknowns that ends the iteration.
    """

    smoothness: float = 1.0
    iterations: int = 12
    tolerance: float = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class MotionState:
    """All that the frames after a certain frame need to know of it and those before; arrays only, so that it can be stored.

    Attributes:
        time: seconds, of that frame.
        shot: number of its shot.
        expression: (E,), turns: (3, 3, 3) of jaw and eyes, rotation: (3, 3), translation: (3,) of the frame.
        information: (D, D) inverse covariance of the frame's unknowns given the frames up to it.
    """

    time: float
    shot: int
    expression: Float[ndarray, " E"]
    turns: Float[ndarray, "3 3 3"]
    rotation: Float[ndarray, "3 3"]
    translation: Float[ndarray, " 3"]
    information: Float[ndarray, "D D"]


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """A stretch of T frames. Metres, axis-angle radians.

    Attributes:
        expression: (T, E), jaw: (T, 3), neck: (T, 3) zero, eyes: (T, 6) left then right.
        camera_from_head: (T, 4, 4).
        residual: (T,) mean distance of the fitted surface from the detected landmarks, relative to the interocular
            distance; NaN where the frame was not valid.
        quality: (T,) 0 to 1: how much the frame's values can be relied on; falls where landmarks contradict the head or
            the frames around, and with the distance from the nearest valid frame.
        valid: (T,) whether the frame has landmarks of its own.
        state: to go on after the last of these frames.
    """

    expression: Float[ndarray, "T E"]
    jaw: Float[ndarray, "T 3"]
    neck: Float[ndarray, "T 3"]
    eyes: Float[ndarray, "T 6"]
    camera_from_head: Float[ndarray, "T 4 4"]
    residual: Float[ndarray, " T"]
    quality: Float[ndarray, " T"]
    valid: Bool[ndarray, " T"]
    state: MotionState


class MotionFitter:
    """Fits the motion of one person of a clip, whose identity and camera are known.

    Args:
        model: the head.
        identity: (I,) coefficients.
        intrinsics: the clip's camera; its focal length is taken as exact.
        topology: of the landmarks.
        curve_names: names of the detector's expression curves; empty when it has none.
        errors: (R,) `ClipFit.errors`, the person's own constant landmark errors; None when unknown.
        response: of the detector, by default the one `face3d.fit.responses` has for the topology.

    Raises:
        ArgumentError: the model has no points for such landmarks.
    """

    def __init__(
        self,
        model: HeadModel,
        identity: Float[ndarray, " I"],
        intrinsics: Intrinsics,
        *,
        topology: Topology = "mediapipe_478",
        curve_names: tuple[str, ...] = (),
        errors: Float[ndarray, " R"] | None = None,
        response: DetectorResponse | None = None,
        options: MotionOptions = MotionOptions(),
    ) -> None: ...

    @property
    def lookahead(self) -> float:
        """Seconds of frames after a frame that have a say in it; with so much overlap chunks equal the whole clip."""
        raise NotImplementedError

    def fit(
        self,
        times: Float[ndarray, " T"],
        points: Float[ndarray, "T N 3"],
        *,
        curves: Float[ndarray, "T C"] | None = None,
        valid: Bool[ndarray, " T"] | None = None,
        shots: Int[ndarray, " T"] | None = None,
        confidence: Float[ndarray, "T N"] | None = None,
        start: MotionState | None = None,
        keep: int | None = None,
    ) -> Motion:
        """Fit a stretch of frames at once, each with those before and after it.

        A clip of any length is fitted in chunks: each call gets the frames of a chunk and `lookahead` seconds more, with
        `keep` the length of the chunk and `start` the `Motion.state` of the chunk before; put together they are what one
        call over all frames gives, to within a thousandth of what the landmarks can tell.

        Args:
            times: seconds, increasing.
            points: pixels of the original image and relative depth, all N landmarks of the topology, as detected and not
                smoothed; anything where not valid.
            curves: expression curves in the order of `curve_names`.
            valid: which frames show the face; all by default. The others are bridged by the prior.
            shots: number of each frame's shot; frames of different shots are not tied together. All one by default.
            confidence: of each landmark, 0 leaves it out; all 1 by default.
            start: what the frames before have left.
            keep: so many frames from the start are wanted, all by default; the rest is only looked at.

        Raises:
            ArgumentError: shapes that do not fit together, times that do not increase.
            InputError: not a single valid frame in a stretch without `start`.
        """
        raise NotImplementedError

    def fit_next(
        self,
        time: float,
        points: Float[ndarray, "N 3"] | None,
        *,
        curves: Float[ndarray, " C"] | None = None,
        shot: int = 1,
        confidence: Float[ndarray, " N"] | None = None,
        start: MotionState | None = None,
    ) -> Motion:
        """Fit one frame as it comes in, with no lag: `fit` of one frame. None for points: the face is not seen.

        Without `start` the first frame must be seen.
        """
        raise NotImplementedError

"""Who a clip shows and with which camera: one joint fit to the frames that tell most about the head.

An hour of video holds no more about a head than a dozen of its frames, if they are the right ones: seen from different
sides, large, with the mouth at rest. `FrameChooser` keeps those as the frames come in; `fit_clip` fits one identity and
one focal length to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from numpy import ndarray

from face3d.camera import Intrinsics
from face3d.fit.evidence import DetectorResponse
from face3d.fit.landmark_fit import Fit, FitOptions, Observation
from face3d.fit.scale import Scale
from face3d.head import HeadModel
from face3d.landmarks import FaceLandmarks

__all__ = ["CHOSEN_FRAMES", "ChosenFrame", "ClipFit", "FrameChooser", "fit_clip", "informative_frames"]

CHOSEN_FRAMES = 14
"""Frames that an identity is fitted to."""


@dataclass(frozen=True, slots=True, eq=False)
class ChosenFrame:
    """A frame that is worth fitting the identity to.

    Attributes:
        number: of the frame, as the caller counts.
        landmarks: the face in it.
        yaw, pitch: radians, of the head against the line of sight.
        worth: what the frame is good for by itself, 0 to 1: size, confidence, mouth and lids at rest.
    """

    number: int
    landmarks: FaceLandmarks
    yaw: float
    pitch: float
    worth: float


class FrameChooser:
    """Keeps the frames of one person that tell most about the head, as they come in; memory does not grow.

    The choice depends on the frames and their order alone.
    """

    def __init__(
        self, model: HeadModel, *, count: int = CHOSEN_FRAMES, response: DetectorResponse | None = None
    ) -> None: ...

    def add(self, number: int, landmarks: FaceLandmarks, *, sharpness: float = 1.0) -> bool:
        """Look at one sighting; some 50 microseconds.

        Args:
            number: of the frame, greater than before.
            landmarks: of the face in it, as detected (not interpolated).
            sharpness: 0 to 1, where the caller knows it.

        Returns:
            Whether the frame was kept (a later one may push it out).
        """
        raise NotImplementedError

    @property
    def chosen(self) -> tuple[ChosenFrame, ...]:
        """The frames kept, in the order of their numbers."""
        raise NotImplementedError


def informative_frames(
    model: HeadModel,
    landmarks: Iterable[FaceLandmarks],
    *,
    count: int = CHOSEN_FRAMES,
    response: DetectorResponse | None = None,
) -> Int[ndarray, " K"]:
    """Indices of the frames that tell most about the head, increasing, at most `count`: `FrameChooser` over a list."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class ClipFit:
    """The head and the camera of a clip; metres.

    Attributes:
        identity: (I,), identity_covariance: (I, I) posterior.
        intrinsics: the clip's one camera, its focal length fitted where it was unknown.
        errors: (R,) amounts of the detector's correlated errors that all frames of this person share.
        scale: size and its uncertainty.
        frames: the fit of the chosen frames themselves; all its intrinsics are `intrinsics`.
        warnings: what a person should know.
    """

    identity: Float[ndarray, " I"]
    identity_covariance: Float[ndarray, "I I"]
    intrinsics: Intrinsics
    errors: Float[ndarray, " R"]
    scale: Scale
    frames: Fit
    warnings: tuple[str, ...]


def fit_clip(
    model: HeadModel,
    observations: Sequence[Observation],
    options: FitOptions = FitOptions(),
    *,
    response: DetectorResponse | None = None,
) -> ClipFit:
    """Fit one head and one focal length to frames of a clip.

    Args:
        observations: the chosen frames; all with the same intrinsics (the clip's prior: from metadata, or
            `intrinsics_prior`) and landmarks from the same detector.
        options: as for photos; `known_identity` holds or guides the identity here too.
        response: of the detector, by default the one `face3d.fit.responses` has for the landmarks.

    Raises:
        InputError: landmarks that no head can have made.
        ArgumentError: no observation, different cameras, or the model lacks the landmarks' point set.
    """
    raise NotImplementedError

"""Who a clip shows and with which camera: one joint fit to the frames that tell most about the head.

An hour of video holds no more about a head than a dozen of its frames, if they are the right ones: seen from different
sides, large, with the mouth at rest. `FrameChooser` keeps those as the frames come in; `fit_clip` fits one identity and
one focal length to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from face3d.camera import Intrinsics
from face3d.errors import ArgumentError
from face3d.fit.clip_lips import with_lips
from face3d.fit.clip_problem import ClipProblem
from face3d.fit.evidence import DetectorResponse
from face3d.fit.landmark_fit import Fit, FitOptions, Observation, SolvedLandmarks, describe_fit, solve_landmarks
from face3d.fit.motion_start import weak_perspective
from face3d.fit.point_model import PointModel
from face3d.fit.responses import response_of
from face3d.fit.scale import Scale
from face3d.head import HeadModel
from face3d.landmarks import FaceLandmarks
from face3d.landmarks.detector import Topology

__all__ = [
    "CHOSEN_FRAMES",
    "ChosenFrame",
    "ClipFit",
    "FrameChooser",
    "describe_clip",
    "fit_clip",
    "informative_frames",
    "solve_clip",
]

AS_FOR_PHOTOS = FitOptions()

CHOSEN_FRAMES = 8
"""Frames that an identity is fitted to. What the detector misjudges about a person it misjudges in all of them, and 16
brought the heads of a clip's halves no closer."""

LANDMARK_DOUBT, OWN_LANDMARK_DOUBT = 4.0, 4.0
"""Factors on the detector's measured errors beside what is known of people: on those that go together, and on those of
each landmark by itself. Frames share both, a landmark's own as well, so that several of them speak too loud; of those
that go together most is taken as shared already (`face3d.fit.clip_problem`), of the others nothing. With 3 and 3 heads
of the halves of four real clips were 0.4, 1.1, 1.1 and 1.5 mm apart, with these 0.4, 0.9, 0.9 and 1.3; fourteen drawn
heads are off by 2.3 mm with either where the regressor speaks beside them, and by 2.94 and 3.01 mm where nothing does.
By 6 and 6, or 3 and 4, over 2 % of a real clip's frames miss their landmarks by 3.5 % of the interocular distance."""

ENOUGH_PIXELS = 500.0
"""Pixels per metre of face, 45 between the eyes' outer corners, at which a frame is worth half of the best."""

APART = 0.12
"""Radians of yaw or pitch by which frames show different sides of a head."""

NOTHING_NEW = 0.05
"""What a frame is still worth that another shows as well."""

MOVING_THE_FACE = ("jaw", "mouth", "cheek", "eyeBlink", "noseSneer")
"""Begin of the names of curves that change the shape by which a head is told."""


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
    ) -> None:
        self._model = model
        self._count = count
        self._response = response
        self._points: Float[ndarray, "N 3"] | None = None
        self._chosen: list[ChosenFrame] = []

    def add(self, number: int, landmarks: FaceLandmarks, *, sharpness: float = 1.0) -> bool:
        """Look at one sighting.

        Args:
            number: of the frame, greater than before.
            landmarks: of the face in it, as detected (not interpolated).
            sharpness: 0 to 1, where the caller knows it.

        Returns:
            Whether the frame was kept (a later one may push it out).

        Raises:
            ArgumentError: the model has no points for such landmarks.
        """
        return self.add_all([(number, landmarks, sharpness)]) == [number]

    def add_all(self, sightings: Sequence[tuple[int, FaceLandmarks, float]]) -> list[int]:
        """`add` of several sightings in a row, some 100 microseconds each; gives the numbers of those that are kept."""
        if not sightings:
            return []
        points, indices = self._points_seen(sightings[0][1].topology)
        seen = np.stack([landmarks.points[indices, :2] for _, landmarks, _ in sightings]).astype(np.float64)
        usable = np.isfinite(seen).all(axis=(1, 2)) & (np.ptp(seen, axis=1).max(axis=1) >= 2)
        sightings = [one for one, known in zip(sightings, usable, strict=True) if known]
        if not sightings:
            return []
        turns, scales, _ = weak_perspective(points, seen[usable])
        # Where the camera stands as seen from the head.
        towards = -turns[:, 2]
        yaws, pitches = np.arctan2(towards[:, 0], towards[:, 2]), np.arcsin(np.clip(towards[:, 1], -1, 1))
        sizes = scales / (scales + ENOUGH_PIXELS)
        for (number, face, sharpness), size, yaw, pitch in zip(sightings, sizes, yaws, pitches, strict=True):
            worth = float(size) * float(face.confidence.mean()) * sharpness * _rest(face)
            self._chosen.append(ChosenFrame(number, face, float(yaw), float(pitch), worth))
            if len(self._chosen) > self._count:
                del self._chosen[self._least()]
        new = {number for number, _, _ in sightings}
        return [frame.number for frame in self._chosen if frame.number in new]

    def _points_seen(self, topology: Topology) -> tuple[Float[ndarray, "N 3"], Int[ndarray, " N"]]:
        """The mean head's points that landmarks stand for, and which landmarks those are."""
        if self._points is None:
            self._response = self._response or response_of(self._model, topology)
            self._points = PointModel.of(
                self._model, self._response.triangles, self._response.barycentric, identity_components=1
            ).rest_points
        assert self._response is not None
        return self._points, self._response.indices

    def _least(self) -> int:
        """The frame whose loss costs least: worth little by itself, or shown by another as well."""
        views = np.array([(frame.yaw, frame.pitch) for frame in self._chosen])
        worth = np.array([frame.worth for frame in self._chosen])
        squared = np.sum((views[:, None] - views) ** 2, axis=2) / APART**2
        np.fill_diagonal(squared, np.inf)
        nearest = squared.min(axis=1)
        novelty = np.where(np.isinf(nearest), 1.0, nearest / (1 + nearest))
        return int(np.argmin(worth * (NOTHING_NEW + novelty)))

    @property
    def chosen(self) -> tuple[ChosenFrame, ...]:
        """The frames kept, in the order of their numbers."""
        return tuple(self._chosen)


def informative_frames(
    model: HeadModel,
    landmarks: Iterable[FaceLandmarks],
    *,
    count: int = CHOSEN_FRAMES,
    response: DetectorResponse | None = None,
) -> Int[ndarray, " K"]:
    """Indices of the frames that tell most about the head, increasing, at most `count`: `FrameChooser` over a list."""
    chooser = FrameChooser(model, count=count, response=response)
    for number, face in enumerate(landmarks):
        chooser.add(number, face)
    return np.array([frame.number for frame in chooser.chosen], dtype=int)


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
    options: FitOptions = AS_FOR_PHOTOS,
    *,
    response: DetectorResponse | None = None,
) -> ClipFit:
    """Fit one head and one focal length to frames of a clip.

    Args:
        observations: the chosen frames; all with the same intrinsics (the clip's prior: from metadata, or
            `intrinsics_prior`) and landmarks from the same detector. Where the landmarks carry what was read of the
            lips, the head's lips are fitted to it.
        options: as for photos; `known_identity` holds or guides the identity here too.
        response: of the detector, by default the one `face3d.fit.responses` has for the landmarks.

    Raises:
        InputError: landmarks that no head can have made.
        ArgumentError: no observation, different cameras, or the model lacks the landmarks' point set.
    """
    solved, seen = solve_clip(model, observations, options, response=response)
    return describe_clip(model, solved, seen, focal_sigma=observations[0].intrinsics.focal_sigma)


def solve_clip(
    model: HeadModel,
    observations: Sequence[Observation],
    options: FitOptions = AS_FOR_PHOTOS,
    *,
    response: DetectorResponse | None = None,
) -> tuple[SolvedLandmarks, Sequence[Observation]]:
    """`fit_clip` up to the solver's rest, and the observations as they were weighed in the end."""
    if not observations:
        raise ArgumentError("the identity of a clip needs at least one frame with a face")
    first = observations[0].intrinsics
    if any(not np.array_equal(other.intrinsics.matrix, first.matrix) for other in observations):
        raise ArgumentError("the frames of a clip are taken with one camera, but their intrinsics differ")
    response = response or response_of(model, observations[0].landmarks.topology)
    doubted = replace(response, modes=LANDMARK_DOUBT * response.modes, sigma=OWN_LANDMARK_DOUBT * response.sigma)
    solved = solve_landmarks(model, observations, options, response=doubted, problem_of=ClipProblem)
    if solved.problem.prior.held:
        return solved, observations
    lips = with_lips(model, observations, describe_fit(model, solved, observations))
    if lips is None:
        return solved, observations
    # The cameras that the lips are seen with have the focal length that was found.
    found = solved.solution.state
    begin = replace(found, views=tuple(replace(view, log_focal=0.0) for view in found.views))
    solved = solve_landmarks(model, lips.observations, options, response=doubted, problem_of=lips.problem, begin=begin)
    return solved, lips.observations


def describe_clip(
    model: HeadModel, solved: SolvedLandmarks, observations: Sequence[Observation], *, focal_sigma: float
) -> ClipFit:
    """What the solver found, as a `ClipFit`.

    Args:
        model: the head.
        solved: what was found.
        observations: as they were weighed.
        focal_sigma: what was known of the focal length before.
    """
    frames = describe_fit(model, solved, observations)
    return ClipFit(
        identity=frames.identity,
        identity_covariance=frames.identity_covariance,
        intrinsics=replace(frames.intrinsics[0], focal_sigma=focal_sigma),
        errors=LANDMARK_DOUBT * solved.solution.state.views[0].errors[: len(solved.problem.response.modes)],
        scale=frames.scale,
        frames=frames,
        warnings=frames.warnings,
    )


def _rest(landmarks: FaceLandmarks) -> float:
    """How much of a neutral face this is, 0 to 1, by the curves; a half where they are not known."""
    if landmarks.blendshapes is None:
        return 0.5
    moved = sum(value for name, value in landmarks.blendshapes.items() if name.startswith(MOVING_THE_FACE))
    return 1 / (1 + moved)

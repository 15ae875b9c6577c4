"""What a head does over time: pose, expression, jaw and gaze of every frame of a clip, from its landmarks.

Identity and camera are known here. What is left is one least-squares problem over all frames: the landmarks of each
frame, weighed by the detector's measured errors, and a prior that ties each frame to the next.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.spatial.transform import Rotation

from face3d.camera import Intrinsics
from face3d.errors import ArgumentError, InputError
from face3d.fit.evidence import DetectorResponse
from face3d.fit.known_expression import KnownExpression, hold_expression
from face3d.fit.landmark_fit import EYE_SIGMA, JAW_SIGMA, held_joints, outer_eye_corners
from face3d.fit.lip_matching import LipsSeen
from face3d.fit.motion_curves import CurvePrior
from face3d.fit.motion_evidence import Frames, LandmarkEvidence
from face3d.fit.motion_gaze import GazeEvidence, irises_known
from face3d.fit.motion_lips import LipEvidence
from face3d.fit.motion_pixels import LEVELS, FilmedFrames
from face3d.fit.motion_points import MotionPoints
from face3d.fit.motion_prior import MotionPrior
from face3d.fit.motion_problem import ChainEnd, MotionProblem, Seen, Settled
from face3d.fit.motion_quality import KNOWN, frame_quality, reprojection
from face3d.fit.motion_result import Motion, MotionState
from face3d.fit.motion_start import bridge, jumps, stiff_poses
from face3d.fit.point_model import MOVING_JOINTS, PointModel
from face3d.fit.responses import response_of
from face3d.head import HeadModel
from face3d.landmarks import Topology
from face3d.landmarks.mediapipe_topology import GROUPS
from face3d.landmarks.topologies import topology_named

__all__ = ["Motion", "MotionFitter", "MotionOptions", "MotionState"]

COMPONENT_UNITS = 2.0
"""Standard deviations of an expression component that count as much as a full shape."""

IRISES = (*GROUPS["left_iris"], *GROUPS["right_iris"])
"""MediaPipe's landmarks of them."""

FEWEST_LANDMARKS = 0.3
"""Share of the landmarks that a frame must show."""

LOOKAHEAD = 0.8
"""Seconds; a step at rest is forgotten by a factor of about ten in 0.1 s."""

LIVE_ITERATIONS = 3
"""Gauss-Newton steps of a single frame that follows another: the frames after it go on where it stopped."""


@dataclass(frozen=True, slots=True)
class MotionOptions:
    """How strongly frames are tied together; the defaults are what `track` uses.

    Attributes:
        smoothness: divides the rates at which a face at rest may drift: near 0 fits every frame alone, 1 is calibrated.
        iterations: Gauss-Newton steps at most.
        tolerance: largest step, in standard deviations that the frame alone leaves, which ends the iteration.
    """

    smoothness: float = 1.0
    iterations: int = 8
    tolerance: float = 0.1


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
    ) -> None:
        response = response or response_of(model, topology)
        held = held_joints(model)
        turning = tuple(k for k, name in enumerate(MOVING_JOINTS) if name not in held)
        identity = np.asarray(identity, np.float64)
        points = PointModel.of(
            model, response.triangles, response.barycentric, held=held, identity_components=len(identity)
        )
        self._surface = MotionPoints.of(points, identity)
        self._corners = np.stack(outer_eye_corners(model, points, identity))
        self._indices = response.indices
        self._intrinsics = intrinsics
        self._options = options
        self._jaw_turns = "jaw" not in held
        lips = topology_named(topology).regions
        self._on_lips = np.isin(response.indices, [*lips.get("lips_outer", ()), *lips.get("lips_inner", ())])
        bounds = model.expression_bounds
        names = tuple(model.expression_names)
        self._curves = CurvePrior.of(response, names, curve_names, bounded=bounds is not None)
        turn_sigma = np.array([JAW_SIGMA, EYE_SIGMA, EYE_SIGMA])[list(turning)].reshape(-1)
        self._turn_precision = np.concatenate([turn_sigma**-2.0, np.zeros(6)])
        self._problem = MotionProblem(
            LandmarkEvidence(
                MotionPoints.of(points.displaced(response.gain), identity), response, intrinsics, errors, turning
            ),
            MotionPrior.of(names, 1.0 if bounds is not None else COMPONENT_UNITS, turning, options.smoothness),
            precision=scipy.linalg.block_diag(self._curves.precision, np.diag(self._turn_precision)),
            bounds=np.tile([-np.inf, np.inf], (len(names), 1))
            if bounds is None
            else bounds.cpu().numpy().astype(float),
            turning=turning,
            lips=LipEvidence.of(model, identity, intrinsics, turning, held),
            gaze=GazeEvidence(self._surface, intrinsics, turning, names, self._curves.slopes is not None),
        )

    @property
    def turning(self) -> tuple[int, ...]:
        """Numbers of the joints of `MOVING_JOINTS` that turn."""
        return self._problem.turning

    @property
    def lookahead(self) -> float:
        """Seconds of frames after a frame that have a say in it; with so much overlap chunks equal the whole clip."""
        return LOOKAHEAD * max(self._options.smoothness, 0.1)

    def fit(
        self,
        times: Float[ndarray, " T"],
        points: Float[ndarray, "T N 3"],
        *,
        curves: Float[ndarray, "T C"] | None = None,
        valid: Bool[ndarray, " T"] | None = None,
        shots: Int[ndarray, " T"] | None = None,
        confidence: Float[ndarray, "T N"] | None = None,
        known: KnownExpression | None = None,
        filmed: FilmedFrames | None = None,
        lips: Float[ndarray, "T R 2"] | None = None,
        irises: Float[ndarray, "T 2 4"] | None = None,
        start: MotionState | None = None,
        keep: int | None = None,
    ) -> Motion:
        """Fit a stretch of frames at once, each with those before and after it.

        A clip of any length is fitted in chunks: each call gets the frames of a chunk and `lookahead` seconds more,
        with `keep` the length of the chunk and `start` the `Motion.state` of the chunk before; put together they are
        what one call over all frames gives, to within a thousandth of an expression.

        Args:
            times: seconds, increasing.
            points: pixels of the original image and relative depth, all N landmarks of the topology, as detected and
                not smoothed; anything where not valid.
            curves: expression curves in the order of `curve_names`.
            valid: which frames show the face; all by default. The others are bridged by the prior.
            shots: number of each frame's shot; frames of different shots are not tied together. All one by default.
            confidence: of each landmark, 0 leaves it out; all 1 by default.
            known: expression and jaw of valid frames, which are then held; pose and gaze are fitted to the landmarks
                beside the lips, as these are where such a source and landmarks differ. Frames that are not valid are
                bridged as always. The same in each chunk of a clip, or in none.
            filmed: the frames' pictures, and a motion to begin with; all valid frames must be there.
            lips: as `face3d.landmarks.lip_contours.read_lips` reads them; where it is sure, they stand in for the
                landmarks of the lips.
            irises: as `face3d.landmarks.iris_contours.read_irises` reads them; where it is sure of one, MediaPipe's own
                landmarks of the irises are not heard.
            start: what the frames before have left.
            keep: so many frames from the start are wanted, all by default; the rest is only looked at.

        Raises:
            ArgumentError: shapes that do not fit together, times that do not increase, a known jaw of a head whose jaw
                an expression opens.
            InputError: not a single valid frame in a stretch without `start`.
        """
        given = self._take(times, points, curves, valid, shots, confidence)
        given.lips = None if lips is None or known is not None else LipsSeen.of(points, lips)
        if irises is not None:
            given.irises = np.asarray(irises, np.float64)
            instead = irises_known(given.irises)[:, None] & np.isin(self._indices, IRISES)
            given.confidence = np.where(instead, 0.0, given.confidence)
        keep = len(given.times) if keep is None else min(keep, len(given.times))
        if start is None and not given.valid.any():
            raise InputError("no frame of this stretch of the video shows the face; there is no motion to fit")
        poses = stiff_poses(self._surface.rest, self._intrinsics, given.pixels)
        given.valid &= ~jumps(given.times, given.shots, given.valid, *poses)
        if filmed is not None:
            given.valid &= np.array([image is not None for image in filmed.images])
        weighed, turns = given, _straight(len(given.times))
        if known is not None:
            if not self._jaw_turns:
                raise ArgumentError("an expression opens this head's jaw; a known turn of the jaw is for FLAME heads")
            weighed, turns = hold_expression(
                given,
                known,
                expressions=len(self._problem.bounds),
                unknowns=self._problem.evidence.size,
                on_lips=self._on_lips,
            )
        before = None if start is None else start.end()
        tolerance = self._options.tolerance
        if filmed is None:
            begin = self._first_frames(weighed, turns, poses, start)
            steps = self._options.iterations if len(given.times) > 1 or start is None else LIVE_ITERATIONS
            settled = self._problem.settle(weighed, begin, before, keep, iterations=steps, tolerance=tolerance)
        else:
            settled = self._on_pictures(weighed, filmed, before, keep)
        return self._motion(given, settled, start, keep)

    def fit_next(
        self,
        time: float,
        points: Float[ndarray, "N 3"] | None,
        *,
        curves: Float[ndarray, " C"] | None = None,
        shot: int = 1,
        confidence: Float[ndarray, " N"] | None = None,
        lips: Float[ndarray, "R 2"] | None = None,
        irises: Float[ndarray, "2 4"] | None = None,
        start: MotionState | None = None,
    ) -> Motion:
        """Fit one frame as it comes in, with no lag: `fit` of one frame. None for points: the face is not seen.

        Without `start` the first frame must be seen.
        """
        seen = points is not None
        if points is None:
            points = np.zeros((int(self._indices.max()) + 1, 3))
        return self.fit(
            np.array([time]),
            points[None],
            curves=None if curves is None else curves[None],
            valid=np.array([seen]),
            shots=np.array([shot]),
            confidence=None if confidence is None else confidence[None],
            lips=None if lips is None else lips[None],
            irises=None if irises is None else irises[None],
            start=start,
        )

    def _on_pictures(self, given: Seen, filmed: FilmedFrames, before: ChainEnd | None, keep: int) -> Settled:
        """Coarse to fine, landmarks and pixels together."""
        used = np.flatnonzero(given.valid)
        images = [image for t in used.tolist() if (image := filmed.images[t]) is not None]
        frames, skin = filmed.begin, filmed.skin
        trust = skin.trust(images, frames[used])
        for blur, steps in LEVELS:
            seen = skin.pictures(images, trust, frames[used], blur)
            settled = self._problem.settle(
                given,
                frames,
                before,
                keep,
                iterations=steps,
                tolerance=self._options.tolerance,
                beside=partial(skin.linearize, seen=seen),
            )
            frames = settled.frames
        return settled

    def of_person(
        self,
        points: Float[ndarray, "T N 3"],
        *,
        curves: Float[ndarray, "T C"] | None = None,
        irises: Float[ndarray, "T 2 4"] | None = None,
        confidence: Float[ndarray, "T N"] | None = None,
    ) -> MotionFitter:
        """The same for what some frames from all over the clip say of the person; arguments are as for `fit`.

        That is where the eyes sit, by the irises, and at which level the detector sees the person's expressions.
        """
        count = np.arange(len(points))
        given = self._take(count.astype(np.float64), points, curves, None, count, confidence)
        poses = stiff_poses(self._surface.rest, self._intrinsics, given.pixels)
        settled = self._problem.settle(
            given,
            self._first_frames(given, _straight(len(count)), poses, None),
            None,
            len(count),
            iterations=LIVE_ITERATIONS,
            tolerance=1.0,
        )
        gaze, used = self._problem.gaze, given.valid
        other = copy.copy(self)
        if irises is not None:
            gaze = gaze.of_person(settled.frames[used], np.asarray(irises, np.float64)[used], given.expression[used])
        if curves is not None and used.any():
            other._curves = self._curves.of_person(curves[used], settled.frames.expression[used])
        precision = scipy.linalg.block_diag(other._curves.precision, np.diag(self._turn_precision))
        other._problem = replace(self._problem, gaze=gaze, precision=precision)
        return other

    def _take(
        self,
        times: Float[ndarray, " T"],
        points: Float[ndarray, "T N 3"],
        curves: Float[ndarray, "T C"] | None,
        valid: Bool[ndarray, " T"] | None,
        shots: Int[ndarray, " T"] | None,
        confidence: Float[ndarray, "T N"] | None,
    ) -> Seen:
        count = len(times)
        times = np.asarray(times, np.float64)
        if len(points) != count or points.ndim != 3 or points.shape[1] <= self._indices.max():
            raise ArgumentError(
                f"{count} times need points of ({count}, {self._indices.max() + 1} or more, 3), got {points.shape}"
            )
        if count == 0 or not (np.diff(times) > 0).all():
            raise ArgumentError("a motion needs at least one frame, and times that increase")
        pixels = points[:, self._indices, :2].astype(np.float64)
        known = np.ones(pixels.shape[:2]) if confidence is None else confidence[:, self._indices]
        usable = np.isfinite(pixels).all(axis=(1, 2)) & (np.ptp(pixels, axis=1).max(axis=1) > 2)
        usable &= (known > KNOWN).mean(axis=1) > FEWEST_LANDMARKS
        usable &= True if valid is None else np.asarray(valid, bool)
        return Seen(
            times=times,
            shots=np.ones(count, int) if shots is None else np.asarray(shots),
            pixels=np.where(usable[:, None, None], pixels, 0.0),
            confidence=known,
            valid=usable,
            expression=self._curves.mean(curves, count),
        )

    def _first_frames(
        self,
        given: Seen,
        turns: Float[ndarray, "T K 3 3"],
        poses: tuple[Float[ndarray, "T 3 3"], Float[ndarray, "T 3"]],
        start: MotionState | None,
    ) -> Frames:
        """Where the solver begins: poses of a stiff head, expressions as the curves have them, gaps bridged."""
        bounds = self._problem.bounds
        frames = Frames(np.clip(given.expression, bounds[:, 0], bounds[:, 1]), turns, *poses)
        if start is None:
            return bridge(frames, given.times, given.shots, given.valid)
        if not given.times[0] > start.time:
            raise ArgumentError(f"times must increase, got {given.times[0]} s after {start.time} s")
        times, shots, valid = (
            np.concatenate([[first], rest])
            for first, rest in ((start.time, given.times), (start.shot, given.shots), (True, given.valid))
        )
        return bridge(Frames.join(start.end().frames, frames), times, shots, valid.astype(bool))[1:]

    def _motion(self, given: Seen, settled: Settled, start: MotionState | None, keep: int) -> Motion:
        frames, valid = settled.frames[:keep], given.valid[:keep]
        pose = np.tile(np.eye(4), (keep, 1, 1))
        pose[:, :3, :3], pose[:, :3, 3] = frames.rotation, frames.translation
        vectors = Rotation.from_matrix(frames.turns.reshape(-1, 3, 3)).as_rotvec().reshape(keep, 3, 3)
        before = None if start is None else (start.time, start.shot)
        lips = None if self._problem.lips is None else self._problem.lips.contacts
        nowhere = np.zeros(keep, bool)
        residual = reprojection(
            self._surface, self._corners, self._intrinsics, frames, given.pixels[:keep], given.confidence[:keep]
        )
        return Motion(
            expression=frames.expression,
            jaw=vectors[:, 0],
            neck=np.zeros((keep, 3)),
            eyes=vectors[:, 1:].reshape(keep, 6),
            camera_from_head=pose,
            residual=np.where(valid, residual, np.nan),
            quality=frame_quality(given, settled.trust, residual, before)[:keep],
            valid=valid,
            lips_closed=nowhere if lips is None else lips.closed(frames),
            labiodental=nowhere if lips is None else lips.labiodental(frames),
            state=MotionState.of(settled.end),
        )


def _straight(count: int) -> Float[ndarray, "T K 3 3"]:
    """Joints that are not turned."""
    return np.tile(np.eye(3), (count, len(MOVING_JOINTS), 1, 1))

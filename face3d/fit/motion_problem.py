"""The least-squares problem of a motion: landmarks of each frame, what they expect of it, and ties between frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.spatial.transform import Rotation

from face3d.fit.blas_threads import one_blas_thread
from face3d.fit.frame_costs import FrameCosts
from face3d.fit.lip_matching import LipsSeen
from face3d.fit.motion_chain import chain_knowledge, chain_slopes, solve_chain
from face3d.fit.motion_evidence import Frames, LandmarkEvidence, NormalEquations
from face3d.fit.motion_gaze import GazeEvidence
from face3d.fit.motion_lips import LipEvidence
from face3d.fit.motion_prior import MotionPrior, frame_steps, turn_vectors
from face3d.threads import in_parts

__all__ = ["ChainEnd", "MotionProblem", "Seen", "Settled"]

Beside: TypeAlias = Callable[[Frames], NormalEquations]

SURPRISE_LIMIT = 9.0
"""Mean squared standardised residual beyond which a frame loses weight, with the square of what is above."""

WEAKEST = 1e-6
"""Share of a frame's own say that an unknown has of which nothing at all is known, to keep its place."""

CONTACT_STEPS = 2
"""Gauss-Newton steps that are kept for lower lips that are at the teeth."""

INNER_TOLERANCE = 0.1
"""Largest standardised change that ends the inner steps."""

INNER_STEPS = 4
"""Solutions of the chain at most before evidence is asked anew: ties and bounds settle in them."""

COARSE = 2
"""First iterations, in which every frame is asked and solved."""

CURVED = 2
"""First iterations that make the landmarks' Hessians. After them heads are within a degree of where they will be, over
which Hessians hardly change; the gradients, which are made anew, decide where the iteration ends."""

STALE = 0.1
"""Share of the tolerance that a frame may move, all in all, before its evidence is asked anew."""

FRAMES_AT_ONCE = 72
"""Frames that one thread asks before it takes others."""

REACH = 0.4
"""Seconds around frames that move by more in which the others are solved too; the rest stay as they are. A step's say
falls by ten in 0.1 s."""


@dataclass(slots=True)
class Seen:
    """What is given of T frames.

    Attributes:
        times, shots: (T,).
        pixels: (T, N, 2) of the landmarks that are used, zero where not valid; confidence: (T, N).
        valid: (T,) whether the landmarks of a frame are believed.
        expression: (T, E) mean of the expression's prior.
        held: (D,) unknowns that stay where the iteration begins; None for none.
        lips: what was read of the lips, None where nothing was.
        irises: (T, 2, 4) as read, None where nobody has read them.
    """

    times: Float[ndarray, " T"]
    shots: Int[ndarray, " T"]
    pixels: Float[ndarray, "T N 2"]
    confidence: Float[ndarray, "T N"]
    valid: Bool[ndarray, " T"]
    expression: Float[ndarray, "T E"]
    held: Bool[ndarray, " D"] | None = None
    lips: LipsSeen | None = None
    irises: Float[ndarray, "T 2 4"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ChainEnd:
    """A frame at which a chain was cut: where it is, and what the frames up to it know of it.

    Attributes:
        time, shot: of the frame.
        frames: the one frame.
        information: (D, D) inverse covariance.
        slope: (D,) of their cost at `frames`.
    """

    time: float
    shot: int
    frames: Frames
    information: Float[ndarray, "D D"]
    slope: Float[ndarray, " D"]


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """The solution: `frames` as given, and `trust`, (T,), the weight that landmarks kept, 0 where not valid."""

    frames: Frames
    trust: Float[ndarray, " T"]
    end: ChainEnd


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """The evidence of the U valid frames of a stretch.

    Attributes:
        frames: (U,) where they are in the chain.
        pixels, weights: of the landmarks; curvature: (U, D, D) gets their Hessians.
        expression: (U, E) mean of its prior.
        lips, irises: as read, or None.
        at_teeth: (U,) gets in which frames the lower lip is laid on the teeth.
        trust: (U,) gets the weight that each frame's evidence keeps.
    """

    frames: Int[ndarray, " U"]
    pixels: Float[ndarray, "U N 2"]
    weights: Float[ndarray, "U N"]
    curvature: Float[ndarray, "U D D"]
    expression: Float[ndarray, "U E"]
    lips: LipsSeen | None
    irises: Float[ndarray, "U 2 4"] | None
    at_teeth: Bool[ndarray, " U"]
    trust: Float[ndarray, " U"]


@dataclass(frozen=True, slots=True, eq=False)
class _Ties:
    """What ties frames that are so many seconds apart, joined (1) or of different shots (0)."""

    prior: MotionPrior
    times: Float[ndarray, " T"]
    joined: Float[ndarray, " S"]

    def near(self, moving: Bool[ndarray, " T"]) -> Bool[ndarray, " T"]:
        """Which frames are not far in time from those that move."""
        if moving.all() or not moving.any():
            return moving
        there = self.times[moving]
        after = np.clip(np.searchsorted(there, self.times), 0, len(there) - 1)
        before = np.maximum(after - 1, 0)
        nearest = np.minimum(np.abs(there[after] - self.times), np.abs(there[before] - self.times))
        return np.asarray(nearest <= REACH)

    def of(self, steps: Float[ndarray, "S D"]) -> Float[ndarray, "S D"]:
        """The precisions for steps from each frame to the next; fewer steps are those of the first frames."""
        return self.prior.ties(steps, np.diff(self.times[: len(steps) + 1]), self.joined[: len(steps)])


@dataclass(frozen=True, slots=True, eq=False)
class MotionProblem:
    """One person's head and how it may move.

    Attributes:
        evidence: compares it with landmarks.
        prior: ties frames.
        precision: (D, D) of what each frame's unknowns are expected to be.
        bounds: (E, 2) of the expression.
        turning: numbers of the free joints.
        lips: compares it with readings of the lips; None for a head that does not say where its lips are.
        gaze: compares the eyes with irises that were read.
    """

    evidence: LandmarkEvidence
    prior: MotionPrior
    precision: Float[ndarray, "D D"]
    bounds: Float[ndarray, "E 2"]
    turning: tuple[int, ...]
    gaze: GazeEvidence
    lips: LipEvidence | None = None

    @one_blas_thread()
    def settle(
        self,
        seen: Seen,
        frames: Frames,
        before: ChainEnd | None,
        keep: int,
        *,
        iterations: int,
        tolerance: float,
        beside: Beside | None = None,
    ) -> Settled:
        """Gauss-Newton on all frames at once.

        Args:
            seen: of T frames.
            frames: where to begin.
            before: the end of the chain that these frames continue.
            keep: after which frame the chain may be cut.
            iterations: at most.
            tolerance: largest standardised step that ends the iteration.
            beside: what else is known of the valid frames where they are.
        """
        times, shots = seen.times, seen.shots
        if before is not None:
            frames = Frames.join(before.frames, frames)
            times, shots = np.concatenate([[before.time], times]), np.concatenate([[before.shot], shots])
        first = len(times) - len(seen.times)
        heard, frames = self._hear(seen, frames, first)
        ties = _Ties(self.prior, times, (np.diff(shots) == 0).astype(np.float64))
        costs = FrameCosts.nothing(len(times), WEAKEST / self.prior.rate**2)
        if before is not None:
            costs.hessian[0] += before.information
        held = np.zeros((len(times), self.evidence.size), bool)
        still = held[0] if seen.held is None else seen.held
        moves = np.full(len(times), np.inf)
        looked, settled = self.lips is None or heard.lips is None, False
        for number in range(iterations):
            stale = costs.moved()[heard.frames] > STALE * tolerance
            stale |= number < COARSE or beside is not None
            if not looked and (settled or number >= iterations - CONTACT_STEPS):
                # Told once, of what all other evidence makes of the frames.
                looked = True
                heard.at_teeth[:] = self._at_teeth(heard, frames, times, shots)
                if settled and not heard.at_teeth.any():
                    break
                stale |= heard.at_teeth
            self._ask(heard, np.flatnonzero(stale), frames, number, costs, beside)
            self._rest(costs, heard, before, frames)
            moves[heard.frames[stale]] = np.inf
            step, held = self._step(frames, costs, ties, still, held, moves > STALE * tolerance)
            frames = self._moved(frames, step)
            costs.since[:] += step
            moves = np.abs(step * costs.scale).max(axis=1)
            settled = bool(moves.max() < tolerance)
            if settled and looked:
                break
        self._rest(costs, heard, before, frames)
        trust = np.zeros(len(seen.times))
        trust[heard.frames - first] = heard.trust
        end = self._end(first + keep, times, shots, frames, costs, ties, held)
        return Settled(frames[first:], trust, end)

    def _hear(self, seen: Seen, frames: Frames, first: int) -> tuple[_Heard, Frames]:
        """The evidence of the valid frames, the first of which is the chain's `first`, and where eyes begin."""
        used = np.flatnonzero(seen.valid)
        irises = None if seen.irises is None else seen.irises[used]
        if irises is not None and len(used):
            turns = frames.turns.copy()
            turns[used + first] = self.gaze.begin(frames[used + first], irises).turns
            frames = replace(frames, turns=turns)
        lips = None if self.lips is None or seen.lips is None else seen.lips[used]
        read = None if self.lips is None or lips is None else self.lips.usable(frames[used + first], lips)
        weights = self.evidence.weights(seen.confidence[used], read)
        size = self.evidence.size
        return (
            _Heard(
                frames=used + first,
                pixels=seen.pixels[used],
                weights=weights,
                curvature=np.empty((len(used), size, size)),
                expression=seen.expression[used],
                lips=lips,
                irises=irises,
                at_teeth=np.zeros(len(used), bool),
                trust=np.ones(len(used)),
            ),
            frames,
        )

    def _ask(
        self,
        heard: _Heard,
        asked: Int[ndarray, " A"],
        frames: Frames,
        number: int,
        costs: FrameCosts,
        beside: Beside | None,
    ) -> None:
        """What the evidence of some of the valid frames says of them where they are now."""

        def some(part: slice) -> None:
            these = asked[part]
            equations = self._evidence_of(heard, these, frames[heard.frames[these]], number)
            costs.tell(heard.frames[these], *equations)

        in_parts(some, len(asked), FRAMES_AT_ONCE)
        if beside is not None:
            told = beside(frames[heard.frames])
            costs.hessian[heard.frames] += told.hessian
            costs.gradient[heard.frames] += told.gradient

    def _evidence_of(
        self, heard: _Heard, asked: Int[ndarray, " A"], here: Frames, number: int
    ) -> tuple[Float[ndarray, "A D D"], Float[ndarray, "A D"]]:
        """Hessian and gradient of those frames, whose trust is set on the way."""
        curvature = None if number < CURVED else heard.curvature[asked]
        equations = self.evidence.linearize(here, heard.pixels[asked], heard.weights[asked], curvature)
        hessian, gradient = equations.hessian, equations.gradient
        if curvature is None:
            heard.curvature[asked] = hessian
        if number:
            heard.trust[asked] = np.minimum(1.0, (SURPRISE_LIMIT / np.maximum(equations.surprise, 1e-9)) ** 2)
        hessian += self.precision
        gradient += self._deviation(here, heard.expression[asked]) @ self.precision
        if self.lips is not None and heard.lips is not None:
            normal, pull = self.lips.linearize(here, heard.lips[asked], heard.at_teeth[asked])
            hessian += normal
            gradient += pull
        if heard.irises is not None:
            looks = self.gaze.linearize(here, heard.irises[asked], heard.expression[asked], robust=number > 0)
            hessian += looks.hessian
            gradient += looks.gradient
        weight = heard.trust[asked, None]
        hessian *= weight[:, :, None]
        gradient *= weight
        return hessian, gradient

    def _at_teeth(
        self, heard: _Heard, frames: Frames, times: Float[ndarray, " T"], shots: Int[ndarray, " T"]
    ) -> Bool[ndarray, " U"]:
        """In which frames, fitted so far, the lower lip is to be laid on the teeth."""
        if self.lips is None or heard.lips is None:
            return np.zeros_like(heard.at_teeth)
        where = heard.frames
        return self.lips.at_teeth(frames[where], heard.lips, times[where], shots[where])

    def _rest(self, costs: FrameCosts, heard: _Heard, before: ChainEnd | None, frames: Frames) -> None:
        """The frames that nothing is heard of: they keep their place wherever that is, but for the one `before`."""
        unheard = np.setdiff1d(np.arange(len(costs.since)), heard.frames)
        costs.since[unheard] = 0
        if before is not None:
            moved = frame_steps(Frames.join(before.frames, frames[:1]), self.turning)[0]
            costs.gradient[0] = before.slope + before.information @ moved

    def _step(
        self,
        frames: Frames,
        costs: FrameCosts,
        ties: _Ties,
        still: Bool[ndarray, " D"],
        before: Bool[ndarray, "T D"],
        moving: Bool[ndarray, " T"],
    ) -> tuple[Float[ndarray, "T D"], Bool[ndarray, "T D"]]:
        """The best step of the frames that are `moving` and those around them, with costs quadratic.

        Args:
            frames: where they are.
            costs: theirs.
            ties: between them.
            still: unknowns that no frame moves.
            before: what was held in the step before.
            moving: frames that were asked anew, or moved in the step before.

        Returns:
            The step, and what it holds: the `still`, and expressions at their bounds.
        """
        apart = frame_steps(frames, self.turning)
        expressions = self.bounds.shape[0]
        low, high = (self.bounds[:, side] - frames.expression for side in (0, 1))
        step, scale = np.zeros_like(costs.since), costs.scale
        held, awake = np.tile(still, (len(step), 1)), moving
        settled = True
        for number in range(INNER_STEPS):
            slope = costs.slopes(step)
            between = apart + np.diff(step, axis=0)
            precision = ties.of(between)
            if settled:
                # What a bound holds is let go only where all others are at their best, else it would be held again.
                pull = chain_slopes(slope, precision, between)[:, :expressions]
                now = step[:, :expressions]
                held[:, :expressions] = ((now <= low) & (pull > 0)) | ((now >= high) & (pull < 0)) | still[:expressions]
            if not number:
                awake = ties.near(moving | (held != before).any(axis=1))
            moved = step + solve_chain(costs.hessian, slope, precision, between, held | ~awake[:, None])
            now = np.clip(moved[:, :expressions], low, high)
            stopped = now != moved[:, :expressions]
            settled = not stopped.any()
            held[:, :expressions] |= stopped
            moved[:, :expressions] = now
            unsettled = (np.abs((moved - step) * scale).max(axis=1) > INNER_TOLERANCE) | stopped.any(axis=1)
            step = moved
            if not unsettled.any():
                break
            awake = awake & ties.near(unsettled)
        return step, held

    def _end(
        self,
        count: int,
        times: Float[ndarray, " T"],
        shots: Int[ndarray, " T"],
        frames: Frames,
        costs: FrameCosts,
        ties: _Ties,
        held: Bool[ndarray, "T D"],
    ) -> ChainEnd:
        """What the first `count` frames know of the last of them."""
        apart = frame_steps(frames[:count], self.turning)
        information, slope = chain_knowledge(
            costs.hessian[:count], costs.slopes()[:count], ties.of(apart), apart, held[:count]
        )
        last = count - 1
        return ChainEnd(float(times[last]), int(shots[last]), frames[last:count], information, slope)

    def _deviation(self, frames: Frames, expression: Float[ndarray, "T E"]) -> Float[ndarray, "T D"]:
        """Of each frame's unknowns from what is expected."""
        turns = frames.turns[:, list(self.turning)]
        vectors = turn_vectors(turns).reshape(len(turns), 3 * len(self.turning))
        return np.concatenate([frames.expression - expression, vectors, np.zeros((len(turns), 6))], axis=1)

    def _moved(self, frames: Frames, step: Float[ndarray, "T D"]) -> Frames:
        """After a step: rotations on the manifold, expressions within their bounds."""
        count, expressions = frames.expression.shape
        turns = frames.turns.copy()
        vectors = step[:, expressions:-6].reshape(-1, 3)
        small = Rotation.from_rotvec(vectors).as_matrix().reshape(count, len(self.turning), 3, 3)
        turns[:, list(self.turning)] = small @ turns[:, list(self.turning)]
        return Frames(
            np.clip(frames.expression + step[:, :expressions], self.bounds[:, 0], self.bounds[:, 1]),
            turns,
            Rotation.from_rotvec(step[:, -6:-3]).as_matrix() @ frames.rotation,
            frames.translation + step[:, -3:],
        )

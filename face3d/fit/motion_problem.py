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
from face3d.fit.lip_matching import LipsSeen
from face3d.fit.motion_chain import solve_chain
from face3d.fit.motion_evidence import Frames, LandmarkEvidence, NormalEquations
from face3d.fit.motion_gaze import GazeEvidence
from face3d.fit.motion_lips import LipEvidence
from face3d.fit.motion_prior import MotionPrior, frame_steps

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
"""Solutions of the chain at most before the landmarks are linearised anew: ties and bounds settle in them."""


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
class MotionProblem:
    """One person's head and how it may move.

    Attributes:
        evidence: compares it with landmarks.
        prior: ties frames.
        precision: (D,) of what each frame's unknowns are expected to be.
        bounds: (E, 2) of the expression.
        turning: numbers of the free joints.
        lips: compares it with readings of the lips; None for a head that does not say where its lips are.
        gaze: compares the eyes with irises that were read.
    """

    evidence: LandmarkEvidence
    prior: MotionPrior
    precision: Float[ndarray, " D"]
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
        times, shots, used = seen.times, seen.shots, np.flatnonzero(seen.valid)
        if before is not None:
            frames = Frames.join(before.frames, frames)
            times, shots = np.concatenate([[before.time], times]), np.concatenate([[before.shot], shots])
        first = len(times) - len(seen.times)
        seconds, joined = np.diff(times), (np.diff(shots) == 0).astype(np.float64)
        size = self.evidence.size
        still = np.zeros(size, bool) if seen.held is None else seen.held
        trust = np.zeros(len(seen.times))
        trust[used] = 1.0
        if seen.irises is not None and len(used):
            begun = self.gaze.begin(frames[used + first], seen.irises[used])
            turns = frames.turns.copy()
            turns[used + first] = begun.turns
            frames = replace(frames, turns=turns)
        lips = None if self.lips is None or seen.lips is None else seen.lips[used]
        read = None if self.lips is None or lips is None else self.lips.usable(frames[used + first], lips)
        weights = self.evidence.weights(seen.confidence[used], read)
        at_teeth: Bool[ndarray, " T"] | None = None
        settled = False
        for number in range(iterations):
            looking = settled or number >= iterations - CONTACT_STEPS
            if self.lips is not None and lips is not None and at_teeth is None and looking:
                # Told once, of what all other evidence makes of the frames.
                at_teeth = self.lips.at_teeth(frames[used + first], lips, seen.times[used], seen.shots[used])
                if settled and not at_teeth.any():
                    break
            hessian, gradient = np.zeros((len(times), size, size)), np.zeros((len(times), size))
            np.einsum("tdd->td", hessian)[:] = WEAKEST / self.prior.rate**2
            if before is not None:
                moved = frame_steps(Frames.join(before.frames, frames[:1]), self.turning)[0]
                hessian[0] += before.information
                gradient[0] = before.slope + before.information @ moved
            here = frames[used + first]
            equations = self.evidence.linearize(here, seen.pixels[used], weights)
            if number:
                trust[used] = np.minimum(1.0, (SURPRISE_LIMIT / np.maximum(equations.surprise, 1e-9)) ** 2)
            weight = trust[used, None]
            deviation = self._deviation(here, seen.expression[used])
            hessian[used + first] += weight[:, :, None] * equations.hessian
            np.einsum("tdd->td", hessian)[used + first] += weight * self.precision
            gradient[used + first] += weight * (equations.gradient + self.precision * deviation)
            if beside is not None:
                told = beside(here)
                hessian[used + first] += told.hessian
                gradient[used + first] += told.gradient
            if self.lips is not None and lips is not None:
                normal, pull = self.lips.linearize(here, lips, at_teeth)
                hessian[used + first] += weight[:, :, None] * normal
                gradient[used + first] += weight * pull
            if seen.irises is not None:
                looks = self.gaze.linearize(here, seen.irises[used], seen.expression[used], robust=number > 0)
                hessian[used + first] += weight[:, :, None] * looks.hessian
                gradient[used + first] += weight * looks.gradient
            step, information, slope = self._step(frames, hessian, gradient, seconds, joined, still, first + keep - 1)
            frames = self._moved(frames, step)
            settled = bool(np.abs(step * np.sqrt(np.einsum("tdd->td", hessian))).max() < tolerance)
            if settled and (at_teeth is not None or lips is None):
                break
        last = first + keep - 1
        end = ChainEnd(float(times[last]), int(shots[last]), frames[last : last + 1], information, slope)
        return Settled(frames[first:], trust, end)

    def _step(
        self,
        frames: Frames,
        hessian: Float[ndarray, "T D D"],
        gradient: Float[ndarray, "T D"],
        seconds: Float[ndarray, " S"],
        joined: Float[ndarray, " S"],
        still: Bool[ndarray, " D"],
        known: int,
    ) -> tuple[Float[ndarray, "T D"], Float[ndarray, "D D"], Float[ndarray, " D"]]:
        """The best step with the landmarks linear and the `still` held, and what the frames up to `known` know then."""
        apart = frame_steps(frames, self.turning)
        expressions = self.bounds.shape[0]
        low, high = (self.bounds[:, side] - frames.expression for side in (0, 1))
        step = np.zeros_like(gradient)
        scale = np.sqrt(np.einsum("tdd->td", hessian))
        held = np.tile(still, (len(step), 1))
        settled = True
        for _ in range(INNER_STEPS):
            slope = gradient + np.einsum("tde,te->td", hessian, step, optimize=True)
            between = apart + np.diff(step, axis=0)
            ties = self.prior.ties(between, seconds, joined)
            if settled:
                # What a bound holds is let go only where all others are at their best, else it would be held again.
                pull = slope.copy()
                pull[1:] += ties * between
                pull[:-1] -= ties * between
                pull, now = pull[:, :expressions], step[:, :expressions]
                held[:, :expressions] = ((now <= low) & (pull > 0)) | ((now >= high) & (pull < 0)) | still[:expressions]
            solution = solve_chain(hessian, slope, ties, between, held, known)
            moved = step + solution.step
            now = np.clip(moved[:, :expressions], low, high)
            stopped = now != moved[:, :expressions]
            settled = not stopped.any()
            held[:, :expressions] |= stopped
            moved[:, :expressions] = now
            change = moved - step
            step = moved
            if settled and np.abs(change * scale).max() < INNER_TOLERANCE:
                break
        return step, solution.information, solution.gradient + solution.information @ change[known]

    def _deviation(self, frames: Frames, expression: Float[ndarray, "T E"]) -> Float[ndarray, "T D"]:
        """Of each frame's unknowns from what is expected."""
        turns = frames.turns[:, list(self.turning)]
        vectors = Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_rotvec().reshape(len(turns), 3 * len(self.turning))
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

"""What a fitted stretch of motion is, and what it takes to go on after it."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from numpy import ndarray

from face3d.fit.motion_evidence import Frames
from face3d.fit.motion_problem import ChainEnd

__all__ = ["Motion", "MotionState"]


@dataclass(frozen=True, slots=True, eq=False)
class MotionState:
    """All that later frames need to know of a frame and those before it; numbers and arrays only, to be stored.

    Attributes:
        time: seconds, of that frame.
        shot: number of its shot.
        expression: (E,), turns: (3, 3, 3) of jaw and eyes, rotation: (3, 3), translation: (3,) of the frame.
            information: (D, D) inverse covariance of the frame's unknowns given the frames up to it.
        slope: (D,) of their cost there: zero if no later frame had a say.
    """

    time: float
    shot: int
    expression: Float[ndarray, " E"]
    turns: Float[ndarray, "3 3 3"]
    rotation: Float[ndarray, "3 3"]
    translation: Float[ndarray, " 3"]
    information: Float[ndarray, "D D"]
    slope: Float[ndarray, " D"]

    @staticmethod
    def of(end: ChainEnd) -> MotionState:
        """What a solved chain has left."""
        frames = end.frames
        return MotionState(
            time=end.time,
            shot=end.shot,
            expression=frames.expression[0],
            turns=frames.turns[0],
            rotation=frames.rotation[0],
            translation=frames.translation[0],
            information=end.information,
            slope=end.slope,
        )

    def end(self) -> ChainEnd:
        """To solve the rest of the chain from."""
        frames = Frames(*(array[None] for array in (self.expression, self.turns, self.rotation, self.translation)))
        return ChainEnd(self.time, self.shot, frames, self.information, self.slope)


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
        lips_closed: (T,) whether the lips touch; never for a model that does not say where its lips are.
        labiodental: (T,) whether the lower lip is at the upper teeth while the upper lip is clear of it, as for f and
            v; never for a model that does not say where lips and the mouth's inside are.
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
    lips_closed: Bool[ndarray, " T"]
    labiodental: Bool[ndarray, " T"]
    state: MotionState

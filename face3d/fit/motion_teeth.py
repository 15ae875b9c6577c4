"""What teeth tell of many frames of a known head: for f and v its lower lip rests on the upper ones.

Rolled back a millimetre or two, a lower lip looks from in front much as it did: a little of its red is gone. What the
readings of the lips say of that is held back by what faces mostly do, so that a fitted lower lip stops on its way.
Where it is rolled in further than around, and the upper lip is clear of it, it is on its way to the teeth, and is laid
on them.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from face3d.fit.incisors import Incisors, toothed_lip
from face3d.fit.lip_surface import lip_surface
from face3d.fit.motion_evidence import Frames
from face3d.fit.motion_points import MotionPoints, surface_slopes
from face3d.fit.point_model import PointModel
from face3d.head import HeadModel

__all__ = ["AT_TEETH", "TeethEvidence"]

AT_TEETH = 0.0006
"""Metres between lower lip and incisors, mean of the profiles, below which the lip is at the teeth."""

ROLL = "mouthRollLower"
"""The expression that takes the lower lip back over the lower teeth."""

ROLLED = 0.035
"""How much more of it than in the frames around is found, by all evidence but the teeth, in f and v, in which the lip
is rolled in by 0.5 to 0.9. In the drawn clips of four people by which it was chosen 98 of 100 frames beyond it are f or
v, and 83 of 100 frames of f or v are beyond it; of two more people all, and 64 of 100."""

AROUND, FEWEST = 0.6, 5
"""Seconds before and after in which frames with open lips say how far somebody's lip seems rolled in that is not, and
how many they must be. A person's lips, the light and the turn of the head make that differ."""

USUALLY_ROLLED = 0.05
"""How far it seems rolled in where nothing around says so."""

APART = 0.001, 0.0065
"""Metres between which lips are open in f and v."""

CONTACT = 0.0001
"""Metres: how exactly a lip rests on teeth, next to which what faces mostly do counts for little."""


class TeethEvidence:
    """Lays one person's lower lip on the teeth; unknowns as of `face3d.fit.motion_evidence`.

    Args:
        incisors: of the person.
        points: the head at the points of the incisors' lip.
        turning: numbers of the joints of `MOVING_JOINTS` that turn.
        roll: which expression takes the lower lip back.
    """

    def __init__(self, incisors: Incisors, points: MotionPoints, turning: tuple[int, ...], roll: int) -> None:
        self._incisors, self._points, self._roll = incisors, points, roll
        self._turn_columns = np.array([3 * joint + axis for joint in turning for axis in range(3)], int)

    @staticmethod
    def of(
        model: HeadModel, identity: Float[ndarray, " I"], turning: tuple[int, ...], held: tuple[str, ...]
    ) -> TeethEvidence | None:
        """For a person; None where the model does not say where lips and the mouth's inside are, or rolls no lip."""
        lip, surface, names = toothed_lip(model), lip_surface(model), list(model.expression_names)
        if lip is None or surface is None or ROLL not in names:
            return None
        middle = surface.upper[len(surface.upper) // 2]
        upper, lower = (
            MotionPoints.of(
                PointModel.of(model, triangles, barycentric, held=held, identity_components=len(identity)), identity
            )
            for triangles, barycentric in (
                (surface.triangles[middle], surface.barycentric[middle]),
                (lip.triangles, lip.barycentric),
            )
        )
        return TeethEvidence(Incisors.behind(upper.rest, lower.rest, lip), lower, turning, names.index(ROLL))

    def distance(self, frames: Frames) -> Float[ndarray, " T"]:
        """Metres from the lower lip to the incisors, mean of the profiles; below 0 inside them."""
        points = self._points.evaluate(frames.expression, frames.turns, slopes=False).points
        distance: Float[ndarray, " T"] = self._incisors.clearance(points).distance.mean(axis=1)
        return distance

    def reached(
        self, frames: Frames, gap: Float[ndarray, " T"], times: Float[ndarray, " T"], shots: Int[ndarray, " T"]
    ) -> Bool[ndarray, " T"]:
        """In which frames the lower lip is on its way to the teeth, and not to the upper lip or from there.

        Args:
            frames: fitted to all but the teeth.
            gap: between their lips, metres.
            times: seconds, increasing.
            shots: number of each frame's shot.
        """
        rolled, apart = frames.expression[:, self._roll], (gap > APART[0]) & (gap < APART[1])
        first, last = (np.searchsorted(times, times + side * AROUND) for side in (-1, 1))
        usual = np.full(len(times), USUALLY_ROLLED)
        for t in np.flatnonzero(apart):
            around = np.arange(first[t], last[t])
            around = around[apart[around] & (shots[around] == shots[t])]
            if len(around) >= FEWEST:
                usual[t] = np.median(rolled[around])
        # Lips that part from each other or are about to meet are rolled in as well.
        meeting, joined = gap <= APART[0], np.diff(shots) == 0
        apart[1:] &= ~(meeting[:-1] & joined)
        apart[:-1] &= ~(meeting[1:] & joined)
        there: Bool[ndarray, " T"] = apart & (rolled > usual + ROLLED)
        return there

    def linearize(
        self, frames: Frames, touching: Bool[ndarray, " T"]
    ) -> tuple[Float[ndarray, "T D D"], Float[ndarray, "T D"]]:
        """Hessian and gradient of every frame; 0 but where the lower lip is laid on the teeth."""
        count, expressions = frames.expression.shape
        size = expressions + len(self._turn_columns) + 6
        hessian, gradient = np.zeros((count, size, size)), np.zeros((count, size))
        told = np.flatnonzero(touching)
        if not len(told):
            return hessian, gradient
        posed = self._points.evaluate(frames.expression[told], frames.turns[told])
        clear = self._incisors.clearance(posed.points)
        weight = 1 / (CONTACT**2 * clear.distance.shape[1])
        slope = surface_slopes(self._points, posed, clear.point, clear.direction, self._turn_columns)
        moving = slice(0, slope.shape[2])
        hessian[told, moving, moving] = weight * slope.transpose(0, 2, 1) @ slope
        gradient[told, moving] = weight * np.einsum("ts,tsd->td", clear.distance, slope)
        return hessian, gradient

"""What the lips of a known head touch in many frames: each other, as for m, b and p, or the teeth, as for f and v."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from face3d.fit.landmark_fit import held_joints
from face3d.fit.lip_surface import LipSurface, lip_surface
from face3d.fit.motion_evidence import Frames
from face3d.fit.motion_points import MotionPoints
from face3d.fit.motion_teeth import AT_TEETH, TeethEvidence
from face3d.fit.point_model import MOVING_JOINTS, PointModel
from face3d.head import HeadModel

__all__ = ["CLOSED_LIPS", "LipContacts", "lip_contacts"]

CLOSED_LIPS = 0.001
"""Metres, mean height of the gap along the lips' middle, below which they are closed."""

_MIDDLE = slice(2, 7)
"""Of the profiles, those of the middle half of the mouth."""


class LipContacts:
    """Tells of frames of one person's head what the lips touch.

    Args:
        surface: the lips.
        points: the head at the points of `surface`.
        teeth: None for a head of whose mouth's inside nothing is known.
    """

    def __init__(self, surface: LipSurface, points: MotionPoints, teeth: TeethEvidence | None) -> None:
        self._surface, self._points, self._teeth = surface, points, teeth

    def gap(self, frames: Frames) -> Float[ndarray, " T"]:
        """Metres between the lips, mean height along their middle; below 0 where they are pressed into each other."""
        height = self._points.evaluate(frames.expression, frames.turns, slopes=False).points[..., 1]
        above = np.stack([height[:, profile].min(axis=1) for profile in self._surface.upper[_MIDDLE]], axis=1)
        below = np.stack([height[:, profile].max(axis=1) for profile in self._surface.lower[_MIDDLE]], axis=1)
        gap: Float[ndarray, " T"] = (above - below).mean(axis=1)
        return gap

    def closed(self, frames: Frames) -> Bool[ndarray, " T"]:
        """Whether the lips touch each other."""
        closed: Bool[ndarray, " T"] = self.gap(frames) < CLOSED_LIPS
        return closed

    def labiodental(self, frames: Frames) -> Bool[ndarray, " T"]:
        """Whether the lower lip is at the upper teeth and the upper lip clear of it."""
        if self._teeth is None:
            return np.zeros(len(frames.expression), bool)
        there: Bool[ndarray, " T"] = (self._teeth.distance(frames) < AT_TEETH) & ~self.closed(frames)
        return there


def lip_contacts(
    model: HeadModel,
    identity: Float[ndarray, " I"],
    expression: Float[ndarray, "T E"],
    jaw: Float[ndarray, "T 3"],
) -> tuple[Bool[ndarray, " T"], Bool[ndarray, " T"]] | None:
    """Where a head's lips are closed, and where the lower one is at the teeth; as `Motion` tells it.

    Args:
        model: the head.
        identity: of the person.
        expression: of the frames.
        jaw: axis-angle.

    Returns:
        None for a model that does not say where its lips are.
    """
    surface, held = lip_surface(model), held_joints(model)
    if surface is None:
        return None
    points = PointModel.of(model, surface.triangles, surface.barycentric, held=held, identity_components=len(identity))
    contacts = LipContacts(surface, MotionPoints.of(points, identity), TeethEvidence.of(model, identity, (), held))
    turns = np.tile(np.eye(3), (len(expression), len(MOVING_JOINTS), 1, 1))
    turns[:, 0] = Rotation.from_rotvec(jaw).as_matrix()
    nowhere = np.zeros((len(expression), 3))
    frames = Frames(np.asarray(expression, np.float64), turns, turns[:, 0], nowhere)
    return contacts.closed(frames), contacts.labiodental(frames)

"""What the read lips of many frames say of expression and pose of a known head, as normal equations of each frame."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from face3d.camera import Intrinsics
from face3d.fit.lip_matching import LipsSeen, lip_misses, match_lips
from face3d.fit.lip_surface import LipSurface, lip_surface
from face3d.fit.motion_evidence import Frames
from face3d.fit.motion_points import MotionPoints, surface_slopes
from face3d.fit.point_model import PointModel, cross_matrix
from face3d.head import HeadModel

__all__ = ["CLOSED_LIPS", "LipEvidence"]

CLOSED_LIPS = 0.001
"""Metres, mean height of the gap along the lips' middle, below which they are closed."""

_MIDDLE = slice(2, 7)
"""Of the profiles, those of the middle half of the mouth."""


class LipEvidence:
    """Compares readings of the lips with one person's head; unknowns as of `face3d.fit.motion_evidence`.

    Args:
        surface: the lips.
        points: the head at the points of `surface`.
        intrinsics: of the clip.
        turning: numbers of the joints of `MOVING_JOINTS` that turn.
    """

    def __init__(
        self, surface: LipSurface, points: MotionPoints, intrinsics: Intrinsics, turning: tuple[int, ...]
    ) -> None:
        self._surface, self._points = surface, points
        self._focal = np.diag(intrinsics.matrix)[:2].copy()
        self._centre = intrinsics.matrix[:2, 2].copy()
        self._turn_columns = np.array([3 * joint + axis for joint in turning for axis in range(3)], int)

    @staticmethod
    def of(
        model: HeadModel,
        identity: Float[ndarray, " I"],
        intrinsics: Intrinsics,
        turning: tuple[int, ...],
        held: tuple[str, ...],
    ) -> LipEvidence | None:
        """For a person; None where the model does not say where its lips are."""
        surface = lip_surface(model)
        if surface is None:
            return None
        points = PointModel.of(
            model, surface.triangles, surface.barycentric, held=held, identity_components=len(identity)
        )
        return LipEvidence(surface, MotionPoints.of(points, identity), intrinsics, turning)

    def linearize(self, frames: Frames, seen: LipsSeen) -> tuple[Float[ndarray, "T D D"], Float[ndarray, "T D"]]:
        """Hessian and gradient of every frame, with robust weights."""
        posed = self._points.evaluate(frames.expression, frames.turns)
        arms = posed.points @ frames.rotation.transpose(0, 2, 1)
        camera = arms + frames.translation[:, None]
        depth = camera[..., 2]
        off = camera[..., :2] / depth[..., None] * self._focal
        at = np.arange(len(camera))[:, None]

        def slopes(points: Int[ndarray, "T R"], weights: Float[ndarray, "T R 2"]) -> Float[ndarray, "T R D"]:
            near = depth[at, points][..., None]
            sideways = weights * self._focal / near
            forwards = -np.einsum("trc,trc->tr", weights, off[at, points])[..., None] / near
            by_camera = np.concatenate([sideways, forwards], axis=2)
            by_face = surface_slopes(self._points, posed, points, by_camera @ frames.rotation, self._turn_columns)
            by_rotation = -np.einsum("trx,trxa->tra", by_camera, cross_matrix(arms[at, points]), optimize=True)
            return np.concatenate([by_face, by_rotation, by_camera], axis=2)

        matched = match_lips(self._surface, off + self._centre, seen.mouth)
        misses = lip_misses(matched, seen, frames.translation[:, 2] / self._focal[0], slopes)
        across = misses.jacobian.transpose(0, 2, 1)
        return across @ misses.jacobian, (across @ misses.residual[..., None])[..., 0]

    def usable(self, frames: Frames, seen: LipsSeen) -> Bool[ndarray, " T"]:
        """In which frames the mouth was read well enough that its landmarks need not be heard."""
        return seen.usable(frames.translation[:, 2] / self._focal[0])

    def closed(self, frames: Frames) -> Bool[ndarray, " T"]:
        """Whether the head's lips touch."""
        height = self._points.evaluate(frames.expression, frames.turns, slopes=False).points[..., 1]
        above = np.stack([height[:, profile].min(axis=1) for profile in self._surface.upper[_MIDDLE]], axis=1)
        below = np.stack([height[:, profile].max(axis=1) for profile in self._surface.lower[_MIDDLE]], axis=1)
        closed: Bool[ndarray, " T"] = (above - below).mean(axis=1) < CLOSED_LIPS
        return closed

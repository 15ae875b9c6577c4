"""What the read lips of many frames say of expression and pose of a known head, as normal equations of each frame."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from face3d.camera import Intrinsics
from face3d.fit.lip_contacts import LipContacts
from face3d.fit.lip_matching import LipsSeen, lip_misses, match_lips
from face3d.fit.lip_surface import LipSurface, lip_surface
from face3d.fit.motion_evidence import Frames
from face3d.fit.motion_points import MotionPoints, surface_slopes
from face3d.fit.motion_teeth import TeethEvidence
from face3d.fit.point_model import PointModel, cross_matrix
from face3d.head import HeadModel

__all__ = ["LipEvidence"]


class LipEvidence:
    """Compares readings of the lips with one person's head; unknowns as of `face3d.fit.motion_evidence`.

    Args:
        surface: the lips.
        points: the head at the points of `surface`.
        intrinsics: of the clip.
        turning: numbers of the joints of `MOVING_JOINTS` that turn.
        teeth: what the lower lip may rest on; None for a head of whose mouth nothing is known.
    """

    def __init__(
        self,
        surface: LipSurface,
        points: MotionPoints,
        intrinsics: Intrinsics,
        turning: tuple[int, ...],
        teeth: TeethEvidence | None,
    ) -> None:
        self.contacts = LipContacts(surface, points, teeth)
        self._surface, self._points, self._teeth = surface, points, teeth
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
        teeth = TeethEvidence.of(model, identity, turning, held)
        return LipEvidence(surface, MotionPoints.of(points, identity), intrinsics, turning, teeth)

    def linearize(
        self, frames: Frames, seen: LipsSeen, at_teeth: Bool[ndarray, " T"] | None = None
    ) -> tuple[Float[ndarray, "T D D"], Float[ndarray, "T D"]]:
        """Hessian and gradient of every frame, with robust weights; `at_teeth` as the method tells it, None nowhere."""
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
        metres_per_pixel = frames.translation[:, 2] / self._focal[0]
        misses = lip_misses(matched, seen, metres_per_pixel, slopes)
        across = misses.jacobian.transpose(0, 2, 1)
        hessian, gradient = across @ misses.jacobian, (across @ misses.residual[..., None])[..., 0]
        if self._teeth is not None and at_teeth is not None and at_teeth.any():
            by_teeth = self._teeth.linearize(frames, at_teeth)
            hessian, gradient = hessian + by_teeth[0], gradient + by_teeth[1]
        return hessian, gradient

    def at_teeth(
        self, frames: Frames, seen: LipsSeen, times: Float[ndarray, " T"], shots: Int[ndarray, " T"]
    ) -> Bool[ndarray, " T"]:
        """In which frames, fitted so far, the lower lip is to be laid on the teeth; arguments as of `reached`."""
        if self._teeth is None:
            return np.zeros(len(frames.expression), bool)
        return self.usable(frames, seen) & self._teeth.reached(frames, self.contacts.gap(frames), times, shots)

    def usable(self, frames: Frames, seen: LipsSeen) -> Bool[ndarray, " T"]:
        """In which frames the mouth was read well enough that its landmarks need not be heard."""
        return seen.usable(frames.translation[:, 2] / self._focal[0])

"""The landmark problem of a clip's frames with what was read of the lips: whose lips they are.

A detector's landmarks tell where lips are to some millimetres, off the same way in all frames of a clip. Readings of
their contours move the identity's lips, and nothing else much: the camera is held, which they say nothing about.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from face3d.fit.clip_problem import ClipProblem
from face3d.fit.landmark_fit import held_joints
from face3d.fit.landmark_problem import FitState
from face3d.fit.lip_matching import LipsSeen, lip_misses, match_lips
from face3d.fit.lip_surface import lip_surface
from face3d.fit.point_model import PointModel, cross_matrix
from face3d.head import HeadModel

__all__ = ["LipClipProblem"]

READER_DOUBT = 9.0
"""Factor on what the reader of lips states. It errs alike in all frames of one person, and one smile is not another's:
what it says of a dozen frames together it says less surely than of one. With 4.5 the halves of a clip of somebody who
smiles in one of them were 0.3 mm further apart; drawn heads are off by as much with either."""


class LipClipProblem(ClipProblem):
    """`ClipProblem` with lips.

    Args:
        points: and all others: as of `ClipProblem`.
        model: whose lips they are.
        seen: what was read, a frame per view.
    """

    def __init__(self, points: PointModel, *others: Any, model: HeadModel, seen: LipsSeen, **named: Any) -> None:
        super().__init__(points, *others, **named)
        surface = lip_surface(model)
        assert surface is not None
        self._surface, self._seen = surface, seen
        self._lip_points = PointModel.of(
            model,
            surface.triangles,
            surface.barycentric,
            held=held_joints(model),
            identity_components=points.identity_size,
        )

    def _add_terms(
        self, state: FitState, gradient: Float[ndarray, " P"] | None, hessian: Float[ndarray, "P P"] | None
    ) -> float:
        cost = super()._add_terms(state, gradient, hessian)
        ident, own, views = self.identity_size, self._own_size, state.views
        shared = ident + 1 + self.error_count
        matrix = np.stack([view.intrinsics(evidence) for view, evidence in zip(views, self.views, strict=True)])
        focal = np.stack([matrix[:, 0, 0], matrix[:, 1, 1]], axis=1)
        rotation = np.stack([view.rotation for view in views])
        coefficients = np.stack([np.concatenate([state.identity, view.expression]) for view in views])
        points = self._lip_points.points_at(coefficients, np.stack([view.turns for view in views]))
        arms = points @ rotation.transpose(0, 2, 1)
        camera = arms + np.stack([view.translation for view in views])[:, None]
        depth = camera[..., 2]
        off = camera[..., :2] / depth[..., None] * focal[:, None]

        def slopes(chosen: Int[ndarray, "T R"], weights: Float[ndarray, "T R 2"]) -> Float[ndarray, "T R D"]:
            frame = np.arange(len(views))[:, None]
            sideways = np.sum(weights * off[frame, chosen], axis=2)
            away = depth[frame, chosen]
            by_camera = np.concatenate(
                [weights * focal[:, None] / away[..., None], -(sideways / away)[..., None]], axis=2
            )
            by_head = by_camera @ rotation
            posed = [self._lip_points.evaluate(one, view.turns) for one, view in zip(coefficients, views, strict=True)]
            moved = np.stack(
                [
                    np.einsum("rx,rxc->rc", row, np.concatenate([one.by_coefficient, one.by_rotation], 2)[numbers])
                    for row, one, numbers in zip(by_head, posed, chosen, strict=True)
                ]
            )
            parts = (
                moved[..., :ident],
                moved[..., ident:],
                -np.einsum("trx,trxa->tra", by_camera, cross_matrix(arms[frame, chosen])),
                by_camera,
                sideways[..., None],
            )
            return np.concatenate(parts, axis=2)

        matched = match_lips(self._surface, off + matrix[:, None, :2, 2], self._seen.mouth)
        scale = np.array([evidence.metres_per_pixel for evidence in self.views])
        misses = lip_misses(matched, self._seen, scale, None if gradient is None else slopes, doubt=READER_DOUBT)
        cost += float(misses.cost.sum())
        if gradient is not None and hessian is not None:
            for index, (rows, residual) in enumerate(zip(misses.jacobian, misses.residual, strict=True)):
                start = shared + index * own
                # The detector's errors, after the focal length, move no lips.
                places = slice(0, ident), slice(start, start + own), slice(ident, ident + 1)
                columns = slice(0, ident), slice(ident, ident + own), slice(ident + own, None)
                self._add_normal(hessian, gradient, rows.T @ rows, rows.T @ residual, places, columns)
        return cost

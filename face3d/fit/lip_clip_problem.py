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

READER_DOUBT = 4.5
"""Factor on what the reader of lips states. It errs alike in all frames of one person, and one smile is not another's:
what it says of a dozen frames together it says hardly more surely than of one."""


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
        ident, own = self.identity_size, self._own_size
        shared = ident + 1 + len(self.response.modes)
        for index, (view, evidence) in enumerate(zip(state.views, self.views, strict=True)):
            posed = self._lip_points.evaluate(np.concatenate([state.identity, view.expression]), view.turns)
            matrix = view.intrinsics(evidence)
            focal = np.diag(matrix)[:2]
            arms = posed.points @ view.rotation.T
            camera = arms + view.translation
            depth = camera[:, 2]
            off = camera[:, :2] / depth[:, None] * focal
            rotation, by_coefficient, by_rotation = view.rotation, posed.by_coefficient, posed.by_rotation

            def slopes(
                points: Int[ndarray, "1 R"],
                weights: Float[ndarray, "1 R 2"],
                *,
                depth: Float[ndarray, " P"] = depth,
                off: Float[ndarray, "P 2"] = off,
                focal: Float[ndarray, " 2"] = focal,
                arms: Float[ndarray, "P 3"] = arms,
                rotation: Float[ndarray, "3 3"] = rotation,
                by_coefficient: Float[ndarray, "P 3 C"] = by_coefficient,
                by_rotation: Float[ndarray, "P 3 K"] = by_rotation,
            ) -> Float[ndarray, "1 R D"]:
                these, weight = points[0], weights[0]
                forwards = -np.sum(weight * off[these], axis=1) / depth[these]
                by_camera = np.concatenate([weight * focal / depth[these, None], forwards[:, None]], axis=1)
                by_head = by_camera @ rotation
                coefficients = np.einsum("rx,rxc->rc", by_head, by_coefficient[these], optimize=True)
                parts = (
                    coefficients[:, :ident],
                    np.sum(weight * off[these], axis=1)[:, None],
                    np.zeros((len(these), shared - ident - 1)),
                    coefficients[:, ident:],
                    np.einsum("rx,rxk->rk", by_head, by_rotation[these], optimize=True),
                    -np.einsum("rx,rxa->ra", by_camera, cross_matrix(arms[these])),
                    by_camera,
                )
                return np.concatenate(parts, axis=1)[None]

            seen = self._seen[index : index + 1]
            matched = match_lips(self._surface, (off + matrix[:2, 2])[None], seen.mouth)
            misses = lip_misses(
                matched,
                seen,
                np.array([evidence.metres_per_pixel]),
                None if gradient is None else slopes,
                doubt=READER_DOUBT,
            )
            cost += float(misses.cost[0])
            if gradient is not None and hessian is not None:
                rows = misses.jacobian[0]
                start = shared + index * own
                place = np.concatenate([np.arange(shared), np.arange(start, start + own)])
                hessian[np.ix_(place, place)] += rows.T @ rows
                gradient[place] += rows.T @ misses.residual[0]
        return cost

"""The landmarks of one known head in many poses at once: points and how they move, batched over frames.

What `face3d.fit.point_model` does for one frame and a head that is still looked for; here the identity is fixed, so
that most points are one matrix product for all frames, and only those that jaw or eyes carry are skinned.

Dimension letters beside the usual: M points that joints carry, U vertices that those lie on, K moving joints,
F features of a joint's turn (9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from face3d.fit.point_model import MOVING_JOINTS, PointModel, cross_matrix

__all__ = ["MotionPoints", "PosedPoints", "surface_slopes"]

_GENERATORS = cross_matrix(np.eye(3))


@dataclass(frozen=True, slots=True, eq=False)
class PosedPoints:
    """Points of T heads in the head frame, metres, and how those that joints carry move.

    Attributes:
        points: (T, N, 3).
        by_expression: (T, M, 3, E) of the carried points; all others move by `MotionPoints.basis`.
        by_turns: (T, M, 3, 3 * K) of the carried points, by left-multiplied turns; the others do not move.
    """

    points: Float[ndarray, "T N 3"]
    by_expression: Float[ndarray, "T M 3 E"] | None
    by_turns: Float[ndarray, "T M 3 R"] | None


@dataclass(frozen=True, slots=True, eq=False)
class MotionPoints:
    """A head of known identity restricted to its landmarks. Build it with `MotionPoints.of`."""

    rest: Float[ndarray, "N 3"]
    basis: Float[ndarray, "N 3 E"]
    carried: Int[ndarray, " M"]
    mixing: Float[ndarray, "M U"]
    offset: Float[ndarray, "M 3"]
    template: Float[ndarray, "U 3"]
    vertex_basis: Float[ndarray, "U 3 E"]
    weights: Float[ndarray, "U K"]
    joints: Float[ndarray, "K 3"]
    joints_basis: Float[ndarray, "K 3 E"]
    correctives: Float[ndarray, "U 3 K F"] | None

    @staticmethod
    def of(points: PointModel, identity: Float[ndarray, " I"]) -> MotionPoints:
        """Fix the identity of a head's points."""
        size = points.identity_size
        identity = np.asarray(identity, np.float64)[:size]
        involved, corners = np.unique(points.moving_corners, return_inverse=True)
        mixing = np.zeros((len(points.moving), len(involved)))
        rows = np.arange(len(points.moving))[:, None]
        np.add.at(mixing, (rows, corners.reshape(points.moving_corners.shape)), points.moving_barycentric)
        basis = points.basis[involved]
        return MotionPoints(
            rest=points.rest_points + points.rest_basis[:, :, :size] @ identity,
            basis=np.ascontiguousarray(points.rest_basis[:, :, size:]),
            carried=points.moving,
            mixing=mixing,
            offset=points.moving_gain[:, :, :size] @ identity,
            template=points.template[involved] + basis[:, :, :size] @ identity,
            vertex_basis=np.ascontiguousarray(basis[:, :, size:]),
            weights=points.weights[involved],
            joints=points.joints + points.joints_basis[:, :, :size] @ identity,
            joints_basis=np.ascontiguousarray(points.joints_basis[:, :, size:]),
            correctives=None if points.correctives is None else points.correctives[involved],
        )

    def evaluate(
        self, expression: Float[ndarray, "T E"], turns: Float[ndarray, "T K 3 3"], *, slopes: bool = True
    ) -> PosedPoints:
        """Points for expressions and the rotation matrices of `MOVING_JOINTS`, and their slopes if asked for."""
        count, size = expression.shape
        points = self.rest + (expression @ self.basis.reshape(-1, size).T).reshape(count, -1, 3)
        if len(self.carried) == 0:
            return PosedPoints(points, None, None)
        rest = self.template + (expression @ self.vertex_basis.reshape(-1, size).T).reshape(count, -1, 3)
        joints = self.joints + (expression @ self.joints_basis.reshape(-1, size).T).reshape(count, -1, 3)
        still = 1 - self.weights.sum(axis=1)
        blend = still[:, None, None] * np.eye(3) + np.tensordot(turns, self.weights, (1, 1)).transpose(0, 3, 1, 2)
        features = (turns - np.eye(3)).reshape(count, len(MOVING_JOINTS), 9)
        if self.correctives is not None:
            rest = rest + np.tensordot(features, self.correctives, ((1, 2), (2, 3)))
        arms = np.einsum("tkxy,tuky->tukx", turns, rest[:, :, None] - joints[:, None], optimize=True)
        posed = still[:, None] * rest + np.einsum("uk,tukx->tux", self.weights, arms + joints[:, None])
        points[:, self.carried] = self.mixing @ posed + self.offset
        if not slopes:
            return PosedPoints(points, None, None)
        # Joints are carried by the expression too, and pull their vertices with (1 - R).
        drag = np.einsum("tkxy,kye->tkxe", np.eye(3) - turns, self.joints_basis, optimize=True)
        by_expression = np.matmul(blend, self.vertex_basis) + np.einsum("uk,tkxe->tuxe", self.weights, drag)
        turned = -self.weights[:, :, None, None] * cross_matrix(arms)
        if self.correctives is not None:
            # d(R - 1) = [delta]x R: each column of the change is the feature's derivative for one axis.
            change = np.einsum("axy,tkyz->tkaxz", _GENERATORS, turns).reshape(count, len(MOVING_JOINTS), 3, 9)
            moved = np.einsum("uxkf,tkaf->tukxa", self.correctives, change, optimize=True)
            turned = turned + np.einsum("tuxy,tukya->tukxa", blend, moved, optimize=True)
        turned = turned.transpose(0, 1, 3, 2, 4).reshape(count, len(self.template), -1)
        mixed = self.mixing @ by_expression.reshape(count, len(self.template), -1)
        return PosedPoints(
            points,
            mixed.reshape(count, len(self.carried), 3, size),
            (self.mixing @ turned).reshape(count, len(self.carried), 3, -1),
        )


def surface_slopes(
    points: MotionPoints,
    posed: PosedPoints,
    which: Int[ndarray, "T R"],
    direction: Float[ndarray, "T R 3"],
    turn_columns: Int[ndarray, " C"],
) -> Float[ndarray, "T R D"]:
    """How places of some points along some directions follow the expression and then the turns of free joints.

    Args:
        points: of the head.
        posed: they in T frames, with slopes.
        which: R of them in each frame.
        direction: head frame.
        turn_columns: columns of `PosedPoints.by_turns` that are free.
    """
    by_expression = np.einsum("trx,trxe->tre", direction, points.basis[which], optimize=True)
    by_turns = np.zeros((*which.shape, len(turn_columns)))
    if posed.by_expression is not None and posed.by_turns is not None and len(points.carried):
        place = np.full(len(points.basis), -1)
        place[points.carried] = np.arange(len(points.carried))
        carried, frame = place[which], np.arange(len(which))[:, None]
        moved = carried >= 0
        own = np.einsum("trx,trxe->tre", direction, posed.by_expression[frame, carried], optimize=True)
        by_expression = np.where(moved[..., None], own, by_expression)
        turned = posed.by_turns[frame, carried][..., turn_columns]
        by_turns = np.einsum("trx,trxk->trk", direction, turned, optimize=True) * moved[..., None]
    return np.concatenate([by_expression, by_turns], axis=2)

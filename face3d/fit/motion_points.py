"""The landmarks of one known head in many poses at once: points and how they move, batched over frames.

What `face3d.fit.point_model` does for one frame and a head that is still looked for. Here the identity is fixed, so
that most points are one matrix product for all frames. A point that joints carry is a sum of a part that stays and, for
every joint, an arm that turns with it: still + sum_k R_k arm_k, each linear in the expression. So vertices, their
skinning weights and a point's barycentric coordinates are multiplied out once, and a pose costs three products a joint.

Dimension letters beside the usual: M points that joints carry, K moving joints, F features of a joint's turn (9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from face3d.fit.motion_kernels import follow_surface
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
    """A head of known identity restricted to its landmarks. Build it with `MotionPoints.of`.

    Attributes:
        rest, basis: (N, 3), (N, 3, E) of all points while no joint turns.
        carried: (M,) which points joints carry.
        parts, parts_basis: (1 + K, M, 3), (1 + K, M, 3, E) what of them stays, and the arms that turn with each joint.
        correctives: (1 + K, M, 3, K, F) how those parts change with R - 1 of each joint; None for a head without.
        joints, joints_basis: (K, 3), (K, 3, E) of the joints.
    """

    rest: Float[ndarray, "N 3"]
    basis: Float[ndarray, "N 3 E"]
    carried: Int[ndarray, " M"]
    parts: Float[ndarray, "L M 3"]
    parts_basis: Float[ndarray, "L M 3 E"]
    correctives: Float[ndarray, "L M 3 K F"] | None
    joints: Float[ndarray, "K 3"]
    joints_basis: Float[ndarray, "K 3 E"]

    @property
    def slots(self) -> Int[ndarray, " N"]:
        """Number of each point among the carried ones, -1 for the others."""
        slots = np.full(len(self.rest), -1)
        slots[self.carried] = np.arange(len(self.carried))
        return slots

    @staticmethod
    def of(points: PointModel, identity: Float[ndarray, " I"]) -> MotionPoints:
        """Fix the identity of a head's points."""
        size = points.identity_size
        identity = np.asarray(identity, np.float64)[:size]
        involved, corners = np.unique(points.moving_corners, return_inverse=True)
        mixing = np.zeros((len(points.moving), len(involved)))
        rows = np.arange(len(points.moving))[:, None]
        np.add.at(mixing, (rows, corners.reshape(points.moving_corners.shape)), points.moving_barycentric)
        # How much of each vertex is in each part of a point: what no joint carries, then what each does.
        weights = points.weights[involved]
        shares = mixing * np.concatenate([1 - weights.sum(axis=1, keepdims=True), weights], axis=1).T[:, None]

        def parts(vertices: Float[ndarray, "U 3 *X"], joints: Float[ndarray, "K 3 *X"]) -> Float[ndarray, "L M 3 *X"]:
            made = np.tensordot(shares, vertices, 1)
            moved = np.multiply.outer(shares[1:].sum(axis=2), np.ones(joints.shape[1:])) * joints[:, None]
            made[1:] -= moved
            made[0] += moved.sum(axis=0)
            return made

        basis, joints_basis = points.basis[involved], points.joints_basis
        joints = points.joints + joints_basis[:, :, :size] @ identity
        own = parts(points.template[involved] + basis[:, :, :size] @ identity, joints)
        own[0] += points.moving_gain[:, :, :size] @ identity
        correctives = points.correctives
        return MotionPoints(
            rest=points.rest_points + points.rest_basis[:, :, :size] @ identity,
            basis=np.ascontiguousarray(points.rest_basis[:, :, size:]),
            carried=points.moving,
            parts=own,
            parts_basis=parts(basis[:, :, size:], joints_basis[:, :, size:]),
            correctives=None if correctives is None else np.tensordot(shares, correctives[involved], 1),
            joints=joints,
            joints_basis=np.ascontiguousarray(joints_basis[:, :, size:]),
        )

    def evaluate(
        self, expression: Float[ndarray, "T E"], turns: Float[ndarray, "T K 3 3"], *, slopes: bool = True
    ) -> PosedPoints:
        """Points for expressions and the rotation matrices of `MOVING_JOINTS`, and their slopes if asked for."""
        count, size = expression.shape
        points = self.rest + (expression @ self.basis.reshape(-1, size).T).reshape(count, -1, 3)
        if len(self.carried) == 0:
            return PosedPoints(points, None, None)
        still, arms = self._posed_parts(expression, turns)
        points[:, self.carried] = still + arms.sum(axis=1)
        if not slopes:
            return PosedPoints(points, None, None)
        by_expression = np.tile(self.parts_basis[0], (count, 1, 1, 1))
        for joint, basis in enumerate(self.parts_basis[1:]):
            by_expression += turns[:, joint, None] @ basis
        return PosedPoints(points, by_expression, self._by_turns(arms, turns))

    def by_turns(
        self, expression: Float[ndarray, "T E"], turns: Float[ndarray, "T K 3 3"]
    ) -> Float[ndarray, "T M 3 R"]:
        """The slopes by turns alone, as `PosedPoints` has them."""
        return self._by_turns(self._posed_parts(expression, turns)[1], turns)

    def _posed_parts(
        self, expression: Float[ndarray, "T E"], turns: Float[ndarray, "T K 3 3"]
    ) -> tuple[Float[ndarray, "T M 3"], Float[ndarray, "T K M 3"]]:
        """What of the carried points stays, and the arms after they have turned."""
        count, size = expression.shape
        parts = self.parts + (expression @ self.parts_basis.reshape(-1, size).T).reshape(count, *self.parts.shape)
        if self.correctives is not None:
            features = (turns - np.eye(3)).reshape(count, -1)
            parts += (features @ self.correctives.reshape(-1, features.shape[1]).T).reshape(parts.shape)
        return parts[:, 0], parts[:, 1:] @ turns.transpose(0, 1, 3, 2)

    def _by_turns(self, arms: Float[ndarray, "T K M 3"], turns: Float[ndarray, "T K 3 3"]) -> Float[ndarray, "T M 3 R"]:
        count, joints, carried = arms.shape[:3]
        slopes = np.ascontiguousarray(-cross_matrix(arms).transpose(0, 2, 3, 1, 4))
        if self.correctives is not None:
            # d(R - 1) = [delta]x R: each column of the change is the feature's derivative for one axis.
            change = np.einsum("axy,tkyz->tkaxz", _GENERATORS, turns).reshape(count, joints, 3, -1)
            moved = np.einsum("lmxkf,tkaf->tlmxka", self.correctives, change, optimize=True)
            slopes += moved[:, 0] + np.einsum("tlxy,tlmyka->tmxka", turns, moved[:, 1:], optimize=True)
        return slopes.reshape(count, carried, 3, 3 * joints)


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
    by_expression, by_turns = posed.by_expression, posed.by_turns
    if by_expression is None or by_turns is None:
        by_expression = np.zeros((len(which), 0, *points.basis.shape[1:]))
        by_turns = np.zeros((len(which), 0, 3, 3 * len(MOVING_JOINTS)))
    by_turns = np.ascontiguousarray(by_turns[..., turn_columns])
    slopes = np.empty((*which.shape, points.basis.shape[2] + len(turn_columns)))
    direction = np.ascontiguousarray(direction)
    follow_surface(which, direction, points.basis, points.slots, by_expression, by_turns, slopes)
    return slopes

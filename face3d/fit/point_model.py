"""The few points of a head that evidence speaks about, with analytic derivatives.

A landmark fit needs some hundred points, not thousands of vertices, and needs their Jacobian many times. This module
evaluates the head layer (blend shapes, pose correctives, linear blend skinning) at those points only, in NumPy float64.

Dimension letters: N points, M of them that joints move, C = I + E coefficients (identity first, then expression), U
vertices that those M touch, J joints, B heads at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

if TYPE_CHECKING:
    from torch import Tensor

    from face3d.head import HeadModel

MOVING_JOINTS = ("jaw", "left_eye", "right_eye")


@dataclass(frozen=True, slots=True)
class PointState:
    """Points of one head in one pose and how they move.

    Attributes:
        points: (N, 3) metres, head frame.
        by_coefficient: (N, 3, C) metres per unit coefficient.
        by_rotation: (N, 3, 3 * len(MOVING_JOINTS)) metres per radian of a left-multiplied rotation of each joint.
    """

    points: Float[ndarray, "N 3"]
    by_coefficient: Float[ndarray, "N 3 C"]
    by_rotation: Float[ndarray, "N 3 R"]


@dataclass(frozen=True, slots=True)
class PointModel:
    """A head restricted to the points of one set. Build it with `PointModel.of`."""

    identity_size: int
    rest_points: Float[ndarray, "N 3"]
    rest_basis: Float[ndarray, "N 3 C"]
    moving: Int[ndarray, " M"]
    moving_corners: Int[ndarray, "M 3"]
    moving_barycentric: Float[ndarray, "M 3"]
    template: Float[ndarray, "U 3"]
    basis: Float[ndarray, "U 3 C"]
    weights: Float[ndarray, "U K"]
    joints: Float[ndarray, "K 3"]
    joints_basis: Float[ndarray, "K 3 C"]
    correctives: Float[ndarray, "U 3 K 9"] | None
    moving_gain: Float[ndarray, "M 3 I"]

    @property
    def size(self) -> int:
        """Number of coefficients C."""
        return int(self.rest_basis.shape[2])

    @staticmethod
    def of(
        model: HeadModel,
        triangles: Int[ndarray, " N"],
        barycentric: Float[ndarray, "N 3"],
        *,
        held: tuple[str, ...] = (),
        identity_components: int | None = None,
    ) -> PointModel:
        """Restrict `model` to surface points given by triangle and barycentric coordinates.

        Joints named in `held` stay at rest, which spares their points the skinning. Of the identity the first
        `identity_components` are kept, all by default.
        """
        corners = _array(model.triangles)[triangles]
        used, local = np.unique(corners, return_inverse=True)
        local = local.reshape(corners.shape)
        bases = model.identity_basis[:identity_components], model.expression_basis

        def at(vertices: Int[ndarray, " W"]) -> tuple[Float[ndarray, "W 3"], Float[ndarray, "W 3 C"]]:
            """Template and basis at some vertices: a few hundred of many thousand."""
            basis = np.concatenate([_array(part[:, vertices]) for part in bases])
            return _array(model.template[vertices]), np.ascontiguousarray(basis.transpose(1, 2, 0))

        template, basis = at(used)
        names = list(model.joint_names)
        columns = [names.index(name) for name in MOVING_JOINTS]
        regressor = _array(model.joint_regressor)[columns]
        around = np.flatnonzero(regressor.any(axis=0))
        joints, joints_basis = (np.tensordot(regressor[:, around], part, axes=1) for part in at(around))
        weights = _array(model.skinning_weights[used])[:, columns]
        weights *= [name not in held for name in MOVING_JOINTS]
        correctives = None
        if model.pose_basis is not None:
            blocks = _array(model.pose_basis).reshape(len(names) - 1, 9, -1, 3)[:, :, used]
            correctives = np.ascontiguousarray(blocks[[column - 1 for column in columns]].transpose(2, 3, 0, 1))
        moves = weights.sum(axis=1) > 1e-6
        moving = np.flatnonzero(moves[local].any(axis=1)) if correctives is None else np.arange(len(triangles))
        bary = np.asarray(barycentric, np.float64)
        # Of the vertices only those that moving points touch are looked at again.
        carried, carried_corners = np.unique(local[moving], return_inverse=True)
        return PointModel(
            identity_size=len(bases[0]),
            rest_points=np.einsum("nk,nkx->nx", bary, template[local]),
            rest_basis=np.einsum("nk,nkxc->nxc", bary, basis[local], optimize=True),
            moving=moving,
            moving_corners=carried_corners.reshape(-1, 3),
            moving_barycentric=bary[moving],
            template=template[carried],
            basis=basis[carried],
            weights=weights[carried],
            joints=joints,
            joints_basis=joints_basis,
            correctives=None if correctives is None else correctives[carried],
            moving_gain=np.zeros((len(moving), 3, len(bases[0]))),
        )

    def joint(self, name: str, identity: Float[ndarray, " I"]) -> tuple[Float[ndarray, " 3"], Float[ndarray, "3 I"]]:
        """One of `MOVING_JOINTS` at rest, metres in the head frame, and its derivative by the identity."""
        number = MOVING_JOINTS.index(name)
        slope = self.joints_basis[number][:, : self.identity_size]
        return self.joints[number] + slope @ identity, slope

    def displaced(self, gain: Float[ndarray, "N 3 I"]) -> PointModel:
        """The points moved off the surface by `gain @ identity`, metres in the head frame."""
        basis = self.rest_basis.copy()
        gain = gain[:, :, : self.identity_size]
        basis[:, :, : self.identity_size] += gain
        return replace(
            self,
            rest_basis=basis,
            moving_gain=gain[self.moving],
        )

    def evaluate(self, coefficients: Float[ndarray, " C"], rotations: Float[ndarray, "K 3 3"]) -> PointState:
        """Points and derivatives for coefficients and the rotation matrices of `MOVING_JOINTS`."""
        points = self.rest_points + self.rest_basis @ coefficients
        by_coefficient = self.rest_basis
        by_rotation = np.zeros((len(points), 3, 3 * len(MOVING_JOINTS)))
        if len(self.moving) == 0:
            return PointState(points, by_coefficient, by_rotation)
        corners, basis, weights = self.moving_corners, self.basis, self.weights
        rest = self.template + basis @ coefficients
        joints = self.joints + self.joints_basis @ coefficients
        identity = np.eye(3)
        still = 1 - weights.sum(axis=1)
        blend = still[:, None, None] * identity + np.einsum("uk,kxy->uxy", weights, rotations)
        if self.correctives is not None:
            feature = (rotations - identity).reshape(len(rotations), 9)
            rest = rest + np.einsum("uxkf,kf->ux", self.correctives, feature)
        arms = np.einsum("kxy,uky->ukx", rotations, rest[:, None] - joints[None])
        posed = still[:, None] * rest + np.einsum("uk,ukx->ux", weights, arms + joints[None])
        # Joints are carried by the coefficients too, and pull their vertices with (1 - R).
        drag = np.einsum("kxy,kyc->kxc", identity - rotations, self.joints_basis)
        posed_basis = np.matmul(blend, basis) + np.tensordot(weights, drag, axes=([1], [0]))
        turned = -weights[:, :, None, None] * cross_matrix(arms)
        if self.correctives is not None:
            # d(R - 1) = [delta]x R: each column of the change is the feature's derivative for one axis.
            generators = cross_matrix(np.eye(3))
            change = np.einsum("axy,kyz->kaxz", generators, rotations).reshape(len(rotations), 3, 9)
            moved = np.einsum("uxkf,kaf->ukxa", self.correctives, change)
            turned = turned + np.einsum("uxy,ukya->ukxa", blend, moved)
        bary = self.moving_barycentric
        points = points.copy()
        shift = self.moving_gain @ coefficients[: self.identity_size]
        points[self.moving] = np.einsum("nk,nkx->nx", bary, posed[corners]) + shift
        by_coefficient = by_coefficient.copy()
        by_coefficient[self.moving] = np.einsum("nk,nkxc->nxc", bary, posed_basis[corners], optimize=True)
        by_coefficient[self.moving, :, : self.identity_size] += self.moving_gain
        turned_points = np.einsum("nk,nkjxa->nxja", bary, turned[corners])
        by_rotation[self.moving] = turned_points.reshape(len(self.moving), 3, -1)
        return PointState(points, by_coefficient, by_rotation)

    def points_at(
        self, coefficients: Float[ndarray, "B C"], rotations: Float[ndarray, "B K 3 3"]
    ) -> Float[ndarray, "B N 3"]:
        """`evaluate` of many heads at once, the points alone."""
        count = len(coefficients)
        points = self.rest_points + _weighted(self.rest_basis, coefficients)
        if len(self.moving) == 0:
            return points
        rest = self.template + _weighted(self.basis, coefficients)
        joints = self.joints + _weighted(self.joints_basis, coefficients)
        if self.correctives is not None:
            feature = (rotations - np.eye(3)).reshape(count, -1)
            rest = rest + _weighted(self.correctives.reshape(len(self.template), 3, -1), feature)
        arms = np.matmul(rest[:, None] - joints[:, :, None], rotations.transpose(0, 1, 3, 2))
        posed = (1 - self.weights.sum(axis=1))[:, None] * rest
        posed += np.einsum("uk,bkux->bux", self.weights, arms + joints[:, :, None])
        shift = _weighted(self.moving_gain, coefficients[:, : self.identity_size])
        points[:, self.moving] = (
            np.einsum("nk,bnkx->bnx", self.moving_barycentric, posed[:, self.moving_corners]) + shift
        )
        return points


def _weighted(basis: Float[ndarray, "N X C"], coefficients: Float[ndarray, "B C"]) -> Float[ndarray, "B N X"]:
    """Sums of a basis's vectors, one for each row of coefficients."""
    flat = basis.reshape(-1, basis.shape[2])
    return (coefficients @ flat.T).reshape(len(coefficients), *basis.shape[:2])


def _array(tensor: Tensor) -> ndarray:
    array = tensor.detach().cpu().numpy()
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def cross_matrix(vectors: Float[ndarray, "*S 3"]) -> Float[ndarray, "*S 3 3"]:
    """The matrices that take w to v x w."""
    vectors = np.asarray(vectors, np.float64)
    matrices = np.zeros((*vectors.shape, 3))
    for k in range(3):
        one, other = (k + 1) % 3, (k + 2) % 3
        matrices[..., other, one] = vectors[..., k]
        matrices[..., one, other] = -vectors[..., k]
    return matrices

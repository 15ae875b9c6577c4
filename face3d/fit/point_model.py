"""The few points of a head that evidence speaks about, with analytic derivatives.

A landmark fit needs some hundred points, not thousands of vertices, and needs their Jacobian many times. This module
evaluates the head layer (blend shapes, pose correctives, linear blend skinning) at those points only, in NumPy float64.

Dimension letters: N points, C = I + E coefficients (identity first, then expression), U vertices the points touch,
J joints.
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
        template = _array(model.template)[used]
        identity_basis = _array(model.identity_basis)[:identity_components]
        full_basis = np.concatenate([identity_basis, _array(model.expression_basis)])
        basis = np.ascontiguousarray(full_basis[:, used].transpose(1, 2, 0))
        names = list(model.joint_names)
        columns = [names.index(name) for name in MOVING_JOINTS]
        regressor = _array(model.joint_regressor)[columns]
        weights = _array(model.skinning_weights)[used][:, columns]
        weights *= [name not in held for name in MOVING_JOINTS]
        correctives = None
        if model.pose_basis is not None:
            blocks = _array(model.pose_basis).reshape(len(names) - 1, 9, -1, 3)[:, :, used]
            correctives = np.ascontiguousarray(blocks[[column - 1 for column in columns]].transpose(2, 3, 0, 1))
        moves = weights.sum(axis=1) > 1e-6
        moving = np.flatnonzero(moves[local].any(axis=1)) if correctives is None else np.arange(len(triangles))
        bary = np.asarray(barycentric, np.float64)
        return PointModel(
            identity_size=len(identity_basis),
            rest_points=np.einsum("nk,nkx->nx", bary, template[local]),
            rest_basis=np.einsum("nk,nkxc->nxc", bary, basis[local], optimize=True),
            moving=moving,
            moving_corners=local[moving],
            moving_barycentric=bary[moving],
            template=template,
            basis=basis,
            weights=weights,
            joints=regressor @ _array(model.template),
            joints_basis=np.tensordot(regressor, full_basis, axes=([1], [1])).transpose(0, 2, 1),
            correctives=correctives,
            moving_gain=np.zeros((len(moving), 3, len(identity_basis))),
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
        involved, corners = np.unique(self.moving_corners, return_inverse=True)
        corners = corners.reshape(self.moving_corners.shape)
        basis, weights = self.basis[involved], self.weights[involved]
        rest = self.template[involved] + basis @ coefficients
        joints = self.joints + self.joints_basis @ coefficients
        identity = np.eye(3)
        still = 1 - weights.sum(axis=1)
        blend = still[:, None, None] * identity + np.einsum("uk,kxy->uxy", weights, rotations)
        if self.correctives is not None:
            feature = (rotations - identity).reshape(len(rotations), 9)
            rest = rest + np.einsum("uxkf,kf->ux", self.correctives[involved], feature)
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
            moved = np.einsum("uxkf,kaf->ukxa", self.correctives[involved], change)
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

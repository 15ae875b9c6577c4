"""Cut a head model down to the vertices that some of its points and regions need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int64

from face3d.errors import ArgumentError
from face3d.head.arrays import HeadArrays, PointArrays

__all__ = ["restrict"]


def restrict(arrays: HeadArrays, names: Sequence[str]) -> HeadArrays:
    """Return the model with only the vertices that the named point sets and regions touch.

    Joints depend on vertices all over the head. To keep them exact, one vertex per joint is appended that lies where
    the joint does and moves with every basis as the joint does; the new joint regressor reads these.

    Raises:
        ArgumentError: neither a point set nor a region has such a name.
    """
    if isinstance(names, str):
        raise ArgumentError(f"restrict to a list of names, such as [{names!r}]")
    for name in names:
        if name not in arrays.point_sets and name not in arrays.regions:
            known = ", ".join(sorted({*arrays.point_sets, *arrays.regions})) or "none"
            raise ArgumentError(f"head {arrays.name!r} has no point set or region {name!r}; it has: {known}")
    sets = {name: arrays.point_sets[name] for name in names if name in arrays.point_sets}
    regions = {name: arrays.regions[name] for name in names if name in arrays.regions}

    needed = _needed_vertices(arrays, sets, regions)
    kept = np.flatnonzero(needed)
    whole_triangles = np.flatnonzero(needed[arrays.triangles].all(axis=1))
    new_vertex = _new_index(kept, len(arrays.template))
    new_triangle = _new_index(whole_triangles, len(arrays.triangles))
    joints = len(arrays.joint_names)
    regressor = np.zeros((joints, len(kept) + joints), arrays.joint_regressor.dtype)
    regressor[:, len(kept) :] = np.eye(joints)
    at_joint = np.zeros((joints, joints), arrays.skinning_weights.dtype)
    at_joint[:, 0] = 1

    return replace(
        arrays,
        template=_with_joints(arrays.template[None], arrays.joint_regressor, kept)[0],
        triangles=new_vertex[arrays.triangles[whole_triangles]],
        identity_basis=_with_joints(arrays.identity_basis, arrays.joint_regressor, kept),
        expression_basis=_with_joints(arrays.expression_basis, arrays.joint_regressor, kept),
        pose_basis=None
        if arrays.pose_basis is None
        else np.pad(arrays.pose_basis[:, kept], ((0, 0), (0, joints), (0, 0))),
        joint_regressor=regressor,
        skinning_weights=np.concatenate([arrays.skinning_weights[kept], at_joint]),
        point_sets={name: _renumbered(points, new_triangle) for name, points in sets.items()},
        regions={name: new_vertex[ids] for name, ids in regions.items()},
        uv_triangles=None if arrays.uv_triangles is None else arrays.uv_triangles[whole_triangles],
    )


def _needed_vertices(
    arrays: HeadArrays, sets: dict[str, PointArrays], regions: dict[str, np.ndarray]
) -> Bool[np.ndarray, " V"]:
    needed = np.zeros(len(arrays.template), bool)
    for points in sets.values():
        needed[arrays.triangles[points.triangles]] = True
        if points.contour_triangles is not None:
            needed[arrays.triangles[points.contour_triangles]] = True
    for ids in regions.values():
        needed[ids] = True
    return needed


def _with_joints(
    basis: Float[np.ndarray, "K V 3"], regressor: Float[np.ndarray, "J V"], kept: Int64[np.ndarray, " k"]
) -> Float[np.ndarray, "K k+J 3"]:
    exact = np.einsum("jv,kvx->kjx", regressor.astype(np.float64), basis.astype(np.float64), optimize=True)
    return np.concatenate([basis[:, kept], exact.astype(basis.dtype)], axis=1)


def _new_index(kept: Int64[np.ndarray, " k"], size: int) -> Int64[np.ndarray, " size"]:
    index = np.full(size, -1, np.int64)
    index[kept] = np.arange(len(kept))
    return index


def _renumbered(points: PointArrays, new_triangle: Int64[np.ndarray, " F"]) -> PointArrays:
    contour = points.contour_triangles
    return replace(
        points,
        triangles=new_triangle[points.triangles],
        contour_triangles=None if contour is None else new_triangle[contour],
    )

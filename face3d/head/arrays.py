"""A head model as plain arrays: what every reader of a head file produces and every writer takes.

Dimension letters: V vertices, F triangles, I identity components, E expression components, J joints, N points of a set,
C contour points, U texture coordinates. Lengths are metres, coordinates are in the head frame (+x the subject's left,
+y up, +z out of the face).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from face3d.errors import InputError

__all__ = ["YAW_BINS", "HeadArrays", "PointArrays"]

#: Number of yaw bins of a dynamic contour: 0 to 39 degrees in one direction, 1 to 39 in the other (as in FLAME).
YAW_BINS = 79

# FLAME's own embeddings hold barycentric coordinates down to -1e-13; this only refuses what cannot be on the surface.
_BARYCENTRIC_TOLERANCE = 1e-4
_WEIGHT_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class PointArrays:
    """Named points on the surface, each a triangle and its barycentric coordinates.

    Attributes:
        triangles: triangle of each point.
        barycentric: weights of the triangle's three vertices, summing to one.
        labels: name of each point, or None.
        sigma: standard deviation of each point's place on real heads in metres, or None.
        contour_triangles: per yaw bin, the triangles that replace those of the first C points, or None for a set
            that does not depend on the view. Bins as in FLAME: 0..39 for a yaw of 0..39 degrees to the subject's
            left, 40..78 for 1..39 degrees to the right.
        contour_barycentric: likewise.
    """

    triangles: Integer[np.ndarray, " N"]
    barycentric: Float[np.ndarray, "N 3"]
    labels: tuple[str, ...] | None = None
    sigma: Float[np.ndarray, " N"] | None = None
    contour_triangles: Integer[np.ndarray, "79 C"] | None = None
    contour_barycentric: Float[np.ndarray, "79 C 3"] | None = None

    def __len__(self) -> int:
        return len(self.triangles)


@dataclass(frozen=True, slots=True, eq=False)
class HeadArrays:
    """A morphable head as arrays.

    Attributes:
        name: short name of the model, such as "open" or "flame".
        licence: SPDX identifier or a sentence that says under which terms the arrays may be used.
        template: mean head.
        triangles: vertex indices, counter-clockwise seen from outside.
        identity_basis: displacement per identity component; coefficient 1 is one standard deviation.
        expression_basis: displacement per expression component.
        joint_regressor: J times vertices of the unposed head gives the joints.
        skinning_weights: rows sum to one.
        joint_names: names, root first.
        parents: parent of each joint, -1 for the root; a parent comes before its children.
        pose_basis: displacement per entry of the non-root rotation matrices minus identity (row-major, joint after
            joint), or None.
        expression_names: names of the expression components.
        expression_bounds: lowest and highest meaningful coefficient, or None when unbounded.
        point_sets: named sets of points on the surface.
        regions: named sets of vertex indices.
        uv: texture coordinates, u to the right, v up, or None.
        uv_triangles: indices into `uv` for the corners of `triangles`, or None.
        provenance: how the arrays came to be, JSON-serialisable.

    Raises:
        InputError: shapes, indices or weights contradict each other.
    """

    name: str
    licence: str
    template: Float[np.ndarray, "V 3"]
    triangles: Integer[np.ndarray, "F 3"]
    identity_basis: Float[np.ndarray, "I V 3"]
    expression_basis: Float[np.ndarray, "E V 3"]
    joint_regressor: Float[np.ndarray, "J V"]
    skinning_weights: Float[np.ndarray, "V J"]
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    pose_basis: Float[np.ndarray, "9*(J-1) V 3"] | None = None
    expression_names: tuple[str, ...] = ()
    expression_bounds: Float[np.ndarray, "E 2"] | None = None
    point_sets: Mapping[str, PointArrays] = field(default_factory=dict)
    regions: Mapping[str, Integer[np.ndarray, " R"]] = field(default_factory=dict)
    uv: Float[np.ndarray, "U 2"] | None = None
    uv_triangles: Integer[np.ndarray, "F 3"] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_mesh(self)
        _check_skeleton(self)
        for name, points in self.point_sets.items():
            _check_points(f"point set {name!r}", points, len(self.triangles))
        for name, ids in self.regions.items():
            _check_index(f"region {name!r}", ids, len(self.template))


def _check_mesh(arrays: HeadArrays) -> None:
    vertices = _check_shape("template", arrays.template, (None, 3))[0]
    _check_shape("triangles", arrays.triangles, (None, 3))
    _check_index("triangles", arrays.triangles, vertices)
    _check_shape("identity_basis", arrays.identity_basis, (None, vertices, 3))
    expressions = _check_shape("expression_basis", arrays.expression_basis, (None, vertices, 3))[0]
    if arrays.expression_names and len(arrays.expression_names) != expressions:
        raise InputError(f"expression_names has {len(arrays.expression_names)} entries for {expressions} components")
    if arrays.expression_bounds is not None:
        _check_shape("expression_bounds", arrays.expression_bounds, (expressions, 2))
    if (arrays.uv is None) != (arrays.uv_triangles is None):
        raise InputError("uv and uv_triangles must come together")
    if arrays.uv is not None and arrays.uv_triangles is not None:
        _check_shape("uv", arrays.uv, (None, 2))
        _check_shape("uv_triangles", arrays.uv_triangles, (len(arrays.triangles), 3))
        _check_index("uv_triangles", arrays.uv_triangles, len(arrays.uv))


def _check_skeleton(arrays: HeadArrays) -> None:
    vertices, joints = len(arrays.template), len(arrays.joint_names)
    parents = arrays.parents
    if not joints or len(parents) != joints:
        raise InputError(f"joint_names has {joints} entries, parents {len(parents)}: they must be equal and not empty")
    if parents[0] != -1 or any(not 0 <= parent < child for child, parent in enumerate(parents) if child):
        raise InputError(f"parents are {list(parents)}: expected -1 first and each parent before its children")
    _check_shape("joint_regressor", arrays.joint_regressor, (joints, vertices))
    _check_shape("skinning_weights", arrays.skinning_weights, (vertices, joints))
    if vertices and np.abs(arrays.skinning_weights.sum(axis=1) - 1).max() > _WEIGHT_TOLERANCE:
        raise InputError("skinning_weights has rows that do not sum to one")
    if arrays.pose_basis is not None:
        _check_shape("pose_basis", arrays.pose_basis, (9 * (joints - 1), vertices, 3))


def _check_points(name: str, points: PointArrays, triangles: int) -> None:
    count = _check_shape(f"{name}: triangles", points.triangles, (None,))[0]
    _check_index(f"{name}: triangles", points.triangles, triangles)
    _check_barycentric(f"{name}: barycentric", points.barycentric, (count, 3))
    if points.labels is not None and len(points.labels) != count:
        raise InputError(f"{name}: has {len(points.labels)} labels for {count} points")
    if points.sigma is not None:
        _check_shape(f"{name}: sigma", points.sigma, (count,))
    if (points.contour_triangles is None) != (points.contour_barycentric is None):
        raise InputError(f"{name}: contour_triangles and contour_barycentric must come together")
    if points.contour_triangles is not None and points.contour_barycentric is not None:
        size = _check_shape(f"{name}: contour triangles", points.contour_triangles, (YAW_BINS, None))[1]
        if size > count:
            raise InputError(f"{name}: the contour has {size} points, the whole set only {count}")
        _check_index(f"{name}: contour triangles", points.contour_triangles, triangles)
        _check_barycentric(f"{name}: contour barycentric", points.contour_barycentric, (YAW_BINS, size, 3))


def _check_shape(name: str, array: np.ndarray, expected: tuple[int | None, ...]) -> tuple[int, ...]:
    """Return the array's shape after comparing it with `expected`, in which None stands for any length."""
    fits = array.ndim == len(expected) and all(
        want in (None, have) for want, have in zip(expected, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if want is None else str(want) for want in expected)
        raise InputError(f"{name} has shape {array.shape}, expected ({wanted}{',' if len(expected) == 1 else ''})")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{name} holds values that are not finite")
    return array.shape


def _check_index(name: str, ids: np.ndarray, size: int) -> None:
    if ids.dtype.kind not in "iu":
        raise InputError(f"{name} must hold integers, not {ids.dtype}")
    if ids.size and not (int(ids.min()) >= 0 and int(ids.max()) < size):
        raise InputError(f"{name} refers to entry {int(ids.min())}..{int(ids.max())} of {size}")


def _check_barycentric(name: str, barycentric: np.ndarray, expected: tuple[int, ...]) -> None:
    _check_shape(name, barycentric, expected)
    if barycentric.size and (
        barycentric.min() < -_BARYCENTRIC_TOLERANCE
        or np.abs(barycentric.sum(axis=-1) - 1).max() > _BARYCENTRIC_TOLERANCE
    ):
        raise InputError(f"{name} has rows that are no barycentric coordinates (none negative, sum one)")

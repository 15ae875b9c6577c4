"""The open head as the renderer needs it: bases as plain arrays, posing without a network library in the way.

Dimension letters: I identity, E expression, V vertices, F triangles, J joints, N points of a set. Metres, head frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.transform import Rotation

from face3d.assets import open_head_path
from face3d.errors import ArgumentError
from face3d.head.arrays import HeadArrays, PointArrays
from face3d.head.head_file import read_head
from face3d.render.compiled import compiled

__all__ = ["HeadState", "OpenHead", "open_head", "vertex_normals"]

JAW, LEFT_EYE, RIGHT_EYE = 2, 3, 4
"""Rows of the joints in a face3d head: root, neck, jaw, left_eye, right_eye."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadState:
    """Parameters of one head, as `face3d.head.HeadModel` takes them.

    Attributes:
        identity: standard deviations.
        expression: the ARKit shapes, 0 to 1.
        jaw: axis-angle in radians. The open head opens its jaw by an expression, so this stays zero in samples.
        eyes: axis-angles in radians, left eye first.
    """

    identity: Float[np.ndarray, " I"]
    expression: Float[np.ndarray, " E"]
    jaw: Float[np.ndarray, " 3"]
    eyes: Float[np.ndarray, " 6"]

    @staticmethod
    def neutral(identity: Float[np.ndarray, " I"]) -> HeadState:
        """A person at rest who looks straight ahead."""
        return HeadState(np.asarray(identity, dtype=np.float64), np.zeros(52), np.zeros(3), np.zeros(6))


@dataclass(frozen=True, slots=True, eq=False)
class OpenHead:
    """The open head's arrays, with what is derived from them once.

    Attributes:
        arrays: as in the file.
        triangles: (F, 3) int64.
        eyeball: (V,) 0 skin, 1 left eyeball, 2 right eyeball.
        eye_centres: (2, 3) of the mean head, left then right.
    """

    arrays: HeadArrays
    triangles: Int[np.ndarray, "F 3"]
    eyeball: Int[np.ndarray, " V"]
    eye_centres: Float[np.ndarray, "2 3"]
    _identity: Float[np.ndarray, "I 3V"]
    _expression: Float[np.ndarray, "E 3V"]
    _template: Float[np.ndarray, " 3V"]

    @property
    def template(self) -> Float[np.ndarray, "V 3"]:
        """The mean head."""
        return self._template.reshape(-1, 3)

    @property
    def identity_size(self) -> int:
        """Number of identity components."""
        return len(self._identity)

    def region(self, *names: str) -> Bool[np.ndarray, " V"]:
        """Which vertices belong to any of the regions."""
        mask = np.zeros(len(self.template), dtype=bool)
        for name in names:
            mask[self.arrays.regions[name]] = True
        return mask

    def vertices(self, state: HeadState) -> Float[np.ndarray, "V 3"]:
        """The posed surface; the same bits for the same parameters everywhere.

        Raises:
            ArgumentError: parameters of another model's size.
        """
        for name, width in (("identity", len(self._identity)), ("expression", len(self._expression)), ("eyes", 6)):
            if np.shape(getattr(state, name)) != (width,):
                raise ArgumentError(f"{name} has shape {np.shape(getattr(state, name))}, expected ({width},)")
        flat = self._template.copy()
        _add_weighted(np.asarray(state.identity, dtype=np.float64), self._identity, flat)
        _add_weighted(np.asarray(state.expression, dtype=np.float64), self._expression, flat)
        shaped = flat.reshape(-1, 3)
        turns = Rotation.from_rotvec(np.stack([state.jaw, state.eyes[:3], state.eyes[3:]])).as_matrix()
        joints = self.joints(shaped)
        weights = self.arrays.skinning_weights
        posed = shaped.copy()
        for joint, turn in zip((JAW, LEFT_EYE, RIGHT_EYE), turns, strict=True):
            if not np.array_equal(turn, np.eye(3)):
                moved = np.flatnonzero(weights[:, joint] > 0)
                arm = shaped[moved] - joints[joint]
                posed[moved] += weights[moved, joint, None].astype(np.float64) * (_turned(arm, turn) - arm)
        return posed

    def joints(self, vertices: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "J 3"]:
        """Joints of an unposed head; its eye centres also of a posed one."""
        return np.stack([(row[used, None] * vertices[used]).sum(axis=0) for row, used in self._regressor_rows()])

    def _regressor_rows(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(row.astype(np.float64), np.flatnonzero(row)) for row in self.arrays.joint_regressor]

    def points(self, name: str, vertices: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "N 3"]:
        """The points of a set, its contour as on a frontal head."""
        return on_surface(self.arrays.point_sets[name], self.triangles, vertices)

    def anatomy(self, vertices: Float[np.ndarray, "V 3"]) -> dict[str, Float[np.ndarray, " 3"]]:
        """Anatomical points by label."""
        labels = self.arrays.point_sets["anatomy"].labels
        assert labels is not None
        return dict(zip(labels, self.points("anatomy", vertices), strict=True))


def on_surface(
    points: PointArrays, triangles: Int[np.ndarray, "F 3"], vertices: Float[np.ndarray, "V 3"]
) -> Float[np.ndarray, "N 3"]:
    """Places of surface points."""
    corners = vertices[triangles[points.triangles]]
    return (points.barycentric[:, :, None].astype(np.float64) * corners).sum(axis=1)


@lru_cache(maxsize=1)
def open_head() -> OpenHead:
    """The head that ships, read once."""
    arrays = read_head(open_head_path())
    count = len(arrays.template)
    eyeball = np.zeros(count, dtype=np.int64)
    for number, name in enumerate(("left_eyeball", "right_eyeball"), start=1):
        eyeball[arrays.regions[name]] = number
    template = arrays.template.astype(np.float64)
    centres = arrays.joint_regressor[[LEFT_EYE, RIGHT_EYE]].astype(np.float64) @ template
    return OpenHead(
        arrays=arrays,
        triangles=np.ascontiguousarray(arrays.triangles, dtype=np.int64),
        eyeball=eyeball,
        eye_centres=centres,
        _identity=np.ascontiguousarray(arrays.identity_basis.reshape(len(arrays.identity_basis), -1), np.float32),
        _expression=np.ascontiguousarray(arrays.expression_basis.reshape(len(arrays.expression_basis), -1), np.float32),
        _template=template.reshape(-1),
    )


def vertex_normals(vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]) -> Float[np.ndarray, "V 3"]:
    """Area-weighted unit normals, pointing outwards; zero where there is no area."""
    normals = np.zeros((len(vertices), 3))
    _sum_normals(np.ascontiguousarray(vertices, dtype=np.float64), triangles, normals)
    return normals


def _turned(arms: Float[np.ndarray, "N 3"], turn: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "N 3"]:
    """Rotate row by row: the sums of a matrix product may depend on how many rows there are."""
    return (arms[:, None, :] * turn[None]).sum(axis=2)


@compiled
def _add_weighted(weights, basis, total):  # type: ignore[no-untyped-def]
    for row in range(basis.shape[0]):
        weight = weights[row]
        if weight != 0.0:
            for column in range(basis.shape[1]):
                total[column] += weight * basis[row, column]


@compiled
def _sum_normals(vertices, triangles, normals):  # type: ignore[no-untyped-def]
    for face in range(triangles.shape[0]):
        a, b, c = triangles[face, 0], triangles[face, 1], triangles[face, 2]
        ux, uy, uz = (vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2])
        vx, vy, vz = (vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2])
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            normals[corner, 0] += nx
            normals[corner, 1] += ny
            normals[corner, 2] += nz
    for vertex in range(normals.shape[0]):
        length = np.sqrt(normals[vertex, 0] ** 2 + normals[vertex, 1] ** 2 + normals[vertex, 2] ** 2)
        if length > 0.0:
            normals[vertex, 0] /= length
            normals[vertex, 1] /= length
            normals[vertex, 2] /= length

"""The morphable head: one layer for every model, whose data decide what head it makes.

Dimension letters: B batch, V vertices, F triangles, I identity, E expression, J joints, N points of a set.
Lengths are metres. The head frame is FLAME's: +x the subject's left, +y up, +z out of the face, right-handed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from face3d.errors import ArgumentError
from face3d.head.arrays import HeadArrays, PointArrays
from face3d.head.contour import contour_bins, contour_sign
from face3d.head.restriction import restrict
from face3d.head.skinning import (
    blend_displacements,
    pose_feature,
    regress_joints,
    rigid_chain,
    rotations_from_axis_angles,
    skin,
)
from face3d.head.surface_points import PointEmbedding, SurfacePoints

__all__ = ["HeadGeometry", "HeadModel"]

# OpenCV's camera looks at a frontal head with y and z turned round.
_FRONTAL_CAMERA = (1.0, -1.0, -1.0)


@dataclass(frozen=True, slots=True, eq=False)
class HeadGeometry:
    """Heads that a model made.

    Attributes:
        vertices: posed surface, metres, head frame.
        joints: posed joints; the translation is included, as it is in the vertices.
        rotations: of each joint relative to its rest, so that the left eye looks along column 2 of its matrix.
    """

    vertices: Float[Tensor, "B V 3"]
    joints: Float[Tensor, "B J 3"]
    rotations: Float[Tensor, "B J 3 3"]


class HeadModel(nn.Module):
    """A morphable head: parameters in, geometry out; holds buffers only and no state.

    Buffers are not part of the state dict, so that a network which contains a head loads published weights strictly.
    `.to(dtype)`, `.to(device)`, `.double()` work as for any module.

    Attributes:
        template: (V, 3) mean head.
        triangles: (F, 3) int64, counter-clockwise seen from outside.
        identity_basis: (I, V, 3); coefficient 1 is one standard deviation.
        expression_basis: (E, V, 3).
        pose_basis: (9 * (J - 1), V, 3) or None.
        joint_regressor: (J, V).
        skinning_weights: (V, J), rows sum to one.
        joint_names: root first; heads of face3d have root, neck, jaw, left_eye, right_eye.
        parents: parent of each joint, -1 for the root.
        expression_names: E names.
        expression_bounds: (E, 2) lowest and highest meaningful coefficient, or None when unbounded.
        uv: (U, 2) or None.
        uv_triangles: (F, 3) int64 or None.
        name, licence, provenance: what the model is, its terms, how it came to be.
        contour: as given.

    Args:
        arrays: the model's data.
        contour: which sign of the yaw selects a dynamic contour: "deca" (+yaw) or "smplx" (-yaw).
        dtype: of all floating-point buffers.
    """

    template: Tensor
    triangles: Tensor
    identity_basis: Tensor
    expression_basis: Tensor
    pose_basis: Tensor | None
    joint_regressor: Tensor
    skinning_weights: Tensor
    expression_bounds: Tensor | None
    uv: Tensor | None
    uv_triangles: Tensor | None

    def __init__(self, arrays: HeadArrays, *, contour: str = "deca", dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.name = arrays.name
        self.licence = arrays.licence
        self._provenance = dict(arrays.provenance)
        self.contour = contour
        self._contour_sign = contour_sign(contour)
        self.joint_names = arrays.joint_names
        self.parents = arrays.parents
        self.expression_names = arrays.expression_names or tuple(
            f"expression_{index}" for index in range(len(arrays.expression_basis))
        )
        for name in _FLOAT_BUFFERS:
            self._hold(name, getattr(arrays, name), dtype)
        for name in ("triangles", "uv_triangles"):
            self._hold(name, getattr(arrays, name), torch.int64)
        self._region_names = tuple(arrays.regions)
        for index, ids in enumerate(arrays.regions.values()):
            self._hold(f"_region_{index}", ids, torch.int64)
        sets = _with_fixed_contours(arrays.point_sets)
        self._point_set_names = tuple(sets)
        self._embeddings = nn.ModuleList(PointEmbedding(points, arrays.triangles, dtype) for points in sets.values())

    def _hold(self, name: str, array: np.ndarray | None, dtype: torch.dtype) -> None:
        tensor = None if array is None else torch.tensor(array, dtype=dtype)
        self.register_buffer(name, tensor, persistent=False)

    @property
    def identity_size(self) -> int:
        """Number of identity components I."""
        return self.identity_basis.shape[0]

    @property
    def expression_size(self) -> int:
        """Number of expression components E."""
        return self.expression_basis.shape[0]

    @property
    def provenance(self) -> Mapping[str, Any]:
        """How the model came to be."""
        return MappingProxyType(self._provenance)

    @property
    def regions(self) -> Mapping[str, Int64[Tensor, " R"]]:
        """Named sets of vertex indices."""
        names = enumerate(self._region_names)
        return MappingProxyType({name: self.get_buffer(f"_region_{index}") for index, name in names})

    @property
    def point_sets(self) -> Mapping[str, SurfacePoints]:
        """Named sets of points on the surface; a set `S` with a dynamic contour has a fixed twin `S_fixed`."""
        return MappingProxyType({name: self._embedding(name).description() for name in self._point_set_names})

    def forward(
        self,
        *,
        identity: Float[Tensor, "#B i"] | None = None,
        expression: Float[Tensor, "#B e"] | None = None,
        root: Float[Tensor, "#B 3"] | None = None,
        neck: Float[Tensor, "#B 3"] | None = None,
        jaw: Float[Tensor, "#B 3"] | None = None,
        eyes: Float[Tensor, "#B 6"] | None = None,
        translation: Float[Tensor, "#B 3"] | None = None,
    ) -> HeadGeometry:
        """Return the heads of the given parameters; whatever is left out is zero.

        Batches of one are shared: one identity with T expressions gives T heads. A vector without a batch dimension
        counts as a batch of one. Values are converted to the model's dtype; arrays are accepted as well as tensors.

        Args:
            identity: coefficients in standard deviations; fewer than I are padded with zeros.
            expression: coefficients; fewer than E are padded with zeros.
            root: axis-angle in radians, turns the whole head about the root joint.
            neck: axis-angle in radians relative to the root.
            jaw: axis-angle in radians relative to the neck; positive x opens the mouth.
            eyes: axis-angles in radians relative to the neck, left eye first.
            translation: metres, added to everything.

        Raises:
            ArgumentError: a parameter has another shape, lies on another device, or batches contradict each other.
        """
        identity = self._parameter("identity", identity, self.identity_size, padded=True)
        expression = self._parameter("expression", expression, self.expression_size, padded=True)
        eyes = self._parameter("eyes", eyes, 6)
        turns = {
            "root": self._parameter("root", root, 3),
            "neck": self._parameter("neck", neck, 3),
            "jaw": self._parameter("jaw", jaw, 3),
            "left_eye": None if eyes is None else eyes[:, :3],
            "right_eye": None if eyes is None else eyes[:, 3:],
        }
        given = {name: turn for name, turn in turns.items() if turn is not None}
        translation = self._parameter("translation", translation, 3)
        batch = _common_batch({"identity": identity, "expression": expression, "translation": translation, **given})

        shaped = self.template.unsqueeze(0)
        if identity is not None:
            shaped = shaped + blend_displacements(identity, self.identity_basis)
        if expression is not None:
            shaped = shaped + blend_displacements(expression, self.expression_basis)
        if identity is None and expression is None:
            shaped = shaped.clone()  # a caller who writes into the result must not change the model
        shaped = shaped.expand(batch, -1, -1)
        joints = regress_joints(self.joint_regressor, shaped)
        local = self._local_rotations(given, batch)
        if given:
            vertices, rotations, posed_joints = self._pose(shaped, joints, local)
        else:
            # Skipping the skinning at rest keeps the surface exactly template plus blend shapes, as MICA's meshes are.
            vertices, rotations, posed_joints = shaped, local, joints
        if translation is not None:
            vertices, posed_joints = vertices + translation.unsqueeze(1), posed_joints + translation.unsqueeze(1)
        return HeadGeometry(vertices, posed_joints, rotations)

    def points(
        self, name: str, geometry: HeadGeometry, *, camera_from_head: Float[Tensor, "#B 4 4"] | None = None
    ) -> Float[Tensor, "B N 3"]:
        """Return the points of a named set on heads of this model, metres, head frame.

        Args:
            name: one of `point_sets`.
            geometry: what this model returned.
            camera_from_head: rigid transform into the OpenCV camera frame; the yaw that selects a dynamic contour is
                the one this camera sees. Without it the camera is in front of the unturned head, and root and neck
                alone make the yaw, as in FLAME. No gradient flows through the selection.

        Raises:
            ArgumentError: there is no such set, or the geometry is another model's.
        """
        embedding = self._embedding(name)
        vertices = geometry.vertices
        if vertices.shape[1:] != self.template.shape:
            raise ArgumentError(
                f"geometry has vertices {tuple(vertices.shape)}, expected (B, {self.template.shape[0]}, 3)"
            )
        if not embedding.depends_on_view:
            return embedding(vertices, None)
        return embedding(vertices, contour_bins(self._seen_rotation(geometry, camera_from_head), self._contour_sign))

    def restricted_to(self, names: Sequence[str]) -> HeadModel:
        """Return a model of only the vertices that the named point sets and regions touch, for fast fitting.

        It takes the same parameters and gives the same points and joints. Its vertices are the needed ones in their
        old order, then one per joint, which carries the joint through the blend shapes; its triangles are those with
        all three corners kept; the other point sets and regions are gone.

        Raises:
            ArgumentError: neither a point set nor a region has such a name.
        """
        restricted = HeadModel(restrict(self.arrays(), names), contour=self.contour, dtype=self.template.dtype)
        return restricted.to(self.template.device)

    def arrays(self) -> HeadArrays:
        """Return the model's data as NumPy arrays, as `save_head` takes them."""
        values = {name: _array(getattr(self, name)) for name in (*_FLOAT_BUFFERS, "triangles", "uv_triangles")}
        return HeadArrays(
            name=self.name,
            licence=self.licence,
            joint_names=self.joint_names,
            parents=self.parents,
            expression_names=self.expression_names,
            regions={name: ids.cpu().numpy() for name, ids in self.regions.items()},
            point_sets={
                name: PointArrays(
                    triangles=points.triangles.cpu().numpy(),
                    barycentric=points.barycentric.cpu().numpy(),
                    labels=points.labels,
                    sigma=_array(points.sigma),
                    contour_triangles=_array(points.contour_triangles),
                    contour_barycentric=_array(points.contour_barycentric),
                )
                for name, points in self.point_sets.items()
            },
            provenance=dict(self.provenance),
            **values,
        )

    def extra_repr(self) -> str:
        """Return what `repr` shows of the model."""
        return (
            f"{self.name!r}, vertices={len(self.template)}, triangles={len(self.triangles)}, "
            f"identity={self.identity_size}, expression={self.expression_size}"
        )

    def _local_rotations(self, given: Mapping[str, Tensor], batch: int) -> Float[Tensor, "B J 3 3"]:
        axis_angles = [self.template.new_zeros(1, 3)] * len(self.joint_names)
        for name, turn in given.items():
            if name not in self.joint_names:
                raise ArgumentError(f"head {self.name!r} has no joint {name!r}, only {', '.join(self.joint_names)}")
            axis_angles[self.joint_names.index(name)] = turn
        return rotations_from_axis_angles(torch.stack([turn.expand(batch, 3) for turn in axis_angles], dim=1))

    def _pose(
        self, shaped: Float[Tensor, "B V 3"], joints: Float[Tensor, "B J 3"], local: Float[Tensor, "B J 3 3"]
    ) -> tuple[Float[Tensor, "B V 3"], Float[Tensor, "B J 3 3"], Float[Tensor, "B J 3"]]:
        if self.pose_basis is not None:
            shaped = shaped + blend_displacements(pose_feature(local), self.pose_basis)
        rotations, posed_joints = rigid_chain(local, joints, self.parents)
        return skin(shaped, self.skinning_weights, rotations, joints, posed_joints), rotations, posed_joints

    def _seen_rotation(
        self, geometry: HeadGeometry, camera_from_head: Float[Tensor, "#B 4 4"] | None
    ) -> Float[Tensor, "B 3 3"]:
        joint = self.joint_names.index("neck") if "neck" in self.joint_names else 0
        rotation = geometry.rotations[:, joint]
        if camera_from_head is None:
            return rotation
        if camera_from_head.ndim != 3 or camera_from_head.shape[1:] != (4, 4):
            raise ArgumentError(f"camera_from_head has shape {tuple(camera_from_head.shape)}, expected (B, 4, 4)")
        return rotation.new_tensor(_FRONTAL_CAMERA)[:, None] * camera_from_head[:, :3, :3].to(rotation) @ rotation

    def _embedding(self, name: str) -> PointEmbedding:
        if name not in self._point_set_names:
            known = ", ".join(sorted(self._point_set_names)) or "none"
            raise ArgumentError(f"head {self.name!r} has no point set {name!r}; it has: {known}")
        embedding = self._embeddings[self._point_set_names.index(name)]
        assert isinstance(embedding, PointEmbedding)
        return embedding

    def _parameter(self, name: str, value: Any, width: int, *, padded: bool = False) -> Tensor | None:
        if value is None:
            return None
        device = self.template.device
        if isinstance(value, Tensor) and value.device != device:
            raise ArgumentError(f"{name} lies on {value.device}, the head model on {device}; move one with .to()")
        try:
            tensor = torch.as_tensor(value, dtype=self.template.dtype, device=device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ArgumentError(f"{name} is no array of numbers but a {type(value).__name__}") from error
        shape = tuple(tensor.shape)
        tensor = tensor.unsqueeze(0) if tensor.ndim == 1 else tensor
        fits = tensor.ndim == 2 and (tensor.shape[1] <= width if padded else tensor.shape[1] == width)
        if not fits:
            fewer = " with at most that many columns" if padded else ""
            raise ArgumentError(f"{name} has shape {shape}, expected (B, {width}){fewer}")
        return tensor


_FLOAT_BUFFERS = (
    "template",
    "identity_basis",
    "expression_basis",
    "pose_basis",
    "joint_regressor",
    "skinning_weights",
    "expression_bounds",
    "uv",
)


def _common_batch(parameters: Mapping[str, Tensor | None]) -> int:
    sizes = {name: value.shape[0] for name, value in parameters.items() if value is not None}
    wide = {size for size in sizes.values() if size != 1}
    if len(wide) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ArgumentError(f"batch sizes differ: {listed}; each must be 1 or the same")
    return wide.pop() if wide else 1


def _with_fixed_contours(sets: Mapping[str, PointArrays]) -> dict[str, PointArrays]:
    """Give every set with a dynamic contour a twin in which the contour stays where it is on a frontal head."""
    complete = dict(sets)
    for name, points in sets.items():
        if points.contour_triangles is not None:
            fixed = PointArrays(points.triangles, points.barycentric, points.labels, points.sigma)
            complete.setdefault(f"{name}_fixed", fixed)
    return complete


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.cpu().numpy()

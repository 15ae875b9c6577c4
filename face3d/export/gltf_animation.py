"""A head over time as one GLB: named morph targets for expressions, joints for jaw, eyes and neck, the head's motion.

The scene is what the camera sees: it stands at the origin and looks along -z, +y is up, metres. A glTF camera with the
video's field of view stands there too, so that the animation seen through it lies over the video (a principal point off
the middle, which glTF cannot say, excepted). Dimension letters: T frames, V vertices, W vertices of the file, E
expression components, J joints, M morph targets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from face3d.camera import Intrinsics
from face3d.errors import ArgumentError
from face3d.export.gltf import gltf_surface
from face3d.export.gltf_buffer import ARRAY_BUFFER, FLOAT, UNSIGNED_BYTE, GltfBuffer, glb
from face3d.export.mesh import GENERATOR, Mesh
from face3d.head import HeadModel
from face3d.render.normals import mesh_normals

__all__ = ["IN_PLACE", "HeadMotion", "export_gltf_animation"]

STILL = 1e-6
"""What changes by less than this, in radians, metres or as a coefficient, is not animated."""

CORRECTIVE_RESIDUAL = 1e-6
"""Metres. Pose correctives are reproduced to this at every frame."""

IN_PLACE = "in_place"
"""Name of the second animation."""

INFLUENCES = 4
"""Joints of a vertex that every program reads."""

_GLTF_FROM_CAMERA = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True, slots=True, eq=False)
class HeadMotion:
    """What a head does over time.

    Attributes:
        times: seconds, from 0 up, increasing.
        expression: coefficients.
        jaw, neck: axis-angle in radians; eyes: left then right.
        camera_from_head: rigid transforms into the OpenCV camera frame.
    """

    times: Float[np.ndarray, " T"]
    expression: Float[np.ndarray, "T E"]
    jaw: Float[np.ndarray, "T 3"]
    neck: Float[np.ndarray, "T 3"]
    eyes: Float[np.ndarray, "T 6"]
    camera_from_head: Float[np.ndarray, "T 4 4"]

    def turns(self, joint: str) -> Rotation:
        """Rotations of a joint relative to its parent; none for one that a head does not move."""
        rotvec = {"jaw": self.jaw, "neck": self.neck, "left_eye": self.eyes[:, :3], "right_eye": self.eyes[:, 3:]}
        return Rotation.from_rotvec(rotvec.get(joint, np.zeros((len(self.times), 3))))


def export_gltf_animation(
    mesh: Mesh,
    model: HeadModel,
    motion: HeadMotion,
    *,
    intrinsics: Intrinsics | None = None,
    also_in_place: bool = False,
) -> bytes:
    """Write an animated head.

    Node `head_pose` carries the joints and moves as the head does in the camera's frame; the skinned mesh follows its
    joints. Expressions that never move have no morph target; the names of the others are `extras.targetNames` of the
    mesh. All is linear between the frames' times, rotations on the shortest arc. At a frame the vertices are the
    model's to single precision (about 1e-7 m): where an expression moves a joint, the node's translation makes up for
    it, and pose correctives, which glTF does not know, become morph targets `pose_corrective_<n>` whose weights follow
    the pose. What is left is what falls below STILL, CORRECTIVE_RESIDUAL, or beyond the four strongest joints of a
    vertex.

    Args:
        mesh: the person at rest, head frame; with colours or texture coordinates as they are to be written.
        model: whose vertices the mesh has.
        motion: at least one frame.
        intrinsics: of the video's camera.
        also_in_place: write a second animation, `in_place`, of a head that stays where it is in the first frame.

    Raises:
        ArgumentError: no frame, times that do not increase, values that are not finite, another model's mesh.
    """
    _check(mesh, model, motion)
    buffer = GltfBuffer()
    surface = gltf_surface(mesh, buffer)
    source = surface.source
    names, targets, weights = _morphs(model, motion)
    if names:
        surface.primitive["targets"] = _morph_targets(mesh, targets, source, buffer)
    joints, influence = _influences(model.skinning_weights.double().cpu().numpy())
    surface.primitive["attributes"] |= {
        "JOINTS_0": buffer.add(joints[source], "VEC4", UNSIGNED_BYTE, ARRAY_BUFFER),
        "WEIGHTS_0": buffer.add(influence[source], "VEC4", FLOAT, ARRAY_BUFFER),
    }

    places = model.joint_regressor.double().cpu().numpy() @ mesh.vertices
    nodes: list[dict[str, Any]] = [{"name": mesh.name, "mesh": 0, "skin": 0}, {"name": "head_pose"}]
    first_joint = len(nodes)
    nodes += [{"name": name} for name in model.joint_names]
    for joint, parent in enumerate(model.parents):
        nodes[first_joint + parent if joint else 1].setdefault("children", []).append(first_joint + joint)
    cameras: dict[str, Any] = {}
    if intrinsics is not None:
        nodes.append({"name": "camera", "camera": 0})
        cameras = {"cameras": [_camera(intrinsics)]}

    animation = _Animation(buffer, motion.times)
    animation.weights(0, weights)
    pose = motion.camera_from_head
    animation.move(
        nodes, 1, pose[:, :3, 3] @ _GLTF_FROM_CAMERA, Rotation.from_matrix(_GLTF_FROM_CAMERA @ pose[:, :3, :3])
    )
    for joint, (name, offsets) in enumerate(zip(model.joint_names, _joint_offsets(model, motion), strict=True)):
        bone = places[joint] - (places[model.parents[joint]] if joint else 0.0)
        animation.move(nodes, first_joint + joint, bone + offsets, motion.turns(name))

    inverse_bind = np.tile(np.eye(4, dtype="<f4"), (len(places), 1, 1))
    inverse_bind[:, 3, :3] = -places  # column-major
    document = {
        "asset": {"version": "2.0", "generator": GENERATOR},
        "scene": 0,
        "scenes": [{"nodes": [0, 1, *([len(nodes) - 1] if cameras else [])]}],
        "nodes": nodes,
        "meshes": [
            {
                "name": mesh.name,
                "primitives": [surface.primitive],
                **({"weights": [0.0] * len(names), "extras": {"targetNames": names}} if names else {}),
            }
        ],
        "skins": [
            {
                "name": mesh.name,
                "joints": list(range(first_joint, first_joint + len(places))),
                "skeleton": first_joint,
                "inverseBindMatrices": buffer.add(inverse_bind.reshape(-1, 16), "MAT4", FLOAT),
            }
        ],
        **cameras,
        **surface.materials,
        **animation.document(mesh.name, head_pose=1, also_in_place=also_in_place),
    }
    return glb(document, buffer)


class _Animation:
    """The channels of one animation, which share their times."""

    def __init__(self, buffer: GltfBuffer, times: Float[np.ndarray, " T"]) -> None:
        single = times.astype("<f4")
        # Times that only double precision tells apart are one.
        self._kept: Bool[np.ndarray, " T"] = np.append(np.diff(single) > 0, True)
        self._buffer = buffer
        self._times = single[self._kept][:, None]
        self._input: int | None = None
        self._samplers: list[dict[str, Any]] = []
        self._channels: list[dict[str, Any]] = []

    def move(
        self, nodes: list[dict[str, Any]], node: int, translation: Float[np.ndarray, "T 3"], rotation: Rotation
    ) -> None:
        """Give a node the place and turn of the first frame, and channels for what of it changes."""
        turn = rotation.as_quat()
        # q and -q are one rotation; the nearer of the two to the frame before.
        turn[1:] *= np.cumprod(np.where((turn[1:] * turn[:-1]).sum(1) < 0, -1.0, 1.0))[:, None]
        for path, values, kind, rest in (
            ("translation", translation, "VEC3", [0.0, 0.0, 0.0]),
            ("rotation", turn, "VEC4", [0.0, 0.0, 0.0, 1.0]),
        ):
            if np.abs(values[0] - rest).max() > 0:
                nodes[node][path] = values[0].astype("<f4").tolist()
            if np.ptp(values, axis=0).max() > STILL:
                self._channel(node, path, values.astype("<f4"), kind)

    def weights(self, node: int, weights: Float[np.ndarray, "T M"]) -> None:
        """One channel for all morph targets."""
        if weights.shape[1]:
            self._channel(node, "weights", weights.astype("<f4"), "SCALAR")

    def document(self, name: str, *, head_pose: int, also_in_place: bool) -> dict[str, Any]:
        """The document's entry; none when nothing moves.

        Args:
            name: of the animation.
            head_pose: node that a second animation leaves alone.
            also_in_place: write the second animation.
        """
        animations = [{"name": name, "channels": self._channels, "samplers": self._samplers}]
        if also_in_place:
            channels = [dict(channel) for channel in self._channels if channel["target"]["node"] != head_pose]
            samplers = [self._samplers[channel["sampler"]] for channel in channels]
            for number, channel in enumerate(channels):
                channel["sampler"] = number
            animations.append({"name": IN_PLACE, "channels": channels, "samplers": samplers})
        animations = [animation for animation in animations if animation["channels"]]
        return {"animations": animations} if animations else {}

    def _channel(self, node: int, path: str, values: Float[np.ndarray, "T C"], kind: str) -> None:
        if self._input is None:
            self._input = self._buffer.add(self._times, "SCALAR", FLOAT, bounds=True)
        values = values[self._kept]
        output = self._buffer.add(values.reshape(-1, 1) if kind == "SCALAR" else values, kind, FLOAT)
        self._channels.append({"sampler": len(self._samplers), "target": {"node": node, "path": path}})
        self._samplers.append({"input": self._input, "output": output, "interpolation": "LINEAR"})


def _morphs(
    model: HeadModel, motion: HeadMotion
) -> tuple[list[str], Float[np.ndarray, "M V 3"], Float[np.ndarray, "T M"]]:
    """Names, displacements in metres and weights of the expressions that move, and of the pose correctives."""
    moving = np.nonzero(np.abs(motion.expression).max(axis=0) > STILL)[0]
    names = [model.expression_names[e] for e in moving]
    targets = model.expression_basis.double().cpu().numpy()[moving]
    weights = np.asarray(motion.expression[:, moving], dtype=np.float64)
    if model.pose_basis is not None:
        correctives, shares = _pose_correctives(model, motion, model.pose_basis)
        names += [f"pose_corrective_{number + 1}" for number in range(len(correctives))]
        targets = np.concatenate((targets, correctives))
        weights = np.concatenate((weights, shares), axis=1)
    return names, targets, weights


def _pose_correctives(
    model: HeadModel, motion: HeadMotion, pose_basis: Tensor
) -> tuple[Float[np.ndarray, "M V 3"], Float[np.ndarray, "T M"]]:
    """The fewest morph targets that reproduce the pose correctives of every frame.

    The correctives are linear in the entries of the joints' rotation matrices, which over a clip vary in a few
    directions only: those of their singular value decomposition.
    """
    features = np.concatenate(
        [(motion.turns(name).as_matrix() - np.eye(3)).reshape(-1, 9) for name in model.joint_names[1:]], axis=1
    )
    basis = pose_basis.double().cpu().numpy()
    # The directions through the small matrix of products, so that time and memory stay those of the features.
    _, directions = np.linalg.eigh(features.T @ features)
    directions = directions[:, ::-1]
    shares = features @ directions
    targets = np.einsum("kd,kvc->dvc", directions, basis)
    reach = np.abs(shares).max(axis=0) * np.linalg.norm(targets, axis=-1).max(axis=-1)
    kept = np.cumsum(reach[::-1])[::-1] > CORRECTIVE_RESIDUAL
    scale = np.abs(shares[:, kept]).max(axis=0)
    return targets[kept] * scale[:, None, None], shares[:, kept] / scale


def _morph_targets(
    mesh: Mesh, targets: Float[np.ndarray, "M V 3"], source: Any, buffer: GltfBuffer
) -> list[dict[str, int]]:
    """Displacements of positions, and of the normals at full weight."""
    normals = mesh_normals(mesh.vertices, mesh.triangles)
    written = []
    for target in targets:
        turned = mesh_normals(mesh.vertices + target, mesh.triangles) - normals
        turned[np.abs(turned).max(axis=1) < 1e-4] = 0.0
        written.append(
            {
                "POSITION": buffer.add_sparse(target.astype("<f4")[source], bounds=True),
                "NORMAL": buffer.add_sparse(turned.astype("<f4")[source]),
            }
        )
    return written


def _influences(weights: Float[np.ndarray, "V J"]) -> tuple[np.ndarray, np.ndarray]:
    """The strongest joints of each vertex (V, 4) uint8, and their weights (V, 4), which sum to one in float32."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :INFLUENCES]
    strongest = np.take_along_axis(weights, order, axis=1)
    missing = INFLUENCES - order.shape[1]
    order, strongest = (np.pad(part, ((0, 0), (0, max(missing, 0)))) for part in (order, strongest))
    strongest = (strongest / strongest.sum(axis=1, keepdims=True)).astype("<f4")
    strongest[:, 0] = 1 - strongest[:, 1:].sum(axis=1, dtype=np.float32)
    return np.where(strongest > 0, order, 0).astype(np.uint8), strongest


def _joint_offsets(model: HeadModel, motion: HeadMotion) -> Sequence[Float[np.ndarray, "T 3"]]:
    """How far each joint's node stands from its place at rest.

    An expression that moves the surface which a joint is regressed from moves the joint, by d. The skin then turns
    about the moved joint: R (v - d) + d, which is the turn about the old one after (1 - R) d.
    """
    moved = np.einsum(
        "jv,evc->jec", *(part.double().cpu().numpy() for part in (model.joint_regressor, model.expression_basis))
    )
    offsets = []
    for name, by_expression in zip(model.joint_names, moved, strict=True):
        displaced = motion.expression @ by_expression
        offsets.append(displaced - motion.turns(name).apply(displaced))
    return offsets


def _camera(intrinsics: Intrinsics) -> dict[str, Any]:
    (width, height), matrix = intrinsics.image_size, intrinsics.matrix
    perspective = {
        "yfov": 2 * math.atan(height / 2 / matrix[1, 1]),
        "aspectRatio": float(width / height * matrix[1, 1] / matrix[0, 0]),
        "znear": 0.01,
    }
    return {"name": "camera", "type": "perspective", "perspective": perspective}


def _check(mesh: Mesh, model: HeadModel, motion: HeadMotion) -> None:
    if len(mesh.vertices) != len(model.template):
        raise ArgumentError(f"the mesh has {len(mesh.vertices)} vertices, head {model.name!r} {len(model.template)}")
    times = motion.times
    if not len(times) or times[0] < 0 or (np.diff(times) <= 0).any():
        raise ArgumentError("an animation needs one frame or more, at times from 0 on that increase")
    for name in ("expression", "jaw", "neck", "eyes", "camera_from_head"):
        values = getattr(motion, name)
        if len(values) != len(times) or not np.isfinite(values).all():
            raise ArgumentError(f"{name} must hold one finite row for each of the {len(times)} frames")

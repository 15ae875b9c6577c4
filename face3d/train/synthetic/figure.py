"""A head with all that belongs to it as three meshes in the camera's frame, each vertex with what shading needs.

The solid mesh is opaque: skin, eyes, teeth, shoulders, frames, long hair. The shell is cut out per pixel: hair, scarf,
hat, mask. The lenses let light through.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from face3d.train.synthetic.body import shoulders, teeth
from face3d.train.synthetic.chart import COARSE, face_chart, texels
from face3d.train.synthetic.glasses import glasses_mesh
from face3d.train.synthetic.hair import Hair, curtain, hair_shadow, shell_faces, shell_vertices
from face3d.train.synthetic.heads import OpenHead, open_head, vertex_normals
from face3d.train.synthetic.kinds import (
    ATTRIBUTES,
    CLOTH,
    FRAME,
    HAIR,
    LEFT_EYE,
    LENS,
    MASK,
    MOUTH,
    RIGHT_EYE,
    SHELL,
    SKIN,
    TEETH,
)
from face3d.train.synthetic.light import light_transfer, shading_basis
from face3d.train.synthetic.mask import Mask, mask_mesh
from face3d.train.synthetic.paint import PaintedLook
from face3d.train.synthetic.scene import Scene

__all__ = ["Figure", "Layer", "build_figure"]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A mesh to draw.

    Attributes:
        vertices: camera frame, metres.
        triangles: counter-clockwise from outside.
        kind: (F,) of each triangle.
        attributes: (V, 12) see `ATTRIBUTES`.
    """

    vertices: Float[np.ndarray, "V 3"]
    triangles: Int[np.ndarray, "F 3"]
    kind: Int[np.ndarray, " F"]
    attributes: Float[np.ndarray, "V 12"]

    @property
    def mesh(self) -> tuple[Int[np.ndarray, "F 3"], Int[np.ndarray, " F"], Float[np.ndarray, "V 12"]]:
        """Triangles, kinds and attributes, as the compiled loops take them."""
        return self.triangles, self.kind, self.attributes


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """What is drawn of a person; shell and lenses may be absent. `eye_turns`: (2, 3, 3) from eye to camera frame."""

    solid: Layer
    shell: Layer | None
    lenses: Layer | None
    eye_turns: Float[np.ndarray, "2 3 3"]


def build_figure(vertices: Float[np.ndarray, "V 3"], painted: PaintedLook, scene: Scene) -> Figure:
    """Dress a posed head (head frame) and put everything into the camera's frame."""
    head, look = open_head(), painted.look
    anatomy = head.anatomy(vertices)
    eye_centres = np.stack([vertices[head.eyeball == number].mean(axis=0) for number in (1, 2)])
    parts = [_skin(vertices, look.hair, scene)]
    bite, bite_triangles, bite_marks = teeth(anatomy)
    parts.append(_teeth(bite, bite_triangles, bite_marks, scene))
    torso, torso_triangles, torso_marks = shoulders(
        vertices[head.arrays.regions["boundary"]], scene.camera_from_head, scene.body_yaw, 1.0
    )
    colour = np.tile(look.cloth[0], (len(torso), 1))
    # The throat goes on as the neck ends; further down head and chin are no longer in the light's way.
    rim = head.arrays.regions["boundary"]
    throat = parts[0].attributes[rim[head.template[rim, 2] > -0.07], 3:6].mean(axis=0)
    shadowed = throat + (0.95 - throat) * np.clip((torso_marks[:, 1:] - 0.005) / 0.07, 0, 1)
    parts.append(_layer(torso, torso_triangles, CLOTH, torso_marks, colour, 0.02, shadowed))
    hair = look.hair
    if np.isfinite(hair.curtain):
        fall, fall_triangles, fall_strands = curtain(anatomy, hair, look.seed % (2**32))
        colours = np.tile(hair.colour, (len(fall), 1))
        parts.append(_layer(_camera(fall, scene), fall_triangles, HAIR, fall_strands, colours, hair.shine, 0.75))
    lenses = None
    if look.glasses is not None:
        mesh = glasses_mesh(anatomy, eye_centres, look.glasses)
        colours = np.tile(look.glasses.colour, (len(mesh.frame), 1))
        marks = np.zeros((len(mesh.frame), 2))
        parts.append(
            _layer(_camera(mesh.frame, scene), mesh.frame_triangles, FRAME, marks, colours, look.glasses.shine, 0.85)
        )
        lenses = _layer(
            _camera(mesh.lenses, scene),
            mesh.lens_triangles,
            LENS,
            np.zeros((len(mesh.lenses), 2)),
            np.tile(look.glasses.tint_colour, (len(mesh.lenses), 1)),
            look.glasses.reflection,
            1.0,
        )
    shells = []
    if hair.has_shell:
        place, strands, above = shell_vertices(vertices, hair, look.seed % (2**32))
        _, triangles = shell_faces()
        layer = _layer(
            _camera(place, scene), triangles, SHELL, strands, np.tile(hair.colour, (len(place), 1)), hair.shine, 0.9
        )
        layer.attributes[:, 8:11] = 0.0
        layer.attributes[:, 8] = above
        shells.append(layer)
    if look.mask is not None:
        shells.append(_mask(vertices, look.mask, scene))
    return Figure(_joined(parts), _joined(shells) if shells else None, lenses, _eye_turns(vertices, scene))


def _camera(points: Float[np.ndarray, "N 3"], scene: Scene) -> Float[np.ndarray, "N 3"]:
    rotation, translation = scene.camera_from_head[:3, :3], scene.camera_from_head[:3, 3]
    # Term by term: the sums of a matrix product may depend on the library's threads.
    return (
        points[:, :1] * rotation[:, 0] + points[:, 1:2] * rotation[:, 1] + points[:, 2:] * rotation[:, 2] + translation
    )


def _layer(
    vertices: Float[np.ndarray, "N 3"],
    triangles: Int[np.ndarray, "G 3"],
    kind: int,
    marks: Float[np.ndarray, "N 2"],
    colours: Float[np.ndarray, "N 3"],
    gloss: float,
    light: float | Float[np.ndarray, "N 3"],
) -> Layer:
    attributes = np.empty((len(vertices), ATTRIBUTES), dtype=np.float32)
    # Surfaces given with both sides have the normals of the first half, which is the outside.
    outside = triangles[: len(triangles) // 2] if kind in (HAIR, FRAME, LENS) else triangles
    attributes[:, :3] = vertex_normals(vertices, outside)
    attributes[:, 3:6] = light
    attributes[:, 6:8] = marks
    attributes[:, 8:11] = colours
    attributes[:, 11] = gloss
    return Layer(vertices, triangles, np.full(len(triangles), kind, dtype=np.int64), attributes)


def _joined(parts: list[Layer]) -> Layer:
    offsets = np.cumsum([0] + [len(part.vertices) for part in parts])
    return Layer(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.triangles + offset for part, offset in zip(parts, offsets, strict=False)]),
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.attributes for part in parts]),
    )


@lru_cache(maxsize=1)
def _head_statics() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kinds of the head's triangles, fixed attributes of its vertices, and the shading basis of its rest normals."""
    head = open_head()
    inside = head.region("mouth_interior", "tongue")
    kind = np.full(len(head.triangles), SKIN, dtype=np.int64)
    kind[inside[head.triangles].any(axis=1)] = MOUTH
    kind[(head.eyeball[head.triangles] == 1).all(axis=1)] = LEFT_EYE
    kind[(head.eyeball[head.triangles] == 2).all(axis=1)] = RIGHT_EYE
    fixed = np.zeros((len(head.template), ATTRIBUTES), dtype=np.float32)
    fixed[:, 6:8] = texels(face_chart().uv, COARSE)
    fixed[:, 8:11] = np.where(inside[:, None], [0.28, 0.09, 0.085], 0.5)
    fixed[head.region("tongue"), 8:11] = [0.36, 0.14, 0.13]
    for number in (1, 2):
        on_eye = head.eyeball == number
        fixed[on_eye, 8:11] = head.template[on_eye] - head.eye_centres[number - 1]
    fixed[:, 11] = _lashes(head)
    fixed[inside, 11] = 1.0
    return kind, fixed, shading_basis(vertex_normals(head.template, head.triangles))


def _skin(vertices: Float[np.ndarray, "V 3"], hair: Hair, scene: Scene) -> Layer:
    head = open_head()
    kind, fixed, rest_basis = _head_statics()
    transfer, _ = light_transfer()
    place = _camera(vertices, scene)
    attributes = fixed.copy()
    attributes[:, :3] = vertex_normals(place, head.triangles)
    coefficients = _in_head_frame(scene)
    shaded = np.einsum("vk,kc->vc", transfer.astype(np.float64), coefficients)
    open_sky = np.einsum("vk,kc->vc", rest_basis, coefficients)
    floor = 0.05 * coefficients[0] * 0.28
    attributes[:, 3:6] = np.clip((shaded + floor) / np.maximum(open_sky + floor, floor), 0.02, 1.25)
    mouth = np.flatnonzero(head.region("mouth_interior", "tongue"))
    attributes[mouth, 3:6] = np.maximum(attributes[mouth, 3:6], 0.16)
    if hair.has_shell:
        attributes[:, 3:6] *= hair_shadow(hair)[:, None]
    for number in (1, 2):
        front, upper, lower = _lids(number)
        for lid, dark, reach in ((upper, 0.62, 0.0028), (lower, 0.30, 0.0018)):
            gap = ((place[front, None] - place[None, lid]) ** 2).sum(axis=2).min(axis=1)
            attributes[front, 3:6] *= (1 - dark * np.exp(-gap / reach**2))[:, None].astype(np.float32)
    return Layer(place, head.triangles, kind, attributes)


@lru_cache(maxsize=2)
def _lids(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices of an eyeball's front, and those of the upper and lower lid's margin."""
    head = open_head()
    rest, centre = head.template, head.eye_centres[number - 1]
    front = np.flatnonzero((head.eyeball == number) & (rest[:, 2] > centre[2] + 0.003))
    radius = np.linalg.norm(rest - centre, axis=1)
    near = (head.eyeball == 0) & (rest[:, 2] > centre[2] + 0.004) & (radius < 0.0152)
    # The margin is the part of the lids that one sees: the lining lies behind it, closer to the eyeball.
    visible = near & (light_transfer()[1] > 0.12)
    above = rest[:, 1] > centre[1] - 0.0015
    return front, np.flatnonzero(visible & above), np.flatnonzero(visible & ~above)


def _lashes(head: OpenHead) -> Float[np.ndarray, " V"]:
    """1 on the margin of the lids, the lower one's half as much, falling off over 1.5 mm."""
    share = np.zeros(len(head.template))
    skin = head.eyeball == 0
    for number in (1, 2):
        front = head.template[_lids(number)[0]]
        centre = head.eye_centres[number - 1]
        near = np.flatnonzero(skin & (np.linalg.norm(head.template - centre, axis=1) < 0.026))
        gap = np.sqrt(((head.template[near, None] - front[None]) ** 2).sum(axis=2).min(axis=1))
        strength = np.where(head.template[near, 1] > centre[1] - 0.003, 1.0, 0.4)
        share[near] = np.maximum(share[near], strength * np.exp(-((np.maximum(gap - 0.0008, 0) / 0.0012) ** 2)))
    return share


def _in_head_frame(scene: Scene) -> Float[np.ndarray, "9 3"]:
    """The light's coefficients for normals in the head frame."""
    directions = _PROBES
    rotated = (directions[:, None, :] * scene.camera_from_head[None, :3, :3]).sum(axis=2)
    seen = np.einsum("nk,kc->nc", shading_basis(rotated), scene.light.coefficients)
    return np.einsum("kn,nc->kc", _PROBE_INVERSE, seen)


_PROBES = np.array(
    [[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0)], float
)
_PROBES /= np.linalg.norm(_PROBES, axis=1, keepdims=True)
_PROBE_INVERSE = np.linalg.pinv(shading_basis(_PROBES))


def _teeth(
    vertices: Float[np.ndarray, "N 3"], triangles: Int[np.ndarray, "G 3"], marks: Float[np.ndarray, "N 2"], scene: Scene
) -> Layer:
    gum = marks[:, 1:] < 0.25
    colours = np.where(gum, [0.36, 0.13, 0.12], [0.62, 0.57, 0.47])
    layer = _layer(_camera(vertices, scene), triangles, TEETH, marks, colours, 0.8, 0.55)
    # Deeper in the mouth it is darker.
    layer.attributes[:, 3:6] *= np.clip(1.05 - 28 * np.abs(marks[:, :1]), 0.25, 1.0)
    return layer


def _mask(vertices: Float[np.ndarray, "V 3"], mask: Mask, scene: Scene) -> Layer:
    place, triangles, below, height = mask_mesh(vertices, mask)
    marks = np.stack([below, height], axis=1)
    return _layer(_camera(place, scene), triangles, MASK, marks, np.tile(mask.colour, (len(place), 1)), 0.03, 0.9)


def _eye_turns(vertices: Float[np.ndarray, "V 3"], scene: Scene) -> Float[np.ndarray, "2 3 3"]:
    """Rotation from each eye's own frame into the camera's (Kabsch 1976)."""
    head = open_head()
    turns = []
    for number in (1, 2):
        on_eye = head.eyeball == number
        rest = head.template[on_eye] - head.template[on_eye].mean(axis=0)
        now = vertices[on_eye] - vertices[on_eye].mean(axis=0)
        u, _, vt = np.linalg.svd((now[:, :, None] * rest[:, None, :]).sum(axis=0))
        flip = np.diag([1.0, 1.0, np.linalg.det(u) * np.linalg.det(vt)])
        turns.append(scene.camera_from_head[:3, :3] @ u @ flip @ vt)
    return np.stack(turns)

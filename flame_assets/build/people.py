"""People: the sampled population as aligned head shapes with eyeballs in place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from alignment import align, vertex_areas
from anny_source import SKIN, SKIN_AND_TONGUE, AnnySource
from eye_placing import eyeball_depth, lid_vertices
from jaxtyping import Float, Int
from population import ANCESTRY_MIX, sample_population

__all__ = ["People", "adults"]


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Aligned heads and, in the second half, their mirror images.

    Attributes:
        vertices: skin and tongue, metres, head frame.
        eyes: centres of the left and right eyeball.
        joints: root, neck and jaw.
        description: what the population is, for the file's provenance.
    """

    vertices: Float[np.ndarray, "B V 3"]
    eyes: Float[np.ndarray, "B 2 3"]
    joints: Float[np.ndarray, "B 3 3"]
    description: dict[str, object]


def adults(source: AnnySource, triangles: Int[np.ndarray, "F 3"], samples: int, seed: int) -> People:
    """Sample adults, align them, put the eyeballs behind the lids."""
    population = sample_population(source, samples, seed)
    vertices = source.rest_vertices(population.coefficients)
    bones = source.bone_places(population.coefficients, ("eye.L", "eye.R", "neck01", "neck03", "jaw"))
    vertices, bones = _aligned(vertices, bones, source)
    vertices = np.concatenate([vertices, vertices[:, source.vertex_mirror] * [-1, 1, 1]])
    bones = np.concatenate([bones, bones[:, [1, 0, 2, 3, 4]] * [-1, 1, 1]])
    mean = vertices.mean(axis=0)
    eyes = bones[:, :2].copy()
    for side in (0, 1):
        lids = lid_vertices(mean, source.triangles, bones[:, side].mean(axis=0))
        eyes[:, side, 2] = eyeball_depth(vertices, lids, eyes[:, side, :2])
    origin = eyes.mean(axis=(0, 1))
    return People(
        vertices - origin,
        eyes - origin,
        bones[:, 2:] - origin,
        {"sexes": "even", "ancestry": ANCESTRY_MIX, "calibrated": False},
    )


def _aligned(vertices: np.ndarray, bones: np.ndarray, source: AnnySource) -> tuple[np.ndarray, np.ndarray]:
    reference = vertices.mean(axis=0)
    weights = vertex_areas(reference, source.triangles)
    # The neck, the mouth's inside and the tongue say nothing about where the skull is.
    weights[SKIN:SKIN_AND_TONGUE] = 0
    weights *= reference[:, 1] > np.quantile(reference[:SKIN, 1], 0.02)
    for _ in range(2):
        rotation, translation = align(vertices, reference, weights)
        vertices = np.einsum("bij,bvj->bvi", rotation, vertices, optimize=True) + translation[:, None]
        bones = np.einsum("bij,bvj->bvi", rotation, bones) + translation[:, None]
        reference = vertices.mean(axis=0)
    return vertices, bones

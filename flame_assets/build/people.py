"""People: the sampled population as aligned and calibrated head shapes with eyeballs in place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from alignment import align, vertex_areas
from anatomy import anatomical_points
from anny_source import SKIN, SKIN_AND_TONGUE, AnnySource
from calibration import calibrate_means, calibrate_spreads, group_of
from eye_placing import eyeball_depth, lid_vertices, lining_on_eyeball
from eyeballs import eyeball
from jaxtyping import Float, Int
from norms import NORMS, read_survey
from population import ANCESTRY_MIX, sample_population
from reading import DimensionReader, split_state, to_state
from regions import eye_sockets, regions
from smooth_prior import sample_smooth
from tapes import tape_sections

from face3d.head.arrays import PointArrays

__all__ = ["People", "adults", "reader_for"]

SIZE_SPREAD = 0.032
"""Relative standard deviation of head size within sex and ancestry, as of NIOSH's circumferences and lengths."""

# Profile points whose norms (see `NORMS`) say how the head is held in the natural head position.
_HELD_BY = {
    "depth_glabella": "glabella",
    "depth_pronasale": "pronasale",
    "depth_labiale_superius": "labiale_superius",
    "depth_labiale_inferius": "labiale_inferius",
    "depth_sublabiale": "sublabiale",
    "depth_pogonion": "pogonion",
}


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Aligned heads and, in the second half, their mirror images.

    Attributes:
        vertices: skin and tongue, metres, head frame.
        eyes: centres of the left and right eyeball.
        joints: root, neck and jaw of the mean head.
        female, ancestry: group of each head of the first half.
        description: what the population is, for the file's provenance.
    """

    vertices: Float[np.ndarray, "B V 3"]
    eyes: Float[np.ndarray, "B 2 3"]
    joints: Float[np.ndarray, "3 3"]
    female: np.ndarray
    ancestry: Int[np.ndarray, " B"]
    description: dict[str, object]


def adults(source: AnnySource, triangles: Int[np.ndarray, "F 3"], samples: int, seed: int) -> People:
    """Sample adults, align them, put the eyeballs behind the lids, and calibrate the whole on the survey."""
    population = sample_population(source, samples, seed)
    vertices = source.rest_vertices(population.coefficients)
    bones = source.bone_places(population.coefficients, ("eye.L", "eye.R", "neck01", "neck03", "jaw"))
    vertices, bones = _sized(vertices, bones, population.female, population.ancestry)
    vertices, bones = _aligned(vertices, bones, source)
    joints = bones[:, 2:].mean(axis=0) * [0, 1, 1]
    eyes = _eyes_behind_lids(vertices, bones[:, :2], source)
    vertices, eyes, joints = _held_naturally(vertices, eyes, joints, source, triangles)
    vertices, eyes = _varied(vertices, eyes, np.random.default_rng(seed + 1))
    # The means again at the end, as the points found by rule lie elsewhere once the mean head has changed.
    groups = group_of(population.female, population.ancestry)
    survey = read_survey()
    for step in (calibrate_means, calibrate_spreads, calibrate_means):
        reader = reader_for(source, vertices, eyes, triangles)
        vertices, eyes = split_state(step(to_state(vertices, eyes), reader, groups, survey))
        vertices, eyes = _aligned(vertices, eyes, source)
        eyes = _eyes_behind_lids(vertices, eyes, source)
    vertices = lining_on_eyeball(vertices, eyes, eye_sockets(source))
    vertices = np.concatenate([vertices, vertices[:, source.vertex_mirror] * [-1, 1, 1]])
    eyes = np.concatenate([eyes, eyes[:, ::-1] * [-1, 1, 1]])
    origin = eyes.mean(axis=(0, 1))
    description: dict[str, object] = {
        "sexes": "even",
        "ancestry": ANCESTRY_MIX,
        "survey": "NIOSH 2003",
        "norms": sorted(NORMS),
    }
    return People(
        vertices - origin, eyes - origin, joints - origin, population.female, population.ancestry, description
    )


def reader_for(
    source: AnnySource,
    vertices: Float[np.ndarray, "B V 3"],
    eyes: Float[np.ndarray, "B 2 3"],
    triangles: Int[np.ndarray, "F 3"],
) -> DimensionReader:
    """Measures heads by the anatomical points of their mean."""
    ball, _ = eyeball()
    mean = vertices.mean(axis=0)
    mean = 0.5 * (mean + mean[source.vertex_mirror] * [-1, 1, 1])
    centres = eyes.mean(axis=0)
    origin = centres.mean(axis=0)
    head = np.concatenate([mean, *(ball + centre for centre in centres)]) - origin * [0, 1, 1]
    rooms = regions(source, head, triangles, len(ball))
    pupils = {"pupil_left": SKIN_AND_TONGUE, "pupil_right": SKIN_AND_TONGUE + len(ball)}
    labels, ids, weights = anatomical_points(head, triangles, rooms, pupils)
    at = dict(zip(labels, np.einsum("nk,nkc->nc", weights, head[triangles[ids]]), strict=True))
    sections = tape_sections(at, head, triangles, rooms["skin"][triangles].all(axis=1))
    return DimensionReader(PointArrays(ids, weights, labels), sections, triangles)


def _varied(vertices: np.ndarray, eyes: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Heads that differ smoothly beyond what the source's sliders can do, the eyeballs carried along."""
    places = np.concatenate([vertices.mean(axis=0), eyes.mean(axis=0)])
    field = sample_smooth(places, len(vertices), generator)
    return vertices + field[:, :-2], eyes + field[:, -2:]


def _sized(
    vertices: np.ndarray, points: np.ndarray, female: np.ndarray, ancestry: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Heads scaled to spread in size within a group as people's do; anny's grow with the height of the body."""
    skin = vertices[:, :SKIN]
    size = np.sqrt(((skin - skin.mean(axis=1, keepdims=True)) ** 2).sum(axis=2).mean(axis=1))
    logarithm = np.log(size)
    wanted = logarithm.copy()
    for group in np.unique(2 * ancestry + female):
        members = 2 * ancestry + female == group
        own = logarithm[members]
        wanted[members] = own.mean() + (own - own.mean()) * (SIZE_SPREAD / own.std())
    factor = np.exp(wanted - logarithm)[:, None, None]
    return vertices * factor, points * factor


def _eyes_behind_lids(
    vertices: Float[np.ndarray, "B V 3"], centres: Float[np.ndarray, "B 2 3"], source: AnnySource
) -> Float[np.ndarray, "B 2 3"]:
    """The centres, moved in depth so that the eyeballs touch the lids from behind."""
    placed = centres.copy()
    mean = vertices.mean(axis=0)
    for side in (0, 1):
        lids = lid_vertices(mean, source.triangles, centres[:, side].mean(axis=0))
        placed[:, side, 2] = eyeball_depth(vertices, lids, centres[:, side, :2])
    return placed


def _held_naturally(
    vertices: np.ndarray, eyes: np.ndarray, joints: np.ndarray, source: AnnySource, triangles: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn all heads alike about the lateral axis so that the mean profile comes nearest to the norms' depths."""
    reader = reader_for(source, vertices, eyes, triangles)
    assert reader.anatomy.labels is not None
    mean = vertices.mean(axis=0)

    def place(label: str) -> np.ndarray:
        k = reader.anatomy.labels.index(label)  # type: ignore[union-attr]
        return reader.anatomy.barycentric[k] @ mean[triangles[reader.anatomy.triangles[k]]]

    def turned(angle: float) -> np.ndarray:
        return np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])

    def misfit(angle: float) -> float:
        spans = np.stack([place(label) - place("subnasale") for label in _HELD_BY.values()]) @ turned(angle).T
        wanted = np.array([0.5 * (NORMS[name].male + NORMS[name].female) for name in _HELD_BY])
        return float((((spans[:, 2] * 1000) - wanted) ** 2).sum())

    angles = np.radians(np.arange(-8, 8.01, 0.1))
    best = turned(float(angles[int(np.argmin([misfit(angle) for angle in angles]))]))
    return vertices @ best.T, eyes @ best.T, joints @ best.T


def _aligned(vertices: np.ndarray, points: np.ndarray, source: AnnySource) -> tuple[np.ndarray, np.ndarray]:
    """Heads and points that go with them, laid on the mean of all heads and their mirror images."""
    reference = vertices.mean(axis=0)
    weights = vertex_areas(reference, source.triangles)
    # The neck, the mouth's inside and the tongue say nothing about where the skull is.
    weights[SKIN:SKIN_AND_TONGUE] = 0
    weights *= reference[:, 1] > np.quantile(reference[:SKIN, 1], 0.02)
    for _ in range(2):
        reference = 0.5 * (reference + reference[source.vertex_mirror] * [-1, 1, 1])
        rotation, translation = align(vertices, reference, weights)
        vertices = np.einsum("bij,bvj->bvi", rotation, vertices, optimize=True) + translation[:, None]
        points = np.einsum("bij,bvj->bvi", rotation, points) + translation[:, None]
        reference = vertices.mean(axis=0)
    return vertices, points

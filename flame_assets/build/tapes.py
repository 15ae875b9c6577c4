"""The sections along which tape measurements are taken, as points of the mean head's surface."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from surface import nearest, ray_hit

from face3d.head.arrays import PointArrays

__all__ = ["tape_sections"]

_ARC_RAYS = 41
_CLOSED_RAYS = 64
ABOVE_BROW = 0.007
"""Metres above glabella where the tape of the head circumference and of the frontal arc lies."""


def tape_sections(
    at: dict[str, Float[np.ndarray, " 3"]],
    mean: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    allowed: Bool[np.ndarray, " F"],
) -> dict[str, PointArrays]:
    """Point sets `tape_*`; see `face3d.measure.dimensions.TAPE`.

    Args:
        at: anatomical points of the mean head.
        allowed: triangles that a tape can touch (outer skin without the ears).
    """
    brow = at["glabella"] + [0, ABOVE_BROW, 0]
    over = {
        "coronal": at["vertex"] * [1, 1, 0] + [0, 0, at["tragion_left"][2]],
        "frontal": brow,
        "subnasale": at["subnasale"],
        "chin": at["pogonion"],
    }
    sections = {
        f"tape_bitragion_{name}_arc": _arc(at, through, mean, triangles, allowed) for name, through in over.items()
    }
    sections["tape_head_circumference"] = _around(brow, at["opisthocranion"], mean, triangles, allowed)
    return sections


def _arc(
    at: dict[str, np.ndarray], through: np.ndarray, mean: np.ndarray, triangles: np.ndarray, allowed: np.ndarray
) -> PointArrays:
    right, left = at["tragion_right"], at["tragion_left"]
    centre = 0.5 * (right + left)
    sideways = (right - centre) / np.linalg.norm(right - centre)
    upwards = (through - centre) / np.linalg.norm(through - centre)
    hits = []
    for angle in np.linspace(0, np.pi, _ARC_RAYS)[1:-1]:
        direction = np.cos(angle) * sideways + np.sin(angle) * upwards
        hit = _hit(centre, direction, mean, triangles, allowed)
        # Beside the ears the tape runs free from the tragion; what lies behind the ear's hole is not skin.
        if hit is not None and hit[2] > 0.9 * np.linalg.norm(right - centre):
            hits.append(hit[:2])
    ends = [_at_point(place, mean, triangles) for place in (right, left)]
    return _points([ends[0], *hits, ends[1]])


def _around(
    front: np.ndarray, back: np.ndarray, mean: np.ndarray, triangles: np.ndarray, allowed: np.ndarray
) -> PointArrays:
    centre = 0.5 * (front + back)
    forwards = (front - centre) / np.linalg.norm(front - centre)
    sideways = np.array([1.0, 0.0, 0.0])
    hits = []
    for angle in 2 * np.pi * np.arange(_CLOSED_RAYS) / _CLOSED_RAYS:
        hit = _hit(centre, np.cos(angle) * forwards + np.sin(angle) * sideways, mean, triangles, allowed)
        if hit is None:
            raise ValueError("the head circumference runs off the skin; is the ear's room too high?")
        hits.append(hit[:2])
    return _points(hits)


def _hit(
    centre: np.ndarray, direction: np.ndarray, mean: np.ndarray, triangles: np.ndarray, allowed: np.ndarray
) -> tuple[int, np.ndarray, float] | None:
    try:
        triangle, weights = ray_hit(centre + 0.4 * direction, -direction, mean, triangles, allowed)
    except ValueError:
        return None
    return triangle, weights, float((weights @ mean[triangles[triangle]] - centre) @ direction)


def _at_point(place: np.ndarray, mean: np.ndarray, triangles: np.ndarray) -> tuple[int, np.ndarray]:

    ids, weights = nearest(place[None], mean, triangles)
    return int(ids[0]), weights[0]


def _points(hits: list[tuple[int, np.ndarray]]) -> PointArrays:
    return PointArrays(np.array([hit[0] for hit in hits]), np.stack([hit[1] for hit in hits]))

"""Where the lips of a head end: their outer border and, seen from in front, the edges that the mouth opens between.

The outer border lies on the surface. The inner edge does not: it is where the lip turns away, on another place of the
surface whenever lips roll, part or press together. The lips are therefore cut by upright planes into profiles, and the
edge is, in every picture anew, the outermost point of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from face3d.head import HeadModel
from face3d.landmarks.lip_contours import INNER, OUTER

__all__ = ["LipSurface", "lip_surface"]

STATIONS = (-0.82, -0.67, -0.5, -0.25, 0.0, 0.25, 0.5, 0.67, 0.82)
"""Where profiles are cut, as a share of half the width between the inner corners."""

LANDMARKS = "mediapipe_478"


@dataclass(frozen=True, slots=True, eq=False)
class LipSurface:
    """Points on the lips of a head, by triangle and barycentric coordinates. P points in all.

    Attributes:
        triangles: (P,), barycentric: (P, 3).
        outer: (20,) which points are the outer border, in MediaPipe's order.
        corners: (2,) the inner corners, the subject's right first.
        upper, lower: of each station which points are the profile of that lip.
    """

    triangles: Int[ndarray, " P"]
    barycentric: Float[ndarray, "P 3"]
    outer: Int[ndarray, " 20"]
    corners: Int[ndarray, " 2"]
    upper: tuple[Int[ndarray, " M"], ...]
    lower: tuple[Int[ndarray, " M"], ...]


def lip_surface(model: HeadModel) -> LipSurface | None:
    """The lips of a head; None for a model that does not say where they are."""
    return _cut(model) if "lips" in model.regions and LANDMARKS in model.point_sets else None


@lru_cache(maxsize=4)
def _cut(model: HeadModel) -> LipSurface:
    """Kept between fits: models do not change."""
    points = model.point_sets[LANDMARKS]
    triangles, barycentric = points.triangles.cpu().numpy(), points.barycentric.double().cpu().numpy()
    faces, vertices = model.triangles.cpu().numpy(), model.template.double().cpu().numpy()
    landmarks = np.einsum("nk,nkx->nx", barycentric, vertices[faces[triangles]])
    right, left = landmarks[INNER[0]], landmarks[INNER[10]]
    region = np.flatnonzero(np.isin(faces, model.regions["lips"].cpu().numpy()).all(axis=1))
    marks = [*OUTER, INNER[0], INNER[10]]
    found = [(triangles[marks], barycentric[marks])]
    profiles: list[list[Int[ndarray, " M"]]] = [[], []]
    count = len(marks)
    for share in STATIONS:
        x = 0.5 * (right[0] + left[0]) + 0.5 * share * (left[0] - right[0])
        upper, lower = _profiles(vertices, faces, region, float(x))
        for lip, (numbers, weights) in enumerate((upper, lower)):
            found.append((numbers, weights))
            profiles[lip].append(np.arange(count, count + len(numbers)))
            count += len(numbers)
    return LipSurface(
        np.concatenate([numbers for numbers, _ in found]),
        np.concatenate([weights for _, weights in found]),
        outer=np.arange(20),
        corners=np.array([20, 21]),
        upper=tuple(profiles[0]),
        lower=tuple(profiles[1]),
    )


def _profiles(
    vertices: Float[ndarray, "V 3"], faces: Int[ndarray, "F 3"], region: Int[ndarray, " R"], x: float
) -> Sequence[tuple[Int[ndarray, " M"], Float[ndarray, "M 3"]]]:
    """The points at which edges of the region cross a plane of constant x: of the upper lip, and of the lower."""
    # Nudged, so that no vertex lies in the plane.
    x += 1e-7
    neighbours: dict[tuple[int, int], list[tuple[int, int]]] = {}
    places: dict[tuple[int, int], tuple[int, Float[ndarray, " 3"]]] = {}
    for number in region:
        crossed: list[tuple[int, int]] = []
        for first, second in ((0, 1), (1, 2), (2, 0)):
            one, other = vertices[faces[number, first], 0] - x, vertices[faces[number, second], 0] - x
            if one * other < 0:
                weights = np.zeros(3)
                weights[first], weights[second] = other / (other - one), one / (one - other)
                low, high = sorted((int(faces[number, first]), int(faces[number, second])))
                edge = low, high
                crossed.append(edge)
                places.setdefault(edge, (int(number), weights))
        if len(crossed) == 2:
            neighbours.setdefault(crossed[0], []).append(crossed[1])
            neighbours.setdefault(crossed[1], []).append(crossed[0])
    chains = []
    left_over = set(neighbours)
    while left_over:
        edge = left_over.pop()
        chain, ahead = [edge], [edge]
        while ahead:
            for other in neighbours[ahead.pop()]:
                if other in left_over:
                    left_over.discard(other)
                    chain.append(other)
                    ahead.append(other)
        numbers = np.array([places[edge][0] for edge in chain])
        weights = np.stack([places[edge][1] for edge in chain])
        height = float(np.einsum("nk,nk->n", weights, vertices[faces[numbers], 1]).mean())
        chains.append((height, len(chain), numbers, weights))
    # The longest two are the lips; others are scraps at the border of the region.
    longest = sorted(chains, key=lambda chain: -chain[1])[:2]
    return [(numbers, weights) for _, _, numbers, weights in sorted(longest, key=lambda chain: -chain[0])]

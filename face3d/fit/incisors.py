"""Where the upper front teeth stand in a head that has none, and how far its lower lip is from them.

For f and v the lower lip is laid against the edge of the upper incisors while the upper lip stays clear of it. Teeth
are part of the skull and do not move with the face; nobody sees them well enough to measure them, so that they are
placed behind the person's own lips at rest, as teeth and lips are measured to lie. A head's lower lip and the lining
behind it are cut by upright planes into profiles; in each, what is nearest to the teeth is how far the lip is from
them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from face3d.fit.lip_surface import LANDMARKS
from face3d.head import HeadModel
from face3d.landmarks.lip_contours import INNER

__all__ = ["Clearance", "Incisors", "ToothedLip", "toothed_lip"]

SHOWN = 0.0025
"""Metres by which the incisors reach below the upper lip at rest: 1.9 mm of men, 3.4 mm of women (Vig and Brundo 1978,
"The kinetics of anterior tooth display")."""

BEHIND_LIP = 0.002
"""Metres from the lining of the lower lip at rest back to the incisors. Behind the most prominent point of the upper
lip they are then 10 mm on the mean open head; lips of people are 12.6 (women) to 14.8 mm (men) thick there (Arnett et
al. 1999, "Soft tissue cephalometric analysis"), and their lower lip rests on the teeth: the head's lips are thinner."""

ARCH = 26.0
"""Per metre: the dental arch falls back with the square of the distance from its middle, about 8 mm at the canines."""

STATIONS = (-0.009, -0.0045, 0.0, 0.0045, 0.009)
"""Metres from the middle of the mean head at which profiles are cut: across the four incisors."""

SPACING = 0.0005
"""Metres between the points of a profile."""

HALVINGS = 20
"""Of the depths between which the incisors are looked for."""

DEEPEST = 0.018
"""Metres behind the lips' foremost point up to which the lining of the lower lip is looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class ToothedLip:
    """Points on a head's lower lip and the lining behind it, by triangle and barycentric coordinates. P points in all.

    Attributes:
        triangles: (P,), barycentric: (P, 3).
        profile: (P,) number of the profile that each lies on, in order.
    """

    triangles: Int[ndarray, " P"]
    barycentric: Float[ndarray, "P 3"]
    profile: Int[ndarray, " P"]


@dataclass(frozen=True, slots=True, eq=False)
class Clearance:
    """How far lower lips are from the incisors in T frames, along S profiles.

    Attributes:
        distance: (T, S) metres, below 0 where the lip passes into the teeth.
        point: (T, S) which point is nearest; direction: (T, S, 3) how the distance follows it.
    """

    distance: Float[ndarray, "T S"]
    point: Int[ndarray, "T S"]
    direction: Float[ndarray, "T S 3"]


@dataclass(frozen=True, slots=True, eq=False)
class Incisors:
    """The upper front teeth of one head, in its own frame: all that lies above their edge and behind their front.

    Attributes:
        edge: (3,) the edge's middle, metres.
        profile: as of the `ToothedLip` whose points are given.
    """

    edge: Float[ndarray, " 3"]
    profile: Int[ndarray, " P"]

    @staticmethod
    def behind(upper_lip: Float[ndarray, "M 3"], lower_lip: Float[ndarray, "P 3"], lip: ToothedLip) -> Incisors:
        """Behind a person's lips at rest.

        Args:
            upper_lip: a profile through the upper lip's middle.
            lower_lip: the points of `lip`.
            lip: says which profile these are on.
        """
        middle = upper_lip[upper_lip[:, 2].argmax()]
        edge = np.array([middle[0], upper_lip[:, 1].min() - SHOWN, middle[2]])
        near, far = edge[2] - DEEPEST, edge[2]
        # The further back, the greater the distance.
        for _ in range(HALVINGS):
            edge[2] = 0.5 * (near + far)
            if Incisors(edge, lip.profile).clearance(lower_lip[None]).distance.mean() > BEHIND_LIP:
                near = edge[2]
            else:
                far = edge[2]
        return Incisors(edge, lip.profile)

    def clearance(self, points: Float[ndarray, "T P 3"]) -> Clearance:
        """Of the points of the lower lips of T heads."""
        away = points - self.edge
        below, before = -away[..., 1], away[..., 2] + ARCH * away[..., 0] ** 2
        # Distance from a quarter of a plane: from its edge where a point is both below and in front of it.
        outside = np.hypot(np.maximum(below, 0), np.maximum(before, 0))
        distance = np.where(outside > 0, outside, np.maximum(below, before))
        starts = np.searchsorted(self.profile, np.arange(self.profile[-1] + 2))
        nearest = np.stack(
            [first + distance[:, first:last].argmin(axis=1) for first, last in itertools.pairwise(starts)],
            axis=1,
        )
        frame = np.arange(len(points))[:, None]
        down, front, far = below[frame, nearest], before[frame, nearest], outside[frame, nearest]
        touching = np.maximum(far, 1e-9)
        by_down = np.where(far > 0, np.maximum(down, 0) / touching, down > front)
        by_front = np.where(far > 0, np.maximum(front, 0) / touching, down <= front)
        sideways = 2 * ARCH * away[frame, nearest, 0]
        return Clearance(distance[frame, nearest], nearest, np.stack([by_front * sideways, -by_down, by_front], axis=2))


def toothed_lip(model: HeadModel) -> ToothedLip | None:
    """The lower lip of a head, and what lies behind it; None for a model that does not say where they are."""
    if not {"lips", "mouth_interior"} <= set(model.regions) or LANDMARKS not in model.point_sets:
        return None
    marks = model.point_sets[LANDMARKS]
    faces, vertices = model.triangles.cpu().numpy(), model.template.double().cpu().numpy()
    numbers, weights = marks.triangles.cpu().numpy(), marks.barycentric.double().cpu().numpy()
    landmarks = np.einsum("nk,nkx->nx", weights, vertices[faces[numbers]])
    upper, lower = landmarks[INNER[15]], landmarks[INNER[5]]
    inside = np.concatenate([model.regions[name].cpu().numpy() for name in ("lips", "mouth_interior")])
    region = faces[np.isin(faces, inside).all(axis=1)]
    of_region = np.flatnonzero(np.isin(faces, inside).all(axis=1))
    middle = 0.5 * (upper + lower)
    triangles, barycentric, profile = [], [], []
    for number, station in enumerate(STATIONS):
        # Nudged, so that no vertex lies in the plane.
        side = vertices[region, 0] - (middle[0] + station + 1e-7)
        for triangle in np.flatnonzero((side.min(axis=1) < 0) & (side.max(axis=1) > 0)):
            ends = [
                _crossing(side[triangle], first, second)
                for first, second in ((0, 1), (1, 2), (2, 0))
                if side[triangle, first] * side[triangle, second] < 0
            ]
            places = np.stack(ends) @ vertices[region[triangle]]
            count = 1 + int(np.ceil(np.linalg.norm(places[1] - places[0]) / SPACING))
            share = (np.arange(count) + 0.5)[:, None] / count
            along = (1 - share) * ends[0] + share * ends[1]
            heads = along @ vertices[region[triangle]]
            kept = (heads[:, 1] < middle[1]) & (heads[:, 2] > max(upper[2], lower[2]) - DEEPEST)
            barycentric.append(along[kept])
            triangles.append(np.full(kept.sum(), of_region[triangle]))
            profile.append(np.full(kept.sum(), number))
    return ToothedLip(np.concatenate(triangles), np.concatenate(barycentric), np.concatenate(profile))


def _crossing(side: Float[ndarray, " 3"], first: int, second: int) -> Float[ndarray, " 3"]:
    """Where an edge of a triangle meets the plane."""
    weights = np.zeros(3)
    weights[first] = side[second] / (side[second] - side[first])
    weights[second] = 1 - weights[first]
    return weights

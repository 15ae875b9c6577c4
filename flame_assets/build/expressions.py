"""The 52 Face Units expressions on the mean head, the lids kept on the eyeballs of human size."""

from __future__ import annotations

import numpy as np
from anny_source import SKIN, SKIN_AND_TONGUE, AnnySource
from eyeballs import EQUATOR_RING, RADIUS
from jaxtyping import Float, Int

__all__ = ["expression_basis"]

LID_CLEARANCE = 0.0004


def expression_basis(
    source: AnnySource, mean: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], eyeball_size: int
) -> Float[np.ndarray, "E V 3"]:
    """Displacements of the mean head; the eyeballs never move, for gaze is the eye joints' work."""
    basis = np.zeros((len(source.action_names), len(mean), 3))
    basis[:, :SKIN_AND_TONGUE] = source.action_shapes
    for start in (SKIN_AND_TONGUE, SKIN_AND_TONGUE + eyeball_size):
        centre = mean[start + EQUATOR_RING.start : start + EQUATOR_RING.stop].mean(axis=0)
        resting = np.linalg.norm(mean[:SKIN] - centre, axis=1)
        # Only skin that lies outside the eyeball at rest can be in front of it; the socket's lining may be within.
        lids = (resting > RADIUS) & (mean[:SKIN, 2] > centre[2])
        for shape in basis:
            place = mean[:SKIN] + shape[:SKIN] - centre
            distance = np.linalg.norm(place, axis=1)
            moved = np.linalg.norm(shape[:SKIN], axis=1) > 1e-4
            sunk = lids & moved & (distance < RADIUS + LID_CLEARANCE) & (distance > 1e-3)
            shape[:SKIN][sunk] += place[sunk] * ((RADIUS + LID_CLEARANCE) / distance[sunk] - 1)[:, None]
    return basis

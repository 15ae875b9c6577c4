"""Eyeballs of human size, built anew because those of the source are 31.7 mm across and one lacks its back.

An eyeball is a sphere whose front is cut off at the limbus and closed by the iris as one sees it through the cornea: a
shallow cone from the limbus to the entrance pupil. The clear cornea itself is left out, since the mesh is opaque.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

__all__ = ["CORNEA_APEX", "ENTRANCE_PUPIL", "IRIS_RADIUS", "LIMBUS_RING", "RADIUS", "SEGMENTS", "eyeball", "eyeball_uv"]

RADIUS = 0.0121
"""Metres. Transverse diameter of the adult eyeball 24.2 mm (Bekerman, Gottlieb and Vaiman 2014)."""
IRIS_RADIUS = 0.00585
"""Metres. Horizontal visible iris diameter 11.7 mm, SD 0.5 mm: the same in all adults, so it does not scale."""
CORNEA_APEX = 0.0132
"""Metres from the centre of rotation to the apex of the (not modelled) cornea: 13 to 13.5 mm (Fry and Hill 1962)."""
ENTRANCE_PUPIL = 0.0102
"""Metres from the centre of rotation to the pupil as seen through the cornea, 3 mm behind the apex."""

SEGMENTS = 32
_IRIS_RINGS = (0.001, 0.002, 0.0033, 0.0046, IRIS_RADIUS)
_SCLERA_DEGREES = (33.0, 38.0, 44.0, 52.0, 62.0, 75.0, 90.0, 110.0, 135.0, 160.0)
LIMBUS_RING = slice(1 + 4 * SEGMENTS, 1 + 5 * SEGMENTS)
"""The vertices on the edge of the iris, counter-clockwise seen from the front, the first one at +x."""
EQUATOR_RING = slice(1 + 11 * SEGMENTS, 1 + 12 * SEGMENTS)
"""The vertices whose mean is the centre of rotation."""


def eyeball() -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """An eyeball about the origin that looks along +z; vertex 0 is the pupil centre. Metres."""
    radius, height = _profile()
    angle = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    rings = [
        np.stack([r * np.cos(angle), r * np.sin(angle), np.full(SEGMENTS, z)], axis=1)
        for r, z in zip(radius, height, strict=True)
    ]
    vertices = np.concatenate([[[0, 0, ENTRANCE_PUPIL]], *rings, [[0, 0, -RADIUS]]])
    here = np.arange(SEGMENTS)
    after = (here + 1) % SEGMENTS
    parts = [np.stack([np.zeros_like(here), 1 + here, 1 + after], axis=1)]
    for ring in range(len(radius) - 1):
        inner, outer = 1 + ring * SEGMENTS, 1 + (ring + 1) * SEGMENTS
        parts.append(np.stack([inner + here, outer + here, outer + after], axis=1))
        parts.append(np.stack([inner + here, outer + after, inner + after], axis=1))
    last = 1 + (len(radius) - 1) * SEGMENTS
    parts.append(np.stack([last + here, np.full_like(here, len(vertices) - 1), last + after], axis=1))
    return vertices, np.concatenate(parts)


def eyeball_uv(centre: tuple[float, float], half_width: float) -> Float[np.ndarray, "V 2"]:
    """Texture coordinates of `eyeball`: seen from the front, each ring as far out as it lies along the surface."""
    radius, height = _profile()
    steps = np.hypot(np.diff([0.0, *radius, 0.0]), np.diff([ENTRANCE_PUPIL, *height, -RADIUS]))
    reach = np.cumsum(steps) / steps.sum()
    angle = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    flat = np.concatenate([[[0.0, 0.0]], *(r * circle for r in reach[:-1]), [[0.0, 1.0]]])
    return np.asarray(centre) + half_width * flat


def _profile() -> tuple[Float[np.ndarray, " R"], Float[np.ndarray, " R"]]:
    limbus = np.sqrt(RADIUS**2 - IRIS_RADIUS**2)
    iris = np.array(_IRIS_RINGS)
    sclera = np.radians(_SCLERA_DEGREES)
    radius = np.concatenate([iris, RADIUS * np.sin(sclera)])
    height = np.concatenate([ENTRANCE_PUPIL + (limbus - ENTRANCE_PUPIL) * iris / IRIS_RADIUS, RADIUS * np.cos(sclera)])
    return radius, height

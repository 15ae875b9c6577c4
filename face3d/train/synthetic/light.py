"""Light: lamps and sky become nine spherical-harmonics coefficients per channel, and the head shades itself.

Self-shading is precomputed radiance transfer (Sloan, Kautz and Snyder 2002) in its plainest form: how much of each of
the nine lights reaches each vertex of the mean head past the head itself. Directions are in the OpenCV camera frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from face3d.render.rasterize_numba import rasterize_camera
from face3d.render.shading import SPHERICAL_HARMONICS_CONSTANTS
from face3d.train.synthetic.heads import open_head, vertex_normals

__all__ = ["Light", "light_of_lamps", "light_transfer", "sample_light", "shading_basis"]

_CLAMPED_COSINE = np.array([1.0] + [2 * math.pi / 3] * 3 + [math.pi / 4] * 5)
"""What the constants of `shading_basis` hold besides the harmonics' norms; DECA leaves out the first function's pi."""
_LAMP_FACTORS = np.array([math.pi] + [1.0] * 8)
"""So a lamp's coefficients are its harmonics, except that the first carries the pi."""
_DIRECTIONS = 220
"""Directions for which the mean head's visibility is rasterised, once per process."""


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """What lights a scene.

    Attributes:
        lamps: (L, 6) unit direction towards each lamp (camera frame), then its linear RGB strength.
        coefficients: (9, 3) of all light, sky and lamps, in the order and with the factors of
            `face3d.render.spherical_harmonics_shading`, for normals in the camera frame.
    """

    lamps: Float[np.ndarray, "L 6"]
    coefficients: Float[np.ndarray, "9 3"]


def shading_basis(normals: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 9"]:
    """The nine functions that shading is a sum of, constants included."""
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    functions = [np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1]
    return np.stack(functions, axis=-1) * np.array(SPHERICAL_HARMONICS_CONSTANTS)


def light_of_lamps(
    lamps: Float[np.ndarray, "L 6"], sky: Float[np.ndarray, "2 3"], up: Float[np.ndarray, " 3"]
) -> Light:
    """Sum lamps and a sky that fades from above to below into coefficients.

    A lamp of strength 1 gives a surface that faces it about 1; so does a sky of 1.

    Args:
        lamps: as in `Light`.
        sky: linear RGB from above and from below.
        up: the direction of above, unit length.
    """
    coefficients = (_harmonics(lamps[:, :3]) * _LAMP_FACTORS).T @ lamps[:, 3:]
    mean, slope = 0.5 * (sky[0] + sky[1]), 0.5 * (sky[0] - sky[1])
    constants = SPHERICAL_HARMONICS_CONSTANTS
    coefficients[0] += mean / constants[0]
    coefficients[1:4] += up[:, None] * slope * (2.0 / 3.0) / constants[1]
    return Light(lamps, coefficients)


def sample_light(rng: np.random.Generator) -> Light:
    """Indoors or outdoors, one to four lamps, mostly above and on the camera's side."""
    count = int(rng.choice([1, 2, 3, 4], p=[0.3, 0.35, 0.25, 0.1]))
    spread = np.array([1.0, 0.6, 0.5])
    directions = rng.normal(size=(count, 3)) * spread + [0.0, -0.45, -0.9]
    if rng.uniform() < 0.15:
        directions[-1] = rng.normal(size=3) * [1.0, 0.5, 0.4] + [0.0, -0.3, 0.9]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    strengths = rng.uniform(0.15, 1.0, (count, 1)) / math.sqrt(count)
    colours = _tints(rng, count, 0.07)
    sky = rng.uniform(0.15, 0.75) * np.stack([_tints(rng, 1, 0.08)[0], rng.uniform(0.2, 0.9) * _tints(rng, 1, 0.08)[0]])
    up = np.array([rng.normal(0, 0.15), -1.0, rng.normal(0, 0.3)])
    return light_of_lamps(np.concatenate([directions, strengths * colours], axis=1), sky, up / np.linalg.norm(up))


def _tints(rng: np.random.Generator, count: int, spread: float) -> Float[np.ndarray, "L 3"]:
    """Colours from warm to cool (mostly along the line of black bodies), green nearly untouched."""
    warm = rng.normal(0.0, spread, count)
    green = rng.normal(0.0, 0.15 * spread, count)
    return np.exp(np.stack([warm, green, -1.4 * warm], axis=1))


@lru_cache(maxsize=1)
def light_transfer() -> tuple[Float[np.ndarray, "V 9"], Float[np.ndarray, " V"]]:
    """How light reaches the mean head's vertices, head frame.

    Returns:
        (V, 9) shading per unit coefficient, as `shading_basis` of the normal would be without self-shading; and (V,)
        the share of evenly surrounding light. float32.
    """
    head = open_head()
    points, triangles = head.template, head.triangles
    normals = vertex_normals(points, triangles)
    directions = _sphere(_DIRECTIONS)
    centre = points.mean(axis=0)
    count = len(points)
    far, focal, side = 20.0, 13200.0, 176
    matrix = np.array([[focal, 0, side / 2], [0, focal, side / 2], [0, 0, 1.0]])
    functions = _harmonics(directions)
    reached, unshaded = np.zeros((count, 9)), np.zeros((count, 9))
    even, total = np.zeros(count), np.full(count, 1e-9)
    for direction, function in zip(directions, functions, strict=True):
        across = np.cross(direction, [0.3, 1.0, 0.2])
        across /= np.linalg.norm(across)
        rotation = np.stack([across, -np.cross(direction, across), -direction])
        camera = (points - centre) @ rotation.T + [0.0, 0.0, far]
        depth = rasterize_camera(camera, triangles, matrix, (side, side), threads=1).depth
        column, row = (camera[:, :2] / camera[:, 2:] * focal + side / 2).astype(int).clip(0, side - 1).T
        visible = camera[:, 2] < depth[row, column] + 0.0035
        cosine = np.clip(normals @ direction, 0, None)
        unshaded += cosine[:, None] * function
        reached += (visible * cosine)[:, None] * function
        even += visible * cosine
        total += cosine
    share = even / total
    # The analytic shading less what the head keeps away, so that few directions suffice where nothing is in the way.
    kept_away = (unshaded - reached) * (4 * math.pi / _DIRECTIONS) * np.array([1 / math.pi] + [1.0] * 8)
    return (shading_basis(normals) - kept_away).astype(np.float32), share.astype(np.float32)


def _harmonics(directions: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 9"]:
    """Orthonormal real spherical harmonics, in the order of `shading_basis`."""
    return shading_basis(directions) / _CLAMPED_COSINE


def _sphere(count: int) -> Float[np.ndarray, "N 3"]:
    """Unit vectors spread evenly: the Fibonacci lattice."""
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    angle = math.pi * (1 + math.sqrt(5)) * k
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=-1)

"""The light that a head stands in: second-order spherical harmonics, from colours and normals.

Dimension letters: N points, D directions.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from trimesh.creation import icosphere

from face3d.errors import ArgumentError
from face3d.fit.harmonics import harmonics
from face3d.head import HeadModel
from face3d.media.colour import linear_from_srgb
from face3d.render.shading import SPHERICAL_HARMONICS_CONSTANTS, vertex_normals
from face3d.render.texture_chart import texture_chart, vertex_means
from face3d.render.texture_plausibility import plain_skin
from face3d.render.texture_views import PosedPhoto, view_texels

__all__ = ["SKIN_ALBEDO", "estimate_light", "photo_light"]

SKIN_ALBEDO = (0.44, 0.25, 0.17)
"""Linear RGB reflectance of skin, between light and dark: what a colour is taken for where nothing else is known."""
STIFFNESS = (0.0, 2e-3, 2e-3, 2e-3, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2)
"""Ridge per basis function beside a mean squared shading of one: the half of the sphere that no photo shows must not
run away, and second order less than first."""
DARKEST = 0.05
"""Shading is held above this share of its mean in every direction."""
ITERATIONS = 12
OUTLIER = 2.5
"""Robust standard deviations from which a point counts less: eyebrows, hair, glasses, highlights."""
LEAST_POINTS = 30
SKETCH_SIZE = 256
"""Side of the texture whose texels tell the colours of a photo's vertices."""


def estimate_light(
    colours: Float[np.ndarray, "N 3"],
    normals: Float[np.ndarray, "N 3"],
    albedo: Float[np.ndarray, "N 3"] | None = None,
    weights: Float[np.ndarray, " N"] | None = None,
) -> Float[np.ndarray, "9 3"]:
    """Find the light under which surfaces of a known albedo have the given colours: colour = albedo * shading(normal).

    Iteratively reweighted least squares with Cauchy's weights on the points' residuals. Where shading would fall
    below DARKEST of its mean in some direction, that direction is held there.

    Args:
        colours: linear RGB (a photo's sRGB, decoded).
        normals: unit vectors in the OpenCV camera frame.
        albedo: linear RGB reflectance; by default the same skin everywhere. Only the product of light and albedo is
            seen, so that a wrong albedo of one colour gives a light of a wrong colour.
        weights: how much each point counts; by default all the same.

    Returns:
        Coefficients for `spherical_harmonics_shading`. The shading is positive in every direction.

    Raises:
        ArgumentError: shapes that do not fit, or fewer than LEAST_POINTS usable points.
    """
    seen = np.asarray(colours, dtype=np.float64)
    reflectance = np.broadcast_to(np.asarray(SKIN_ALBEDO if albedo is None else albedo, dtype=np.float64), seen.shape)
    count = np.ones(len(seen)) if weights is None else np.asarray(weights, dtype=np.float64)
    if seen.ndim != 2 or seen.shape[1] != 3 or normals.shape != seen.shape or count.shape != seen.shape[:1]:
        raise ArgumentError(
            f"colours and normals must be (N, 3) and weights (N,), not {seen.shape}, {normals.shape}, {count.shape}"
        )
    usable = (count > 0) & np.isfinite(seen).all(1) & np.isfinite(normals).all(1) & (reflectance > 0).all(1)
    if usable.sum() < LEAST_POINTS:
        raise ArgumentError(f"light needs {LEAST_POINTS} points of known colour, not {usable.sum()}")
    seen, reflectance, count = seen[usable], reflectance[usable], count[usable] / count[usable].sum()
    basis = harmonics(normals[usable])
    around = harmonics(np.asarray(icosphere(subdivisions=2).vertices))

    trust, held = np.ones(len(seen)), np.zeros((len(around), 3))
    light = np.zeros((9, 3))
    for _ in range(ITERATIONS):
        mean = SPHERICAL_HARMONICS_CONSTANTS[0] * light[0]
        for channel in range(3):
            rows = reflectance[:, channel, None] * basis
            energy = float((count * reflectance[:, channel] ** 2).sum())
            # A held direction counts as a hundredth of all that is seen.
            springs = 0.01 * energy * held[:, channel]
            system = rows.T @ ((count * trust)[:, None] * rows) + around.T @ (springs[:, None] * around)
            system += energy * np.diag(np.maximum(STIFFNESS, 1e-9))
            right = rows.T @ (count * trust * seen[:, channel]) + around.T @ (springs * DARKEST * mean[channel])
            light[:, channel] = np.linalg.solve(system, right)
        residual = np.linalg.norm(seen - reflectance * (basis @ light), axis=1)
        spread = max(1.4826 * float(np.median(residual)), 1e-6)
        trust = 1.0 / (1.0 + (residual / (OUTLIER * spread)) ** 2)
        held = np.maximum(held, around @ light < DARKEST * SPHERICAL_HARMONICS_CONSTANTS[0] * light[0])
    return _held_positive(light, around)


def photo_light(model: HeadModel, photo: PosedPhoto) -> Float[np.ndarray, "9 3"] | None:
    """Light of a photo from the skin of the face in it, taken for one of the same colour everywhere.

    That colour is the skin's usual one in the photo, so that dividing the light out evens brightness and hue and keeps
    the person's complexion; the colour of the light as a whole cannot be told from that of the skin.

    Returns:
        Coefficients, or None when too little skin is seen.

    Raises:
        ArgumentError: the model has no texture coordinates.
    """
    chart = texture_chart(model, SKETCH_SIZE)
    view = view_texels(chart, PosedPhoto(photo.pixels, photo.vertices_camera, photo.intrinsics))
    base, trust = vertex_means(chart, linear_from_srgb(view.colour), view.trust)
    weights = trust * plain_skin(chart.surface)
    plain = weights > 0.3
    if plain.sum() < LEAST_POINTS:
        return None
    usual = np.maximum(np.median(base[plain], axis=0), 1e-3)
    normals = vertex_normals(
        torch.from_numpy(np.asarray(photo.vertices_camera, dtype=np.float64)), torch.from_numpy(chart.surface.triangles)
    ).numpy()
    return estimate_light(base[plain], normals[plain], np.tile(usual, (int(plain.sum()), 1)), weights[plain])


def _held_positive(light: Float[np.ndarray, "9 3"], around: Float[np.ndarray, "D 9"]) -> Float[np.ndarray, "9 3"]:
    """Lessen what varies with direction, in all channels alike, until no direction is darker than half of DARKEST."""
    constant = SPHERICAL_HARMONICS_CONSTANTS[0] * np.maximum(light[0], 1e-6)
    lowest = (around[:, 1:] @ light[1:]).min(0)
    share = float(np.min((1.0 - DARKEST / 2) * constant / np.maximum(-lowest, 1e-12)))
    result = light.copy()
    result[0] = constant / SPHERICAL_HARMONICS_CONSTANTS[0]
    result[1:] *= min(share, 1.0)
    return result

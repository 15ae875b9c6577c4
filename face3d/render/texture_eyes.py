"""The part of an eyeball that no photo shows: pupil, iris and white, coloured by the part that one does.

Dimension letters: N covered texels, n texels of eyes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from face3d.media.colour import linear_from_srgb, srgb_from_linear
from face3d.render.studio_light import IRIS_RADIUS, PUPIL_RADIUS
from face3d.render.texture_chart import TextureChart

__all__ = ["fill_eyes"]

PUPIL_EDGE, IRIS_EDGE = 0.0004, 0.0009
"""Metres over which the parts fade into each other."""
INSIDE_IRIS, BESIDE_IRIS = (0.0024, 0.0050), (0.0068, 0.0110)
"""Metres from the axis of what is surely iris, and surely white."""
PUPIL, IRIS, WHITE = (0.02, 0.018, 0.018), (0.18, 0.15, 0.13), (1.25, 1.2, 1.18)
"""Linear light of a usual eye's parts, beside the luminance of the face's skin."""
IRIS_LIMITS, WHITE_LIMITS = (0.05, 0.5), (0.6, 2.0)
"""Luminance beside the skin's that is believed: lashes and lids that the fit takes for the eye lie outside."""
WHITE_SATURATION = 0.4
"""How much of the hue seen on the white is believed; the rest is skin, reflected or taken for it."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
"""Of linear sRGB (IEC 61966-2-1)."""
ENOUGH = 4e-6
"""Square metres that must be seen of a part before its colour counts more than a usual eye's."""


def fill_eyes(
    chart: TextureChart,
    shown: Float[np.ndarray, "N 3"],
    trust: Float[np.ndarray, " N"],
    skin: Float[np.ndarray, " 3"],
    colour: Float[np.ndarray, "N 3"],
) -> None:
    """Set the colour of the eyes' texels: what is shown as far as it is trusted, else an eye of the same colours.

    Args:
        chart: of the texture.
        shown: sRGB in [0, 1].
        trust: of `shown`.
        skin: usual sRGB of the face, which says how bright the light is.
        colour: changed in place, sRGB in [0, 1].
    """
    surface = chart.surface
    is_eye = np.isfinite(surface.eye_position[surface.triangles].sum((1, 2)))
    rows = np.flatnonzero(is_eye[chart.faces])
    if not len(rows):
        return
    corners = surface.eye_position[surface.triangles[chart.faces[rows]]]
    radius = np.linalg.norm(np.einsum("nk,nkc->nc", chart.barycentric[rows], corners), axis=-1)
    brightness = float(linear_from_srgb(skin) @ LUMINANCE)
    seen, believed = shown[rows], trust[rows]
    iris = _part(seen, believed, radius, INSIDE_IRIS, np.array(IRIS) * brightness, quantile=0.5)
    white = _part(seen, believed, radius, BESIDE_IRIS, np.array(WHITE) * brightness, quantile=0.7)
    iris = _within(iris, brightness, IRIS_LIMITS)
    white = _within(white, brightness, WHITE_LIMITS)
    white = white @ LUMINANCE + WHITE_SATURATION * (white - white @ LUMINANCE)
    pupil_share = ((PUPIL_RADIUS - radius) / PUPIL_EDGE + 0.5).clip(0.0, 1.0)[:, None]
    iris_share = ((IRIS_RADIUS - radius) / IRIS_EDGE + 0.5).clip(0.0, 1.0)[:, None]
    filled = srgb_from_linear(white.clip(0.0, 1.0))
    filled = filled + iris_share * (srgb_from_linear(iris.clip(0.0, 1.0)) - filled)
    filled = filled + pupil_share * (srgb_from_linear(np.array(PUPIL) * brightness) - filled)
    colour[rows] = believed[:, None] * seen + (1.0 - believed[:, None]) * filled


def _part(
    seen: Float[np.ndarray, "n 3"],
    believed: Float[np.ndarray, " n"],
    radius: Float[np.ndarray, " n"],
    ring: tuple[float, float],
    usual: Float[np.ndarray, " 3"],
    *,
    quantile: float,
) -> Float[np.ndarray, " 3"]:
    """Linear colour of a ring about the axis: what is seen of it, and the usual one as far as that is little."""
    inside = (radius > ring[0]) & (radius < ring[1])
    there = inside & (believed > 0.3)
    if not there.any():
        return usual
    # Flat rings serve well enough for an area.
    area = np.pi * (ring[1] ** 2 - ring[0] ** 2) * there.sum() / inside.sum()
    light = linear_from_srgb(seen[there])
    order = np.argsort(light @ LUMINANCE)
    middle = int(quantile * (len(order) - 1))
    reach = max(1, len(order) // 10)
    typical = light[order[max(0, middle - reach) : middle + reach + 1]].mean(0)
    known = area / (area + ENOUGH)
    result: Float[np.ndarray, " 3"] = known * typical + (1.0 - known) * usual
    return result


def _within(colour: Float[np.ndarray, " 3"], brightness: float, limits: tuple[float, float]) -> Float[np.ndarray, " 3"]:
    luminance = max(float(colour @ LUMINANCE), 1e-6)
    scaled: Float[np.ndarray, " 3"] = colour * (
        np.clip(luminance, limits[0] * brightness, limits[1] * brightness) / luminance
    )
    return scaled

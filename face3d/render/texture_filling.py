"""What no photo shows: mirrored from the other side, then diffused; eyes and mouth by what is known of them.

Dimension letters: V vertices, N covered texels, S side of the texture, R bins of radius.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from face3d.media.colour import linear_from_srgb, srgb_from_linear
from face3d.render.texture_blending import Layer, layer_of
from face3d.render.texture_chart import TextureChart, TextureSurface, interpolated
from face3d.render.texture_diffusion import diffused
from face3d.render.texture_sampling import sample_pixels

__all__ = ["fill_texels"]

SEEN_SPRING, PRIOR_SPRING, INNER_SPRING = 1.0, 0.0005, 0.3
"""How strongly vertices are held to what a photo shows, to what skin or hair there should look like, and, inside the
mouth, to the colour of mucosa; beside edges of about one."""
MIRROR_TRUST = 0.6
"""Detail of the other side counts this much at most."""

SKIN = (0.44, 0.25, 0.17)
"""Linear RGB of skin where a photo shows none: between light and dark."""
MUCOSA, TONGUE = (0.42, 0.19, 0.18), (0.85, 0.48, 0.44)
"""Linear RGB of the inside of the mouth, which lies in shadow, and of the tongue, beside skin."""

EYE_BIN = 0.0004
"""Metres of the radius about the optical axis over which an eye's colours are averaged."""
EYE_BINS = 40
PUPIL_RADIUS, IRIS_RADIUS = 0.0019, 0.00585
"""Metres; see `face3d.render.studio_light`."""
PUPIL, IRIS, SCLERA = (0.012, 0.010, 0.010), (0.075, 0.062, 0.052), (0.60, 0.55, 0.52)
"""Linear RGB where a photo shows no eye, at the brightness of a face in even light."""
EVEN_LIGHT = 0.3
"""Linear luminance of SKIN in the light that those colours are meant for."""
LEAST_EYE = 3.0
"""Trusted texels in a ring of the eye that make its colour known half."""


def fill_texels(chart: TextureChart, seen: Layer) -> Float[np.ndarray, "N 3"]:
    """Complete a layer to a colour for every covered texel, sRGB in [0, 1].

    The mirrored side brings its details and its slopes, whose level the solution matches to what surrounds them; where
    neither side is seen the base diffuses, held gently to the person's own skin or hair.
    """
    surface = chart.surface
    base_colour = interpolated(chart, seen.base)
    mirrored = _mirrored(chart, seen, base_colour)
    prior, prior_spring = _prior(surface, seen)

    share = np.where(seen.slope_trust > 0, seen.slope_trust, 0.0)[:, None]
    share = share / (share + 0.02 * mirrored.slope_trust[:, None] + 1e-6)
    other = np.where(mirrored.slope_trust[:, None] > 0, mirrored.slope, 0.0)
    slope = share * seen.slope + (1.0 - share) * other
    spring = SEEN_SPRING * seen.base_trust**2
    strength = spring + prior_spring
    target = (spring[:, None] * seen.base + prior_spring[:, None] * prior) / strength[:, None]
    base = diffused(surface, slope, target, strength)

    colour = interpolated(chart, base)
    trust = seen.trust[:, None]
    from_mirror = np.minimum(mirrored.trust[:, None], MIRROR_TRUST) * (1.0 - trust)
    colour += trust * seen.detail + from_mirror * mirrored.detail
    _fill_eyes(chart, seen, base_colour, prior, colour)
    return colour.clip(0.0, 1.0)


def _mirrored(chart: TextureChart, seen: Layer, base_colour: Float[np.ndarray, "N 3"]) -> Layer:
    """The layer as the head's other side shows it."""
    picture = np.zeros((chart.size * chart.size, 4), dtype=np.float32)
    picture[chart.texels, :3] = (seen.detail + base_colour) * seen.trust[:, None]
    picture[chart.texels, 3] = seen.trust
    sampled = sample_pixels(picture.reshape(chart.size, chart.size, 4), chart.mirror)
    trust = sampled[:, 3]
    return layer_of(chart, sampled[:, :3] / np.maximum(trust, 1e-6)[:, None], trust)


def _prior(surface: TextureSurface, seen: Layer) -> tuple[Float[np.ndarray, "V 3"], Float[np.ndarray, " V"]]:
    """Likely sRGB of each vertex, and how strongly it is held to that."""
    skin_vertices = surface.region("face") & ~surface.region("lips", "eye_region", "left_eyeball", "right_eyeball")
    if not skin_vertices.any():
        skin_vertices = np.ones(surface.vertex_count, dtype=bool)
    skin = _usual(seen, skin_vertices, srgb_from_linear(np.array(SKIN)))
    hair = _usual(seen, surface.region("scalp"), skin)
    prior = np.tile(skin, (surface.vertex_count, 1))
    prior[surface.region("scalp")] = hair
    strength = np.full(surface.vertex_count, PRIOR_SPRING)
    for name, tint in (("mouth_interior", MUCOSA), ("tongue", TONGUE)):
        inside = surface.region(name)
        prior[inside] = srgb_from_linear(linear_from_srgb(skin) * tint)
        strength[inside] = INNER_SPRING
    return prior, strength


def _usual(seen: Layer, where: Bool[np.ndarray, " V"], otherwise: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
    """Median of what is seen plainly of a region; `otherwise` if that is next to nothing."""
    plain = where & (seen.base_trust > 0.5)
    if plain.sum() < 5:
        return otherwise
    usual: Float[np.ndarray, " 3"] = np.median(seen.base[plain], axis=0)
    return usual


def _fill_eyes(
    chart: TextureChart,
    seen: Layer,
    base_colour: Float[np.ndarray, "N 3"],
    prior: Float[np.ndarray, "V 3"],
    colour: Float[np.ndarray, "N 3"],
) -> None:
    """An eye is round: what lids hide has the colour that the same distance from its axis shows elsewhere."""
    surface = chart.surface
    is_eye = np.isfinite(surface.eye_position[surface.triangles].sum((1, 2)))
    rows = np.flatnonzero(is_eye[chart.faces])
    if not len(rows):
        return
    corners = surface.eye_position[surface.triangles[chart.faces[rows]]]
    radius = np.linalg.norm(np.einsum("nk,nkc->nc", chart.barycentric[rows], corners), axis=-1)
    shown, trust = seen.detail[rows] + base_colour[rows], seen.trust[rows]
    skin = linear_from_srgb(np.median(prior, axis=0))
    profile = _eye_profile(shown, trust, radius, min(1.0, float(skin.mean()) / EVEN_LIGHT))
    place = (radius / EYE_BIN - 0.5).clip(0.0, EYE_BINS - 1)
    filled = np.stack([np.interp(place, np.arange(EYE_BINS), profile[:, k]) for k in range(3)], -1)
    colour[rows] = trust[:, None] * shown + (1.0 - trust[:, None]) * filled


def _eye_profile(
    shown: Float[np.ndarray, "n 3"], trust: Float[np.ndarray, " n"], radius: Float[np.ndarray, " n"], brightness: float
) -> Float[np.ndarray, "R 3"]:
    """Colour by distance from the axis: the median of the ring where it is seen, a usual eye's where not."""
    centre = (np.arange(EYE_BINS) + 0.5) * EYE_BIN
    usual = np.where((centre < IRIS_RADIUS)[:, None], IRIS, SCLERA)
    usual = np.where((centre < PUPIL_RADIUS)[:, None], PUPIL, usual)
    profile = srgb_from_linear(usual * brightness)
    ring = (radius / EYE_BIN).astype(int)
    change = np.zeros(3)
    for index in range(EYE_BINS):
        there = (ring == index) & (trust > 0.3)
        known = there.sum() / (there.sum() + LEAST_EYE)
        if there.any():
            change = (1 - known) * change + known * (np.median(shown[there], axis=0) - profile[index])
        # Beyond what is seen the ring differs from a usual eye as the last one that is seen did.
        profile[index] += change
    return profile.clip(0.0, 1.0)

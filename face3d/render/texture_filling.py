"""What no photo shows: mirrored from the other side, then diffused; the mouth's inside by what is known of it.

Dimension letters: V vertices, N covered texels, S side of the texture.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from face3d.media.colour import linear_from_srgb, srgb_from_linear
from face3d.render.texture_blending import Layer, layer_of
from face3d.render.texture_chart import TextureChart, TextureSurface, interpolated
from face3d.render.texture_diffusion import diffused
from face3d.render.texture_eyes import fill_eyes
from face3d.render.texture_plausibility import PLAIN, plain_skin, usual_colour, usual_hair
from face3d.render.texture_sampling import sample_pixels

__all__ = ["fill_texels"]

SEEN_SPRING, SKIN_SPRING, EAR_SPRING, HAIR_SPRING, INNER_SPRING = 1.0, 0.006, 0.05, 0.15, 0.3
"""How strongly vertices are held to what a photo shows, to what skin or hair there should look like, and, inside the
mouth, to the colour of mucosa; beside edges of about one."""
MIRROR_TRUST = 0.6
"""Detail of the other side counts this much at most."""

SKIN = (0.44, 0.25, 0.17)
"""Linear RGB of skin where a photo shows none: between light and dark."""
MUCOSA, TONGUE = (0.42, 0.19, 0.18), (0.85, 0.48, 0.44)
"""Linear RGB of the inside of the mouth, which lies in shadow, and of the tongue, beside skin."""


def fill_texels(chart: TextureChart, seen: Layer) -> Float[np.ndarray, "N 3"]:
    """Complete a layer to a colour for every covered texel, sRGB in [0, 1].

    The mirrored side brings its details and its slopes, whose level the solution matches to what surrounds them; where
    neither side is seen the base diffuses, held gently to the person's own skin or hair.
    """
    surface = chart.surface
    base_colour = interpolated(chart, seen.base)
    mirrored = _mirrored(chart, seen, base_colour)
    prior, prior_spring = _prior(surface, seen)

    own, other = _counting(seen.slope_trust)[:, None], _counting(mirrored.slope_trust)[:, None]
    slope = own * seen.slope + (1.0 - own) * other * mirrored.slope
    spring = SEEN_SPRING * seen.base_trust**2
    strength = spring + prior_spring
    target = (spring[:, None] * seen.base + prior_spring[:, None] * prior) / strength[:, None]
    base = diffused(surface, slope, target, strength)

    colour = interpolated(chart, base)
    trust = seen.trust[:, None]
    from_mirror = np.minimum(mirrored.trust[:, None], MIRROR_TRUST) * (1.0 - trust)
    colour += trust * seen.detail + from_mirror * mirrored.detail
    fill_eyes(chart, seen.detail + base_colour, seen.trust, np.median(prior, axis=0), colour)
    return colour.clip(0.0, 1.0)


def _counting(trust: Float[np.ndarray, " E"]) -> Float[np.ndarray, " E"]:
    """How far a slope counts: little trusted ones, at outlines and grazing angles, carry foreign colours."""
    share = (trust / PLAIN).clip(0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


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
    scalp = surface.region("scalp")
    skin = usual_colour(seen.base, seen.base_trust, plain_skin(surface))
    if skin is None:
        skin = srgb_from_linear(np.array(SKIN))
    hair = usual_hair(surface, seen.base, seen.base_trust, skin)
    prior = np.tile(skin, (surface.vertex_count, 1))
    strength = np.full(surface.vertex_count, SKIN_SPRING)
    strength[surface.region("left_ear", "right_ear")] = EAR_SPRING
    if hair is not None:
        prior[scalp], strength[scalp] = hair, HAIR_SPRING
    for name, tint in (("mouth_interior", MUCOSA), ("tongue", TONGUE)):
        inside = surface.region(name)
        prior[inside] = srgb_from_linear(linear_from_srgb(skin) * tint)
        strength[inside] = INNER_SPRING
    return prior, strength

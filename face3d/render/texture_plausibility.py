"""Whether colours beside the face can be the head's own, or are background, clothes or hair that the fit runs into.

Dimension letters: V vertices, N points.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from face3d.media.colour import linear_from_srgb
from face3d.render.texture_chart import TextureSurface

__all__ = ["PLAIN", "likeness", "plain_skin", "plausible", "usual_colour", "usual_hair"]

CHROMA_TOLERANCE = 0.22
"""Distance of the two log ratios red/green and green/blue. Blush and stubble vary a face's by about 0.1."""
DARKER, BRIGHTER = (1.1, 0.4), (0.5, 0.3)
"""Log luminance that may differ freely, as shadow and shine make it, and how softly that ends."""
LEAST_LIGHT = 0.01
"""Linear. Chroma of what is darker is mostly noise."""
ENOUGH_VERTICES = 5
"""From so many a usual colour is taken."""
PLAIN = 0.5
"""Trust from which a vertex is seen plainly."""
HAIR_SEEN = 0.08
"""The same for hair, which a photo from the front shows at steep angles only."""


def plausible(
    surface: TextureSurface,
    base: Float[np.ndarray, "V 3"],
    trust: Float[np.ndarray, " V"],
    inner_trust: Float[np.ndarray, " V"],
) -> Float[np.ndarray, " V"]:
    """How far each vertex's colour is skin, or on the scalp skin or hair, as the same photo shows them in plain view.

    Args:
        surface: of the model.
        base: mean sRGB around each vertex.
        trust: of those.
        inner_trust: the same, less for vertices near the head's outline, where hair and background are not told apart.

    Returns:
        0 to 1; 1 everywhere when too little of the face is seen to tell.
    """
    skin = usual_colour(base, trust, plain_skin(surface))
    if skin is None:
        return np.ones(len(base))
    scalp = surface.region("scalp")
    result = likeness(base, skin)
    hair = usual_hair(surface, base, inner_trust, skin)
    if hair is not None:
        result[scalp] = np.maximum(result[scalp], likeness(base[scalp], hair))
    return result


def plain_skin(surface: TextureSurface) -> Bool[np.ndarray, " V"]:
    """Vertices of the face that are neither lips nor eyes; all of a model without such regions."""
    skin = surface.region("face") & ~surface.region("lips", "eye_region", "left_eyeball", "right_eyeball")
    return skin if skin.any() else np.ones(surface.vertex_count, dtype=bool)


def usual_colour(
    base: Float[np.ndarray, "V 3"],
    trust: Float[np.ndarray, " V"],
    where: Bool[np.ndarray, " V"],
    *,
    least: float = PLAIN,
) -> Float[np.ndarray, " 3"] | None:
    """Median of what is seen of a region with a trust of at least so much; None if that is next to nothing."""
    plain = where & (trust > least)
    return np.median(base[plain], axis=0) if plain.sum() >= ENOUGH_VERTICES else None


def usual_hair(
    surface: TextureSurface,
    base: Float[np.ndarray, "V 3"],
    trust: Float[np.ndarray, " V"],
    skin: Float[np.ndarray, " 3"],
) -> Float[np.ndarray, " 3"] | None:
    """Median of what is seen of the scalp and is no skin, the half that is least like it, as hairlines are a mixture;
    of all that is seen there when it is all like skin."""
    scalp = surface.region("scalp")
    foreign = scalp & (trust > HAIR_SEEN) & (likeness(base, skin) < 0.5)
    if foreign.sum() < ENOUGH_VERTICES:
        return usual_colour(base, trust, scalp, least=HAIR_SEEN)
    difference = np.linalg.norm(base[foreign] - skin, axis=1)
    hair: Float[np.ndarray, " 3"] = np.median(base[foreign][difference >= np.median(difference)], axis=0)
    return hair


def likeness(colours: Float[np.ndarray, "N 3"], reference: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " N"]:
    """How far colours can be the reference under another shade of light: 1 yes, 0 no; all sRGB."""
    light, known = linear_from_srgb(colours) + LEAST_LIGHT, linear_from_srgb(reference) + LEAST_LIGHT
    logs = np.log(light / known)
    chroma = np.hypot(logs[:, 0] - logs[:, 1], logs[:, 1] - logs[:, 2]) / CHROMA_TOLERANCE
    shade = logs.mean(1)
    excess = np.maximum((shade - BRIGHTER[0]) / BRIGHTER[1], (-shade - DARKER[0]) / DARKER[1]).clip(0.0)
    return (2.0 - np.hypot(chroma, excess)).clip(0.0, 1.0)

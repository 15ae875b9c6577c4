"""Several photos of one head become one layer of texels.

Dimension letters: V vertices, N covered texels, P photos, M of any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from face3d.media.colour import linear_from_srgb, srgb_from_linear
from face3d.render.texture_chart import TextureChart, interpolated, vertex_means
from face3d.render.texture_diffusion import differences_along, extended
from face3d.render.texture_views import TexelView

__all__ = ["Layer", "blend_views", "layer_of"]

DECISIVENESS, SHARPNESS = 3, 2
"""Powers of trust and of relative resolution: the better of two photos wins clearly, since averaging two that do not
quite agree is a blur."""
LARGEST_GAIN = 4.0
"""Of one photo against the mean of all."""
LEAST_OVERLAP = 0.15
"""Trust from which a vertex takes part in the matching of photos."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Colours of texels in two bands: what vertices show on average, and the detail about that.

    Attributes:
        detail: (N, 3) sRGB in [0, 1] less the base between the vertices.
        trust: (N,) in [0, 1].
        base: (V, 3) mean sRGB around each vertex, 0 where nothing is seen.
        base_trust: (V,) mean trust around each vertex.
        slope: (E, 3) difference of the base along each edge, and `slope_trust` (E,).
    """

    detail: Float[np.ndarray, "N 3"]
    trust: Float[np.ndarray, " N"]
    base: Float[np.ndarray, "V 3"]
    base_trust: Float[np.ndarray, " V"]
    slope: Float[np.ndarray, "E 3"]
    slope_trust: Float[np.ndarray, " E"]


def layer_of(chart: TextureChart, colour: Float[np.ndarray, "N 3"], trust: Float[np.ndarray, " N"]) -> Layer:
    """Split one layer of colours into its bands."""
    base, base_trust = vertex_means(chart, colour, trust)
    slope, slope_trust = differences_along(chart.surface.edges, base, base_trust)
    whole = extended(chart.surface, base, base_trust)
    return Layer(colour - interpolated(chart, whole), trust, base, base_trust, slope, slope_trust)


def blend_views(chart: TextureChart, views: Sequence[TexelView]) -> Layer:
    """Match the photos' colours, then blend their bands: details by the better photo, slopes of the base by all.

    Photos differ in exposure and white balance, which is one gain per channel in linear light (P photos, found from
    the vertices that two of them see), and after that in what a gain cannot say. The base is therefore put together
    from its slopes, so that no step remains where one photo takes over from another (Pérez, Gangnet and Blake, "Poisson
    Image Editing", 2003).
    """
    if len(views) == 1:
        return layer_of(chart, views[0].colour, views[0].trust)
    sharpest = max(view.resolution for view in views)
    sharpness = [(view.resolution / max(sharpest, 1e-9)) ** SHARPNESS for view in views]
    layers = [layer_of(chart, colour, view.trust) for colour, view in zip(_matched(chart, views), views, strict=True)]
    detail, trust = _blended([layer.detail for layer in layers], [layer.trust for layer in layers], sharpness)
    base, base_trust = _blended([layer.base for layer in layers], [layer.base_trust for layer in layers], sharpness)
    slope, slope_trust = _blended([layer.slope for layer in layers], [layer.slope_trust for layer in layers], sharpness)
    return Layer(detail, trust, base, base_trust, slope, slope_trust)


def _blended(
    values: Sequence[Float[np.ndarray, "M 3"]], trusts: Sequence[Float[np.ndarray, " M"]], sharpness: Sequence[float]
) -> tuple[Float[np.ndarray, "M 3"], Float[np.ndarray, " M"]]:
    """Values of all photos, and the trust in what came out."""
    blend, total, trust = np.zeros_like(values[0]), np.zeros_like(trusts[0]), np.zeros_like(trusts[0])
    for value, own, sharp in zip(values, trusts, sharpness, strict=True):
        weight = own**DECISIVENESS * own.dtype.type(sharp)
        blend += weight[:, None] * value
        trust += weight * own
        total += weight
    total = np.maximum(total, 1e-12)
    return blend / total[:, None], trust / total


def _matched(chart: TextureChart, views: Sequence[TexelView]) -> list[Float[np.ndarray, "N 3"]]:
    """Colours of the views under gains that make them agree where they overlap."""
    linear = [linear_from_srgb(view.colour) for view in views]
    means = [vertex_means(chart, light, view.trust) for light, view in zip(linear, views, strict=True)]
    gains = _gains(np.stack([mean for mean, _ in means]), np.stack([weight for _, weight in means]))
    return [
        srgb_from_linear((light * gain).clip(0.0, 1.0)).astype(np.float32)
        for light, gain in zip(linear, gains, strict=True)
    ]


def _gains(linear: Float[np.ndarray, "P V 3"], weights: Float[np.ndarray, "P V"]) -> Float[np.ndarray, "P 3"]:
    """Gain per photo and channel: each pair's median ratio, all pairs in one least-squares solution; on average 1, each
    photo counting by what it shows."""
    count = len(linear)
    logs = np.log(np.maximum(linear, 1e-3))
    rows, targets = [], []
    for first in range(count):
        for second in range(first + 1, count):
            shared = (weights[first] > LEAST_OVERLAP) & (weights[second] > LEAST_OVERLAP)
            if not shared.any():
                continue
            certainty = float(np.sqrt(shared.sum()))
            row = np.zeros(count)
            row[first], row[second] = certainty, -certainty
            rows.append(row)
            targets.append(certainty * np.median(logs[second, shared] - logs[first, shared], axis=0))
    # Photos that share nothing with the others keep their own colours.
    rows += list(1e-3 * np.eye(count))
    targets += [np.zeros(3)] * count
    solution = np.linalg.lstsq(np.stack(rows), np.stack(targets), rcond=None)[0]
    shown = weights.sum(1)
    solution -= (shown[:, None] * solution).sum(0) / max(float(shown.sum()), 1e-9)
    return np.exp(solution).clip(1.0 / LARGEST_GAIN, LARGEST_GAIN)

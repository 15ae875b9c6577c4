"""Bilinear sampling of pictures and textures."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from face3d.render.compiled import compiled

__all__ = ["sample_pixels", "sample_uv", "value_between"]


def sample_pixels(picture: Shaped[np.ndarray, "H W C"], places: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N C"]:
    """Values between pixels, float32; 0 at places that are not finite, the border's value outside.

    Args:
        picture: any number of channels.
        places: pixels, the first one's centre at (0.5, 0.5).
    """
    sampled = np.zeros((len(places), picture.shape[2]), dtype=np.float32)
    _sample(np.ascontiguousarray(picture), np.ascontiguousarray(places), sampled)
    return sampled


def sample_uv(texture: UInt8[np.ndarray, "S S 3"], uv: Float[np.ndarray, "*N 2"]) -> Float[np.ndarray, "*N 3"]:
    """Bilinear samples, sRGB in [0, 255], float32.

    Args:
        texture: RGB, the first row at v = 1.
        uv: u to the right, v up, in [0, 1].
    """
    size = np.array([texture.shape[1], texture.shape[0]])
    places = (np.asarray(uv, dtype=np.float64).reshape(-1, 2) * [1.0, -1.0] + [0.0, 1.0]) * size
    return sample_pixels(texture, places).reshape(*uv.shape[:-1], 3)


@compiled
def _sample(picture, places, sampled):  # type: ignore[no-untyped-def]
    """Bilinear samples of a picture at places in its pixels; nothing where a place is not finite."""
    for row in range(places.shape[0]):
        x, y = places[row, 0], places[row, 1]
        if np.isfinite(x) and np.isfinite(y):
            for channel in range(picture.shape[2]):
                sampled[row, channel] = value_between(picture, x, y, channel)


@compiled
def value_between(picture, x, y, channel):  # type: ignore[no-untyped-def]
    """One channel of a picture at a place in its pixels, blended between the four nearest; for compiled loops."""
    height, width = picture.shape[0], picture.shape[1]
    x, y = min(max(x - 0.5, 0.0), width - 1.0), min(max(y - 0.5, 0.0), height - 1.0)
    i, j = int(y), int(x)
    a, b = y - i, x - j
    lower, right = min(i + 1, height - 1), min(j + 1, width - 1)
    top = (1.0 - b) * picture[i, j, channel] + b * picture[i, right, channel]
    bottom = (1.0 - b) * picture[lower, j, channel] + b * picture[lower, right, channel]
    return (1.0 - a) * top + a * bottom

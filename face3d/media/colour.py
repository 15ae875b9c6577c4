"""The transfer curve of sRGB (IEC 61966-2-1) and its inverse."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["linear_from_srgb", "srgb_from_linear"]


def linear_from_srgb(encoded: Float[np.ndarray, "*S"]) -> Float[np.ndarray, "*S"]:
    """Light from encoded values; both in [0, 1], any shape."""
    value = np.asarray(encoded)
    return np.where(value <= 0.04045, value / 12.92, ((np.maximum(value, 0.0) + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(linear: Float[np.ndarray, "*S"]) -> Float[np.ndarray, "*S"]:
    """Encoded values from light; both in [0, 1], any shape."""
    value = np.asarray(linear)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * np.maximum(value, 0.0) ** (1.0 / 2.4) - 0.055)

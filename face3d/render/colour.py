"""Colours: the rule of face3d's renderers, and how pictures get over a background.

Light adds and multiplies in linear RGB only, so `render_sh`, albedo, light and blending are linear RGB in [0, 1];
photos and pictures for people are sRGB (IEC 61966-2-1), and `linear_from_srgb` and `srgb_from_linear` stand between
the two. The published systems multiply sRGB values as if they were light. What copies them (`shape_view`, and
`render_sh` fed with their light and albedo codes) takes and gives sRGB unconverted, and says so.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from face3d.errors import ArgumentError

__all__ = ["composite_over", "linear_from_srgb", "srgb_from_linear"]


def linear_from_srgb(encoded: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """Return linear values of sRGB ones (IEC 61966-2-1), both in [0, 1]; beyond, the curve simply goes on."""
    bright = encoded > 0.04045
    curve = ((torch.where(bright, encoded, 1.0) + 0.055) / 1.055) ** 2.4
    return torch.where(bright, curve, encoded / 12.92)


def srgb_from_linear(linear: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """Return sRGB values of linear ones; the inverse of `linear_from_srgb`, with a finite slope at black."""
    bright = linear > 0.0031308
    curve = 1.055 * torch.where(bright, linear, 1.0) ** (1 / 2.4) - 0.055
    return torch.where(bright, curve, linear * 12.92)


def composite_over(
    image: Float[Tensor, "B C H W"],
    alpha: Float[Tensor, "B 1 H W"],
    background: Float[Tensor, "B C H W"] | Float[Tensor, " C"] | float,
) -> Float[Tensor, "B C H W"]:
    """Return a picture over a background: image + (1 - alpha) background (Porter and Duff, 1984, "over").

    Args:
        image: linear RGB, already multiplied by alpha, as `render_sh` gives it (over black).
        alpha: coverage of each pixel in [0, 1].
        background: an image, one colour, or one grey, linear as well.

    Raises:
        ArgumentError: shapes that do not fit each other.
    """
    if image.ndim != 4 or alpha.shape != (image.shape[0], 1, *image.shape[2:]):
        raise ArgumentError(
            f"image must be (B, C, H, W) and alpha (B, 1, H, W), not {tuple(image.shape)}, {tuple(alpha.shape)}"
        )
    behind = torch.as_tensor(background, dtype=image.dtype, device=image.device)
    if behind.ndim == 1:
        behind = behind[:, None, None]
    try:
        behind = behind.expand_as(image)
    except RuntimeError:
        raise ArgumentError(
            f"a background of the shape {tuple(behind.shape)} does not fit an image {tuple(image.shape)}"
        ) from None
    return image + (1 - alpha) * behind

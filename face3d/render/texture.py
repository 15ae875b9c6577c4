"""The texture of a head, from photos of it.

Dimension letters: V vertices, F faces, U texture coordinates, H, W image height and width, S side of the texture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from face3d.errors import ArgumentError
from face3d.head import HeadModel
from face3d.render.texture_blending import blend_views
from face3d.render.texture_chart import TextureChart, texture_chart, texture_surface
from face3d.render.texture_filling import fill_texels
from face3d.render.texture_views import PosedPhoto, pixels_per_metre, view_texels

__all__ = ["PosedPhoto", "bake_texture", "texture_size"]

TEXTURE_SIZES = (1024, 2048)
SHARPER_PHOTO = 1.25
"""A photo must show this many pixels per texel before the texture is made larger."""


def bake_texture(
    model: HeadModel, photos: Sequence[PosedPhoto], *, size: int | None = None
) -> UInt8[np.ndarray, "S S 3"]:
    """Paint a head's texture with photos of it.

    What a photo shows is taken as it is, occluders included, with less weight towards grazing angles and outlines;
    what none shows is mirrored from the other side or diffused. Every texel is filled, those outside the layout with
    the colour of the nearest one inside, so that bilinear sampling and mipmaps find no background.

    Args:
        model: with texture coordinates.
        photos: of one person; their colours are matched to each other.
        size: texels a side; by default to suit the sharpest photo, 1024 or 2048.

    Returns:
        RGB, the first row at v = 1.

    Raises:
        ArgumentError: no photo, or the model has no texture coordinates.
    """
    if not photos:
        raise ArgumentError("a texture needs one or more photos")
    chart = texture_chart(model, texture_size(model, photos) if size is None else size)
    colour = fill_texels(chart, blend_views(chart, [view_texels(chart, photo) for photo in photos]))
    return _spread(chart, np.rint(colour * 255.0).astype(np.uint8))


def texture_size(model: HeadModel, photos: Sequence[PosedPhoto]) -> int:
    """Texels a side that keep what the sharpest photo shows of the face, within TEXTURE_SIZES."""
    wanted = max(pixels_per_metre(photo) for photo in photos) / texture_surface(model).face_density
    return next((size for size in TEXTURE_SIZES[:-1] if wanted <= size * SHARPER_PHOTO), TEXTURE_SIZES[-1])


def _spread(chart: TextureChart, colours: UInt8[np.ndarray, "N 3"]) -> UInt8[np.ndarray, "S S 3"]:
    """Fill the texture with the nearest covered texel's colour."""
    picture: UInt8[np.ndarray, "S S 3"] = colours[chart.nearest].reshape(chart.size, chart.size, 3)
    return picture

"""Many pictures on one, each with its name."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from face3d.errors import ArgumentError
from face3d.render.portrait import BACKGROUND

__all__ = ["contact_sheet"]

INK = (70, 70, 68)
MOST_COLUMNS = 8


def contact_sheet(
    pictures: Sequence[UInt8[np.ndarray, "h w 3"]],
    labels: Sequence[str],
    *,
    tile: int = 280,
    columns: int | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Lay pictures out in rows, each scaled into a square tile over its label.

    Args:
        pictures: RGB of any size, one or more.
        labels: one per picture; what does not fit under its tile ends in an ellipsis.
        tile: side of a picture's tile in pixels.
        columns: tiles per row; by default as many as make the sheet about square, eight at the most.

    Raises:
        ArgumentError: no picture, or not one label per picture.
    """
    if not len(pictures) or len(pictures) != len(labels):
        raise ArgumentError(f"give one or more pictures and a label for each, not {len(pictures)} and {len(labels)}")
    per_row = columns or min(MOST_COLUMNS, math.ceil(math.sqrt(len(pictures))))
    per_row = min(per_row, len(pictures))
    gap, strip = max(4, tile // 24), max(16, tile // 9)
    rows = math.ceil(len(pictures) / per_row)
    sheet = Image.new("RGB", (gap + per_row * (tile + gap), gap + rows * (tile + strip + gap)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=max(9, int(strip * 0.5)))
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left = gap + number % per_row * (tile + gap)
        top = gap + number // per_row * (tile + strip + gap)
        height, width = picture.shape[:2]
        scale = tile / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        scaled = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
        sheet.paste(scaled, (left + (tile - size[0]) // 2, top + (tile - size[1]) // 2))
        text = _shortened(label, font, tile)
        draw.text((left + tile / 2, top + tile + strip / 2), text, fill=INK, font=font, anchor="mm")
    return np.asarray(sheet)


def _shortened(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    text = " ".join(label.split())
    if font.getlength(text) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(text[:middle] + "…") <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low] + "…"

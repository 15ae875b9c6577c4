"""A head that turns once around, and animations as files.

Dimension letters: V vertices, F faces, T frames, H, W image height and width.
"""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from face3d.errors import ArgumentError
from face3d.render.portrait import BACKGROUND, HeadAppearance, picture_alone, standing_views

__all__ = ["ANIMATION_FORMATS", "encode_animation", "turntable"]

ANIMATION_FORMATS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}
"""Pillow's name of the format by file name ending: GIF plays everywhere, WebP is smaller and has all colours, animated
PNG is exact."""


def turntable(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    appearance: HeadAppearance,
    image_size: tuple[int, int],
    *,
    frames: int = 36,
    pitch: float = 4.0,
    background: tuple[int, int, int] = BACKGROUND,
) -> UInt8[np.ndarray, "T H W 3"]:
    """Picture a head from all around, in equal steps, at one scale.

    The first frame is the view from the front; then the subject's left side comes into view. The last frame is one step
    short of the first, so that the animation repeats without a jerk.

    Args:
        vertices: head frame, metres.
        triangles: corner indices.
        appearance: colours of the head.
        image_size: (height, width).
        frames: how many.
        pitch: degrees that the camera looks down from.
        background: sRGB.

    Raises:
        ArgumentError: no frame.
    """
    if frames < 1:
        raise ArgumentError(f"a turntable has one frame or more, not {frames}")
    yaws = [360.0 * frame / frames for frame in range(frames)]
    views, intrinsics = standing_views(vertices, image_size, yaws=yaws, pitch=pitch)
    return np.stack([picture_alone(view, triangles, appearance, intrinsics, image_size, background) for view in views])


def encode_animation(frames: UInt8[np.ndarray, "T H W 3"], suffix: str, *, milliseconds_per_frame: int = 80) -> bytes:
    """Write frames as an animation that repeats for ever.

    Args:
        frames: RGB.
        suffix: of the file, one of ANIMATION_FORMATS.
        milliseconds_per_frame: GIF counts in tens of them.

    Raises:
        ArgumentError: another suffix.
    """
    if suffix not in ANIMATION_FORMATS:
        raise ArgumentError(f"no animation format is named {suffix}; there are {', '.join(ANIMATION_FORMATS)}")
    images = [Image.fromarray(frame) for frame in frames]
    options: dict[str, object] = {"quality": 82, "method": 3} if suffix == ".webp" else {}
    if suffix == ".gif":
        # One palette for all frames, so that still parts do not flicker; Pillow would choose one per frame.
        palette = Image.fromarray(np.concatenate(frames[:: max(1, len(frames) // 6)])).quantize(255)
        images = [image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for image in images]
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        format=ANIMATION_FORMATS[suffix],
        save_all=True,
        append_images=images[1:],
        duration=milliseconds_per_frame,
        loop=0,
        **options,
    )
    return buffer.getvalue()

"""From light to a photograph: exposure, lens, sensor, tone curve. The JPEG file is made by whoever writes it."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from face3d.media.colour import srgb_from_linear
from face3d.render.compiled import compiled
from face3d.train.synthetic.scene import Development

__all__ = ["decode_jpeg", "develop", "encode_jpeg"]

_CURVE_SIZE = 4096
_METERED_ON_FACE = 0.55
_LIGHT_SKIN = 0.6
"""Of the light that falls on it, what bright places of light skin send back in red."""


def develop(
    light: Float[np.ndarray, "H W 3"],
    on_person: Bool[np.ndarray, "H W"],
    falling: float,
    how: Development,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "H W 3"]:
    """Expose and develop.

    Args:
        light: linear RGB; overwritten.
        on_person: pixels that the exposure is metered on.
        falling: light that falls on the scene, which the exposure answers to as well: dark skin stays darker.
        how: the camera's doing.
        rng: of the sensor's noise.
    """
    scale = light.shape[0] / 256
    metered = light[on_person] if on_person.any() else light.reshape(-1, 3)
    bright = float(np.percentile(metered[:: max(1, len(metered) // 1500)].max(axis=1), 96))
    expected = max(bright, 1e-4) ** _METERED_ON_FACE * max(_LIGHT_SKIN * falling, 1e-4) ** (1 - _METERED_ON_FACE)
    gain = (np.array(how.white_balance) * how.exposure / expected).astype(np.float32)
    picture = light * gain
    if how.motion != (0.0, 0.0):
        picture = cv2.filter2D(picture, -1, _path_kernel(how.motion[0] * scale, how.motion[1] * scale))
    picture = cv2.GaussianBlur(picture, (0, 0), how.defocus * scale)
    height, width = picture.shape[:2]
    if how.shrink < 1.0:
        size = (max(8, round(width * how.shrink)), max(8, round(height * how.shrink)))
        picture = cv2.resize(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), (width, height))
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    developed = np.empty(picture.shape, dtype=np.uint8)
    tone = np.clip(0.5 + (np.linspace(0, 1, _CURVE_SIZE) - 0.5) * how.contrast, 0, 1) ** how.gamma
    _expose(picture, noise, *how.noise, how.saturation, srgb_curve(), np.rint(255 * tone).astype(np.uint8), developed)
    return developed


def encode_jpeg(image: UInt8[np.ndarray, "H W 3"], quality: int) -> bytes:
    """The JPEG file of an RGB image."""
    _, packed = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(packed)


def decode_jpeg(data: bytes) -> UInt8[np.ndarray, "H W 3"]:
    """The RGB image of a JPEG file."""
    decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError("no JPEG image")
    return np.ascontiguousarray(decoded[:, :, ::-1]).astype(np.uint8)


@lru_cache(maxsize=1)
def srgb_curve() -> Float[np.ndarray, " C"]:
    """sRGB's encoding of 0 to 1 in even steps of the square root."""
    return srgb_from_linear(np.linspace(0, 1, _CURVE_SIZE) ** 2).astype(np.float32)


def _path_kernel(x: float, y: float) -> Float[np.ndarray, "K K"]:
    """A straight path of the camera during exposure."""
    half = int(np.ceil(max(abs(x), abs(y)) / 2)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    start = (round((half - x / 2) * 16), round((half - y / 2) * 16))
    end = (round((half + x / 2) * 16), round((half + y / 2) * 16))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_8, 4)
    return kernel / kernel.sum()


@compiled
def _expose(picture, noise, shot, dark, saturation, curve, tone, developed):  # type: ignore[no-untyped-def]
    """Noise, sRGB's curve, saturation, then contrast and gamma by the table `tone`."""
    top = np.float32(curve.shape[0] - 1)
    zero, one = np.float32(0.0), np.float32(1.0)
    shot, dark, saturation = np.float32(shot), np.float32(dark), np.float32(saturation)
    for row in range(picture.shape[0]):
        for column in range(picture.shape[1]):
            red, green, blue = zero, zero, zero
            for channel in range(3):
                level = max(picture[row, column, channel], zero)
                level += noise[row, column, channel] * (shot * math.sqrt(level) + dark)
                level = curve[int(math.sqrt(min(max(level, zero), one)) * top)]
                if channel == 0:
                    red = level
                elif channel == 1:
                    green = level
                else:
                    blue = level
            grey = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
            for channel in range(3):
                level = red if channel == 0 else (green if channel == 1 else blue)
                level = grey + (level - grey) * saturation
                developed[row, column, channel] = tone[int(min(max(level, zero), one) * top)]

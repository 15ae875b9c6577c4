"""From light to a photograph: exposure, lens, sensor, tone curve. The JPEG file is made by whoever writes it."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from face3d.media.colour import srgb_from_linear
from face3d.render.compiled import compiled
from face3d.train.synthetic.scene import Development

__all__ = ["decode_jpeg", "develop", "encode_jpeg"]

_CURVE_SIZE = 4096


def develop(
    light: Float[np.ndarray, "H W 3"], on_person: Bool[np.ndarray, "H W"], how: Development, rng: np.random.Generator
) -> UInt8[np.ndarray, "H W 3"]:
    """Expose and develop.

    Args:
        light: linear RGB; overwritten.
        on_person: pixels that the exposure is metered on.
        how: the camera's doing.
        rng: of the sensor's noise.
    """
    scale = light.shape[0] / 256
    metered = light[on_person] if on_person.any() else light.reshape(-1, 3)
    bright = float(np.percentile(metered[:: max(1, len(metered) // 1500)].max(axis=1), 96))
    gain = (np.array(how.white_balance) * how.exposure / max(bright, 1e-4)).astype(np.float32)
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
    curve = srgb_curve()
    _expose(picture, noise, *how.noise, how.contrast, how.saturation, how.gamma, curve, developed)
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
def _expose(picture, noise, shot, dark, contrast, saturation, gamma, curve, developed):  # type: ignore[no-untyped-def]
    top = curve.shape[0] - 1
    value = np.empty(3)
    for row in range(picture.shape[0]):
        for column in range(picture.shape[1]):
            for channel in range(3):
                level = picture[row, column, channel]
                level += noise[row, column, channel] * (shot * np.sqrt(max(level, 0.0)) + dark)
                level = np.sqrt(min(max(level, 0.0), 1.0))
                value[channel] = curve[int(level * top + 0.5)]
            grey = 0.299 * value[0] + 0.587 * value[1] + 0.114 * value[2]
            for channel in range(3):
                level = grey + (value[channel] - grey) * saturation
                level = 0.5 + (level - 0.5) * contrast
                level = min(max(level, 0.0), 1.0)
                if gamma != 1.0:
                    level = level**gamma
                developed[row, column, channel] = np.uint8(level * 255.0 + 0.5)

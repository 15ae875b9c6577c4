"""One photo in memory: upright RGB pixels and what its file says about the camera."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from face3d.errors import InputError

__all__ = ["MAX_PIXELS", "MIN_SIDE", "Photo", "as_rgb"]

MAX_PIXELS = 178_000_000
"""Where Pillow, too, takes an image for a decompression bomb; above what nearly all phones and cameras write."""

MIN_SIDE = 16
"""Pixels; no face can be found on less, and a 1 x 1 image is nearly always a failed download."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """An upright image.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, EXIF orientation applied.
        path: the file, or None for an array.
        focal_35mm: 35 mm-equivalent focal length, millimetres, or None when the file does not tell.
        focal_mm: the lens's own focal length, millimetres, or None.
        make: camera maker as written in the file, or None.
        model: camera model as written in the file, or None.
        digital_zoom: EXIF DigitalZoomRatio, above 0, or None. Whether `focal_35mm` contains it depends on the maker.
        frame_size: (width, height) pixels, upright, of the image as EXIF remembers it, or None. Another shape than
            `image_size` means that the image was cropped later.
    """

    pixels: UInt8[np.ndarray, "H W 3"]
    path: Path | None = None
    focal_35mm: float | None = None
    focal_mm: float | None = None
    make: str | None = None
    model: str | None = None
    digital_zoom: float | None = None
    frame_size: tuple[int, int] | None = None

    @property
    def image_size(self) -> tuple[int, int]:
        """(width, height) pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def name(self) -> str:
        """What messages call this photo: its path, or "the given array"."""
        return "the given array" if self.path is None else str(self.path)

    @classmethod
    def from_array(
        cls,
        image: Shaped[np.ndarray, "H W"] | Shaped[np.ndarray, "H W C"],
        *,
        path: Path | None = None,
        focal_35mm: float | None = None,
    ) -> Photo:
        """Return a photo of an array as `as_rgb` takes it.

        Raises:
            InputError: not an image, smaller than 16 pixels a side, or larger than 178 megapixels.
        """
        return cls(as_rgb(image, name="the given array" if path is None else str(path)), path, focal_35mm)


def as_rgb(
    image: Shaped[np.ndarray, "H W"] | Shaped[np.ndarray, "H W C"], *, name: str = "the given array"
) -> UInt8[np.ndarray, "H W 3"]:
    """Return an array as RGB uint8.

    Args:
        image: (H, W) or (H, W, 1) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGB and alpha; uint8 as
            it is, uint16 divided by 257, bool as black and white, floats in [0, 1] times 255. Alpha lies on white, as
            browsers and printers show it.
        name: what the error message calls the image.

    Raises:
        InputError: another shape or type, values that are not finite, under 16 pixels a side, over 178 megapixels.
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 2, 3, 4):
        raise InputError(f"{name}: an image is (H, W) or (H, W, 1 to 4), got shape {image.shape}; give RGB uint8")
    check_size(image.shape[1], image.shape[0], name)
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.ascontiguousarray(image)
    unit = _in_unit_range(image, name)
    if unit.shape[2] in (2, 4):
        alpha = unit[..., -1:]
        unit = unit[..., :-1] * alpha + (1 - alpha)
    return np.repeat(np.rint(unit * 255).astype(np.uint8), 3 // unit.shape[2], axis=2)


def _in_unit_range(image: Shaped[np.ndarray, "H W C"], name: str) -> Float[np.ndarray, "H W C"]:
    if image.dtype == np.bool_:
        return image.astype(np.float32)
    if image.dtype in (np.uint8, np.uint16):
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    if np.issubdtype(image.dtype, np.floating):
        if not np.isfinite(image).all() or image.min() < -1e-3 or image.max() > 1 + 1e-3:
            raise InputError(f"{name}: float images must be finite and in [0, 1]; divide by 255 or give uint8")
        clipped: np.ndarray = np.clip(image, 0, 1).astype(np.float32)
        return clipped
    raise InputError(f"{name}: images of type {image.dtype} are not understood; give uint8, uint16 or floats in [0, 1]")


def check_size(width: int, height: int, name: str) -> None:
    """Refuse images that hold no face or would not fit in memory.

    Raises:
        InputError: under 16 pixels a side or over 178 megapixels.
    """
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name}: {width} x {height} pixels is too small to show a face; give 64 pixels or more")
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name}: {width} x {height} pixels is over the limit of {MAX_PIXELS // 1_000_000} megapixels; "
            "scale the image down or cut the face out"
        )

"""Image files: read upright as RGB with what EXIF says of the camera, and written whole or not at all."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from face3d.errors import InputError, OutputError
from face3d.media.first_bytes import first_bytes
from face3d.media.photo import MAX_PIXELS, Photo, as_rgb, check_size
from face3d.media.whole_file import write_whole

__all__ = ["read_image", "write_image"]

FULL_FRAME_DIAGONAL_MM = 43.27
"""As CIPA DCG-001 has it for equivalent focal lengths."""

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")

UNTOUCHED_PIXELS = 4_000_000
"""A smaller image of a camera that writes its sensor's resolution was scaled down; the resolution is then wrong."""

_MILLIMETRES_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
"""EXIF FocalPlaneResolutionUnit: inch, centimetre, millimetre, micrometre."""


def read_image(path: Path | str) -> Photo:
    """Read an image file.

    EXIF orientation is applied, so that pixels and sizes are those of the upright image. Any Pillow mode becomes RGB:
    grey is repeated, palettes are looked up, CMYK is converted, 16 bits are scaled to 8, alpha is laid on white. Colour
    profiles are ignored. Of several frames the first is read.

    Raises:
        InputError: not there, a folder, empty, not an image, damaged, of an unreadable format, under 16 pixels a side,
            or over 178 megapixels (refused before the pixels are decoded).
    """
    path = Path(path)
    _check_file(path)
    with _reading(path), Image.open(path) as image:
        check_size(image.width, image.height, str(path))
        tags = _camera_tags(image)
        upright = ImageOps.exif_transpose(image)
        turned = upright.size != image.size
        pixels = as_rgb(_to_array(upright), name=str(path))
    frame = tags.pop("frame_size")
    if frame is not None and turned and image.width != image.height:
        frame = frame[::-1]
    return Photo(pixels, path, frame_size=frame, **tags)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name the image files in it, for example {path}/*.jpg")
    head = first_bytes(path)
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS and not _reads_heic():
        raise InputError(
            f"{path}: is a HEIC image, which is not read here; `pip install pillow-heif`, or save it as JPEG or PNG"
        )


def _reads_heic() -> bool:
    """Whether Pillow reads HEIC, by itself or by the optional package pillow-heif."""
    if ".heic" not in Image.registered_extensions():
        try:
            import pillow_heif
        except (ImportError, OSError):
            return False
        pillow_heif.register_heif_opener()
    return True


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what Pillow raises into one line that names the file and the remedy."""
    try:
        with warnings.catch_warnings():
            # The limit on pixels is face3d's own; damaged EXIF of a sound image is no reason to bother the user.
            warnings.simplefilter("ignore")
            yield
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: is not an image; give a JPEG, PNG, TIFF or WebP file") from error
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path}: is over the limit of {MAX_PIXELS // 1_000_000} megapixels; scale it down or cut the face out"
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: is damaged ({reason}); copy or download it again, or save it anew") from error
    except MemoryError as error:
        raise InputError(f"{path}: does not fit in memory; scale the image down") from error


def _to_array(image: Image.Image) -> np.ndarray:
    """Any mode as an array that `as_rgb` takes: uint8, uint16 or float."""
    if image.mode in ("L", "RGB", "LA", "RGBA"):
        return np.asarray(image)
    if image.mode.startswith("I"):
        # 16-bit grey; "I" holds it in 32 bits.
        return np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
    if image.mode == "F":
        values = np.asarray(image)
        return values / 255 if values.max() > 1 else values
    transparent = image.mode in ("PA", "La", "RGBa") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if transparent else "RGB"))


def _camera_tags(image: Image.Image) -> dict[str, Any]:
    """What EXIF says of the camera, as the arguments of `Photo`; None for what is absent or makes no sense."""
    exif = image.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    focal = _positive(details.get(ExifTags.Base.FocalLength))
    equivalent = _positive(details.get(ExifTags.Base.FocalLengthIn35mmFilm))
    return {
        "focal_35mm": equivalent if equivalent is not None else _equivalent_by_sensor(focal, details),
        "focal_mm": focal,
        "make": _text(exif.get(ExifTags.Base.Make)),
        "model": _text(exif.get(ExifTags.Base.Model)),
        "digital_zoom": _positive(details.get(ExifTags.Base.DigitalZoomRatio)),
        "frame_size": _frame_size(details),
    }


def _frame_size(details: Any) -> tuple[int, int] | None:
    width = _positive(details.get(ExifTags.Base.ExifImageWidth))
    height = _positive(details.get(ExifTags.Base.ExifImageHeight))
    return None if width is None or height is None else (int(width), int(height))


def _equivalent_by_sensor(focal: float | None, details: Any) -> float | None:
    """35 mm-equivalent focal length from the lens's own and the sensor's size, which older cameras give instead."""
    frame = _frame_size(details)
    columns = _positive(details.get(ExifTags.Base.FocalPlaneXResolution))
    rows = _positive(details.get(ExifTags.Base.FocalPlaneYResolution))
    unit = _MILLIMETRES_PER_UNIT.get(details.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))
    if focal is None or frame is None or columns is None or rows is None or unit is None:
        return None
    if frame[0] * frame[1] < UNTOUCHED_PIXELS:
        return None
    return focal * FULL_FRAME_DIAGONAL_MM / math.hypot(frame[0] / columns * unit, frame[1] / rows * unit)


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    cleaned = "".join(letter for letter in value if letter.isprintable()).strip()
    return cleaned or None


def write_image(path: Path | str, rgb: UInt8[np.ndarray, "H W 3"]) -> None:
    """Write an RGB image in the format that the file's name asks for; the file appears complete or not at all.

    Raises:
        OutputError: the folder is missing or not writable, the disk is full, or the name's format is unknown.
    """
    path = Path(path)
    image_format = Image.registered_extensions().get(path.suffix.lower())
    if image_format is None:
        raise OutputError(f"{path}: no image format has that name; use .png or .jpg")
    options = {"quality": 95} if image_format == "JPEG" else {}
    image = Image.fromarray(np.ascontiguousarray(rgb))
    write_whole(path, lambda file: image.save(file, format=image_format, **options))

"""Images as callers give them: paths, arrays or photos."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Shaped

from face3d.media.image_file import read_image
from face3d.media.photo import Photo

__all__ = ["Image", "as_photo", "name_of"]

Image: TypeAlias = str | Path | Photo | Shaped[np.ndarray, "H W *C"]


def as_photo(image: Image) -> Photo:
    """The photo itself, of the array, or read from the file.

    Raises:
        InputError: the file or the array is no image that can be used.
    """
    if isinstance(image, Photo):
        return image
    return Photo.from_array(image) if isinstance(image, np.ndarray) else read_image(Path(image))


def name_of(image: Image) -> str:
    """What messages call it."""
    if isinstance(image, Photo):
        return image.name
    return "the given array" if isinstance(image, np.ndarray) else str(image)

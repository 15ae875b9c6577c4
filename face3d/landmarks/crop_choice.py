"""Aligned crops by name: what a user asks for as `arcface112` or `ffhq1024`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from jaxtyping import UInt8

from face3d.errors import ArgumentError
from face3d.landmarks.detector import FaceLandmarks

if TYPE_CHECKING:
    from face3d.landmarks.crops_published import CropKind

__all__ = ["NamedCrop", "crops_named"]

NamedCrop: TypeAlias = tuple[str, Callable[[np.ndarray, FaceLandmarks], UInt8[np.ndarray, "S S 3"]]]
"""The name of a crop, and what cuts it out of an RGB image."""

SIDES = (16, 4096)
"""Pixels a side, from and to."""


def crops_named(names: Sequence[str]) -> list[NamedCrop]:
    """The crops of these names: a kind of `CROP_SIZES`, and behind it a size in pixels where it is not the kind's own.

    Raises:
        ArgumentError: there is no such kind, or it has no such size.
    """
    return [_named(name) for name in names]


def _named(name: str) -> NamedCrop:
    # It loads PyTorch, which only those who want a crop shall wait for.
    from face3d.landmarks.crops_published import CROP_SIZES, face_crop

    match = re.fullmatch(r"([a-z]+)(\d*)", name)
    if match is None or match[1] not in CROP_SIZES:
        kinds = ", ".join(f"{kind}{size}" for kind, size in CROP_SIZES.items())
        raise ArgumentError(f"there is no crop {name!r}; choose {kinds}, or another size of these")
    kind, size = cast("CropKind", match[1]), int(match[2] or CROP_SIZES[match[1]])
    fits = {"arcface": size % 112 == 0 or size % 128 == 0, "fan": size == CROP_SIZES["fan"]}
    if not SIDES[0] <= size <= SIDES[1] or not fits.get(kind, True):
        raise ArgumentError(f"there is no crop {name!r}: no {kind} crop has {size} pixels a side")

    def cut(image: np.ndarray, face: FaceLandmarks) -> UInt8[np.ndarray, "S S 3"]:
        pixels = face_crop(image, face, kind, size=size).pixels
        return pixels if pixels.dtype == np.uint8 else np.rint(pixels * 255).clip(0, 255).astype(np.uint8)

    return f"{kind}{size}", cut

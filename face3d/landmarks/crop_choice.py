"""Aligned crops by name: what a user asks for as `arcface112` or `ffhq1024`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8

from face3d.errors import ArgumentError
from face3d.landmarks.crops import arcface_crop
from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.point_subsets import five_points

__all__ = ["CROPS", "NamedCrop", "crops_named"]

NamedCrop: TypeAlias = tuple[str, Callable[[np.ndarray, FaceLandmarks], UInt8[np.ndarray, "S S 3"]]]
"""The name of a crop, and what cuts it out of an RGB image."""


def _arcface(image: UInt8[np.ndarray, "H W 3"], face: FaceLandmarks, size: int) -> UInt8[np.ndarray, "S S 3"]:
    return arcface_crop(image, five_points(face.points[:, :2], face.topology), size)


CROPS: Mapping[str, tuple[int, Callable[[np.ndarray, FaceLandmarks, int], UInt8[np.ndarray, "S S 3"]]]] = (
    MappingProxyType({"arcface": (112, _arcface)})
)
"""Each kind of crop: its own size in pixels, and what makes it at any size."""


def crops_named(names: Sequence[str]) -> list[NamedCrop]:
    """The crops of these names: a kind, with a size in pixels behind it where it is not the kind's own.

    Raises:
        ArgumentError: there is no such kind, or it has no such size.
    """
    return [_named(name) for name in names]


def _named(name: str) -> NamedCrop:
    match = re.fullmatch(r"([a-z_]+?)(\d*)", name)
    if match is None or match[1] not in CROPS:
        kinds = ", ".join(f"{kind}{size}" for kind, (size, _) in CROPS.items())
        raise ArgumentError(f"there is no crop {name!r}; choose {kinds}, or another size of these")
    own_size, make = CROPS[match[1]]
    size = int(match[2]) if match[2] else own_size
    if not 16 <= size <= 4096 or (match[1] == "arcface" and size % 112 and size % 128):
        raise ArgumentError(f"there is no crop {name!r}: no {match[1]} crop has {size} pixels a side")
    return f"{match[1]}{size}", lambda image, face: make(image, face, size)

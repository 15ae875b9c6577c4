"""Where to look for faces: in a smaller image, in overlapping tiles at several scales, and merging what they show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

__all__ = ["FaceCandidate", "Tile", "covered_part", "merge", "shrunk", "tiles"]


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of an image: left and top pixel, width and height."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class FaceCandidate:
    """Something that may be a face.

    Attributes:
        centre: (2,) middle of the face, pixels of the original image.
        side: width of the face, pixels.
        angle: radians that the face is turned in the image plane; 0 upright, positive clockwise.
        score: the face detector's certainty, in [0, 1].
    """

    centre: Float[np.ndarray, " 2"]
    side: float
    angle: float
    score: float

    @property
    def box(self) -> Float[np.ndarray, " 4"]:
        """x0, y0, x1, y1 in pixels."""
        return np.concatenate([self.centre - self.side / 2, self.centre + self.side / 2])


def shrunk(
    image: UInt8[np.ndarray, "H W 3"], side: int | None
) -> tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, " 2"]]:
    """An image whose longer side is at most `side` pixels (None: any), and the factors that take its x and y back."""
    height, width = image.shape[:2]
    shrink = 1.0 if side is None else min(1.0, side / max(width, height))
    if shrink == 1.0:
        return image, np.ones(2)
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return small, np.array([width / size[0], height / size[1]])


def tiles(width: int, height: int, divisor: int) -> Iterator[Tile]:
    """Square tiles of the longer side over `divisor` that cover an image, overlapping by at least half.

    Half, so that a face up to half a tile wide is whole in one of them.
    """
    side = max(1, -(-max(width, height) // divisor))
    tile_width, tile_height = min(side, width), min(side, height)
    for top in _starts(height, tile_height):
        for left in _starts(width, tile_width):
            yield Tile(left, top, tile_width, tile_height)


def _starts(length: int, tile: int) -> list[int]:
    steps = -(-2 * (length - tile) // tile)
    return [round(step * (length - tile) / steps) for step in range(steps + 1)] if steps else [0]


def merge(boxes: Float[np.ndarray, "N 4"], scores: Float[np.ndarray, " N"], overlap: float) -> Int[np.ndarray, " M"]:
    """Indices of the boxes to keep, best score first, each overlapping no better one (non-maximum suppression).

    Args:
        boxes: x0, y0, x1, y1.
        scores: higher is better.
        overlap: how much of the smaller of two boxes the other may cover. Of the smaller and not of the union, because
            a tile that cuts a face yields a smaller box inside the true one.
    """
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if all(covered_part(boxes[index], boxes[other]) <= overlap for other in kept):
            kept.append(int(index))
    return np.array(kept, dtype=np.int64)


def covered_part(one: Float[np.ndarray, " 4"], other: Float[np.ndarray, " 4"]) -> float:
    """How much of the smaller of two boxes the other covers, 0 to 1."""
    shared = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    smaller = min(np.prod(one[2:] - one[:2]), np.prod(other[2:] - other[:2]))
    return float(np.prod(np.maximum(shared, 0.0)) / smaller) if smaller > 0 else 0.0

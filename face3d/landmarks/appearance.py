"""What a face looks like, in a few numbers: enough to know a person again within one video."""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from face3d.compiled import compiled
from face3d.landmarks.crops import ARCFACE_TEMPLATE_112, similarity

__all__ = ["CERTAINLY_SAME", "DIFFERENT_PERSON", "SAME_PERSON", "Gallery", "face_look", "look_distance"]

_SIDE = 24
"""Pixels of the aligned crop that is compared: face and hair, no detail that moves with the expression."""

_ZOOM = 0.75
"""Size of the face in it, relative to ArcFace's crop."""

_COLOUR_UNIT = 20.0
"""CIELAB units of colour difference that count as much as two patterns without any likeness."""

SAME_PERSON = 0.55
"""Two looks less far apart are of one person in one video. Of 38 people in photos and videos one pair in a hundred was
nearer than 0.61, and the nearest at 0.59."""

CERTAINLY_SAME = 0.35
"""Two looks less far apart are of one person without a doubt: about half the distance of the nearest two people."""

DIFFERENT_PERSON = 1.0
"""Two looks farther apart are of two people; looks of one person, a moment apart, are at 0.1 to 0.4."""

_GALLERY = 12
"""Looks of a person that are kept."""

_NEW_LOOK = 0.25
"""How far a look is from those kept to be kept as well: another pose or light."""


def face_look(image: UInt8[np.ndarray, "H W 3"], points5: Float[np.ndarray, "5 2"]) -> Float[np.ndarray, "24 24 3"]:
    """The look of a face: a small aligned crop in CIELAB, its grey pattern of mean 0 and length 1.

    Args:
        image: RGB.
        points5: the five ArcFace points, face3d's pixels.
    """
    side = 2 * _SIDE
    target = ((ARCFACE_TEMPLATE_112 - 56) / 112 * _ZOOM + 0.5) * side - 0.5
    matrix = similarity(points5 - 0.5, target)
    crop = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    crop = cv2.GaussianBlur(cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), (0, 0), 1)
    # As one row: OpenCV shares rows out to threads, and waking those takes a hundred times as long as the work.
    row = cv2.cvtColor(crop.reshape(1, -1, 3).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    look = np.asarray(row, dtype=np.float32).reshape(crop.shape)
    look[..., 0] -= look[..., 0].mean()
    look[..., 0] /= np.linalg.norm(look[..., 0]) + 1e-6
    return look


def look_distance(one: Float[np.ndarray, "*K 24 24 3"], other: Float[np.ndarray, "24 24 3"]) -> Float[np.ndarray, "*K"]:
    """How far looks are apart: 1 - correlation of the patterns, and the difference of the colours."""
    rows = one.reshape(-1, other.size // 3, 3)
    distances = np.empty(len(rows))
    _distances(rows, other.reshape(-1, 3), distances)
    return distances.reshape(one.shape[:-3])


@compiled
def _distances(looks, other, distances):  # type: ignore[no-untyped-def]
    """Of looks (K, P, 3) from one (P, 3)."""
    count = len(other)
    for k in range(len(looks)):
        look = looks[k]
        alike, squared = np.float32(0), np.float32(0)
        for n in range(count):
            alike += look[n, 0] * other[n, 0]
            a, b = look[n, 1] - other[n, 1], look[n, 2] - other[n, 2]
            squared += a * a + b * b
        distances[k] = 1 - alike + math.sqrt(squared / (2 * count)) / _COLOUR_UNIT


class Gallery:
    """The looks of one person over a video, so that a face that turned or left is known again.

    Attributes:
        looks: (K, 24, 24, 3), the first one first.
    """

    def __init__(self, looks: Float[np.ndarray, "K 24 24 3"]) -> None:
        self.looks = looks

    def distance(self, look: Float[np.ndarray, "24 24 3"]) -> float:
        """To the nearest look of this person."""
        return float(look_distance(self.looks, look).min())

    def add(self, look: Float[np.ndarray, "24 24 3"]) -> None:
        """Keep a look if it is new; the first is always kept, of the others the oldest goes."""
        if self.distance(look) > _NEW_LOOK:
            kept = self.looks if len(self.looks) < _GALLERY else np.delete(self.looks, 1, axis=0)
            self.looks = np.concatenate([kept, look[None]])

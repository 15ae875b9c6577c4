"""Pictures of the people of a clip, for a network that sees who they are; a few of each segment are kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.topologies import convert_points

__all__ = ["SegmentLooks", "usual_side"]

LOOKS_OF_SEGMENT = 2
"""Of each person that are kept."""

CROP_SIDE = 112.0
"""Pixels of ArcFace's crop; a smaller face is blurred in it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    place: int
    worth: float
    crop: UInt8[np.ndarray, "112 112 3"]


class SegmentLooks:
    """Keeps the best pictures of each person in a segment, as ArcFace is shown them."""

    def __init__(self) -> None:
        self._best: dict[int, list[_Look]] = {}

    def add(
        self, crop: UInt8[np.ndarray, "112 112 3"], person: int, face: FaceLandmarks, sharpness: float, place: int
    ) -> None:
        """Look at the next face, cut out for ArcFace; `place` is its number among those of the segment."""
        worth = sharpness * _frontality(face)
        best = self._best.setdefault(person, [])
        if len(best) == LOOKS_OF_SEGMENT and worth <= best[-1].worth:
            return
        best.append(_Look(place, worth, crop))
        best.sort(key=lambda look: -look.worth)
        del best[LOOKS_OF_SEGMENT:]

    def arrays(self) -> dict[str, Any]:
        """All that is kept, to be stored with the segment's faces."""
        looks = sorted((look for best in self._best.values() for look in best), key=lambda look: look.place)
        return {
            "look_places": np.array([look.place for look in looks], dtype=np.int64),
            "look_worths": np.array([look.worth for look in looks], dtype=np.float64),
            "looks": np.array([look.crop for look in looks], dtype=np.uint8).reshape(-1, 112, 112, 3),
        }


def usual_side(faces: Iterable[FaceLandmarks]) -> float:
    """Pixels of the side of a square as large as the box around a face's landmarks; the median of some faces."""
    return float(np.median([_side(face) for face in faces]))


def _side(face: FaceLandmarks) -> float:
    return float(np.sqrt(np.prod(np.ptp(face.points[:, :2], axis=0))))


def _frontality(face: FaceLandmarks) -> float:
    """1 for a large face seen from the front, less for a small one or one that is turned."""
    right_eye, left_eye, nose = convert_points(face.points[:, :2], face.topology, "arcface_5")[:3]
    across = left_eye - right_eye
    length = float(np.linalg.norm(across)) + 1e-9
    turned = abs(float((nose - (right_eye + left_eye) / 2) @ across)) / length**2
    return max(0.0, 1.0 - turned) * min(1.0, _side(face) / CROP_SIDE)

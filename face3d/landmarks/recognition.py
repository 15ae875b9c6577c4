"""Knowing people of a video by features of their faces, asked only where place and look leave doubt.

What makes the features is passed in (`Recognition`); this room knows no networks. Of each person a few crops are kept,
which costs next to nothing, and their features are made when a question first comes up: a video of one person who stays
in sight never has one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

__all__ = ["FaceMemory", "OpenRecognition", "Recognition"]

FIRST_INTERVAL = 0.5
"""Seconds between two crops that are kept, to begin with."""

KEPT = 8
"""Crops of a person at most, 38 kB each."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """What tells people apart.

    Attributes:
        encode: features, each row of unit length, of RGB crops as `face3d.landmarks.arcface_crop` cuts them.
        same: inner product from which on two faces count as one person's, whatever they look like.
        different: below which they count as two people's; between the two, looks decide.
    """

    encode: Callable[[UInt8[np.ndarray, "B 112 112 3"]], Float[np.ndarray, "B D"]]
    same: float
    different: float


OpenRecognition = Callable[[], Recognition]
"""Gives the recognition; called when the first question comes up, as networks take seconds to load."""


class FaceMemory:
    """Crops of one person's face, spread over the time in which the person was seen, and their features once needed."""

    def __init__(self) -> None:
        self._crops: list[UInt8[np.ndarray, "112 112 3"]] = []
        self._features: list[Float[np.ndarray, " D"] | None] = []
        self._interval = FIRST_INTERVAL
        self._next = -np.inf
        self.count = 0
        """How many crops have been taken so far."""

    @classmethod
    def from_state(
        cls, crops: UInt8[np.ndarray, "K 112 112 3"], interval: float, next_time: float, count: int
    ) -> FaceMemory:
        """The memory whose `state` this was; features are made anew when they are needed."""
        memory = cls()
        memory._crops, memory._features = list(crops), [None] * len(crops)
        memory._interval, memory._next, memory.count = interval, next_time, count
        return memory

    def state(self) -> tuple[UInt8[np.ndarray, "K 112 112 3"], float, float, int]:
        """The crops, the seconds between two of them, when the next one is due, and how many there have been."""
        crops = np.stack(self._crops) if self._crops else np.zeros((0, 112, 112, 3), np.uint8)
        return crops, self._interval, self._next, self.count

    def wants_crop(self, time: float) -> bool:
        """Whether it is time for another crop, in seconds."""
        return time >= self._next

    def add(
        self, crop: UInt8[np.ndarray, "112 112 3"], time: float, features: Float[np.ndarray, " D"] | None = None
    ) -> None:
        """Take a crop, with its features if they are known; of a full memory every other crop goes first."""
        if len(self._crops) == KEPT:
            self._crops, self._features = self._crops[::2], self._features[::2]
            self._interval *= 2
        self._crops.append(crop)
        self._features.append(features)
        self._next = time + self._interval
        self.count += 1

    def absorb(self, other: FaceMemory) -> None:
        """Take the crops of somebody who turned out to be the same person."""
        self._crops = (self._crops + other._crops)[-KEPT:]
        self._features = (self._features + other._features)[-KEPT:]
        self._next = other._next
        self.count += other.count

    def newest(self, recognition: Recognition) -> Float[np.ndarray, " D"]:
        """Features of the crop that was taken last."""
        return self._all(recognition)[-1]

    def similarity(self, features: Float[np.ndarray, " D"], recognition: Recognition) -> float | None:
        """To the most similar of the crops; None where there is none."""
        return float((self._all(recognition) @ features).max()) if self._crops else None

    def _all(self, recognition: Recognition) -> Float[np.ndarray, "K D"]:
        unknown = [index for index, features in enumerate(self._features) if features is None]
        if unknown:
            made = recognition.encode(np.stack([self._crops[index] for index in unknown]))
            for index, features in zip(unknown, made, strict=True):
                self._features[index] = features
        return np.stack([features for features in self._features if features is not None])

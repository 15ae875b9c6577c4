"""A detector that remembers all frames since it was started, and a clip that it can read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import UInt8
from typing_extensions import Self

from face3d.landmarks.detector import FaceLandmarks
from tests.landmarks.drawn_faces import Places, drawn_frame, drawn_landmarks
from tests.media.clips import write_clip

BITS = 6


def counted_frame(number: int, places: Places | None = None) -> UInt8[np.ndarray, "180 320 3"]:
    """A frame with a person who moves, or others, and the frame's number as dark and bright squares at its edge."""
    frame = drawn_frame({"ann": place_of(number)} if places is None else places)
    for bit in range(BITS):
        frame[164:176, 8 + 12 * bit : 20 + 12 * bit] = 235 if number >> bit & 1 else 20
    return frame


def number_of(frame: UInt8[np.ndarray, "180 320 3"]) -> int:
    """What `counted_frame` was given, after compression."""
    return sum((float(frame[167:173, 11 + 12 * bit : 17 + 12 * bit].mean()) > 128) << bit for bit in range(BITS))


def counted_clip(path: Path, count: int = 50) -> Path:
    """A video of such frames, 25 a second."""
    return write_clip(path, (counted_frame(number) for number in range(count)))


def place_of(number: int) -> tuple[float, float]:
    """Where the person's face is in a frame."""
    return 60.0 + 2 * number, 90.0


@dataclass
class RememberingDetector:
    """One face a frame, whose first point tells which frames were seen since the start; notes how it is used.

    Attributes:
        sees: what it finds, given the number in a frame and all numbers seen since the start.
        read: numbers of all frames that were read.
        takes: seconds for a frame.
    """

    sees: Callable[[int, list[int]], list[FaceLandmarks]]
    read: list[int] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    closed: bool = False
    takes: float = 0.0

    def detect(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceLandmarks]:
        return self.sees(number_of(image), [])

    def detect_video(self, image: UInt8[np.ndarray, "H W 3"], timestamp_ms: int) -> list[FaceLandmarks]:
        number = number_of(image)
        time.sleep(self.takes)
        assert not self.closed, "read after it was closed"
        self.read.append(number)
        self.memory.append(number)
        return self.sees(number, self.memory)

    def start_shot(self) -> None:
        self.memory = []

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def one_face(number: int, memory: list[int]) -> list[FaceLandmarks]:
    """A face that moves, its first point off by something that all frames in memory have a part in."""
    face = drawn_landmarks(place_of(number))
    face.points[0, 0] += sum((place + 1) * seen for place, seen in enumerate(memory)) / 1000
    return [face]

"""Drawn people for tests of tracking: frames, and a detector that knows where it drew whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from typing_extensions import Self

from face3d.landmarks.detector import FaceLandmarks
from face3d.media.video import VideoFrame

WIDTH, HEIGHT = 320, 180

_SHAPE = np.random.default_rng(5).uniform(-1, 1, (68, 2)) * [0.8, 1.0]
_SHAPE[36:42] = np.array([-0.4, -0.3]) + 0.1 * _SHAPE[36:42]
_SHAPE[42:48] = np.array([0.4, -0.3]) + 0.1 * _SHAPE[42:48]
_SHAPE[36], _SHAPE[45] = [-0.5, -0.3], [0.5, -0.3]
_SHAPE[30], _SHAPE[48], _SHAPE[54] = [0.0, 0.1], [-0.3, 0.5], [0.3, 0.5]

Places = Mapping[str, tuple[float, float]]
"""Centre of each person's face, pixels."""


def drawn_landmarks(centre: tuple[float, float], size: float = 20.0) -> FaceLandmarks:
    """68 points around a centre; `size` is half the face's height."""
    points = np.column_stack([_SHAPE * size + centre, np.full(68, np.nan)])
    return FaceLandmarks(
        points=points,
        confidence=np.ones(68),
        box=np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)]),
        score=0.9,
        topology="ibug_68",
        detector="drawn",
        licence="none",
        image_size=(WIDTH, HEIGHT),
    )


def drawn_frame(places: Places, background: int = 90, size: float = 20.0) -> UInt8[np.ndarray, "H W 3"]:
    """A frame with these people; each name has a face of its own."""
    frame = np.full((HEIGHT, WIDTH, 3), background, dtype=np.uint8)
    for name, (x, y) in places.items():
        rng = np.random.default_rng(sum(map(ord, name)))
        skin, hair, lips = (tuple(int(v) for v in rng.integers(20, 236, 3)) for _ in range(3))
        spot = rng.uniform(-0.6, 0.6, 2)

        def at(dx: float, dy: float, x: float = x, y: float = y) -> tuple[int, int]:
            return round(x + dx * size), round(y + dy * size)

        cv2.ellipse(frame, at(0, -0.2), (round(1.1 * size), round(1.3 * size)), 0, 0, 360, hair, -1)
        cv2.ellipse(frame, at(0, 0), (round(0.85 * size), round(1.1 * size)), 0, 0, 360, skin, -1)
        cv2.circle(frame, at(*spot), round(0.25 * size), lips, -1)
        for eye in (-0.4, 0.4):
            cv2.circle(frame, at(eye, -0.3), max(1, round(0.12 * size)), (20, 20, 20), -1)
        cv2.line(frame, at(-0.3, 0.5), at(0.3, 0.5), lips, max(1, round(0.12 * size)))
    return frame


@dataclass
class DrawnDetector:
    """Finds what was drawn, frame by frame, in an order of its own; notes how it is used.

    Attributes:
        sights: who is seen in each frame; the others are there and missed.
    """

    sights: Sequence[Places]
    clock: list[int] = field(default_factory=list)

    def detect(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceLandmarks]:
        return [drawn_landmarks(place) for place in self.sights[0].values()]

    def detect_video(self, image: UInt8[np.ndarray, "H W 3"], timestamp_ms: int) -> list[FaceLandmarks]:
        assert not self.clock or timestamp_ms > self.clock[-1]
        places = self.sights[len(self.clock)]
        self.clock.append(timestamp_ms)
        return sorted((drawn_landmarks(place) for place in places.values()), key=lambda face: float(face.box[0]))

    def close(self) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return


def drawn_video(frames: Sequence[Places], rate: float = 25.0, background: int = 90) -> list[VideoFrame]:
    """A video of these frames."""
    return [VideoFrame(drawn_frame(places, background), number, number / rate) for number, places in enumerate(frames)]


def centre_of(points: Float[np.ndarray, "N C"]) -> Float[np.ndarray, " 2"]:
    """Where `drawn_landmarks` put these points."""
    return np.asarray((points[36, :2] + points[45, :2]) / 2 + [0, 0.3 * 20])

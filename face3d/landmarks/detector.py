"""What every landmark detector takes and returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from typing_extensions import Self

from face3d.errors import ArgumentError

__all__ = ["Detector", "FaceLandmarks", "Sighting", "Topology", "VideoClock", "confidence_inside"]

Topology = Literal[
    "mediapipe_478",
    "mediapipe_468",
    "mediapipe_105",
    "ibug_68",
    "ibug_68_fixed",
    "ibug_51",
    "wflw_98",
    "arcface_5",
]
"""Which points there are, see `face3d.landmarks.topologies`."""


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """Where and when a face was seen.

    Attributes:
        source: the photo or video.
        person: number of the face in a photo, from the left, or of the person in a video; from 1.
        frame: number of the video's frame, from 0; None in a photo.
        time: seconds since the video's first frame; None in a photo.
        shot: number of the shot in the video, from 1.
        interpolated: whether the points come from the frames around this one, in which the face was not seen.
        smoothed: (N, 3) the points smoothed over time; None in a photo.
    """

    source: str
    person: int
    frame: int | None = None
    time: float | None = None
    shot: int = 1
    interpolated: bool = False
    smoothed: Float[np.ndarray, "N 3"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FaceLandmarks:
    """The landmarks of one face in one image.

    Attributes:
        points: (N, 3) x and y in pixels of the original upright image (first pixel's centre at 0.5, 0.5); z is the
            relative depth in the same pixels, smaller nearer to the camera, of no fixed origin, NaN from 2D detectors.
        confidence: (N,) in [0, 1]; 0 for points that the image does not show, as they lie outside of it.
        box: (4,) x0, y0, x1, y1 of the points, pixels; may reach beyond the image.
        score: the detector's own certainty that this is a face, in [0, 1].
        topology: which landmark sits at which index.
        detector: name of the detector.
        licence: licence of the model file that made the points.
        image_size: (width, height) of the image, pixels.
        blendshapes: ARKit expression curves by name in [0, 1], or None when the detector has none. MediaPipe gives all
            of the 52 but tongueOut.
        face_transform: (4, 4) from MediaPipe's canonical face (centimetres, +y up, +z towards the camera) to a virtual
            camera of 63 degrees vertical field of view that looks at the face, OpenGL axes; a rough head pose whose
            rotation alone is meaningful in the photo. None when the detector has none.
        sighting: where and when, as `face3d.align` tells it; None from a detector.
        peak_heights: (N,) what a heatmap detector itself says of each point, in its own unit (FAN: height of the peak,
            summed over the image and its mirror image, so that 2 is sure). None when the detector has none.
        lips: (R, 2) what `face3d.landmarks.lip_contours.read_lips` reads in the image; None where nobody has read it.
        irises: (2, 4) what `face3d.landmarks.iris_contours.read_irises` reads in the image; None where nobody has.
    """

    points: Float[np.ndarray, "N 3"]
    confidence: Float[np.ndarray, " N"]
    box: Float[np.ndarray, " 4"]
    score: float
    topology: Topology
    detector: str
    licence: str
    image_size: tuple[int, int]
    blendshapes: Mapping[str, float] | None = None
    face_transform: Float[np.ndarray, "4 4"] | None = None
    sighting: Sighting | None = None
    peak_heights: Float[np.ndarray, " N"] | None = None
    lips: Float[np.ndarray, "R 2"] | None = None
    irises: Float[np.ndarray, "2 4"] | None = None


@runtime_checkable
class Detector(Protocol):
    """Finds the faces of an image and their landmarks; a context manager, to be closed after use."""

    def detect(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceLandmarks]:
        """The faces of an RGB image, from left to right; an empty list when there is none."""
        ...

    def detect_video(self, image: UInt8[np.ndarray, "H W 3"], timestamp_ms: int) -> list[FaceLandmarks]:
        """The faces of the next RGB frame of a video, tracked from those before; timestamps must increase."""
        ...

    def close(self) -> None:
        """Free what the detector holds; safe to call twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class VideoClock:
    """Holds a detector that has no memory of earlier frames to the protocol: timestamps increase."""

    def __init__(self) -> None:
        self._last: int | None = None

    def restart(self) -> None:
        """Another video begins."""
        self._last = None

    def advance(self, timestamp_ms: int) -> None:
        """Take the next frame's timestamp.

        Raises:
            ArgumentError: it is not greater than the last one.
        """
        if self._last is not None and timestamp_ms <= self._last:
            raise ArgumentError(f"video timestamps must increase, got {timestamp_ms} ms after {self._last} ms")
        self._last = timestamp_ms


def confidence_inside(points: Float[np.ndarray, "N C"], image_size: tuple[int, int]) -> Float[np.ndarray, " N"]:
    """1 for points inside the image, 0 for those outside.

    Args:
        points: x and y in pixels, and more.
        image_size: (width, height) in pixels.
    """
    inside = np.logical_and(points[:, :2] >= 0, points[:, :2] <= np.array(image_size))
    return np.asarray(inside.all(axis=1), dtype=np.float64)

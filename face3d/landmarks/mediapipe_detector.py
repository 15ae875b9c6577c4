"""MediaPipe's Face Landmarker as a detector that finds every face and reads each at good resolution.

MediaPipe by itself looks once at the whole image, through a 128-pixel eye, and reads landmarks where that eye said:
small faces are missed, and the points depend on the accident of the box. Here the search goes on in overlapping tiles,
each face found is cut out upright, and its landmarks are the mean over several such crops, half of them mirrored. That
halves the noise (from 0.43 to 0.21 % of the interocular distance between versions of a photo) and removes the model's
own left-right bias (0.38 %).
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8
from typing_extensions import Self

from face3d import assets
from face3d.errors import ArgumentError
from face3d.landmarks.detector import FaceLandmarks, VideoClock, confidence_inside
from face3d.landmarks.mediapipe_reading import CROP_VARIATIONS, FaceReader, face_frame, mean_reading
from face3d.landmarks.mediapipe_tasks import MeshReading
from face3d.landmarks.mediapipe_video import FaceFollowers
from face3d.landmarks.search import FaceCandidate, merge

__all__ = ["MediaPipeDetector"]

LICENCE = "Apache-2.0"

MAX_DISAGREEMENT = 0.06
"""Largest RMS distance, relative to the face's size, between crops of the same face; on faces it is below 0.03."""


class MediaPipeDetector:
    """The Face Landmarker on any image: every whole face, 478 points each, with 51 expression curves.

    A context manager. Holds about 30 MB; not to be shared between threads.
    """

    def __init__(self, model_path: Path | str | None = None, *, max_faces: int | None = None, refine: int = 4) -> None:
        """Load the model.

        Args:
            model_path: face_landmarker.task; by default the asset `mediapipe`, fetched on first use.
            max_faces: keep only the largest ones; by default all.
            refine: how many tight crops of each face are averaged, 1 to 8. Noise per coordinate in % of the interocular
                distance: 0.30 with 1, 0.23 with 2, 0.21 with 4, 0.18 with 8; MediaPipe itself 0.43. About
                12 ms each.

        Raises:
            ArgumentError: an option is out of range.
            AssetError: the model file is missing or damaged.
            DependencyError: mediapipe cannot be imported.
        """
        if not 1 <= refine <= len(CROP_VARIATIONS):
            raise ArgumentError(f"refine is a number of crops from 1 to {len(CROP_VARIATIONS)}, got {refine}")
        if max_faces is not None and max_faces < 1:
            raise ArgumentError(f"max_faces must be at least 1, got {max_faces}")
        self._model_path = assets.asset_path("mediapipe") if model_path is None else Path(model_path)
        self._max_faces = max_faces
        self._refine = refine
        self._reader = FaceReader(self._model_path)
        self._followers: FaceFollowers | None = None
        self._clock = VideoClock()

    def detect(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceLandmarks]:
        """Every whole face of an RGB image, from left to right.

        Faces of which less than 70 % lies inside the image are left out.
        """
        faces = [face for candidate in self._reader.search(image) if (face := self._read(image, candidate)) is not None]
        return self._distinct(faces)

    def detect_video(self, image: UInt8[np.ndarray, "H W 3"], timestamp_ms: int) -> list[FaceLandmarks]:
        """The faces of the next RGB frame of a video, from left to right, each followed from the frames before.

        One reading per face and frame, not smoothed, corrected by what the mean over several crops says that its bias
        is. New faces are found within a quarter of a second; where none is followed, the image is searched as `detect`
        does, twice a second.

        Args:
            image: the frame.
            timestamp_ms: milliseconds, greater than those before.

        Raises:
            ArgumentError: the timestamp does not increase.
        """
        self._clock.advance(timestamp_ms)
        if self._followers is None:
            self._followers = FaceFollowers(self._model_path, self._reader, max_faces=self._max_faces)
        followed = self._followers.next_frame(image, timestamp_ms / 1000)
        return self._distinct([_landmarks(face.reading, face.score, image) for face in followed])

    def start_shot(self) -> None:
        """Forget the frames of `detect_video` so far: the next one begins another video or another shot."""
        self._clock.restart()
        if self._followers is not None:
            self._followers.forget()

    def close(self) -> None:
        """Free the models; safe to call twice."""
        if self._followers is not None:
            self._followers.close()
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _read(self, image: UInt8[np.ndarray, "H W 3"], candidate: FaceCandidate) -> FaceLandmarks | None:
        """The landmarks of a candidate, or None when a closer look shows no whole face."""
        confirmed = self._reader.confirm(image, candidate)
        if confirmed is None:
            return None
        first, score = confirmed
        again = [self._reader.read_again(image, first.points, number) for number in range(self._refine)]
        readings = [reading for reading in again if reading is not None]
        if len(readings) <= self._refine // 2:
            return None
        mean = mean_reading(readings)
        spread = [np.sqrt(np.mean((one.points - mean.points)[:, :2] ** 2)) for one in [first, *readings]]
        if max(spread) > MAX_DISAGREEMENT * face_frame(first.points)[1]:
            return None
        return _landmarks(mean, score, image)

    def _distinct(self, faces: list[FaceLandmarks]) -> list[FaceLandmarks]:
        if len(faces) < 2:
            return faces
        boxes, scores = np.stack([face.box for face in faces]), np.array([face.score for face in faces])
        kept = [faces[index] for index in merge(boxes, scores, overlap=0.5)]
        kept.sort(key=lambda face: -float(np.prod(face.box[2:] - face.box[:2])))
        return sorted(kept[: self._max_faces], key=lambda face: float(face.box[0] + face.box[2]))


def _landmarks(reading: MeshReading, score: float, image: UInt8[np.ndarray, "H W 3"]) -> FaceLandmarks:
    points = reading.points
    return FaceLandmarks(
        points=points,
        confidence=confidence_inside(points, (image.shape[1], image.shape[0])),
        box=np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)]),
        score=score,
        topology="mediapipe_478",
        detector="mediapipe",
        licence=LICENCE,
        image_size=(image.shape[1], image.shape[0]),
        blendshapes=MappingProxyType(reading.blendshapes),
        face_transform=reading.face_transform,
    )

"""MediaPipe's Face Landmarker as a detector that finds every face and reads each at good resolution.

MediaPipe by itself looks once at the whole image, through a 128-pixel eye, and reads landmarks where that eye said:
small faces are missed, and the points depend on the accident of the box. Here the search goes on in overlapping tiles,
each face found is cut out upright, and its landmarks are the mean over several such crops, half of them mirrored. That
halves the noise (from 0.43 to 0.21 % of the interocular distance between versions of a photo) and removes the model's
own left-right bias (0.38 %).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, UInt8
from typing_extensions import Self

from face3d import assets
from face3d.errors import ArgumentError
from face3d.landmarks.crops import crop_frame, cut_out, unmap_points
from face3d.landmarks.detector import FaceLandmarks, confidence_inside
from face3d.landmarks.mediapipe_tasks import FaceFinder, MeshReading, MeshTracker
from face3d.landmarks.mediapipe_topology import MIRROR_478
from face3d.landmarks.search import FaceCandidate, merge, tiles

__all__ = ["MediaPipeDetector"]

LICENCE = "Apache-2.0"

CANDIDATE_SCORE = 0.5
"""BlazeFace scores below this are not looked at again."""

FACE_SCORE = 0.75
"""What a face must score where it was found or in its tight crop; faces score 0.77 or more, all else up to 0.73."""

CROP_SCORE = 0.6
"""What it must score in the tight crop at least, whatever was seen before."""

WHOLE_FACE = 0.7
"""Least part of the mesh inside the image; of half a face the model invents the other half."""

CROP_SIZE = 320
"""Pixels of the crop that a face is read from: the model samples about 3/5 of it at 256."""

CROP_OVER_FACE = 2.4
"""Side of that crop over the face's; what BlazeFace, trained on selfies, is best at."""

TILE_DIVISORS = (2, 4)
"""Tiles of a half and a quarter of the longer side: faces down to about 1/30 of it."""

LARGE_FACE = 0.3
"""A face wider than this part of the image's shorter side makes it a portrait: no search in tiles."""

SMALLEST_FACE = 24.0
"""Pixels across; below, landmarks mean nothing."""

MAX_DISAGREEMENT = 0.06
"""Largest RMS distance, relative to the face's size, between crops of the same face; on faces it is below 0.03."""

# Shift along x and y (of the face's side), log of the scale, and degrees of the crops that are averaged: spread evenly
# in all four, the first one straight; every second one is mirrored.
_CROP_VARIATIONS = (
    (0.0, 0.0, 0.0, 0.0),
    (0.04, -0.03, 0.06, -4.0),
    (-0.04, 0.03, -0.06, 4.0),
    (0.02, 0.05, -0.03, -2.0),
    (-0.02, -0.05, 0.03, 2.0),
    (-0.05, 0.01, 0.09, -5.0),
    (0.05, -0.01, -0.09, 5.0),
    (0.01, 0.03, 0.0, 3.0),
)


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
        if not 1 <= refine <= len(_CROP_VARIATIONS):
            raise ArgumentError(f"refine is a number of crops from 1 to {len(_CROP_VARIATIONS)}, got {refine}")
        if max_faces is not None and max_faces < 1:
            raise ArgumentError(f"max_faces must be at least 1, got {max_faces}")
        self._model_path = assets.asset_path("mediapipe") if model_path is None else Path(model_path)
        self._max_faces = max_faces
        self._variations = _CROP_VARIATIONS[:refine]
        self._finder = FaceFinder(self._model_path, min_score=CANDIDATE_SCORE)
        self._mesh = MeshTracker(self._model_path, max_faces=1, video=False)
        self._video: MeshTracker | None = None

    def detect(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceLandmarks]:
        """Every whole face of an RGB image, from left to right.

        Faces of which less than 70 % lies inside the image are left out.
        """
        faces = [face for candidate in self._candidates(image) if (face := self._read(image, candidate)) is not None]
        return self._distinct(faces)

    def detect_video(self, image: UInt8[np.ndarray, "H W 3"], timestamp_ms: int) -> list[FaceLandmarks]:
        """The faces of the next RGB frame of a video, by MediaPipe's own tracking, from left to right.

        With `max_faces=1` MediaPipe also smooths over time. Frames in which it sees nothing are searched as `detect`
        does.

        Args:
            image: the frame.
            timestamp_ms: milliseconds, greater than those before.

        Raises:
            ArgumentError: the timestamp does not increase.
        """
        if self._video is None:
            self._video = MeshTracker(self._model_path, max_faces=self._max_faces or 4, video=True)
        try:
            readings = self._video.read_frame(image, timestamp_ms)
        except ValueError as error:
            raise ArgumentError(f"video timestamps must increase, got {timestamp_ms} ms ({error})") from error
        faces = [_landmarks(reading, self._score(image, reading.points), image) for reading in readings]
        whole = [face for face in faces if _part_inside(face.points, image) >= WHOLE_FACE]
        return self._distinct(whole) if whole else self.detect(image)

    def close(self) -> None:
        """Free the models; safe to call twice."""
        for task in (self._finder, self._mesh, self._video):
            if task is not None:
                task.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _candidates(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceCandidate]:
        height, width = image.shape[:2]
        found = self._finder.find(image)
        if not any(face.score > FACE_SCORE and face.side > LARGE_FACE * min(width, height) for face in found):
            found += self._search_tiles(image)
        if not found:
            return []
        boxes, scores = np.stack([face.box for face in found]), np.array([face.score for face in found])
        return [found[index] for index in merge(boxes, scores, overlap=0.5)]

    def _search_tiles(self, image: UInt8[np.ndarray, "H W 3"]) -> Iterator[FaceCandidate]:
        height, width = image.shape[:2]
        for divisor in TILE_DIVISORS:
            for tile in tiles(width, height, divisor):
                part = image[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
                for face in self._finder.find(part):
                    yield FaceCandidate(
                        face.centre + np.array([tile.left, tile.top]), face.side, face.angle, face.score
                    )

    def _read(self, image: UInt8[np.ndarray, "H W 3"], candidate: FaceCandidate) -> FaceLandmarks | None:
        """The landmarks of a candidate, or None when a closer look shows no whole face."""
        if candidate.side < SMALLEST_FACE:
            return None
        first = self._read_crop(image, candidate.centre, candidate.side, candidate.angle, mirrored=False)
        if first is None or _part_inside(first.points, image) < WHOLE_FACE:
            return None
        crop_score = self._score(image, first.points)
        score = max(candidate.score, crop_score)
        if crop_score < CROP_SCORE or score < FACE_SCORE:
            return None
        centre, side, angle = _frame(first.points)
        readings = []
        for number, (right, down, log_scale, degrees) in enumerate(self._variations):
            reading = self._read_crop(
                image,
                centre + np.array([right, down]) * side,
                side * float(np.exp(log_scale)),
                angle + np.deg2rad(degrees),
                mirrored=number % 2 == 1,
            )
            if reading is not None:
                readings.append(reading)
        if len(readings) <= len(self._variations) // 2:
            return None
        mean = _mean(readings)
        spread = [np.sqrt(np.mean((one.points - mean.points)[:, :2] ** 2)) for one in [first, *readings]]
        if max(spread) > MAX_DISAGREEMENT * side:
            return None
        return _landmarks(mean, score, image)

    def _read_crop(
        self,
        image: UInt8[np.ndarray, "H W 3"],
        centre: Float[np.ndarray, " 2"],
        side: float,
        angle: float,
        *,
        mirrored: bool,
    ) -> MeshReading | None:
        matrix = crop_frame(centre, CROP_OVER_FACE * side, angle, CROP_SIZE, mirrored=mirrored)
        readings = self._mesh.read(cut_out(image, matrix, CROP_SIZE))
        if not readings:
            return None
        reading = readings[0]
        points = unmap_points(matrix, reading.points)
        if mirrored:
            points = points[MIRROR_478]
        return MeshReading(
            points,
            _mirrored_curves(reading.blendshapes) if mirrored else reading.blendshapes,
            _turned(reading.face_transform, angle, mirrored),
        )

    def _score(self, image: UInt8[np.ndarray, "H W 3"], points: Float[np.ndarray, "478 3"]) -> float:
        """What BlazeFace gives the face in an upright crop around its landmarks."""
        centre, side, angle = _frame(points)
        matrix = crop_frame(centre, CROP_OVER_FACE * side, angle, CROP_SIZE)
        middle = CROP_SIZE / 2
        found = self._finder.find(cut_out(image, matrix, CROP_SIZE))
        return max((face.score for face in found if np.abs(face.centre - middle).max() < face.side / 2), default=0.0)

    def _distinct(self, faces: list[FaceLandmarks]) -> list[FaceLandmarks]:
        if not faces:
            return []
        boxes, scores = np.stack([face.box for face in faces]), np.array([face.score for face in faces])
        kept = [faces[index] for index in merge(boxes, scores, overlap=0.5)]
        kept.sort(key=lambda face: -float(np.prod(face.box[2:] - face.box[:2])))
        return sorted(kept[: self._max_faces], key=lambda face: float(face.box[0] + face.box[2]))


def _frame(points: Float[np.ndarray, "478 3"]) -> tuple[Float[np.ndarray, " 2"], float, float]:
    """Centre, side and angle of a face by its landmarks: the box of the mesh, and the line through the eye corners."""
    low, high = points[:468, :2].min(axis=0), points[:468, :2].max(axis=0)
    across = points[263, :2] - points[33, :2]
    return (low + high) / 2, float((high - low).max()), float(np.arctan2(across[1], across[0]))


def _part_inside(points: Float[np.ndarray, "478 3"], image: UInt8[np.ndarray, "H W 3"]) -> float:
    return float(_inside(points, image)[:468].mean())


def _inside(points: Float[np.ndarray, "478 3"], image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, " 478"]:
    return confidence_inside(points, (image.shape[1], image.shape[0]))


def _landmarks(reading: MeshReading, score: float, image: UInt8[np.ndarray, "H W 3"]) -> FaceLandmarks:
    points = reading.points
    return FaceLandmarks(
        points=points,
        confidence=_inside(points, image),
        box=np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)]),
        score=score,
        topology="mediapipe_478",
        detector="mediapipe",
        licence=LICENCE,
        image_size=(image.shape[1], image.shape[0]),
        blendshapes=MappingProxyType(reading.blendshapes),
        face_transform=reading.face_transform,
    )


def _mean(readings: list[MeshReading]) -> MeshReading:
    """Mean points and curves; the transform of the first, straight crop."""
    return MeshReading(
        np.mean([reading.points for reading in readings], axis=0),
        {name: float(np.mean([reading.blendshapes[name] for reading in readings])) for name in readings[0].blendshapes},
        readings[0].face_transform,
    )


def _mirrored_curves(curves: dict[str, float]) -> dict[str, float]:
    swap = {"Left": "Right", "Right": "Left"}
    mirrored = {}
    for name in curves:
        side = next((word for word in swap if name.endswith(word)), None)
        mirrored[name] = curves[name if side is None else name.removesuffix(side) + swap[side]]
    return mirrored


def _turned(transform: Float[np.ndarray, "4 4"], angle: float, mirrored: bool) -> Float[np.ndarray, "4 4"]:
    """A transform read in a crop turned by an angle (clockwise in the image), as the image itself would give it."""
    flip = np.diag([-1.0, 1.0, 1.0, 1.0]) if mirrored else np.eye(4)
    cosine, sine = np.cos(angle), np.sin(angle)
    # Clockwise in the image, whose y points down, is a negative turn about OpenGL's z.
    turn = np.eye(4)
    turn[:2, :2] = [[cosine, sine], [-sine, cosine]]
    return turn @ flip @ transform @ flip

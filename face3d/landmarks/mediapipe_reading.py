"""A face read by MediaPipe's models at good resolution: found in tiles, cut out upright, read in several crops.

One reading depends on the accident of the crop; readings in crops that vary, half of them mirrored, are averaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from face3d.landmarks.crops import crop_frame, cut_out, unmap_points
from face3d.landmarks.detector import confidence_inside
from face3d.landmarks.mediapipe_tasks import FaceFinder, MeshReading, MeshTracker
from face3d.landmarks.mediapipe_topology import MIRROR_478
from face3d.landmarks.search import FaceCandidate, merge, tiles

__all__ = ["CROP_VARIATIONS", "FaceReader", "face_frame", "is_whole", "mean_reading"]

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

# Shift along x and y (of the face's side), log of the scale, and degrees of the crops that are averaged: spread evenly
# in all four, the first one straight; every second one is mirrored.
CROP_VARIATIONS = (
    (0.0, 0.0, 0.0, 0.0),
    (0.04, -0.03, 0.06, -4.0),
    (-0.04, 0.03, -0.06, 4.0),
    (0.02, 0.05, -0.03, -2.0),
    (-0.02, -0.05, 0.03, 2.0),
    (-0.05, 0.01, 0.09, -5.0),
    (0.05, -0.01, -0.09, 5.0),
    (0.01, 0.03, 0.0, 3.0),
)


class FaceReader:
    """Finds the faces of images and reads them; to be closed, not to be used by two threads at once."""

    def __init__(self, model_path: Path) -> None:
        """Load the models from face_landmarker.task.

        Raises:
            CorruptAssetError: the file is not that.
            DependencyError: mediapipe cannot be imported.
        """
        self._finder = FaceFinder(model_path, min_score=CANDIDATE_SCORE)
        self._mesh = MeshTracker(model_path, max_faces=1, video=False)

    def close(self) -> None:
        """Free the models; safe to call twice."""
        self._finder.close()
        self._mesh.close()

    def glance(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceCandidate]:
        """What one look at the whole image shows: faces of a tenth of its side or more."""
        return self._finder.find(image)

    def search(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceCandidate]:
        """What a look at the whole image and at its tiles shows."""
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

    def confirm(self, image: UInt8[np.ndarray, "H W 3"], candidate: FaceCandidate) -> tuple[MeshReading, float] | None:
        """A first reading of a candidate and its score, or None when a closer look shows no whole face."""
        if candidate.side < SMALLEST_FACE:
            return None
        first = self._read_crop(image, candidate.centre, candidate.side, candidate.angle, mirrored=False)
        if first is None or not is_whole(first.points, image):
            return None
        crop_score = self._score(image, first.points)
        score = max(candidate.score, crop_score)
        if crop_score < CROP_SCORE or score < FACE_SCORE:
            return None
        return first, score

    def read_again(
        self, image: UInt8[np.ndarray, "H W 3"], points: Float[np.ndarray, "478 3"], number: int
    ) -> MeshReading | None:
        """A face with these landmarks, read once more in the crop of that number; None when nothing is seen there."""
        centre, side, angle = face_frame(points)
        right, down, log_scale, degrees = CROP_VARIATIONS[number]
        return self._read_crop(
            image,
            centre + np.array([right, down]) * side,
            side * float(np.exp(log_scale)),
            angle + np.deg2rad(degrees),
            mirrored=number % 2 == 1,
        )

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
        centre, side, angle = face_frame(points)
        matrix = crop_frame(centre, CROP_OVER_FACE * side, angle, CROP_SIZE)
        middle = CROP_SIZE / 2
        found = self._finder.find(cut_out(image, matrix, CROP_SIZE))
        return max((face.score for face in found if np.abs(face.centre - middle).max() < face.side / 2), default=0.0)


def face_frame(points: Float[np.ndarray, "478 3"]) -> tuple[Float[np.ndarray, " 2"], float, float]:
    """Centre, side and angle of a face by its landmarks: the box of the mesh, and the line through the eye corners."""
    low, high = points[:468, :2].min(axis=0), points[:468, :2].max(axis=0)
    across = points[263, :2] - points[33, :2]
    return (low + high) / 2, float((high - low).max()), float(np.arctan2(across[1], across[0]))


def is_whole(points: Float[np.ndarray, "478 3"], image: UInt8[np.ndarray, "H W 3"]) -> bool:
    """Whether enough of a face lies inside the image for its landmarks to mean something."""
    return float(confidence_inside(points, (image.shape[1], image.shape[0]))[:468].mean()) >= WHOLE_FACE


def mean_reading(readings: list[MeshReading]) -> MeshReading:
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

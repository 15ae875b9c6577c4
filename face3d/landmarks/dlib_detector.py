"""dlib as a detector: its HOG face detector and its 68-point shape predictor (Kazemi and Sullivan 2014).

The predictor gives whole pixels of the image it reads. Here each face is read from a crop in which it is always the
same size, so that those whole pixels are a small part of one in the photo, and the points do not depend on its
resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from typing_extensions import Self

from face3d import assets
from face3d.errors import ArgumentError, CorruptAssetError, DependencyError, InputError
from face3d.landmarks.crops import crop_frame, cut_out, unmap_points
from face3d.landmarks.detector import FaceLandmarks, VideoClock, confidence_inside
from face3d.landmarks.search import shrunk
from face3d.media.photo import as_rgb

__all__ = ["DlibDetector"]

POINTS = 68

DETECTION_SIDE = 1280
"""Pixels of the longer side that faces are looked for in."""

UPSAMPLED = 1
"""How often that image is doubled first: the detector finds faces of 80 pixels and more."""

LEAST_MARGIN = 0.25
"""What the detector must give a face beyond its own threshold: in the photos of the tests whatever is no face has up to
0.12, the faintest face 0.37."""

READ_SIDE = 400.0
"""Pixels of a face box in the crop that it is read from; whole pixels there are 0.1 % of the interocular distance."""

CROP_OVER_BOX = 2
"""Side of that crop over the box's; the predictor looks a little beyond the box."""

LEAST_BOX = 4.0
"""Pixels a side; smaller boxes hold no face."""


class DlibDetector:
    """68 points per face by dlib.

    A context manager; not to be shared between threads. dlib says nothing of a single point's certainty, so confidence
    is 1 inside the image.
    """

    def __init__(
        self,
        model_path: Path | str | None = None,
        *,
        max_faces: int | None = None,
        detection_side: int | None = DETECTION_SIDE,
    ) -> None:
        """Load the predictor.

        Args:
            model_path: a 68-point shape predictor; by default the asset `dlib`.
            max_faces: keep only the largest ones; by default all.
            detection_side: pixels of the longer side that larger images are shrunk to before faces are looked for;
                None never shrinks.

        Raises:
            ArgumentError: an option is out of range.
            MissingAssetError: the predictor has not been added.
            CorruptAssetError: the file is no predictor of 68 points.
            DependencyError: dlib is not installed.
        """
        for name, number in (("max_faces", max_faces), ("detection_side", detection_side)):
            if number is not None and number < 1:
                raise ArgumentError(f"{name} must be at least 1, got {number}")
        if model_path is None:
            stored = assets.obtain("dlib")
            path, self._licence = stored.path, stored.licence
        else:
            path, self._licence = Path(model_path), "of the given file"
        self._max_faces = max_faces
        self._detection_side = detection_side
        self._clock = VideoClock()
        self._dlib = _library()
        self._finder: Any = self._dlib.get_frontal_face_detector()
        self._predictor: Any = _predictor(self._dlib, path)

    def detect(self, image: UInt8[ndarray, "H W 3"]) -> list[FaceLandmarks]:
        """The faces of an RGB image that look about towards the camera, from left to right."""
        image = as_rgb(image)
        found = [self._read(image, box, score) for box, score in self._boxes(image)]
        found.sort(key=lambda face: -float(np.prod(face.box[2:] - face.box[:2])))
        return sorted(found[: self._max_faces], key=lambda face: float(face.box[0] + face.box[2]))

    def detect_boxes(
        self, image: UInt8[ndarray, "H W 3"], boxes: Float[ndarray, "N 4"] | Sequence[Sequence[float] | ndarray]
    ) -> list[FaceLandmarks]:
        """The landmarks of faces whose boxes are known, in their order.

        Args:
            image: RGB.
            boxes: x0, y0, x1, y1 in pixels, as dlib's own detector draws them: from the brows to the chin.

        Raises:
            ArgumentError: the boxes have another shape.
            InputError: a box is not finite, empty, or outside of the image.
        """
        image = as_rgb(image)
        rows = np.asarray(boxes, dtype=np.float64)
        if rows.size == 0:
            return []
        if rows.ndim != 2 or rows.shape[1] != 4:
            raise ArgumentError(f"face boxes are (N, 4), got {rows.shape}")
        size = np.array([image.shape[1], image.shape[0]])
        for row in rows:
            shown = ", ".join(f"{value:g}" for value in row)
            if not np.isfinite(row).all() or (row[2:] - row[:2] < LEAST_BOX).any():
                raise InputError(f"the face box ({shown}) is not finite or empty; give x0, y0, x1, y1 in pixels")
            if (row[:2] >= size).any() or (row[2:] <= 0).any():
                raise InputError(f"the face box ({shown}) lies outside of the {size[0]} x {size[1]} image")
        return [self._read(image, row, 1.0) for row in rows]

    def detect_video(self, image: UInt8[ndarray, "H W 3"], timestamp_ms: int) -> list[FaceLandmarks]:
        """The faces of the next RGB frame; dlib's predictor has no memory, so each frame is searched anew.

        Raises:
            ArgumentError: the timestamp does not increase.
        """
        self._clock.advance(timestamp_ms)
        return self.detect(image)

    def start_shot(self) -> None:
        """Let the next frame of `detect_video` begin another video; nothing is remembered of those before."""
        self._clock.restart()

    def close(self) -> None:
        """Free the models; safe to call twice."""
        self._finder = self._predictor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _boxes(self, image: UInt8[ndarray, "H W 3"]) -> list[tuple[Float[ndarray, " 4"], float]]:
        if self._finder is None:
            raise ArgumentError("this dlib detector has been closed; open another")
        small, factor = shrunk(image, self._detection_side)
        rectangles, scores, _ = self._finder.run(np.ascontiguousarray(small), UPSAMPLED, LEAST_MARGIN)
        # A rectangle's right and bottom are its last pixels.
        return [
            (
                np.array([one.left(), one.top(), one.right() + 1, one.bottom() + 1]) * np.tile(factor, 2),
                _certainty(score),
            )
            for one, score in zip(rectangles, scores, strict=True)
        ]

    def _read(self, image: UInt8[ndarray, "H W 3"], box: Float[ndarray, " 4"], score: float) -> FaceLandmarks:
        if self._predictor is None:
            raise ArgumentError("this dlib detector has been closed; open another")
        width, height = box[2:] - box[:2]
        scale = READ_SIDE / max(width, height)
        size = int(CROP_OVER_BOX * READ_SIDE)
        matrix = crop_frame((box[:2] + box[2:]) / 2, size / scale, 0.0, size)
        half = np.array([width, height]) * scale / 2
        low, high = np.rint(size / 2 - half).astype(int), np.rint(size / 2 + half).astype(int)
        rectangle = self._dlib.rectangle(int(low[0]), int(low[1]), int(high[0]) - 1, int(high[1]) - 1)
        shape = self._predictor(cut_out(image, matrix, size), rectangle)
        # dlib counts from the first pixel's centre.
        seen = np.array([(part.x, part.y) for part in shape.parts()], dtype=np.float64) + 0.5
        places = unmap_points(matrix, seen)
        points = np.column_stack([places, np.full(POINTS, np.nan)])
        image_size = (image.shape[1], image.shape[0])
        return FaceLandmarks(
            points=points,
            confidence=confidence_inside(points, image_size),
            box=np.concatenate([places.min(axis=0), places.max(axis=0)]),
            score=score,
            topology="ibug_68",
            detector="dlib",
            licence=self._licence,
            image_size=image_size,
        )


def _certainty(margin: float) -> float:
    """The detector's margin, 0 at its threshold and 1 and more for plain faces, as a number in [0, 1]."""
    return float(1.0 / (1.0 + np.exp(-2.0 * margin)))


def _library() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise DependencyError(f"dlib landmarks need dlib ({error}); run `pip install 'face3d[dlib]'`") from error
    return dlib


def _predictor(dlib: Any, path: Path) -> Any:
    if not path.is_file():
        raise CorruptAssetError(f"{path} is not there; give a 68-point shape predictor of dlib")
    try:
        predictor = dlib.shape_predictor(str(path))
        blank = np.zeros((64, 64, 3), np.uint8)
        count = predictor(blank, dlib.rectangle(16, 16, 47, 47)).num_parts
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or ["damaged"])[0]
        raise CorruptAssetError(f"{path} is no shape predictor of dlib: {reason[:160]}") from error
    if count != POINTS:
        raise CorruptAssetError(f"{path} predicts {count} points; face3d takes a predictor of {POINTS}")
    return predictor

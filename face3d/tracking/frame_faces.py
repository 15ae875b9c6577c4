"""All that tracking takes from a frame: after this its pixels are needed no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import UInt8

from face3d.landmarks.detector import Detector, FaceLandmarks
from face3d.landmarks.iris_contours import read_irises
from face3d.landmarks.lip_contours import read_lips
from face3d.landmarks.tracking import FaceSight, sights_of
from face3d.media.video import VideoFrame
from face3d.tracking.sharpness_kernel import fine_structure

__all__ = ["FaceFinding", "FrameFaces", "face_sharpness"]

SHARPNESS_SIDE = 96
"""Pixels that a face is brought to before its sharpness is measured, so that large faces are no sharper than small."""

SHARP = 12.0
"""Mean size of the Laplacian, grey levels, on a sharp face of that size; half of it on one that moved three pixels."""


@dataclass(frozen=True, slots=True)
class FaceFinding:
    """What is looked for in frames, and how.

    Attributes:
        open_detector: gives a new detector.
        max_faces: keep only so many faces of a frame, the largest.
        crops: cut faces out, for networks that see who they are.
        lips: read the contours of the lips.
    """

    open_detector: Callable[[], Detector]
    max_faces: int | None = None
    crops: bool = False
    lips: bool = False

    def faces_of(
        self, frame: VideoFrame, found: list[FaceLandmarks], *, begins_shot: bool, failure: str | None
    ) -> FrameFaces:
        """Take what is needed from a frame and what its detector found."""
        faces = found
        if self.max_faces is not None and len(faces) > self.max_faces:
            largest = sorted(faces, key=_area)[-self.max_faces :]
            faces = [face for face in faces if any(face is one for one in largest)]
        if self.lips:
            faces = [replace(face, lips=read_lips(frame.pixels, face)) for face in faces]
        faces = [_with_irises(frame.pixels, face) for face in faces]
        return FrameFaces(
            index=frame.index,
            time=frame.time,
            begins_shot=begins_shot,
            faces=faces,
            sights=sights_of(frame.pixels, faces, crops=self.crops),
            sharpness=[face_sharpness(frame.pixels, face) for face in faces],
            failure=failure,
            frame=frame,
        )


@dataclass(frozen=True, slots=True, eq=False)
class FrameFaces:
    """The faces of a frame.

    Attributes:
        index, time: of the frame, as `VideoFrame` has them.
        begins_shot: whether a new shot begins with it.
        faces: those that are kept, from left to right.
        sights: what tells whose each is.
        sharpness: of each, as `face_sharpness` has it.
        failure: why a detector could not read it; None where it could.
        frame: itself; None where frames are read side by side, as many of them wait.
    """

    index: int
    time: float
    begins_shot: bool
    faces: list[FaceLandmarks]
    sights: list[FaceSight]
    sharpness: list[float]
    failure: str | None
    frame: VideoFrame | None

    def without_frame(self) -> FrameFaces:
        """The same, which takes a hundredth of the memory."""
        return replace(self, frame=None)


def face_sharpness(image: UInt8[np.ndarray, "H W 3"], face: FaceLandmarks) -> float:
    """0 to 1: how much fine structure the image of a face has, against motion blur and want of focus.

    Args:
        image: RGB.
        face: in it.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = np.clip(np.round(face.box), 0, [width, height, width, height]).astype(int)
    if min(right - left, bottom - top) < 2:
        return 0.0
    square = SHARPNESS_SIDE, SHARPNESS_SIDE
    if min(right - left, bottom - top) < SHARPNESS_SIDE:
        small = cv2.resize(np.ascontiguousarray(image[top:bottom, left:right, 1]), square, interpolation=cv2.INTER_AREA)
        return float(min(1.0, np.abs(cv2.Laplacian(small, cv2.CV_32F)).mean() / SHARP))
    return float(min(1.0, fine_structure(image, left, top, right, bottom, np.empty(square, np.int32)) / SHARP))


def _with_irises(image: UInt8[np.ndarray, "H W 3"], face: FaceLandmarks) -> FaceLandmarks:
    irises = read_irises(image, face)
    return face if irises is None else replace(face, irises=irises)


def _area(face: FaceLandmarks) -> float:
    return float(np.prod(face.box[2:] - face.box[:2]))

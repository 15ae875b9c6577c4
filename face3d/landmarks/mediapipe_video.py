"""Faces followed through a video by MediaPipe, each by a model of its own that knows where the face was.

MediaPipe's own video mode looks for faces through a 128-pixel eye until it has as many as it was told to expect, and
smooths their points, which then lag. Here every face has its own copy of the model and its own window of the image,
read at full resolution and not smoothed; the rest of the image is looked at for new faces twice a second or more, in
tiles when nothing is followed.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from face3d.landmarks.mediapipe_reading import CROP_VARIATIONS, FaceReader, face_frame, is_whole
from face3d.landmarks.mediapipe_tasks import MeshReading, MeshTracker
from face3d.landmarks.search import FaceCandidate, merge

__all__ = ["FaceFollowers", "FollowedFace"]

Image: TypeAlias = UInt8[np.ndarray, "H W 3"]

WINDOW_OVER_FACE = 3.0
"""Side of a face's window over the face's."""

LARGEST_WINDOW = 640
"""Pixels; larger windows are scaled down to it. The model samples a face at about 170 pixels, here it has 213."""

DRIFT = 0.2
"""How far a face may move in its window, relative to its side, before the window moves. The model looks within 0.25."""

GROWTH = 1.25
"""How much larger or smaller it may become."""

SEARCH_SECONDS = 0.4
"""Between looks at the whole image for new faces."""

THOROUGH_SECONDS = 0.5
"""Between searches in tiles while no face is followed."""

FIRST_CHECKS = 2
"""Crops that a new face is read in at once to measure the bias: a straight one and a mirrored one."""

EARLY_CHECKS = 6
"""How many such readings follow each other closely, `CHECK_TAKES` frames apart."""

CHECK_EVERY = 48
"""Frames from one to the next after that."""

CHECK_TAKES = 2
"""Frames after which its result counts: always as many, so that results do not depend on how fast the machine is."""

CHECKS_REMEMBERED = 8
"""How many readings the estimate of the bias is a mean of."""

MAX_MISSED_CHECKS = 3
"""Such readings in a row that show no face, or another, before a followed face is given up."""

MAX_DISAGREEMENT = 0.08
"""RMS distance per coordinate between two readings, relative to the face's side, above which they are of two faces."""


@dataclass(frozen=True, slots=True, eq=False)
class FollowedFace:
    """A face in the newest frame: what was read, and BlazeFace's latest score of it."""

    reading: MeshReading
    score: float


@dataclass(slots=True, eq=False)
class _Follower:
    """One face on its way through the video.

    Attributes:
        mesh: the model that reads it.
        window: left, top, right and bottom of the part of the image that it reads.
        framed_at: centre and side of the face when the window was laid.
        points: of the newest frame, as read.
        score: BlazeFace's latest of this face.
        frames: how many it was followed over.
        missed: checks in a row that did not see it.
        bias: mean of what is to be taken off `points`, upright and relative to the face's side.
        checks: how many readings that is the mean of.
        first_checks: readings for it that are being made since it was found.
        check: a reading that is being made, the points that it is compared with, and the frame in which it counts.
    """

    mesh: MeshTracker
    window: tuple[int, int, int, int]
    framed_at: tuple[Float[np.ndarray, " 2"], float]
    points: Float[np.ndarray, "478 3"]
    score: float
    frames: int = 0
    missed: int = 0
    bias: Float[np.ndarray, "478 3"] = field(default_factory=lambda: np.zeros((478, 3)))
    checks: int = 0
    first_checks: tuple[Future[MeshReading | None], ...] = ()
    check: tuple[Future[MeshReading | None], Float[np.ndarray, "478 3"], int] | None = None


class FaceFollowers:
    """The faces of a video, frame by frame; to be closed.

    Readings that can wait are made by a second thread, which also is the only one to use the reader.
    """

    def __init__(self, model_path: Path, reader: FaceReader, *, max_faces: int | None) -> None:
        self._model_path = model_path
        self._reader = reader
        self._max_faces = max_faces
        self._followers: list[_Follower] = []
        self._idle: list[MeshTracker] = []
        self._looked = self._searched = -np.inf
        self._aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="face3d-followers")

    def forget(self) -> None:
        """Follow nothing any more: the next frame has nothing to do with those before."""
        for follower in self._followers:
            self._release(follower)
        self._followers = []
        self._looked = self._searched = -np.inf

    def close(self) -> None:
        """Free the models; safe to call twice."""
        self._aside.shutdown()
        for mesh in [*self._idle, *(follower.mesh for follower in self._followers)]:
            mesh.close()

    def next_frame(self, image: Image, time: float) -> list[FollowedFace]:
        """The faces of the next frame, at `time` seconds."""
        glance = None
        if self._followers and time - self._looked >= SEARCH_SECONDS:
            glance = self._aside.submit(self._reader.glance, image)
        faces: list[tuple[_Follower, MeshReading]] = []
        for follower in self._followers:
            reading = self._follow(follower, image)
            if reading is None:
                self._release(follower)
            else:
                faces.append((follower, reading))
        faces = self._without_doubles(faces)
        self._followers = [follower for follower, _ in faces]
        if glance is not None:
            self._looked = time
            faces += self._begin_new(image, glance.result())
        elif not self._followers and time - self._searched >= THOROUGH_SECONDS:
            self._looked = self._searched = time
            faces += self._begin_new(image, self._aside.submit(self._reader.search, image).result())
        elif not self._followers:
            faces += self._begin_new(image, self._aside.submit(self._reader.glance, image).result())
        return [FollowedFace(reading, follower.score) for follower, reading in faces]

    def _release(self, follower: _Follower) -> None:
        """Keep the model of a face that is followed no more for another."""
        # Done before any other face is found, as finding it takes the same thread.
        self._aside.submit(follower.mesh.forget)
        self._idle.append(follower.mesh)

    def _follow(self, follower: _Follower, image: Image) -> MeshReading | None:
        reading = _read_window(follower.mesh, image, follower.window)
        if reading is None or not is_whole(reading.points, image):
            return None
        centre, side, angle = face_frame(reading.points)
        if _has_drifted(follower, centre, side):
            follower.window, follower.framed_at = _window(centre, side, image), (centre, side)
            # The model looks where the face was in the old window; once more, and it looks where it found the face.
            for _ in range(2):
                reading = _read_window(follower.mesh, image, follower.window)
            if reading is None or not is_whole(reading.points, image):
                return None
            _, side, angle = face_frame(reading.points)
        follower.points = reading.points
        if not self._checked(follower, image):
            return None
        follower.frames += 1
        return replace(reading, points=reading.points - _turned(follower.bias * side, angle))

    def _checked(self, follower: _Follower, image: Image) -> bool:
        """Take in or order the readings that measure the bias; False once they show that this is no face any more.

        The model, led by its own landmarks, reads a face up to 1 % of the interocular distance otherwise than in the
        crops that `MediaPipeDetector.detect` averages, in a way that is the face's and lasts; most of that is the
        choice of crop, some the model's preference for one side, which is another in the mirrored image.
        """
        if follower.frames == 0:
            for reading in follower.first_checks:
                _take_in(follower, reading.result(), follower.points)
            return follower.checks > 0
        if follower.check is not None and follower.frames >= follower.check[2]:
            future, points, _ = follower.check
            follower.check = None
            _take_in(follower, future.result(), points)
        if follower.frames % (CHECK_EVERY if follower.checks >= EARLY_CHECKS else CHECK_TAKES) == 0:
            number = follower.checks % len(CROP_VARIATIONS)
            future = self._aside.submit(self._reader.read_again, image, follower.points, number)
            follower.check = future, follower.points, follower.frames + CHECK_TAKES
        return follower.missed < MAX_MISSED_CHECKS

    def _begin_new(self, image: Image, candidates: list[FaceCandidate]) -> list[tuple[_Follower, MeshReading]]:
        begun = []
        for candidate in candidates:
            known = self._known(candidate.box)
            if known is not None:
                known.score = candidate.score
            elif self._max_faces is None or len(self._followers) < self._max_faces:
                new = self._begin(image, candidate)
                if new is not None:
                    begun.append(new)
                    self._followers.append(new[0])
        return begun

    def _known(self, box: Float[np.ndarray, " 4"]) -> _Follower | None:
        for follower in self._followers:
            boxes = np.stack([_box(follower.points), box])
            if len(merge(boxes, np.array([1.0, 0.5]), overlap=0.4)) == 1:
                return follower
        return None

    def _begin(self, image: Image, candidate: FaceCandidate) -> tuple[_Follower, MeshReading] | None:
        confirmed = self._aside.submit(self._reader.confirm, image, candidate).result()
        if confirmed is None or self._known(_box(confirmed[0].points)) is not None:
            return None
        centre, side, _ = face_frame(confirmed[0].points)
        mesh = self._idle.pop() if self._idle else MeshTracker(self._model_path, max_faces=1, video=True)
        checks = tuple(
            self._aside.submit(self._reader.read_again, image, confirmed[0].points, number)
            for number in range(FIRST_CHECKS)
        )
        window, (points, score) = _window(centre, side, image), (confirmed[0].points, confirmed[1])
        follower = _Follower(mesh, window, (centre, side), points, score, first_checks=checks)
        # A model without memory looks for the face through BlazeFace first; the second reading is led by landmarks.
        _read_window(mesh, image, follower.window)
        reading = self._follow(follower, image)
        if reading is None or not _same_face(reading.points, confirmed[0].points, side):
            self._release(follower)
            return None
        return follower, reading

    def _without_doubles(self, faces: list[tuple[_Follower, MeshReading]]) -> list[tuple[_Follower, MeshReading]]:
        """Two followers that came to the same face: the one that has followed it for longer stays."""
        if len(faces) < 2:
            return faces
        boxes = np.stack([_box(reading.points) for _, reading in faces])
        ages = np.array([float(follower.frames) for follower, _ in faces])
        kept = set(merge(boxes, ages, overlap=0.6).tolist())
        for number, (follower, _) in enumerate(faces):
            if number not in kept:
                self._release(follower)
        return [face for n, face in enumerate(faces) if n in kept]


def _read_window(mesh: MeshTracker, image: Image, window: tuple[int, int, int, int]) -> MeshReading | None:
    left, top, right, bottom = window
    part = _shrunk(image[top:bottom, left:right])
    readings = mesh.read_next(part)
    if not readings:
        return None
    points = readings[0].points
    points[:, 0] *= (right - left) / part.shape[1]
    points[:, 1] *= (bottom - top) / part.shape[0]
    points[:, 2] *= (right - left) / part.shape[1]
    points[:, :2] += [left, top]
    return readings[0]


def _shrunk(image: Image) -> Image:
    """No larger than `LARGEST_WINDOW`: the mean of whole blocks of pixels, then between pixels.

    Areas that are no whole blocks take eight times the time, which nothing else could be done in.
    """
    times = max(image.shape[:2]) / LARGEST_WINDOW
    if times >= 2:
        block = int(times)
        height, width = (length // block for length in image.shape[:2])
        image = cv2.resize(image[: height * block, : width * block], (width, height), interpolation=cv2.INTER_AREA)
    scale = LARGEST_WINDOW / max(image.shape[:2])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR) if scale < 1 else image


def _window(centre: Float[np.ndarray, " 2"], side: float, image: Image) -> tuple[int, int, int, int]:
    """The part of the image around a face: left, top, right and bottom, in whole pixels and inside of it."""
    half = WINDOW_OVER_FACE * side / 2
    height, width = image.shape[:2]
    left, top = (int(np.clip(value - half, 0, limit - 2)) for value, limit in zip(centre, (width, height), strict=True))
    right, bottom = (
        int(np.clip(np.ceil(value + half), low + 2, limit))
        for value, low, limit in zip(centre, (left, top), (width, height), strict=True)
    )
    return left, top, right, bottom


def _has_drifted(follower: _Follower, centre: Float[np.ndarray, " 2"], side: float) -> bool:
    old_centre, old_side = follower.framed_at
    moved = np.abs(centre - old_centre).max() > DRIFT * old_side
    return bool(moved or not 1 / GROWTH < side / old_side < GROWTH)


def _take_in(follower: _Follower, reading: MeshReading | None, points: Float[np.ndarray, "478 3"]) -> None:
    """Renew the estimate of the bias by another reading of the face that was read as `points`."""
    _, side, angle = face_frame(points)
    if reading is None or not _same_face(points, reading.points, side):
        follower.missed += 1
        return
    follower.missed = 0
    follower.checks += 1
    difference = _turned(points - reading.points, -angle) / side
    # The origin of depth is the model's own in each reading.
    difference[:, 2] -= difference[:, 2].mean()
    follower.bias = follower.bias + (difference - follower.bias) / min(follower.checks, CHECKS_REMEMBERED)


def _turned(vectors: Float[np.ndarray, "N 3"], angle: float) -> Float[np.ndarray, "N 3"]:
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = vectors.copy()
    turned[:, 0] = cosine * vectors[:, 0] - sine * vectors[:, 1]
    turned[:, 1] = sine * vectors[:, 0] + cosine * vectors[:, 1]
    return turned


def _box(points: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, " 4"]:
    return np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)])


def _same_face(one: Float[np.ndarray, "478 3"], other: Float[np.ndarray, "478 3"], side: float) -> bool:
    return float(np.sqrt(np.mean((one - other)[:, :2] ** 2))) < MAX_DISAGREEMENT * side

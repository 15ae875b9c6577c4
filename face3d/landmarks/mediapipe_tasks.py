"""MediaPipe's Tasks API as face3d uses it: loaded once, quiet, closed in time, in face3d's pixels."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
import weakref
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from face3d.errors import CorruptAssetError, DependencyError
from face3d.landmarks.mediapipe_results import FoundFace, call_of
from face3d.landmarks.search import FaceCandidate

__all__ = ["FaceFinder", "MeshReading", "MeshTracker"]

PIXEL_SHIFT = 0.5
"""MediaPipe's normalised x times the width is a coordinate with the first pixel's centre at 0, not 0.5.

Measured on 11 photos: the same face at 60 to 240 pixels gives an offset of -0.50 +- 0.02 px in x and in y against
corner-based coordinates; adding 0.5 takes it away. (Inside its 256-pixel face crop there is another shift along x,
0.2 % of the face's width, of opposite sign in the mirrored image: averaging mirrored crops removes that one.)
"""

UNSMOOTHED_STEP_MS = 1_000_000
"""Time between frames as MediaPipe is told it in a video of one face.

In that mode it smooths its points over time (One-Euro with a cut-off of 0.05 Hz at rest), which on a talking face moves
them by 0.8 % of the interocular distance. After 1000 s nothing of the frame before is left: its weight is 0.3 %. The
clock, which counts in nanoseconds, lasts for 9 million frames.
"""

_BLANKS_TO_FORGET = 5
"""Blank images that are shown at most; the first one was always enough."""

_BOX_MODEL = "face_detector.tflite"
"""The BlazeFace member of face_landmarker.task; used by itself because the landmark task hides its scores."""

_NOISE = re.compile(
    rb"^(WARNING: All log messages before absl|WARNING: Logging before InitGoogle"
    rb"|INFO: (Created|Initialized|Applying|\[[\w/]+\.(cc|h):\d+\]) "
    rb"|[IW]\d{4} [\d:. ]+ *\d* *[\w/]+\.(cc|h):\d+\])"
)
"""Lines of absl and TFLite below the level of an error."""

_STDERR_LOCK = threading.Lock()
"""Two threads that swap the process's stderr at once would lose it."""


@dataclass(frozen=True, slots=True, eq=False)
class MeshReading:
    """What the landmark model says of one face in one image.

    Attributes:
        points: (478, 3) x and y in the image's pixels (first pixel's centre at 0.5, 0.5), z in the same scale.
        blendshapes: 51 curves by ARKit name (all but tongueOut).
        face_transform: (4, 4) canonical face to MediaPipe's virtual camera, centimetres.
    """

    points: Float[np.ndarray, "478 3"]
    blendshapes: dict[str, float]
    face_transform: Float[np.ndarray, "4 4"]


class FaceFinder:
    """BlazeFace, short range: boxes of faces that take at least about a tenth of the image's side."""

    def __init__(self, model_path: Path, *, min_score: float) -> None:
        """Load the model from face_landmarker.task.

        Raises:
            CorruptAssetError: the file is not that.
            DependencyError: mediapipe cannot be imported.
        """
        vision, base_options = _import_tasks()
        with _corrupt_if_refused(model_path):
            with zipfile.ZipFile(model_path) as bundle:
                buffer = bundle.read(_BOX_MODEL)
            options = vision.FaceDetectorOptions(
                base_options=base_options(model_asset_buffer=buffer), min_detection_confidence=min_score
            )
            with _quiet():
                self._task = vision.FaceDetector.create_from_options(options)
        self.close = _closed_in_time(self, self._task)
        self._run = _QuietAtFirst()

    def find(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceCandidate]:
        """The faces of an RGB image, in its pixels, best first."""
        height, width = image.shape[:2]
        candidates = []
        for detection in self._run(lambda: self._task.detect(_to_mediapipe(image))).detections:
            box = detection.bounding_box
            eye, other_eye = (np.array([point.x * width, point.y * height]) for point in detection.keypoints[:2])
            across = other_eye - eye
            candidates.append(
                FaceCandidate(
                    centre=np.array([box.origin_x + box.width / 2, box.origin_y + box.height / 2]) + PIXEL_SHIFT,
                    side=float(max(box.width, box.height)),
                    angle=float(np.arctan2(across[1], across[0])),
                    score=float(detection.categories[0].score),
                )
            )
        return sorted(candidates, key=lambda candidate: -candidate.score)


class MeshTracker:
    """The Face Landmarker: 478 points, 51 curves and a transform per face, of single images or of a video."""

    def __init__(self, model_path: Path, *, max_faces: int, video: bool) -> None:
        """Load the model.

        Raises:
            CorruptAssetError: the file is not face_landmarker.task.
            DependencyError: mediapipe cannot be imported.
        """
        vision, base_options = _import_tasks()
        options = vision.FaceLandmarkerOptions(
            base_options=base_options(model_asset_path=str(model_path)),
            running_mode=vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE,
            num_faces=max_faces,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        with _corrupt_if_refused(model_path), _quiet():
            task = vision.FaceLandmarker.create_from_options(options)
        self.close = _closed_in_time(self, task)
        self._call = call_of(task)
        self._run = _QuietAtFirst()
        self._clock_ms = 0

    def read(self, image: UInt8[np.ndarray, "H W 3"]) -> list[MeshReading]:
        """The faces of a single RGB image."""
        return _readings(self._run(lambda: self._call(_to_mediapipe(image), None)), image)

    def read_next(self, image: UInt8[np.ndarray, "H W 3"]) -> list[MeshReading]:
        """The faces of the next RGB frame of a video, looked for where they were in the one before; not smoothed."""
        self._clock_ms += UNSMOOTHED_STEP_MS
        return _readings(self._run(lambda: self._call(_to_mediapipe(image), self._clock_ms)), image)

    def forget(self) -> None:
        """Let the next `read_next` depend on nothing read before: on a blank image the model loses its face."""
        blank = np.zeros((64, 64, 3), dtype=np.uint8)
        for _ in range(_BLANKS_TO_FORGET):
            if not self.read_next(blank):
                return


class _QuietAtFirst:
    """Runs the calls of one task; holds back what its models write in the first ones, where they may still warn."""

    def __init__(self) -> None:
        self._left = 10

    def __call__(self, call: Callable[[], Any]) -> Any:
        self._left -= 1
        with _quiet() if self._left >= 0 else contextlib.nullcontext():
            return call()


def _closed_in_time(owner: object, task: Any) -> weakref.finalize[..., object]:
    """What closes a task: called by hand, when its owner goes, or before the interpreter ends its threads.

    A task closes on a thread pool of MediaPipe's. When `atexit` functions run (and `weakref.finalize` with them) the
    pool no longer takes work, and closing would raise; functions registered with `threading` itself run before that.
    """
    close = weakref.finalize(owner, _close, task)
    close.atexit = False
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        register(close)
    return close


def _close(task: Any) -> None:
    with _quiet():
        task.close()


def _readings(found: list[FoundFace], image: UInt8[np.ndarray, "H W 3"]) -> list[MeshReading]:
    height, width = image.shape[:2]
    readings = []
    for landmarks, curves, transform in found:
        points = landmarks * (width, height, width)
        points[:, :2] += PIXEL_SHIFT
        curves.pop("_neutral", None)
        readings.append(MeshReading(points, curves, transform))
    return readings


def _to_mediapipe(image: UInt8[np.ndarray, "H W 3"]) -> Any:
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))


def _import_tasks() -> tuple[Any, Any]:
    try:
        with _quiet():
            from mediapipe.tasks.python import BaseOptions, vision
    except (ImportError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DependencyError(
            f"mediapipe cannot be loaded ({reason}); `pip install mediapipe`; `face3d doctor` names system libraries"
        ) from error
    return vision, BaseOptions


@contextlib.contextmanager
def _corrupt_if_refused(model_path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CorruptAssetError(
            f"{model_path}: not MediaPipe's face_landmarker.task ({reason}); "
            "`face3d assets fetch mediapipe` replaces the file"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what native code writes to stderr, then pass on all of it but information and warnings of TFLite.

    On the level of the file descriptor, as C++ writes past `sys.stderr`, and with a file rather than a pipe, which
    could fill up.
    """
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    with _STDERR_LOCK, tempfile.TemporaryFile() as held:
        with contextlib.suppress(AttributeError, ValueError, OSError):
            sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            for line in held:
                if not _NOISE.match(line):
                    os.write(2, line)

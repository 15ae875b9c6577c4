"""Faces of a video's frames, read so that a run that goes on in the middle reads the same as one that never stopped.

A detector that follows faces remembers: what it reads depends on all frames since it was started. So the frames are
dealt out in segments of fixed length, each read by a detector that was started, always, the same few frames before the
segment began. While it warms up on them, the detector of the segment before still reads them too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from face3d.errors import ArgumentError, AssetError, DependencyError
from face3d.landmarks.detector import Detector, FaceLandmarks
from face3d.landmarks.video import RemembersFrames
from face3d.media.shot_cuts import ShotCuts
from face3d.media.video import VideoFrame

__all__ = ["FrameFaces", "Segments", "read_faces"]


@dataclass(frozen=True, slots=True)
class Segments:
    """How the frames of a clip are dealt out.

    Attributes:
        length: frames of a segment; what a killed run loses at most.
        warm_up: frames before it with which its detector starts; after 16, MediaPipe's own error is measured and the
            seam between two detectors is below a tenth of the noise of a landmark.
    """

    length: int = 512
    warm_up: int = 16

    def start_of_reading(self, step: int) -> int:
        """The frame to read from, so that the frame `step`, the first of a segment, is read as it should be."""
        return max(0, step - self.warm_up)


@dataclass(frozen=True, slots=True, eq=False)
class FrameFaces:
    """The faces of a frame.

    Attributes:
        frame: the frame.
        begins_shot: whether a new shot begins with it.
        faces: all in it, from left to right.
        failure: why a detector could not read it; None where it could.
    """

    frame: VideoFrame
    begins_shot: bool
    faces: list[FaceLandmarks]
    failure: str | None = None


def read_faces(
    frames: Iterable[VideoFrame], open_detector: Callable[[], Detector], segments: Segments, *, first: int = 0
) -> Generator[FrameFaces, None, None]:
    """The faces of each frame as the frames come in, one frame late; a thread detects while the caller works.

    Args:
        frames: of one video, in order, from the frame `segments.start_of_reading(first)` on.
        open_detector: gives a new detector; two are needed at most.
        segments: how the frames are dealt out.
        first: the first frame whose faces are wanted, the first one of a segment.
    """
    with ExitStack() as opened, ThreadPoolExecutor(max_workers=1, thread_name_prefix="face3d-detect") as beside:
        now: _SegmentReader | None = None
        following: _SegmentReader | None = None
        idle: list[_SegmentReader] = []
        waiting: tuple[VideoFrame, bool, Future[tuple[list[FaceLandmarks], str | None]]] | None = None

        def started() -> _SegmentReader:
            reader = idle.pop() if idle else _SegmentReader(opened.enter_context(open_detector()), beside)
            reader.start()
            return reader

        for step, frame in enumerate(frames, start=segments.start_of_reading(first)):
            place = step % segments.length
            if place == 0:
                if now is not None:
                    idle.append(now)
                now, following = following or started(), None
            if following is None and place >= segments.length - segments.warm_up:
                following = started()
            if now is not None and step >= first:
                found = frame, *now.read(frame)
                if waiting is not None:
                    yield FrameFaces(*waiting[:2], *waiting[2].result())
                waiting = found
            if following is not None:
                following.read(frame)
        if waiting is not None:
            yield FrameFaces(*waiting[:2], *waiting[2].result())


class _SegmentReader:
    """A detector on its way through one segment and the frames before it.

    Args:
        detector: used by `beside` alone.
        beside: the thread that detects.
    """

    def __init__(self, detector: Detector, beside: ThreadPoolExecutor) -> None:
        self._detector = detector
        self._beside = beside

    def start(self) -> None:
        """The next frame has nothing to do with those before."""
        self._cuts = ShotCuts()
        self._start_shot()

    def _start_shot(self) -> None:
        self._clock = -1
        if isinstance(self._detector, RemembersFrames):
            self._beside.submit(self._detector.start_shot)

    def read(self, frame: VideoFrame) -> tuple[bool, Future[tuple[list[FaceLandmarks], str | None]]]:
        """Whether the next frame begins a shot, and soon its faces."""
        begins = self._cuts.begins(frame.pixels)
        if begins:
            self._start_shot()
        # Detectors count whole milliseconds; frames can lie closer.
        self._clock = max(self._clock + 1, round(frame.time * 1000))
        return begins, self._beside.submit(_faces_of, self._detector, frame, self._clock)


def _faces_of(detector: Detector, frame: VideoFrame, clock: int) -> tuple[list[FaceLandmarks], str | None]:
    """The faces of a frame; a frame that a detector chokes on shows none, and the video goes on."""
    try:
        faces = detector.detect_video(frame.pixels, clock)
    except (ArgumentError, AssetError, DependencyError):
        raise
    except Exception as error:  # one bad frame of a hundred thousand must not end the run
        reason = str(error).strip().splitlines()
        return [], f"frame {frame.index}: {type(error).__name__}: {reason[0] if reason else 'no reason given'}"
    return [face for face in faces if np.isfinite(face.points[:, :2]).all()], None

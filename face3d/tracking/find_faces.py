"""The stage "video -> faces": whose face is where in every frame, stored segment by segment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np

from face3d.errors import InputError
from face3d.landmarks.detector import Detector, FaceLandmarks
from face3d.landmarks.recognition import OpenRecognition
from face3d.landmarks.tracking import PersonTracker
from face3d.media.video import FramesAstrayError, VideoFrame, VideoReader
from face3d.progress import bar
from face3d.threads import processors
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.frame_faces import FaceFinding, FrameFaces
from face3d.tracking.segments import Segments, read_faces, segments_of_clip
from face3d.tracking.stored_faces import SegmentFaces, StoredFaces, segment_name
from face3d.tracking.work_folder import WorkFolder

__all__ = ["ClipFaces", "NumberedFrame", "find_faces"]

SUMMARY = "faces"
"""The document that is written when all frames have been read."""

MOST_LANES = 4
"""That read a file side by side; each holds models of its own, 60 MB."""


@dataclass(frozen=True, slots=True)
class NumberedFrame:
    """A frame whose faces have been found, as it comes by.

    Attributes:
        frame: the frame.
        shot: number of its shot, from 1.
        faces: the faces by the number of the person. A newcomer may turn out later to be somebody known.
    """

    frame: VideoFrame
    shot: int
    faces: dict[int, FaceLandmarks]


@dataclass(frozen=True, slots=True, eq=False)
class ClipFaces:
    """What was found.

    Attributes:
        stored: all faces, on disk.
        same: numbers of people who turned out to be others.
        frame_rate: frames per second that the video says of itself.
        seconds: that this took, in all runs together.
        warnings: what was wrong with the video.
    """

    stored: StoredFaces
    same: dict[int, int]
    frame_rate: float
    seconds: float
    warnings: tuple[str, ...]


def find_faces(
    work: WorkFolder,
    part: ClipPart,
    open_detector: Callable[[], Detector],
    *,
    segments: Segments | None = None,
    max_faces: int | None = None,
    looks: bool = False,
    lips: bool = False,
    recognition: OpenRecognition | None = None,
    watch: Callable[[NumberedFrame], None] | None = None,
    lanes: int | None = None,
    progress: bool = False,
) -> ClipFaces:
    """Find every face of a clip, or the rest of them where an earlier run has begun.

    A camera is read until it ends or somebody presses Ctrl-C.

    Args:
        work: where they are stored.
        part: the clip.
        open_detector: gives a new detector.
        segments: how frames are dealt out.
        max_faces: keep only so many faces of a frame, the largest.
        looks: keep pictures of the people, for a network that sees who they are.
        lips: read the contours of the lips as well.
        recognition: tells people apart where place and looks leave doubt.
        watch: gets every frame with its faces.
        lanes: how many threads read segments side by side, of a file that nobody watches; the result is the same. By
            default one per processor, `MOST_LANES` at most.
        progress: draw a progress bar on stderr.

    Raises:
        InputError: not one frame could be read.
        OutputError: the disk is full.
    """
    summary = work.document(SUMMARY)
    if summary is None:
        started = time.perf_counter()
        expected = None if part.is_live else _expected(part)
        segments = segments or segments_of_clip(expected)
        if watch is not None or part.is_live or part.is_folder:
            lanes = 1
        elif lanes is None:
            lanes = min(processors(), MOST_LANES)
        finding = FaceFinding(open_detector, max_faces, crops=looks or recognition is not None, lips=lips)
        shown = partial(bar, progress, "following faces", expected)
        read = partial(_read, part, finding, segments, lanes=lanes, watch=watch, shown=shown)
        reading = _Reading(work, segments, looks, recognition)
        try:
            rate = read(reading, leap=lanes > 1)
        except FramesAstrayError:
            # What is on disk came before, and stands.
            reading = _Reading(work, segments, looks, recognition)
            rate = read(reading, leap=False)
        summary = reading.finish(part, rate, time.perf_counter() - started)
    stored = StoredFaces(work, summary["segments"])
    same = {int(number): int(known) for number, known in summary["same"]}
    return ClipFaces(stored, same, summary["frame_rate"], summary["seconds"], tuple(summary["warnings"]))


def _read(
    part: ClipPart,
    finding: FaceFinding,
    segments: Segments,
    reading: _Reading,
    *,
    lanes: int,
    leap: bool,
    watch: Callable[[NumberedFrame], None] | None,
    shown: Callable[[], AbstractContextManager[Callable[[int], None]]],
) -> float:
    """Read the rest of a clip, segment by segment; gives the frame rate that it tells of itself."""
    frames_before = reading.go_on()
    start, videos = reading.start_time(frames_before), list[VideoReader]()

    def open_frames(wanted: Callable[[int], bool]) -> VideoReader:
        videos.append(part.open(start=start, wanted=wanted, leap=leap))
        return videos[-1]

    def warnings() -> list[str]:
        return [warning for video in videos for warning in video.warnings]

    with (
        shown() as advance,
        _one_opencv_thread() if lanes > 1 else nullcontext(),
        closing(read_faces(open_frames, finding, segments, first=frames_before, lanes=lanes)) as found,
    ):
        advance(frames_before)
        try:
            for seen in found:
                numbered = reading.take_in(seen, warnings())
                if watch is not None and seen.frame is not None:
                    watch(NumberedFrame(seen.frame, *numbered))
                advance(1)
        except KeyboardInterrupt:
            if not part.is_live:
                raise
    reading.warn(warnings())
    return videos[0].info.frames_per_second


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Hold OpenCV to one thread, where threads read side by side: those that wait for small shares of work only spin.

    Its threads are the process's: while several hold it, the first one's end frees it.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _expected(part: ClipPart) -> int | None:
    """About how many frames the part has, as far as the video tells."""
    with part.open() as video:
        count, rate = video.info.frame_count, video.info.frames_per_second
    if count is None:
        return None
    seconds = min(count / rate, part.end or math.inf) - part.start
    frames = seconds * rate / part.every
    if part.frames_per_second is not None and not part.is_folder:
        frames = min(frames, seconds * part.frames_per_second)
    return max(0, round(frames))


class _Reading:
    """What is known between two frames, and what of it is on disk."""

    def __init__(
        self,
        work: WorkFolder,
        segments: Segments,
        looks: bool,
        recognition: OpenRecognition | None,
    ) -> None:
        self._work = work
        self._segments = segments
        self._recognition = recognition
        self._people = PersonTracker(recognition)
        self._shot = 1
        self._seconds = 0.0
        self._warnings: dict[str, None] = {}
        self._failures = 0
        self._done = 0
        self._looks = looks
        self._faces = SegmentFaces(looks=looks)
        self._started = time.perf_counter()

    def go_on(self) -> int:
        """Take up what an earlier run has left; gives the number of frames that are done."""
        while (arrays := self._work.arrays(segment_name(self._done), "frames")) is not None:
            if len(arrays["frames"]) < self._segments.length:
                break
            self._done += 1
        state = self._work.arrays(_state_name(self._done))
        while self._done and state is None:
            self._done -= 1
            state = self._work.arrays(_state_name(self._done))
        if state is not None:
            self._people = PersonTracker.from_state(state, self._recognition)
            self._shot, self._failures = int(state["clip_shot"]), int(state["failures"])
            self._seconds = float(state["seconds"])
            self._warnings = dict.fromkeys(state["warnings"].tolist())
        return self._done * self._segments.length

    def start_time(self, frames_before: int) -> float | None:
        """Seconds, of the frame to read from; None for the clip's first."""
        step = self._segments.start_of_reading(frames_before)
        if not step:
            return None
        number, place = divmod(step, self._segments.length)
        arrays = self._work.arrays(segment_name(number), "times")
        assert arrays is not None
        return float(arrays["times"][place])

    def take_in(self, seen: FrameFaces, warnings: list[str]) -> tuple[int, dict[int, FaceLandmarks]]:
        """Number the faces of the next frame and keep them; gives its shot, and them by number."""
        if seen.begins_shot:
            self._shot += 1
            self._people.start_shot()
        if seen.failure is not None:
            self._failures += 1
            if self._failures == 1:
                self.warn([f"{seen.failure}; such frames were left out"])
        persons = self._people.number(seen.sights, seen.time)
        self._faces.add(seen, self._shot, persons)
        if len(self._faces) == self._segments.length:
            self.warn(warnings)
            self._store_segment()
        return self._shot, dict(zip(persons, seen.faces, strict=True))

    def warn(self, warnings: list[str]) -> None:
        self._warnings |= dict.fromkeys(warnings)

    def _store_segment(self) -> None:
        """The state first: a segment counts once its faces are there."""
        state = self._people.state() | {
            "clip_shot": np.array(self._shot),
            "failures": np.array(self._failures),
            "seconds": np.array(self._seconds + time.perf_counter() - self._started),
            "warnings": np.array(list(self._warnings), dtype=str),
        }
        self._work.keep(_state_name(self._done + 1), state)
        self._work.keep(segment_name(self._done), self._faces.arrays())
        self._work.forget(_state_name(self._done))
        self._done += 1
        self._faces = SegmentFaces(looks=self._looks)

    def finish(self, part: ClipPart, frame_rate: float, seconds: float) -> dict[str, Any]:
        if not self._done and not len(self._faces):
            if part.is_live:
                raise InputError(f"{part.source}: showed no frame before it was stopped")
            raise InputError(f"{part.source}: ends before {part.start:g} s; choose an earlier start")
        if len(self._faces):
            self._work.keep(segment_name(self._done), self._faces.arrays())
        summary = {
            "segments": self._done + bool(len(self._faces)),
            "same": sorted(self._people.same.items()),
            "frame_rate": frame_rate,
            "seconds": self._seconds + seconds,
            "warnings": list(self._warnings),
        }
        self._work.keep_document(SUMMARY, summary)
        return summary


def _state_name(segments: int) -> str:
    """What the people known after so many segments are stored as."""
    return f"people_{segments:06d}"

"""Faces of a video's frames, read so that a run that goes on in the middle reads the same as one that never stopped.

A detector that follows faces remembers: what it reads depends on all frames since it was started. So the frames are
dealt out in segments of fixed length, each read by a detector that was started, always, the same few frames before the
segment began. That makes segments independent of each other: several lanes may read them side by side, each every
second one, say, and what they read does not depend on how many lanes there are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from face3d.errors import ArgumentError, AssetError, DependencyError
from face3d.landmarks.detector import Detector, FaceLandmarks
from face3d.landmarks.video import RemembersFrames
from face3d.media.shot_cuts import ShotCuts
from face3d.media.video import VideoFrame
from face3d.threads import Ahead
from face3d.tracking.frame_faces import FaceFinding, FrameFaces

__all__ = ["Lane", "OpenFrames", "Segments", "read_faces", "segments_of_clip"]

LONGEST = 512
"""Frames of a segment; what a killed run loses at most of each lane."""


@dataclass(frozen=True, slots=True)
class Segments:
    """How the frames of a clip are dealt out.

    Attributes:
        length: frames of a segment.
        warm_up: frames before it with which its detector starts, fewer than its own; after 16, MediaPipe's own error is
            measured and the seam between two detectors is below a tenth of the noise of a landmark.
    """

    length: int = LONGEST
    warm_up: int = 16

    def start_of_reading(self, step: int) -> int:
        """The frame to read from, so that the frame `step`, the first of a segment, is read as it should be."""
        return max(0, step - self.warm_up)


def segments_of_clip(frames: int | None) -> Segments:
    """Those of a clip of about so many frames: an even number of equal ones, so that two lanes end together."""
    segments = Segments()
    if not frames:
        return segments
    # The last ones are shorter by what another segment would warm up with, so that nobody prepares for that.
    whole = frames + segments.warm_up
    return Segments(length=max(math.ceil(whole / (2 * math.ceil(whole / (2 * LONGEST)))), LONGEST // 8))


@dataclass(frozen=True, slots=True)
class Lane:
    """The segments that one reader takes on: every `count`-th, from those on that hold the frame `first`.

    Attributes:
        segments: how the frames are dealt out.
        first: the first frame whose faces are wanted, the first one of a segment.
        number: of the lane, from 0.
        count: of lanes.
    """

    segments: Segments
    first: int = 0
    number: int = 0
    count: int = 1

    def owns(self, segment: int) -> bool:
        """Whether this lane reads the segment."""
        return segment * self.segments.length >= self.first and segment % self.count == self.number

    def needs(self, step: int) -> bool:
        """Whether this lane needs the frame `step`."""
        length = self.segments.length
        return self.owns(step // length) or self.owns((step + self.segments.warm_up) // length)


OpenFrames: TypeAlias = Callable[[Callable[[int], bool]], AbstractContextManager[Iterable[VideoFrame]]]
"""Gives those frames of a video that a function wants, which is given 0 for the first, 1 for the next."""


def read_faces(
    open_frames: OpenFrames, finding: FaceFinding, segments: Segments, *, first: int = 0, lanes: int = 1
) -> Generator[FrameFaces, None, None]:
    """The faces of each frame, in order, as the frames come in.

    Args:
        open_frames: of one video, from the frame `segments.start_of_reading(first)` on; called once by each lane.
        finding: what is looked for.
        segments: how the frames are dealt out.
        first: the first frame whose faces are wanted, the first one of a segment.
        lanes: threads that read side by side. Of several, each decodes for itself and is up to a segment ahead, so that
            the frames themselves do not come with the faces.
    """
    start = segments.start_of_reading(first)
    if lanes == 1:
        yield from _read_lane(open_frames, finding, Lane(segments, first), start)
        return
    with ExitStack() as opened:
        readers: list[Iterator[FrameFaces]] = []
        for number in range(lanes):
            lane = _read_lane(open_frames, finding, Lane(segments, first, number, lanes), start)
            ahead = Ahead(
                (faces.without_frame() for faces in lane), limit=segments.length, name=f"face3d-lane-{number}"
            )
            opened.enter_context(closing(ahead))
            ahead.start()
            readers.append(iter(ahead))
        for segment in itertools.count(first // segments.length):
            read = 0
            for faces in itertools.islice(readers[segment % lanes], segments.length):
                read += 1
                yield faces
            if read < segments.length:
                return


def _read_lane(
    open_frames: OpenFrames, finding: FaceFinding, lane: Lane, start: int
) -> Generator[FrameFaces, None, None]:
    """The faces of a lane's frames, one frame late; a thread detects while the caller works."""
    segments = lane.segments
    steps = (step for step in itertools.count(start) if lane.needs(step))
    with ExitStack() as opened:
        frames = opened.enter_context(open_frames(lambda number: lane.needs(start + number)))
        detectors = opened.enter_context(ExitStack())
        # Ends before the detectors do: frames that only a following segment needs may still be read when the clip ends.
        beside = opened.enter_context(ThreadPoolExecutor(max_workers=1, thread_name_prefix="face3d-detect"))
        now: _SegmentReader | None = None
        following: _SegmentReader | None = None
        idle: list[_SegmentReader] = []
        waiting: _Waiting | None = None

        def started() -> _SegmentReader:
            reader = idle.pop() if idle else _SegmentReader(detectors.enter_context(finding.open_detector()), beside)
            reader.start()
            return reader

        for frame, step in zip(frames, steps, strict=False):
            segment, place = divmod(step, segments.length)
            is_own = lane.owns(segment)
            if now is not None and (place == 0 or not is_own):
                idle.append(now)
                now = None
            if is_own and place == 0:
                now, following = following or started(), None
            if following is None and place >= segments.length - segments.warm_up and lane.owns(segment + 1):
                following = started()
            if now is not None:
                found = _Waiting(frame, *now.read(frame))
                if waiting is not None:
                    yield waiting.faces(finding)
                waiting = found
            if following is not None:
                following.read(frame)
            if waiting is not None and place == segments.length - 1 and not lane.owns(segment + 1):
                # The lane's next frame is far.
                yield waiting.faces(finding)
                waiting = None
        if waiting is not None:
            yield waiting.faces(finding)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A frame that a detector is at work on."""

    frame: VideoFrame
    begins_shot: bool
    found: Future[tuple[list[FaceLandmarks], str | None]]

    def faces(self, finding: FaceFinding) -> FrameFaces:
        found, failure = self.found.result()
        return finding.faces_of(self.frame, found, begins_shot=self.begins_shot, failure=failure)


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

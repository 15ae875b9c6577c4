"""Video as a stream of upright RGB frames with the time of each: files, folders of images, cameras.

A file's frames carry the time stamps of its container and not a count over an average rate, so that videos of variable
frame rate, which phones record, keep their timing. A thread decodes ahead while the caller works on the frames before;
a bounded number of frames exists at any time, however long the video is.

OpenCV's build of FFmpeg reads: face3d depends on OpenCV already, it applies the rotation that phones write, tells exact
time stamps, and is under the LGPL, while another FFmpeg beside it (PyAV's) would add 35 MB to every installation.
"""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from typing_extensions import Self

from face3d.errors import ArgumentError, InputError
from face3d.media.container import explain_no_video
from face3d.media.first_bytes import first_bytes
from face3d.media.frame_memory import FrameMemory
from face3d.media.frame_times import MATCHING, frame_times
from face3d.media.image_file import read_image
from face3d.media.listing import images_in
from face3d.media.photo import check_size
from face3d.threads import Ahead

__all__ = ["FramesAstrayError", "VideoFrame", "VideoInfo", "VideoReader", "VideoSource", "is_live", "open_video"]

VideoSource: TypeAlias = str | Path | int
"""A video file, a folder of images, or a camera: its number, its device (/dev/video0) or its address (rtsp://...)."""

FRAMES_AHEAD = 4
"""Decoded frames that wait for the caller at most; 25 MB of full HD."""

FOLDER_RATE = 25.0
"""Frames per second of a folder of images, whose files tell none."""

END_TOLERANCE = 0.25
"""Seconds that a video may end before what its header announces: headers count frames that are never shown."""

RATE_TOLERANCE = 1e-6
"""Of a frame's time in units of the wanted rate, so that rounding does not drop frames of just that rate."""

WORTH_LEAPING = 48
"""Frames that nobody wants, in a row, that are leapt over rather than decoded."""

EARLIER = 2
"""Frames before the wanted one that a leap aims at, as frame rates are averages."""

# FFmpeg tells of damage on stderr, past Python; here `VideoReader.warnings` does. -8 is its AV_LOG_QUIET. OpenCV looks
# at this once, when FFmpeg is first used in the process.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

_LIVE = re.compile(r"/dev/video\d+$|[a-zA-Z][a-zA-Z0-9+.-]+://")
"""Devices, and addresses, which must come as strings: a `Path` loses one of their slashes."""


class FramesAstrayError(Exception):
    """A video that was to be leapt through does not hold the frames that its packets announce."""


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One frame.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, upright.
        index: its number in the video, from 0; frames that were skipped are counted.
        time: seconds since the first frame of the video.
    """

    pixels: UInt8[np.ndarray, "H W 3"]
    index: int
    time: float


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video says of itself before it is read; a header can be wrong.

    Attributes:
        name: what messages call it.
        frames_per_second: on average.
        frame_count: how many frames there should be; None for cameras and where the header does not tell.
        rotation: degrees clockwise by which the frames were turned to stand upright.
    """

    name: str
    frames_per_second: float
    frame_count: int | None
    rotation: int = 0


class VideoReader:
    """An open video: iterate over it once, and close it or use it in a `with`.

    Attributes:
        info: what the video says of itself.
        warnings: what was wrong with it; complete once the iteration has ended.
    """

    def __init__(self, source: _Source, choice: _Choice) -> None:
        self.info = source.info
        self.warnings: list[str] = []
        self._source = source
        self._ahead = Ahead(source.frames(choice, self.warnings), limit=FRAMES_AHEAD, name=f"decode {source.info.name}")
        self._started = False

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames in order.

        Raises:
            InputError: not one frame could be read.
            FramesAstrayError: the file is not what leaping relies on; to be read again without.
        """
        if self._started:
            raise ArgumentError(f"{self.info.name}: a video is read once; open it again")
        self._started = True
        self._ahead.start()
        try:
            yield from self._ahead
        finally:
            self.close()

    def close(self) -> None:
        """Stop decoding and free the source; safe to call twice."""
        self._ahead.close()
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_video(
    source: VideoSource,
    *,
    start: float = 0.0,
    end: float | None = None,
    every: int = 1,
    frames_per_second: float | None = None,
    wanted: Callable[[int], bool] | None = None,
    leap: bool = False,
) -> VideoReader:
    """Open a video file, a folder of images (in the order of their names, numbers by value) or a camera.

    Args:
        source: path, or a camera, see `VideoSource`; digits alone are a camera's number where no file is called so.
        start: seconds; frames before are passed over.
        end: seconds; reading stops at the first frame at or after it.
        every: take every n-th frame, counted from `start`.
        frames_per_second: of a folder of images, 25 by default; of any other video at most so many are taken.
        wanted: of the frames that these options leave, counted from 0, which to give; the others cost little.
        leap: let them cost next to nothing where a file is read whole: long stretches are not even decoded. In a file
            that is damaged the frames may go astray; that is found out, by whoever reads the damaged place.

    Raises:
        ArgumentError: an option is out of range.
        InputError: not there, no video, only sound, without frames.
    """
    if not (start >= 0 and (end is None or end > start)):
        raise ArgumentError(f"a video is read from start to a later end, got {start} to {end} s")
    if every < 1:
        raise ArgumentError(f"every n-th frame is taken with n of 1 or more, got {every}")
    if frames_per_second is not None and not 0 < frames_per_second <= 10_000:
        raise ArgumentError(f"frames per second are above 0, got {frames_per_second}")
    opened: _Source
    if is_live(source):
        number = str(source)
        opened = _Capture(f"camera {source}", int(number)) if number.isdigit() else _Capture(number, number)
    elif (path := Path(str(source))).is_dir():
        opened = _Folder(path, frames_per_second or FOLDER_RATE)
        frames_per_second = None
    else:
        first_bytes(path)
        opened = _Capture(str(source), path)
    whole = start == 0 and end is None and every == 1 and frames_per_second is None
    return VideoReader(opened, _Choice(start, end, every, frames_per_second, wanted, leap and whole))


def is_live(source: VideoSource) -> bool:
    """Whether a source is a camera or a stream, whose frames come as they happen and are never read again."""
    if isinstance(source, int):
        return True
    text = str(source)
    if text.isdigit():
        return not Path(source).exists()
    return bool(_LIVE.match(text))


@dataclass(slots=True)
class _Choice:
    """Which frames are given, as `open_video` takes it; told of each frame once, in order."""

    start: float
    end: float | None
    every: int
    frames_per_second: float | None
    wanted: Callable[[int], bool] | None
    leaps: bool
    _passed: int = 0
    _taken: int = 0
    _slot: int = -1

    def is_over(self, time: float) -> bool:
        """Whether the frame at `time` and all after it are too late."""
        return self.end is not None and time >= self.end

    def takes(self, time: float) -> bool:
        """Whether to give the frame at `time`."""
        if time < self.start - 1e-9:
            return False
        self._passed += 1
        if (self._passed - 1) % self.every:
            return False
        if self.frames_per_second is not None:
            # Counted from the video's first frame, so that a later start takes the same frames.
            slot = math.floor(time * self.frames_per_second + RATE_TOLERANCE)
            if slot == self._slot:
                return False
            self._slot = slot
        self._taken += 1
        return self.wanted is None or self.wanted(self._taken - 1)

    def next_wanted(self, count: int) -> int:
        """Which frame of a whole file, of so many, is given next; `count` where none is."""
        if self.wanted is None:
            return self._taken
        return next((number for number in range(self._taken, count) if self.wanted(number)), count)

    def pass_over(self, frames: int) -> None:
        """Take so many frames of a whole file as told of."""
        self._passed += frames
        self._taken += frames


class _Source(Protocol):
    """Where frames come from."""

    info: VideoInfo

    def frames(self, choice: _Choice, warnings: list[str]) -> Iterator[VideoFrame]: ...

    def close(self) -> None: ...


class _Capture:
    """A file or a camera (its number, device or address), through OpenCV."""

    def __init__(self, name: str, source: Path | int | str) -> None:
        self._file = source if isinstance(source, Path) else None
        self._lock = threading.Lock()
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            if isinstance(source, Path):
                self._capture = cv2.VideoCapture(str(source), cv2.CAP_FFMPEG)
            else:
                self._capture = cv2.VideoCapture(source)
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            raise InputError(_no_frames(name, self._file))
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)) if self._file else 0
        width, height = (int(self._capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        check_size(width, height, name)
        # The newest picture as OpenCV has it.
        self._newest: UInt8[np.ndarray, "H W 3"] = np.zeros((height, width, 3), np.uint8)
        self._memory = FrameMemory()
        self.info = VideoInfo(
            name=name,
            frames_per_second=rate if np.isfinite(rate) and 0 < rate < 10_000 else FOLDER_RATE,
            frame_count=count if count > 0 else None,
            rotation=int(self._capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 360,
        )

    def frames(self, choice: _Choice, warnings: list[str]) -> Iterator[VideoFrame]:
        step = 1 / self.info.frames_per_second
        index, time, first = -1, -step, 0.0
        # The times by which frames are known that follow a leap.
        known = frame_times(self._file) if choice.leaps and self._file is not None else None
        while self._grab():
            index += 1
            stamp = self._stamp()
            if known is not None and index > 0:
                self._check_place(known, index, stamp - first)
            if index == 0:
                first, stamp = stamp, 0.0
            elif stamp - first <= time:
                if not warnings:
                    warnings.append(f"{self.info.name}: time stamps do not increase at {time:.3f} s; they were mended")
                stamp = time + step
            else:
                stamp -= first
            time = stamp
            if choice.is_over(time):
                return
            if choice.takes(time):
                yield VideoFrame(self._retrieve(), index, time)
            if known is None:
                continue
            target = choice.next_wanted(len(known))
            if target == len(known) > index + 1:
                return
            if target - index > WORTH_LEAPING:
                landed = self._leap(known, target, first)
                choice.pass_over(landed - index)
                index, time = landed, float(known[landed])
        if index < 0:
            raise InputError(_no_frames(self.info.name, self._file))
        self._check_end(index + 1, time + step, warnings)

    def _stamp(self) -> float:
        """Seconds of the newest frame, as its container has them."""
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000

    def _leap(self, known: Float[np.ndarray, " N"], target: int, first: float) -> int:
        """Go on shortly before a frame, decoded from a key frame 16 frames or more before it; gives the newest one."""
        place = int(known[target] * self.info.frames_per_second) - EARLIER
        with self._lock:
            reached = self._capture.isOpened() and self._capture.set(cv2.CAP_PROP_POS_FRAMES, place)
        if not reached:
            raise FramesAstrayError
        newest = self._stamp() - first
        landed = int(np.searchsorted(known, newest - MATCHING))
        if landed >= target:
            raise FramesAstrayError
        self._check_place(known, landed, newest)
        return landed

    @staticmethod
    def _check_place(known: Float[np.ndarray, " N"], index: int, time: float) -> None:
        if index >= len(known) or abs(float(known[index]) - time) > MATCHING:
            raise FramesAstrayError

    def _grab(self) -> bool:
        with self._lock:
            return bool(self._capture.isOpened() and self._capture.grab())

    def _retrieve(self) -> UInt8[np.ndarray, "H W 3"]:
        """The picture of a frame; one that was damaged beyond that shows what the one before did, as players do."""
        read, pixels = self._capture.retrieve(self._newest)
        if read:
            self._newest = np.asarray(pixels if pixels.ndim == 3 else pixels[..., None].repeat(3, axis=2), np.uint8)
        memory = self._memory.array(self._newest.shape)
        return np.asarray(cv2.cvtColor(self._newest, cv2.COLOR_BGR2RGB, dst=memory), dtype=np.uint8)

    def _check_end(self, count: int, duration: float, warnings: list[str]) -> None:
        """Containers without a frame count give their duration for it, so only a clear lack means something."""
        announced = self.info.frame_count
        if announced is None or count >= announced:
            return
        expected = announced / self.info.frames_per_second
        if duration + END_TOLERANCE < expected:
            warnings.append(
                f"{self.info.name}: ends at {duration:.2f} s although its header announces {expected:.2f} s; "
                "it is truncated or damaged, and what could be read was used"
            )

    def close(self) -> None:
        with self._lock:
            self._capture.release()


class _Folder:
    """The images of a folder; those that cannot be read or have another size are passed over with a warning."""

    def __init__(self, folder: Path, rate: float) -> None:
        self._files = images_in(folder)
        if not self._files:
            raise InputError(f"{folder}: holds no image; give a folder of JPEG or PNG files, or a video")
        self.info = VideoInfo(str(folder), rate, len(self._files))

    def frames(self, choice: _Choice, warnings: list[str]) -> Iterator[VideoFrame]:
        size = None
        for index, file in enumerate(self._files):
            time = index / self.info.frames_per_second
            if choice.is_over(time):
                break
            if not choice.takes(time):
                continue
            try:
                photo = read_image(file)
            except InputError as error:
                warnings.append(str(error))
                continue
            size = size or photo.image_size
            if photo.image_size != size:
                warnings.append(f"{file}: is not {size[0]} x {size[1]} pixels as the images before; it was left out")
                continue
            yield VideoFrame(photo.pixels, index, time)
        if size is None and warnings:
            raise InputError(f"{self.info.name}: holds no image that can be read ({warnings[0]})")

    def close(self) -> None:
        """Nothing is held open."""


def _no_frames(name: str, file: Path | None) -> str:
    if file is None:
        return f"{name}: cannot be opened; check that it is connected and that no other program uses it"
    return f"{name}: {explain_no_video(file)}"

"""Video files that play everywhere: H.264 in MP4, the frames' own times, and the sound of the video they come from.

The file grows under its name and `.partial` in fragments that each play by themselves, so that whatever ends the
process leaves a video of what was written until then. A video that is closed becomes an ordinary MP4 under its own name
(FFmpeg calls that `hybrid_fragmented`). PyAV's FFmpeg writes: OpenCV's is built without H.264 and knows no sound.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from jaxtyping import UInt8
from typing_extensions import Self

from face3d.errors import ArgumentError, OutputError
from face3d.media.sound import SoundTrack
from face3d.media.yuv import write_yuv
from face3d.threads import processors

__all__ = ["VideoWriter"]

TIME_BASE = Fraction(1, 90_000)
"""Of frames: the clock of MPEG, which divides every usual frame rate."""

FRAMES_WAITING = 3
"""Frames that wait for the encoder at most."""

X264 = {
    # Frames in the order in which they are shown: fragments have no edit list that could set the times right.
    "bf": "0",
    "preset": "ultrafast",
    # Against the blocks that this preset leaves otherwise, for a twentieth of its time.
    "x264-params": "no-deblock=0",
    "crf": "21",
}
"""Of the encoder: 3 ms for a frame of 720p on one core, a third of the time of its `superfast`."""

KEY_FRAME_SECONDS = 2
"""Between frames that a player can jump to; also what a killed process can lose."""

BT709, BT601, LIMITED_RANGE = 1, 6, 1
"""How FFmpeg numbers the colour matrices and the range (ITU-T H.273)."""

HD_HEIGHT = 720
"""From this height on players take BT.709 for granted, below it BT.601, whatever the file says."""

_END = object()


class VideoWriter:
    """Writes RGB frames of one size as H.264; use it in a `with`, which finishes the file.

    A thread of its own converts and encodes while the caller makes the next frame.

    Args:
        path: of the file, .mp4. Until it is finished it is called `<path>.partial`.
        image_size: (width, height) of the frames. The format has even sizes only: an odd one gains a column or row.
        frame_rate: frames per second on average.
        sound_from: a video whose sound is carried over, in step with the frame times given to `write`.

    Attributes:
        start: time of the first frame as it was given, which is 0 in the file; None before.

    Raises:
        ArgumentError: no size or rate that a video can have.
        OutputError: the file cannot be written.
    """

    def __init__(
        self, path: Path, image_size: tuple[int, int], *, frame_rate: float, sound_from: Path | None = None
    ) -> None:
        if min(image_size) < 1 or not 0 < frame_rate < 10_000:
            raise ArgumentError(f"{path}: no video is {image_size[0]} x {image_size[1]} pixels at {frame_rate:g}/s")
        self.path = path
        self.start: float | None = None
        self._size = image_size
        self._rate = frame_rate
        self._sound_from = sound_from
        self._partial = path.with_name(f"{path.name}.partial")
        self._time = -np.inf
        self._error: BaseException | None = None
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=FRAMES_WAITING)
        self._thread = threading.Thread(target=self._encode_all, name=f"encode {path.name}", daemon=True)
        try:
            self._file: BinaryIO = self._partial.open("wb")
        except OSError as error:
            raise self._cannot_write(error) from error
        self._thread.start()

    def write(self, pixels: UInt8[np.ndarray, "H W 3"], time: float) -> None:
        """Append a frame.

        Args:
            pixels: RGB; must not be changed afterwards.
            time: seconds, later than that of the frame before.

        Raises:
            ArgumentError: another size than the writer's, or a time that does not increase.
            OutputError: the disk is full; what was written until then stays playable under `.partial`.
        """
        if pixels.shape != (self._size[1], self._size[0], 3) or pixels.dtype != np.uint8:
            raise ArgumentError(
                f"{self.path}: frames are uint8 {(self._size[1], self._size[0], 3)}, not {pixels.dtype} {pixels.shape}"
            )
        if not time > self._time:
            raise ArgumentError(f"{self.path}: a frame at {time:g} s cannot follow one at {self._time:g} s")
        self._time = time
        if self.start is None:
            self.start = time
        self._put((pixels, time))

    def close(self) -> None:
        """Finish the file and give it its name; safe to call twice.

        Raises:
            OutputError: no frame was written, or the disk is full.
        """
        if self._file.closed:
            return
        self._put(_END)
        self._thread.join()
        self._file.close()
        if self._error is not None:
            raise self._cannot_write(self._error)
        if self.start is None:
            self._partial.unlink()
            raise OutputError(f"{self.path}: a video needs at least one frame")
        try:
            os.replace(self._partial, self.path)
        except OSError as error:
            raise self._cannot_write(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if kind is None:
            self.close()
        elif not self._file.closed:
            # What is there so far keeps its partial name.
            with contextlib.suppress(OutputError):
                self._put(None)
            self._thread.join()
            self._file.close()

    def _put(self, item: object) -> None:
        while self._error is None:
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return
        if item is not None and item is not _END:
            raise self._cannot_write(self._error)

    def _encode_all(self) -> None:
        try:
            first = self._queue.get()
            if first is None or first is _END:
                return
            self._encode(first)
        except BaseException as error:  # handed to the thread that writes
            self._error = error

    def _encode(self, item: Any) -> None:
        width, height = (length + length % 2 for length in self._size)
        matrix = BT709 if height >= HD_HEIGHT else BT601
        begin = item[1]
        # The library's own buffers hold little, so that a kill loses no more than the fragment under way.
        with _Muxed(self._file) as muxed:
            stream = muxed.target.add_stream("libx264", rate=Fraction(self._rate).limit_denominator(1001))
            codec = stream.codec_context
            codec.width, codec.height, codec.pix_fmt, codec.time_base = width, height, "yuv420p", TIME_BASE
            codec.colorspace = codec.color_primaries = codec.color_trc = matrix
            codec.color_range = LIMITED_RANGE
            codec.gop_size = max(1, round(KEY_FRAME_SECONDS * self._rate))
            codec.options = dict(X264)
            # More would keep more frames.
            # And one processor is left to whoever makes the frames.
            codec.thread_count = max(1, min(2, processors() - 1))
            sound = None if self._sound_from is None else SoundTrack(self._sound_from, muxed.target, begin)
            last = 0
            try:
                while item is not _END:
                    if item is None:
                        muxed.finish = False
                        return
                    pixels, time = item
                    frame = av.VideoFrame(width, height, "yuv420p")
                    write_yuv(pixels, [_plane(plane) for plane in frame.planes], bt709=matrix == BT709)
                    frame.time_base = TIME_BASE
                    frame.pts = last = max(round((time - begin) / TIME_BASE), last + 1 if time > begin else 0)
                    frame.colorspace, frame.color_range = matrix, LIMITED_RANGE
                    muxed.target.mux(stream.encode(frame))
                    if sound is not None:
                        sound.write_until(float(last * TIME_BASE))
                    item = self._queue.get()
                muxed.target.mux(stream.encode(None))
                if sound is not None:
                    sound.write_until(float(last * TIME_BASE) + 1 / self._rate)
            finally:
                if sound is not None:
                    sound.close()

    def _cannot_write(self, error: BaseException | None) -> BaseException:
        if not isinstance(error, OSError | av.FFmpegError):
            return error or OutputError(f"{self.path}: cannot be written")
        reason = getattr(error, "strerror", None) or str(error)
        return OutputError(f"{self.path}: cannot be written ({reason}); free some space or choose another place")


class _Muxed:
    """An MP4 file under construction; when `finish` is unset it stays in fragments."""

    def __init__(self, file: BinaryIO) -> None:
        self.finish = True
        self.target = av.open(
            file, "w", format="mp4", options={"movflags": "hybrid_fragmented+frag_keyframe", "flush_packets": "1"}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if kind is None:
            self.target.close()
        else:
            with contextlib.suppress(Exception):
                self.target.close()


def _plane(plane: Any) -> UInt8[np.ndarray, "h stride"]:
    """The bytes of a plane as its rows lie in memory."""
    return np.frombuffer(plane, dtype=np.uint8).reshape(plane.height, plane.line_size)

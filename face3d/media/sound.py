"""The sound of a video, carried over to another one in step with its frames."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer

__all__ = ["SoundTrack"]

COPIED_CODECS = frozenset({"aac", "ac3", "alac", "eac3", "mp3", "opus"})
"""Sound that MP4 holds as it is; any other becomes AAC."""


class SoundTrack:
    """The first sound track of a file, written into another file piece by piece.

    Args:
        source: a video.
        target: open for writing, before anything was written.
        start: seconds since the source's first frame at which the target begins.
    """

    def __init__(self, source: Path, target: OutputContainer, start: float) -> None:
        self._target = target
        self._source: InputContainer | None = None
        self._next: av.Packet | None = None
        with contextlib.ExitStack() as undo:
            try:
                container = undo.enter_context(av.open(str(source)))
            except (av.FFmpegError, OSError):
                return
            if not container.streams.audio or container.streams.audio[0].codec_context is None:
                return
            undo.pop_all()
        self._source = container
        stream = container.streams.audio[0]
        self._begin = _first_frame_time(container) + start
        self._copied = stream.codec_context.name in COPIED_CODECS
        if self._copied:
            self._stream = target.add_stream_from_template(stream)
        else:
            self._stream = target.add_stream("aac", rate=stream.codec_context.sample_rate or 48000)
            # By number: old containers do not say where their channels belong, and the encoder asks for it.
            self._stream.codec_context.layout = "mono" if stream.codec_context.channels == 1 else "stereo"
        self._pieces = self._copies(stream) if self._copied else self._encoded(stream)
        self._next = next(self._pieces, None)

    def write_until(self, time: float) -> None:
        """Write what sounds before `time`, in seconds since the target's beginning."""
        while self._next is not None and _time_of(self._next) < time:
            self._target.mux(self._next)
            self._next = next(self._pieces, None)

    def close(self) -> None:
        """Free the source."""
        if self._source is not None:
            self._source.close()

    def _copies(self, stream: av.AudioStream) -> Iterator[av.Packet]:
        """Packets as they are, with the times of the target; those before its beginning are left out."""
        assert self._source is not None
        shift = round(self._begin / (stream.time_base or Fraction(1)))
        for packet in _readable(self._source.demux(stream)):
            if packet.pts is None or packet.dts is None or packet.pts < shift:
                continue
            packet.pts -= shift
            packet.dts = packet.pts
            packet.stream = self._stream
            yield packet

    def _encoded(self, stream: av.AudioStream) -> Iterator[av.Packet]:
        """The sound encoded anew."""
        assert self._source is not None
        rate = stream.codec_context.sample_rate
        for frame in _readable(self._source.decode(stream)):
            if frame.time is None or frame.time < self._begin:
                continue
            # In samples: the millisecond clock of some containers would leave gaps between frames.
            frame.pts, frame.time_base = round((frame.time - self._begin) * rate), Fraction(1, rate)
            yield from self._stream.encode(frame)
        yield from self._stream.encode(None)


def _time_of(packet: av.Packet) -> float:
    """Seconds; packets without a time are never kept here."""
    return float((packet.pts or 0) * (packet.time_base or Fraction(1)))


def _first_frame_time(container: InputContainer) -> float:
    """Container time of the first frame, which frame times count from."""
    if not container.streams.video:
        return 0.0
    stream = container.streams.video[0]
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _readable(items: Iterator) -> Iterator:
    """What can be read before damage ends it."""
    while True:
        try:
            item = next(items)
        except (StopIteration, av.FFmpegError):
            return
        yield item

"""The part of a video that is tracked: which frames of which source, and what tells it from another."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from face3d.errors import ArgumentError
from face3d.media.first_bytes import first_bytes
from face3d.media.listing import images_in
from face3d.media.video import VideoReader, VideoSource, is_live, open_video

__all__ = ["ClipPart"]


@dataclass(frozen=True, slots=True)
class ClipPart:
    """Which frames of which video.

    Attributes:
        source: a video file, a folder of images, or a camera.
        start: seconds.
        end: seconds; None for all.
        every: every n-th frame.
        frames_per_second: of a folder of images; at most so many are taken of any other video.
    """

    source: VideoSource
    start: float = 0.0
    end: float | None = None
    every: int = 1
    frames_per_second: float | None = None

    def __post_init__(self) -> None:
        if not self.start >= 0 or (self.end is not None and not self.end > self.start) or self.every < 1:
            raise ArgumentError(
                f"a video is read from start 0 or later to a later end, every 1st frame or fewer; got {self.start} to "
                f"{self.end}, every {self.every}"
            )
        if self.frames_per_second is not None and not 0 < self.frames_per_second < math.inf:
            raise ArgumentError(f"frames per second are above 0, got {self.frames_per_second:g}")
        if self.is_live and (self.start > 0 or self.every > 1):
            raise ArgumentError("a camera has no start and no frames to pass over; leave out start and every")

    @property
    def is_live(self) -> bool:
        """Whether frames come as they happen, so that they cannot be read again."""
        return is_live(self.source)

    @property
    def is_folder(self) -> bool:
        """Whether the frames are the images of a folder."""
        return not self.is_live and self.path.is_dir()

    @property
    def path(self) -> Path:
        """Of the file or the folder; a camera has none."""
        return Path(str(self.source))

    @property
    def stem(self) -> str:
        """What results are called after."""
        if not self.is_live:
            return self.path.resolve().name if self.is_folder else self.path.stem
        text = str(self.source)
        return f"camera_{text.removeprefix('/dev/video')}" if "://" not in text else "stream"

    def open(
        self, *, start: float | None = None, wanted: Callable[[int], bool] | None = None, leap: bool = False
    ) -> VideoReader:
        """Open the part, or what is left of it from the time of one of its frames on, or the `wanted` frames of it.

        `leap` as `open_video` has it.
        """
        return open_video(
            self.source,
            start=self.start if start is None else start,
            end=self.end,
            every=self.every,
            frames_per_second=self.frames_per_second,
            wanted=wanted,
            leap=leap,
        )

    def fingerprint(self) -> dict[str, Any]:
        """All that the frames depend on, and thereby what is made from them; a camera's are never the same.

        Raises:
            InputError: it is not there.
        """
        part = {"start": self.start, "end": self.end, "every": self.every, "rate": self.frames_per_second}
        if self.is_live:
            return {"source": str(self.source), **part}
        if not self.is_folder:
            first_bytes(self.path)
        digest = hashlib.sha256()
        for file in images_in(self.path) if self.is_folder else [self.path]:
            status = file.stat()
            digest.update(f"{file.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        return {"source": str(self.path.resolve()), "files": digest.hexdigest(), **part}

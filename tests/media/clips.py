"""Small videos whose frames are known, written by OpenCV, and by the ffmpeg program where it is installed."""

from __future__ import annotations

import itertools
import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8

CORNERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], dtype=np.uint8)
"""Colours of the quarters of a frame: red and green above blue and white."""


BITS = 6


def numbered_frame(number: int, width: int = 128, height: int = 96) -> UInt8[np.ndarray, "H W 3"]:
    """A frame in four colours with its number in the middle, as dark and bright bars."""
    frame = np.repeat(np.repeat(CORNERS, height // 2, axis=0), width // 2, axis=1)
    for bit, bar in enumerate(_bars(frame)):
        bar[:] = 235 if number >> bit & 1 else 20
    return frame


def number_of(frame: UInt8[np.ndarray, "H W 3"]) -> int:
    """What `numbered_frame` was given, after compression."""
    return sum((float(bar.mean()) > 128) << bit for bit, bar in enumerate(_bars(frame)))


def _bars(frame: UInt8[np.ndarray, "H W 3"]) -> list[UInt8[np.ndarray, "h w 3"]]:
    height, width = frame.shape[:2]
    edges = np.linspace(width // 5, width * 4 // 5, BITS + 1).astype(int)
    return [frame[height // 4 : -height // 4, left:right] for left, right in itertools.pairwise(edges)]


def write_clip(path: Path, frames: Iterable[UInt8[np.ndarray, "H W 3"]], rate: float = 25.0) -> Path:
    """Write RGB frames as a video of constant rate; MPEG-4 in .mp4, motion JPEG in .avi."""
    writer = None
    for frame in frames:
        if writer is None:
            code = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, rate, (frame.shape[1], frame.shape[0]))
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    assert writer is not None
    writer.release()
    return path


def numbered_clip(path: Path, count: int = 50, rate: float = 25.0) -> Path:
    """A video of numbered frames."""
    return write_clip(path, (numbered_frame(number) for number in range(count)), rate)


def ffmpeg(*arguments: str | Path) -> None:
    """Run the ffmpeg program, or skip the test."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("the ffmpeg program is not installed")
    command = [program, "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        pytest.skip(f"ffmpeg cannot make this file: {done.stderr.strip()}")


def turn_by_flag(source: Path, target: Path) -> Path:
    """Copy an MP4 so that it asks to be shown a quarter turn clockwise, as phones write it (matrix in `tkhd`)."""
    content = bytearray(source.read_bytes())
    start = content.index(b"tkhd") + 4 + 4 + 20 + 16
    one = 1 << 16
    content[start : start + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 96 * one, 0, 1 << 30)
    target.write_bytes(content)
    return target


def cut_short(path: Path) -> Path:
    """Cut an MP4 in the middle of its frames, with its index in front (needs ffmpeg)."""
    whole = path.with_name("whole.mp4")
    numbered_clip(path.with_name("plain.mp4"), 60)
    ffmpeg("-i", path.with_name("plain.mp4"), "-c", "copy", "-movflags", "+faststart", whole)
    content = whole.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    return path

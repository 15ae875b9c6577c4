"""Clips as samples: crops of the face in consecutive frames, and the landmarks in them, as SPECTRE learns from them.

Dimension letters: B clips, T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from face3d.errors import InputError
from face3d.expression.coarse_encoder import CROP_SIZE
from face3d.landmarks.crops_published import Square, square_crop
from face3d.media import read_image
from face3d.media.listing import images_in
from face3d.media.video import open_video
from face3d.train.clip_landmarks import seen_track
from face3d.train.task import Batch, Draw

__all__ = ["FRAMES", "SHORTEST", "Clip", "ClipSamples", "HeldOutClips"]

FRAMES = 20
"""Consecutive frames of a clip in a sample (SPECTRE's K)."""

SHORTEST = 5
"""Frames that the temporal convolution looks at; a clip needs as many."""

SCALES = (1.4, 1.8)
"""From the size of a face to its crop's side, drawn once per clip; SPECTRE's demo crops at 1.6."""

HALF_PIXEL = 0.5
"""SPECTRE counts a crop's pixels from the first one's centre, and so does the camera of DECA that it keeps."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of a video in which one person is seen.

    Attributes:
        name: for messages.
        path: a video, or a folder of frames.
        landmarks: file of its landmarks, as `seen_track` reads it.
        frames: how many there are.
    """

    name: str
    path: Path
    landmarks: Path
    frames: int


class ClipSamples:
    """Clips to learn from: each time a stretch and a crop that are drawn anew (`face3d.train.task.Samples`).

    Args:
        clips: of `SHORTEST` frames or more.
        frames: of a sample; shorter clips are used whole.
    """

    def __init__(self, clips: Sequence[Clip], frames: int) -> None:
        self._clips, self._frames = tuple(clips), frames

    def __len__(self) -> int:
        return len(self._clips)

    def batch(self, draws: Sequence[Draw]) -> Batch:
        """`images` (B, T, 3, 224, 224) uint8 RGB, `landmarks` (B, T, 68, 2) in [-1, 1] and `lengths` (B,).

        T is the longest clip's; the others' last frame is repeated, and `lengths` says how many are their own.
        """
        samples = []
        for draw in draws:
            clip, random = self._clips[draw.index], draw.random()
            count = min(self._frames, clip.frames)
            start = int(random.integers(clip.frames - count + 1))
            samples.append(_read(clip, start, count, float(random.uniform(*SCALES))))
        return _padded(samples)


class HeldOutClips:
    """The middle of each held-out clip, cropped as SPECTRE's demo does."""

    def __init__(self, clips: Sequence[Clip], frames: int) -> None:
        self._clips, self._frames = tuple(clips), frames

    def __len__(self) -> int:
        return len(self._clips)

    def batch(self, draws: Sequence[Draw]) -> Batch:
        """As `ClipSamples.batch`, the same at every draw."""
        samples = []
        for draw in draws:
            clip = self._clips[draw.index]
            count = min(self._frames, clip.frames)
            samples.append(_read(clip, (clip.frames - count) // 2, count, None))
        return _padded(samples)


def _read(
    clip: Clip, start: int, count: int, scale: float | None
) -> tuple[UInt8[np.ndarray, "T 224 224 3"], Float32[np.ndarray, "T 68 2"]]:
    first, points = seen_track(clip.landmarks)
    chosen = points[start : start + count]
    crops, landmarks = [], []
    for image, face in zip(_frames(clip, first + start, count), chosen, strict=True):
        crop = square_crop(image, Square.around(face, "spectre", scale=scale), CROP_SIZE)
        crops.append(np.rint(crop.pixels * 255).astype(np.uint8))
        landmarks.append((crop.to_crop(face) - HALF_PIXEL) / CROP_SIZE * 2 - 1)
    return np.stack(crops), np.stack(landmarks).astype(np.float32)


def _frames(clip: Clip, first: int, count: int) -> list[UInt8[np.ndarray, "H W 3"]]:
    """Some consecutive frames.

    Raises:
        InputError: the clip has changed since its landmarks were found.
    """
    if clip.path.is_dir():
        images = [read_image(file).pixels for file in images_in(clip.path)[first : first + count]]
    else:
        images = []
        with open_video(clip.path) as video:
            for frame in video:
                if frame.index >= first:
                    images.append(frame.pixels)
                if len(images) == count:
                    break
    if len(images) < count:
        raise InputError(
            f"{clip.path} ends before frame {first + count - 1}, in which {clip.landmarks} has a face; it has changed "
            "since, or is damaged: take the landmarks away to have them found again"
        )
    return images


def _padded(samples: Sequence[tuple[UInt8[np.ndarray, "T 224 224 3"], Float32[np.ndarray, "T 68 2"]]]) -> Batch:
    lengths = [len(images) for images, _ in samples]
    longest = max(lengths)
    # A permuted view of (B, T, H, W, C) is channels-last memory as it is.
    images = np.stack([_lengthened(images, longest) for images, _ in samples])
    landmarks = np.stack([_lengthened(points, longest) for _, points in samples])
    return {
        "images": torch.from_numpy(images).permute(0, 1, 4, 2, 3),
        "landmarks": torch.from_numpy(landmarks),
        "lengths": torch.tensor(lengths),
    }


def _lengthened(values: np.ndarray, length: int) -> np.ndarray:
    return values[np.minimum(np.arange(length), len(values) - 1)]

"""The mouth of a clip as a lip-reading network sees it: a window that follows the mouth, grey, 88 x 88.

SPECTRE's numbers hold for a face that fills a crop of 224 pixels, as `face_crop(image, landmarks, "spectre")` cuts it.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from face3d.errors import ArgumentError, InputError

__all__ = ["MOUTH_INPUT", "MOUTH_WINDOW", "fill_missing", "mouth_crops", "mouth_windows"]

Points = TypeVar("Points", np.ndarray, Tensor)

MOUTH_WINDOW = 96
"""Side of the window that is cut around the mouth, pixels."""

MOUTH_INPUT = 88
"""Side of its middle, which the network sees."""

SMOOTHED_FRAMES = 12
"""The window's place is smoothed over half of these before and after a frame."""

LUMA = (0.2989, 0.587, 0.114)
"""Of red, green and blue in the grey image."""

MEAN, DEVIATION = 0.421, 0.165
"""Of grey values over the training data of the lip-reading network, as its authors give them."""

_CROP_UNITS = 3.0
"""Landmarks no larger than this are in [-1, 1] over the image: a face of six pixels has no mouth to read."""


def mouth_windows(landmarks: Points, image_size: int | tuple[int, int]) -> Points:
    """Where the window of 96 pixels lies in each frame of a clip.

    It follows the mouth's middle with the jitter of landmarks taken out: the face's shape is averaged over up to six
    frames before and as many after, fewer at the clip's ends, and put where the frame's own face is. The window stays
    inside of the image.

    Args:
        landmarks: (T, 68, 2) pixels, or [-1, 1] over the image, as SPECTRE has them; further columns are ignored.
        image_size: (width, height) pixels, or the side of a square one.

    Returns:
        (T, 2) whole pixels x, y of each window's top-left corner, an array or a tensor as the landmarks are.

    Raises:
        InputError: a frame's landmarks are not finite, or its mouth lies outside of the image.
        ArgumentError: the landmarks have another shape, or the image is smaller than the window.
    """
    given = landmarks.detach().cpu().numpy() if isinstance(landmarks, Tensor) else np.asarray(landmarks)
    if given.ndim != 3 or given.shape[1] != 68 or given.shape[2] < 2 or not len(given):
        raise ArgumentError(f"a clip's landmarks are (T, 68, 2), not {tuple(given.shape)}")
    size = np.array((image_size, image_size) if isinstance(image_size, int) else image_size)
    if (size < MOUTH_WINDOW).any():
        raise ArgumentError(f"an image of {size[0]} x {size[1]} pixels is smaller than the mouth's {MOUTH_WINDOW}")
    points = given[..., :2].astype(np.float64)
    missing = np.flatnonzero(~np.isfinite(points).all(axis=(1, 2)))
    _refuse(missing, "has no landmarks", "fill gaps with fill_missing, or leave it out")
    if np.abs(points).max() <= _CROP_UNITS:
        points = (points + 1) * (size / 2)
    mouth, face = points[:, 48:68].mean(axis=1), points.mean(axis=1)
    outside = np.flatnonzero(~((mouth >= 0) & (mouth < size)).all(axis=1))
    _refuse(outside, "has its mouth outside of the image", "leave such frames out")
    centre = np.round(face + _smoothed(mouth - face)).astype(np.int64)
    corners = np.clip(centre - MOUTH_WINDOW // 2, 0, size - MOUTH_WINDOW)
    return torch.from_numpy(corners) if isinstance(landmarks, Tensor) else corners


def mouth_crops(
    frames: Float[Tensor, "T 3 H W"], windows: Int[Tensor, "T 2"] | Int[np.ndarray, "T 2"]
) -> Float[Tensor, "T 88 88"]:
    """The mouths of a clip's frames as `VisualFrontEnd` takes them; gradients reach the pixels, not the windows.

    Args:
        frames: RGB in [0, 1].
        windows: as `mouth_windows` gives them.

    Raises:
        ArgumentError: there are not as many windows as frames, or one does not lie in its frame.
    """
    corners = [tuple(map(int, corner)) for corner in windows]
    height, width = frames.shape[-2:]
    if len(corners) != len(frames):
        raise ArgumentError(f"{len(frames)} frames have {len(corners)} mouth windows")
    if any(not (0 <= x <= width - MOUTH_WINDOW and 0 <= y <= height - MOUTH_WINDOW) for x, y in corners):
        raise ArgumentError(f"a mouth window does not lie in frames of {width} x {height} pixels")
    margin = (MOUTH_WINDOW - MOUTH_INPUT) // 2
    cut = torch.stack(
        [
            frame[:, y + margin : y + margin + MOUTH_INPUT, x + margin : x + margin + MOUTH_INPUT]
            for frame, (x, y) in zip(frames, corners, strict=True)
        ]
    )
    grey = (cut * cut.new_tensor(LUMA)[:, None, None]).sum(dim=1)
    return (grey - MEAN) / DEVIATION


def fill_missing(landmarks: Float[np.ndarray, "T N C"]) -> Float[np.ndarray, "T N C"]:
    """Landmarks with frames of NaN filled: linear in time between sightings, the nearest one's before and after.

    Raises:
        InputError: no frame has landmarks.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    found = np.flatnonzero(np.isfinite(points).all(axis=tuple(range(1, points.ndim))))
    if not len(found):
        raise InputError("no frame of the clip has landmarks")
    frames = np.arange(len(points))
    columns = points.reshape(len(points), -1)
    filled = [np.interp(frames, found, column[found]) for column in columns.T]
    return np.stack(filled, axis=1).reshape(points.shape)


def _smoothed(values: Float[np.ndarray, "T 2"]) -> Float[np.ndarray, "T 2"]:
    """Means over as many frames before as after, half of `SMOOTHED_FRAMES` where the clip's ends leave that many."""
    frames = np.arange(len(values))
    reach = np.minimum(np.minimum(frames, len(values) - 1 - frames), SMOOTHED_FRAMES // 2)
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(values, axis=0)])
    return (sums[frames + reach + 1] - sums[frames - reach]) / (2 * reach + 1)[:, None]


def _refuse(frames: Int[np.ndarray, " F"], what: str, remedy: str) -> None:
    if len(frames):
        more = f" (and {len(frames) - 1} more)" if len(frames) > 1 else ""
        raise InputError(f"frame {frames[0]} of the clip{more} {what}; {remedy}")

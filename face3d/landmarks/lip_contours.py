"""Where the lips are in a picture: their outer borders and the edges that the mouth opens between.

A detector's landmarks say about where a mouth is; that it is off by some millimetres, the same way all through a clip,
they do not show. This reads the pixels between: the picture of the mouth, laid upright by the landmarks, goes through a
small network that tells along nine upright lines where the skin ends, where the upper lip ends, where the lower lip
begins and where the skin begins again, where the corners are, and how sure that is. It was trained on drawn people
alone (`flame_assets/build/train_lip_reader.py`), whose lips are known to a fraction of a pixel.

A reading depends on the frame and its landmarks alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from face3d.assets import open_head_path
from face3d.errors import MissingAssetError
from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.lip_kernels import sample_mouth, told

__all__ = [
    "BETWEEN_CORNERS",
    "COLUMNS",
    "EDGES",
    "INNER",
    "OUTER",
    "READINGS",
    "UNREAD",
    "MouthFrames",
    "laid_upright",
    "mouth_clues",
    "mouth_frames",
    "read_lips",
]

OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
"""MediaPipe's lip landmarks, from the subject's right corner over the lower lip to the left one and back above."""

BETWEEN_CORNERS = tuple(mark for mark in OUTER + INNER if mark not in (61, 78, 291, 308))
"""Those of them that `read_lips` tells better: all but the corners, whose places MediaPipe knows as well."""

COLUMNS = (-0.8, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8)
"""Where the upright lines are, as shares of half the mouth's width."""

EDGES = ("upper_outer", "upper_inner", "lower_inner", "lower_outer")
"""What is read along each, from above."""

READINGS = len(EDGES) * len(COLUMNS) + 2
"""R: the edges, each along all lines, as pixels upwards; then right and left corner, as pixels along."""

UNREAD: Float[ndarray, "R 2"] = np.full((READINGS, 2), (0.0, np.inf), np.float32)
"""What is read where nothing can be said."""

UNREAD.setflags(write=False)

PATCH = (40, 28)
"""Rows and columns of the upright picture."""

WIDER = 1.2
"""What it shows to either side, next to half the mouth's width."""

MARGIN = 0.06
"""What it shows above and below the lips, as a share of the face's size: 5 mm."""

SMALLEST = 25.0
"""Pixels of a mouth's width below which nothing is read."""

LEAST_CONTRAST = 4.0
"""Grey levels: standard deviation that a picture is taken to have at least."""

FEWEST_INSIDE = 0.9
"""Share of the picture of the mouth that must lie inside the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class MouthFrames:
    """Upright axes of the mouth in T pictures, by the detector's landmarks.

    Attributes:
        centre: (T, 2) pixels.
        along: (T, 2) unit vectors from the subject's right corner to the left one; up: (T, 2) at right angles to them.
        half_width: (T,) pixels from the middle to the corners; half_height: (T,) to a little outside of the lips.
    """

    centre: Float[ndarray, "T 2"]
    along: Float[ndarray, "T 2"]
    up: Float[ndarray, "T 2"]
    half_width: Float[ndarray, " T"]
    half_height: Float[ndarray, " T"]

    def __getitem__(self, part: slice | Int[ndarray, " S"]) -> MouthFrames:
        return MouthFrames(*(getattr(self, name)[part] for name in MouthFrames.__slots__))


def mouth_frames(points: Float[ndarray, "T N 3"]) -> MouthFrames:
    """The axes by MediaPipe's landmarks (468 or more), pixels."""
    points = points[..., :2].astype(np.float64)
    right, left = points[:, OUTER[0]], points[:, OUTER[10]]
    width = np.maximum(np.linalg.norm(left - right, axis=1), 1e-3)
    along = (left - right) / width[:, None]
    up = np.stack([along[:, 1], -along[:, 0]], axis=1)
    middle = 0.5 * (left + right)
    height = np.einsum("tnc,tc->tn", points[:, OUTER + INNER] - middle[:, None], up)
    low, high = height.min(axis=1), height.max(axis=1)
    # Turned aside, a face keeps its height, and bent forward its width.
    nose = np.linalg.norm(points[:, 168] - points[:, 2], axis=1)
    eyes = np.linalg.norm(points[:, 33] - points[:, 263], axis=1)
    size = np.sqrt(0.5 * (eyes**2 + (1.6 * nose) ** 2))
    return MouthFrames(
        centre=middle + (0.5 * (low + high))[:, None] * up,
        along=along,
        up=up,
        half_width=0.5 * width,
        half_height=0.5 * (high - low) + MARGIN * size,
    )


def read_lips(image: UInt8[ndarray, "H W 3"], face: FaceLandmarks) -> Float[ndarray, "R 2"] | None:
    """Read the lips of a face.

    Args:
        image: RGB.
        face: in it, as MediaPipe found it.

    Returns:
        (READINGS, 2) single precision: pixels in the `mouth_frames` of the face's landmarks, and their standard
        deviations, infinite where nothing can be said. None where landmarks are not MediaPipe's.
    """
    if not face.topology.startswith("mediapipe_4"):
        return None
    # In single precision, as they are stored, so that all who lay the mouth upright by them do so alike.
    points = face.points[None].astype(np.float32)
    if not np.isfinite(points[0, OUTER + INNER, :2]).all():
        return UNREAD
    mouth = mouth_frames(points)
    if 2 * mouth.half_width[0] < SMALLEST:
        return UNREAD
    patch, inside = laid_upright(image, mouth)
    if inside < FEWEST_INSIDE:
        return UNREAD
    answer = _network_says(patch, mouth_clues(points, mouth)[0])
    unit = np.repeat([mouth.half_height[0], mouth.half_width[0]], [READINGS - 2, 2])
    sigma = np.exp(answer[READINGS:].astype(np.float64)) * unit
    return np.stack([answer[:READINGS] * unit, sigma], axis=1).astype(np.float32)


def laid_upright(image: UInt8[ndarray, "H W 3"], mouth: MouthFrames) -> tuple[Float[ndarray, "h w 3"], float]:
    """The picture of the first mouth, upright, and the share of it that lies inside the image."""
    patch = np.empty((*PATCH, 3), np.float32)
    inside = sample_mouth(
        np.ascontiguousarray(image),
        mouth.centre[0],
        mouth.along[0],
        mouth.up[0],
        WIDER * float(mouth.half_width[0]),
        float(mouth.half_height[0]),
        patch,
    )
    return patch, float(inside)


def mouth_clues(points: Float[ndarray, "T N 3"], mouth: MouthFrames) -> Float[ndarray, "T C"]:
    """What the network is told beside the picture: the lips' landmarks in the mouth's axes, and its form."""
    away = points[:, OUTER + INNER, :2].astype(np.float64) - mouth.centre[:, None]
    x = np.einsum("tnc,tc->tn", away, mouth.along) / mouth.half_width[:, None]
    y = np.einsum("tnc,tc->tn", away, mouth.up) / mouth.half_height[:, None]
    form = np.log(mouth.half_height / mouth.half_width)
    size = np.log(mouth.half_width / 40.0)
    return np.concatenate([x, y, form[:, None], size[:, None]], axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def _weights() -> Mapping[str, Float[ndarray, ...]]:
    """The network that ships, made by flame_assets/build/train_lip_reader.py."""
    path = open_head_path().with_name("lip_reader.npz")
    if not path.is_file():
        raise MissingAssetError(f"{path} is missing; it ships with face3d: reinstall it")
    with np.load(path, allow_pickle=False) as file:
        return {name: np.ascontiguousarray(file[name].astype(np.float32)) for name in file.files}


@lru_cache(maxsize=1)
def _layers() -> tuple[Any, Any]:
    """Of that network, in their order: convolutions with their strides, then those over all values."""
    weights = _weights()
    convolutions = tuple(
        (weights[f"{name}_weights"], weights[f"{name}_bias"], stride)
        for name, stride in (("first", 2), ("second", 2), ("third", 1))
    )
    return convolutions, tuple((weights[f"{name}_weights"], weights[f"{name}_bias"]) for name in ("hidden", "answer"))


def _network_says(patch: Float[ndarray, "h w 3"], clues: Float[ndarray, " C"]) -> Float[ndarray, " 2R"]:
    weights = _weights()
    answer = np.empty(weights["answer_bias"].shape, np.float32)
    told(patch, (clues - weights["clues_mean"]) / weights["clues_spread"], LEAST_CONTRAST, *_layers(), answer)
    return answer

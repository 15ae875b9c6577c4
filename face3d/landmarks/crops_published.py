"""The crops that published networks take, each with the transform that made it.

| kind | size | rule |
|---|---|---|
| arcface | 112 or 224 | similarity of five points onto insightface's template |
| deca | 224 | upright square around 68 points: mean side x 1.1 x 1.25 |
| spectre | 224 | upright square around 68 points: mean side x 1.6 |
| fan | 256 | upright square of 200 pixels x scale around a box, raised by 12 % |
| ffhq | 1024 | square turned with the eyes and the mouth (Karras et al. 2019) |

Matrices map face3d's pixels to face3d's pixels. The systems themselves count from the first pixel's centre;
`Square.matrix` is in that rule, for parity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Num, UInt8
from numpy import ndarray
from scipy.ndimage import map_coordinates

from face3d.errors import ArgumentError, InputError
from face3d.landmarks.crops import arcface_crop, crop_frame, cut_out, map_points, similarity_crop, unmap_points
from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.fan_geometry import fan_crop, fan_frame
from face3d.landmarks.topologies import convert_points
from face3d.media.photo import as_rgb

__all__ = ["Crop", "CropKind", "Square", "SquareRule", "face_crop", "ffhq_frame", "nearest_to_centre", "square_crop"]

CropKind = Literal["arcface", "deca", "spectre", "fan", "ffhq"]
SquareRule = Literal["deca_points", "deca_box", "spectre", "now"]

CROP_SIZES = {"arcface": 112, "deca": 224, "spectre": 224, "fan": 256, "ffhq": 1024}
"""Pixels a side, where no other size is asked for."""

_SQUARE_RULES: dict[str, tuple[float, float, float]] = {
    "deca_points": (1.1, 0.0, 1.25),
    "deca_box": (1.0, 0.12, 1.25),
    "spectre": (1.0, 0.0, 1.6),
    "now": (1.0, 0.0, 1.6),
}
"""Factor on the mean side, shift of the centre down as a share of that, factor to the crop's side.

DECA by landmarks and by a detector's box, SPECTRE by landmarks, and what MICA and DECA evaluate NoW with.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A piece of an image and where it comes from.

    Attributes:
        pixels: RGB; uint8, but float32 in [0, 1] from the DECA and SPECTRE rules, whose networks take it unrounded.
        matrix: (2, 3) from image to crop, both in face3d's pixels.
    """

    pixels: Num[ndarray, "S S 3"]
    matrix: Float[ndarray, "2 3"]

    def to_crop(self, points: Float[ndarray, "N C"]) -> Float[ndarray, "N C"]:
        """Points of the image in the crop; a third coordinate is a depth and takes the scale alone."""
        return map_points(self.matrix, np.asarray(points, dtype=np.float64))

    def to_image(self, points: Float[ndarray, "N C"]) -> Float[ndarray, "N C"]:
        """Points of the crop in the image; the inverse of `to_crop`."""
        return unmap_points(self.matrix, np.asarray(points, dtype=np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class Square:
    """The upright square that DECA, SPECTRE and their kin cut out.

    Attributes:
        centre: (2,) in the pixel rule of what it was made from.
        side: whole pixels.
    """

    centre: Float[ndarray, " 2"]
    side: int

    @classmethod
    def around(
        cls,
        points_or_box: Float[ndarray, "N 2"] | Float[ndarray, " 4"],
        rule: SquareRule,
        *,
        scale: float | None = None,
    ) -> Square:
        """The square around landmarks, or around a box x0, y0, x1, y1, by a system's rule.

        Args:
            points_or_box: in pixels.
            rule: the system's name.
            scale: from the size of the face to the crop's side, for training; None takes the system's own.

        Raises:
            ArgumentError: there is no such rule.
            InputError: what is given is not finite, or less than a pixel large.
        """
        if rule not in _SQUARE_RULES:
            raise ArgumentError(f"there is no rule {rule!r} for a crop; choose {', '.join(_SQUARE_RULES)}")
        factor, shift, usual = _SQUARE_RULES[rule]
        given = np.asarray(points_or_box, dtype=np.float64)
        corners = given.reshape(2, 2) if given.shape == (4,) else given[:, :2]
        if not len(corners) or not np.isfinite(corners).all():
            raise InputError("cannot crop around points that are not finite; leave those faces out")
        low, high = corners.min(axis=0), corners.max(axis=0)
        size = float((high - low).mean()) * factor
        side = int(size * (usual if scale is None else scale))
        if side < 1:
            raise InputError(f"cannot crop around points that lie within {size:.2g} pixels")
        return cls((low + high) / 2 + [0.0, shift * size], side)

    def matrix(self, size: int = 224) -> Float[ndarray, "2 3"]:
        """From image to crop, counting from the first pixel's centre in both: the corners go to 0 and size - 1."""
        scale = (size - 1) / self.side
        return np.column_stack([np.eye(2) * scale, (self.side / 2 - self.centre) * scale])

    def pixel_matrix(self, size: int = 224) -> Float[ndarray, "2 3"]:
        """From image to crop in face3d's pixels, for a square that was made in them."""
        scale = (size - 1) / self.side
        # A point p counts p - 0.5 from the first pixel's centre, and so does the square's centre.
        shift = (self.side / 2 - self.centre) * scale
        return np.column_stack([np.eye(2) * scale, shift + 0.5])


def square_crop(image: UInt8[ndarray, "H W 3"], square: Square, size: int = 224) -> Crop:
    """Cut a square out as DECA and SPECTRE do: bilinear without averaging, black beyond the image, in [0, 1].

    Args:
        image: RGB.
        square: in face3d's pixels.
        size: side of the crop, pixels.
    """
    matrix = square.pixel_matrix(size)
    image = as_rgb(image)
    height, width = image.shape[:2]
    centres = unmap_points(matrix, np.repeat(np.arange(size)[:, None] + 0.5, 2, axis=1)) - 0.5
    low = np.clip(np.floor(centres[0]).astype(int) - 1, 0, [width - 1, height - 1])
    high = np.clip(np.ceil(centres[-1]).astype(int) + 2, low + 1, [width, height])
    region = image[low[1] : high[1], low[0] : high[0]].astype(np.float64) / 255
    down, right = np.meshgrid(centres[:, 1] - low[1], centres[:, 0] - low[0], indexing="ij")
    channels = [
        map_coordinates(region[..., channel], [down, right], order=1, mode="grid-constant") for channel in range(3)
    ]
    return Crop(np.stack(channels, axis=-1).astype(np.float32), matrix)


def ffhq_frame(points68: Float[ndarray, "68 2"], size: int = 1024) -> Float[ndarray, "2 3"]:
    """From image to an FFHQ-style crop, both in face3d's pixels (Karras et al. 2019, the data set's alignment).

    The square's side is 4 distances of the eyes or 3.6 from eyes to mouth, whichever is more; it is turned by the mean
    of the two directions.

    Raises:
        InputError: the points are not finite or lie in one place.
    """
    points = np.asarray(points68, dtype=np.float64)[:, :2]
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise InputError("an FFHQ crop takes 68 finite points")
    right_eye, left_eye = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    eyes = (right_eye + left_eye) / 2
    across, down = left_eye - right_eye, (points[48] + points[54]) / 2 - eyes
    direction = across + np.array([down[1], -down[0]])
    length = float(np.hypot(*direction))
    if length < 1e-6:
        raise InputError("cannot crop around a face whose points are all in one place")
    half = max(2.0 * np.hypot(*across), 1.8 * np.hypot(*down))
    return crop_frame(eyes + 0.1 * down, 2 * half, float(np.arctan2(direction[1], direction[0])), size)


def face_crop(
    image: UInt8[ndarray, "H W 3"], landmarks: FaceLandmarks, kind: CropKind = "arcface", *, size: int | None = None
) -> Crop:
    """The crop of a face that a published network takes.

    Args:
        image: RGB; other forms as `face3d.media.photo.as_rgb` takes them.
        landmarks: of the face, any set with a way to 68 or 5 points.
        kind: which network's.
        size: pixels a side; None takes the network's own.

    Raises:
        ArgumentError: there is no such crop, size, or way from these landmarks.
        InputError: the points are not finite, or the crop lies outside of the image.
    """
    if kind not in get_args(CropKind):
        raise ArgumentError(f"there is no crop {kind!r}; choose {', '.join(get_args(CropKind))}")
    side = CROP_SIZES[kind] if size is None else size
    if side < 1 or (kind == "fan" and side != CROP_SIZES["fan"]):
        raise ArgumentError(f"a crop {kind!r} of {side} pixels cannot be made")
    image = as_rgb(image)
    points = landmarks.points[:, :2]
    if kind == "arcface":
        five = convert_points(points, landmarks.topology, "arcface_5")
        matrix = similarity_crop(five - 0.5, side)
        return Crop(arcface_crop(image, five, side), in_pixels(matrix))
    if kind == "fan":
        return Crop(*fan_crop(image, fan_frame(landmarks.box)))
    fixed = landmarks.topology == "ibug_68_fixed"
    points68 = points if fixed else convert_points(points, landmarks.topology, "ibug_68")
    if kind == "ffhq":
        matrix = ffhq_frame(points68, side)
        return Crop(cut_out(image, matrix, side), matrix)
    return square_crop(image, Square.around(points68, "deca_points" if kind == "deca" else "spectre"), side)


def in_pixels(matrix: Float[ndarray, "2 3"]) -> Float[ndarray, "2 3"]:
    """A matrix between images that count from the first pixel's centre, in face3d's pixels on both sides."""
    shift = matrix[:, 2] - matrix[:, :2] @ [0.5, 0.5] + 0.5
    return np.column_stack([matrix[:, :2], shift])


def nearest_to_centre(boxes: Float[ndarray, "N 4"], image_size: tuple[int, int]) -> int:
    """Which face MICA takes of several: the one whose box centre is nearest to the middle of the image.

    Args:
        boxes: x0, y0, x1, y1; rows with NaN are no faces.
        image_size: (width, height) in pixels.

    Raises:
        InputError: there is no face.
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, np.shape(boxes)[-1] if np.size(boxes) else 4)
    centres = (boxes[:, :2] + boxes[:, 2:4]) / 2
    distances = np.linalg.norm(centres - np.array([image_size[0] // 2, image_size[1] // 2]), axis=1)
    if not np.isfinite(distances).any():
        raise InputError("there is no face box to choose from")
    return int(np.nanargmin(distances))

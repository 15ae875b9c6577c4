"""Cutting faces out of images: similarity transforms, ArcFace's aligned crop, and resampling without aliasing."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from face3d.compiled import compiled
from face3d.errors import ArgumentError, InputError

__all__ = ["arcface_crop", "crop_frame", "cut_out", "map_points", "similarity", "similarity_crop", "unmap_points"]

ARCFACE_TEMPLATE_112: Float[np.ndarray, "5 2"] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    dtype=np.float32,
).astype(np.float64)
"""Where the five points lie in a 112 x 112 crop (insightface, `face_align.py`), first pixel's centre at (0, 0).

In single precision, as there.
"""
ARCFACE_TEMPLATE_112.setflags(write=False)


def similarity(source: Float[np.ndarray, "N 2"], target: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "2 3"]:
    """The rotation, uniform scale and shift that carry source to target in the least-squares sense, never mirrored.

    Umeyama 1991 in the plane: with points as complex numbers about their means, the best factor is
    conj(source) . target / |source|^2; being one complex number it cannot reflect.

    Raises:
        InputError: points that are not finite or coincide.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InputError("cannot align a face whose points are not finite")
    matrix = np.empty((2, 3))
    if not _fit_similarity(source, target, matrix):
        raise InputError("cannot align a face whose points are all in one place")
    return matrix


@compiled
def _fit_similarity(source, target, matrix):  # type: ignore[no-untyped-def]
    """Fill in the matrix of `similarity`; False where the points lie in one place."""
    count = len(source)
    means = np.zeros(4)
    for n in range(count):
        means[0] += source[n, 0] / count
        means[1] += source[n, 1] / count
        means[2] += target[n, 0] / count
        means[3] += target[n, 1] / count
    size, real, imaginary = 0.0, 0.0, 0.0
    for n in range(count):
        x, y = source[n, 0] - means[0], source[n, 1] - means[1]
        u, v = target[n, 0] - means[2], target[n, 1] - means[3]
        size += x * x + y * y
        real += x * u + y * v
        imaginary += x * v - y * u
    if size <= 1e-12:
        return False
    real, imaginary = real / size, imaginary / size
    matrix[0, 0], matrix[0, 1], matrix[0, 2] = real, -imaginary, means[2] - real * means[0] + imaginary * means[1]
    matrix[1, 0], matrix[1, 1], matrix[1, 2] = imaginary, real, means[3] - imaginary * means[0] - real * means[1]
    return True


def similarity_crop(points5: Float[np.ndarray, "5 2"], size: int) -> Float[np.ndarray, "2 3"]:
    """The matrix from image to ArcFace crop, as insightface's `norm_crop` makes it.

    Args:
        points5: eye in the image's left, eye in its right, nose tip, mouth corner left, mouth corner right. In the
            pixel rule of the template, OpenCV's: first pixel's centre at (0, 0). Subtract 0.5 from face3d's pixels, or
            call `arcface_crop`, which does.
        size: side of the crop, pixels; a multiple of 112, or of 128 (then the face sits 8 of 128 further right).

    Returns:
        (2, 3) float64, from image to crop, both in that pixel rule, as `cv2.warpAffine` takes it.

    Raises:
        ArgumentError: another size or shape.
        InputError: points that are not finite or coincide.
    """
    points = np.asarray(points5, dtype=np.float64)
    if points.shape != (5, 2):
        raise ArgumentError(f"an ArcFace crop takes five points (5, 2), got {points.shape}")
    if size <= 0 or (size % 112 and size % 128):
        raise ArgumentError(f"the size of an ArcFace crop is a multiple of 112 or of 128, got {size}")
    ratio, shift = (size / 112, 0.0) if size % 112 == 0 else (size / 128, 8.0 * size / 128)
    return similarity(points, ARCFACE_TEMPLATE_112 * ratio + [shift, 0.0])


def arcface_crop(
    image: UInt8[np.ndarray, "H W 3"], points5: Float[np.ndarray, "5 2"], size: int = 112
) -> UInt8[np.ndarray, "S S 3"]:
    """The aligned crop that ArcFace networks take: bilinear, black beyond the image, as insightface makes it.

    Args:
        image: RGB.
        points5: as for `similarity_crop`, but in face3d's pixels.
        size: side of the crop, a multiple of 112 or 128.
    """
    matrix = similarity_crop(np.asarray(points5, dtype=np.float64) - 0.5, size)
    return np.asarray(cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR), dtype=np.uint8)


def crop_frame(
    centre: Float[np.ndarray, " 2"], side: float, angle: float, size: int, *, mirrored: bool = False
) -> Float[np.ndarray, "2 3"]:
    """The matrix from image to a square crop, both in face3d's pixels.

    Args:
        centre: middle of the square in the image, pixels.
        side: its side in the image, pixels.
        angle: radians; the image direction (cos, sin) becomes the crop's +x.
        size: side of the crop, pixels.
        mirrored: flip the crop left to right.
    """
    cosine, sine = np.cos(angle) * size / side, np.sin(angle) * size / side
    linear = np.array([[cosine, sine], [-sine, cosine]])
    if mirrored:
        linear[0] *= -1
    return np.column_stack([linear, size / 2 - linear @ centre])


def map_points(matrix: Float[np.ndarray, "2 3"], points: Float[np.ndarray, "N C"]) -> Float[np.ndarray, "N C"]:
    """Points through a crop's matrix; a third coordinate is a depth and takes the scale alone."""
    mapped = points.copy()
    mapped[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    mapped[:, 2:] *= _scale(matrix)
    return mapped


def unmap_points(matrix: Float[np.ndarray, "2 3"], points: Float[np.ndarray, "N C"]) -> Float[np.ndarray, "N C"]:
    """Points of a crop back in the image; the inverse of `map_points`."""
    inverse = np.linalg.inv(matrix[:, :2])
    return map_points(np.column_stack([inverse, -inverse @ matrix[:, 2]]), points)


def _scale(matrix: Float[np.ndarray, "2 3"]) -> float:
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def cut_out(
    image: UInt8[np.ndarray, "H W 3"], matrix: Float[np.ndarray, "2 3"], size: int
) -> UInt8[np.ndarray, "S S 3"]:
    """Resample an image into a square crop, averaging where it shrinks; beyond the image its border is repeated.

    Args:
        image: RGB.
        matrix: from image to crop, both in face3d's pixels, as `crop_frame` makes it.
        size: side of the crop, pixels.
    """
    height, width = image.shape[:2]
    corners = unmap_points(matrix, np.array([[0.0, 0.0], [size, 0.0], [size, size], [0.0, size]]))
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, [width - 1, height - 1])
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, low + 1, [width, height])
    region = image[low[1] : high[1], low[0] : high[0]]
    shrink = np.array([1.0, 1.0])
    scale = _scale(matrix)
    if scale < 1:
        # Area averaging first: the bilinear step then works near scale 1 and does not alias.
        target = np.maximum(np.ceil((high - low) * scale).astype(int), 1)
        shrink = target / (high - low)
        region = cv2.resize(region, (int(target[0]), int(target[1])), interpolation=cv2.INTER_AREA)
    linear = matrix[:, :2] / shrink
    shift = matrix[:, 2] + matrix[:, :2] @ low
    # OpenCV counts from the first pixel's centre, face3d from its corner.
    shift = shift + linear @ [0.5, 0.5] - 0.5
    interpolation = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    warped = cv2.warpAffine(
        np.ascontiguousarray(region),
        np.column_stack([linear, shift]),
        (size, size),
        flags=interpolation,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, dtype=np.uint8)

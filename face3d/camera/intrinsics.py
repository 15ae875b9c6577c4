"""The pinhole camera of one image, and where its focal length comes from: the user, EXIF, or a guess."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from face3d.errors import ArgumentError
from face3d.media.photo import Photo

__all__ = [
    "EXIF_CROPPED_SIGMA",
    "EXIF_FOCAL_SIGMA",
    "FULL_FRAME_DIAGONAL_MM",
    "PHONE_FOCAL_35MM",
    "PRIOR_FOCAL_SIGMA",
    "Intrinsics",
    "checked_size",
    "choose_intrinsics",
    "intrinsics_from_exif",
    "intrinsics_from_fov",
    "intrinsics_from_values",
    "intrinsics_prior",
]

FULL_FRAME_DIAGONAL_MM = 43.27
"""Diagonal of the 36 mm x 24 mm frame; CIPA DCG-001 defines the 35 mm-equivalent focal length by the diagonal."""

PHONE_FOCAL_35MM = 26.0
"""Median 35 mm-equivalent focal length of phone main cameras (most lie between 23 and 28 mm)."""

PRIOR_FOCAL_SIGMA = 0.25
"""Relative sigma (of the log) when nothing is known: +-2 sigma is 16 to 43 mm, wide selfie camera to standard lens."""

EXIF_FOCAL_SIGMA = 0.02
"""Relative sigma of an EXIF focal length: whole millimetres, breathing at close focus, distortion correction."""

EXIF_CROPPED_SIGMA = 0.15
"""Relative sigma when the image seems to have been cropped after EXIF was written."""

CAMERA_SHAPES = (4 / 3, 3 / 2, 16 / 9, 1.0)
"""Shapes (longer over shorter side) that cameras write; another one was probably cropped."""

SHAPE_TOLERANCE = 0.015
"""Of the logarithm of a shape; cameras round sides to multiples of 16."""

PLAUSIBLE_FOCAL_35MM = (5.0, 2000.0)
"""35 mm-equivalent focal lengths outside this range are writer's errors (0 means unknown in EXIF) and are ignored."""

Source = Literal["given", "exif", "fov", "prior"]


@dataclass(frozen=True, slots=True, eq=False)
class Intrinsics:
    """The pinhole camera of one image.

    Attributes:
        matrix: (3, 3) float64 K in pixels of the original upright image; first pixel's centre at (0.5, 0.5).
        image_size: (width, height) pixels.
        focal_sigma: relative standard deviation (of the log) of the focal length; 0 when the user gave it.
        source: what the focal length was taken from.
    """

    matrix: Float[np.ndarray, "3 3"]
    image_size: tuple[int, int]
    focal_sigma: float
    source: Source

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            raise ArgumentError(
                f"intrinsics must be a finite 3x3 matrix in pixels, got {np.asarray(self.matrix).tolist()}"
            )
        if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
            raise ArgumentError(f"focal lengths must be positive pixels, got fx={matrix[0, 0]:g}, fy={matrix[1, 1]:g}")
        if not np.array_equal(matrix[2], [0, 0, 1]) or matrix[1, 0] != 0:
            raise ArgumentError("intrinsics must have the form [[fx, skew, cx], [0, fy, cy], [0, 0, 1]]")
        if not (math.isfinite(self.focal_sigma) and self.focal_sigma >= 0):
            raise ArgumentError(f"the focal length's relative sigma must be 0 or more, got {self.focal_sigma}")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "image_size", checked_size(self.image_size))

    @property
    def focal(self) -> float:
        """Geometric mean of fx and fy, pixels."""
        return math.sqrt(float(self.matrix[0, 0]) * float(self.matrix[1, 1]))

    @property
    def focal_35mm(self) -> float:
        """35 mm-equivalent focal length, millimetres, by the frame's diagonal."""
        return self.focal * FULL_FRAME_DIAGONAL_MM / math.hypot(*self.image_size)


def intrinsics_from_values(
    fx: float, fy: float, cx: float, cy: float, image_size: tuple[int, int], *, focal_sigma: float = 0.0
) -> Intrinsics:
    """Return intrinsics that the user knows.

    Args:
        fx: focal length along x, pixels.
        fy: focal length along y, pixels.
        cx: principal point, pixels from the image's left edge (OpenCV's calibration counts from the first pixel's
            centre: add 0.5 to its cx and cy).
        cy: principal point, pixels from the image's top edge.
        image_size: (width, height) pixels.
        focal_sigma: relative sigma of the focal length, 0 to hold it fixed.

    Raises:
        ArgumentError: a value is not finite, or a focal length or size is not positive.
    """
    matrix = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]], dtype=np.float64)
    return Intrinsics(matrix, image_size, focal_sigma, "given")


def intrinsics_from_exif(
    focal_35mm: float,
    image_size: tuple[int, int],
    *,
    focal_sigma: float = EXIF_FOCAL_SIGMA,
    frame_size: tuple[int, int] | None = None,
) -> Intrinsics:
    """Return intrinsics from a 35 mm-equivalent focal length, principal point in the middle.

    The equivalence is by the diagonal (CIPA DCG-001): focal / diagonal of the frame = focal_35mm / 43.27 mm. By the
    width, as often done, a 4:3 frame would come out 3.8 % wrong.

    Args:
        focal_35mm: millimetres.
        image_size: (width, height) pixels.
        focal_sigma: relative sigma of the focal length.
        frame_size: (width, height) pixels of the frame as taken, where the image was cut out of it; else image_size.

    Raises:
        ArgumentError: the focal length is not finite and positive, or a size is not positive.
    """
    diagonal = math.hypot(*checked_size(frame_size or image_size))
    return _centred(focal_35mm * diagonal / FULL_FRAME_DIAGONAL_MM, image_size, focal_sigma, "exif")


def intrinsics_from_fov(degrees: float, image_size: tuple[int, int]) -> Intrinsics:
    """Return intrinsics from the field of view along the image's LONGER side, principal point in the middle.

    Args:
        degrees: full angle, between 1 and 170.
        image_size: (width, height) pixels.

    Raises:
        ArgumentError: the angle is out of range or not finite.
    """
    if not 1.0 <= degrees <= 170.0:
        raise ArgumentError(f"the field of view is an angle along the longer side, 1 to 170 degrees; got {degrees}")
    longer = max(checked_size(image_size))
    return _centred(longer / 2 / math.tan(math.radians(degrees) / 2), image_size, 0.0, "fov")


def intrinsics_prior(image_size: tuple[int, int]) -> Intrinsics:
    """Return the guess for an unknown camera: a phone's main camera (26 mm equivalent), log-normal sigma 0.25."""
    diagonal = math.hypot(*checked_size(image_size))
    return _centred(PHONE_FOCAL_35MM * diagonal / FULL_FRAME_DIAGONAL_MM, image_size, PRIOR_FOCAL_SIGMA, "prior")


def choose_intrinsics(
    photo: Photo,
    *,
    intrinsics: Intrinsics | Sequence[float] | Float[np.ndarray, "3 3"] | None = None,
    fov: float | None = None,
) -> Intrinsics:
    """Return the best intrinsics known for a photo: given, else from the field of view, else EXIF, else the prior.

    Args:
        photo: the image and what its file says of the camera.
        intrinsics: `Intrinsics`, (fx, fy, cx, cy) or a 3x3 matrix, in pixels.
        fov: degrees along the longer side.

    Raises:
        ArgumentError: both are given, or a value is unusable, or `Intrinsics` of another image size.
    """
    if intrinsics is not None and fov is not None:
        raise ArgumentError("give either the intrinsics or the field of view, not both")
    size = photo.image_size
    if isinstance(intrinsics, Intrinsics):
        if intrinsics.image_size != size:
            raise ArgumentError(f"intrinsics are for a {intrinsics.image_size} image, but the photo is {size} (w, h)")
        return intrinsics
    if intrinsics is not None:
        values = np.asarray(intrinsics, dtype=np.float64)
        if values.shape == (3, 3):
            return Intrinsics(values, size, 0.0, "given")
        if values.shape != (4,):
            raise ArgumentError(f"intrinsics are four pixel numbers fx,fy,cx,cy, got an array of shape {values.shape}")
        fx, fy, cx, cy = values.tolist()
        return intrinsics_from_values(fx, fy, cx, cy, size)
    if fov is not None:
        return intrinsics_from_fov(fov, size)
    return _intrinsics_of_photo(photo)


def _intrinsics_of_photo(photo: Photo) -> Intrinsics:
    """EXIF's focal length with the doubts that the file itself raises, or the prior."""
    size, focal = photo.image_size, photo.focal_35mm
    if focal is None or not PLAUSIBLE_FOCAL_35MM[0] <= focal <= PLAUSIBLE_FOCAL_35MM[1]:
        return intrinsics_prior(size)
    sigma = EXIF_FOCAL_SIGMA
    # Apple's equivalent focal length contains the digital zoom, that of other phones not always (Hugin bug 2064625):
    # both readings stay possible.
    if photo.digital_zoom is not None and photo.digital_zoom > 1.0 and (photo.make or "").strip().lower() != "apple":
        focal *= math.sqrt(photo.digital_zoom)
        sigma = math.hypot(sigma, math.log(photo.digital_zoom) / 2)
    frame = photo.frame_size or size
    if not _same_shape(frame[0] / frame[1], size[0] / size[1]):
        cropped_only = frame[0] >= size[0] and frame[1] >= size[1]
        sigma = math.hypot(sigma, EXIF_CROPPED_SIGMA)
        return intrinsics_from_exif(focal, size, focal_sigma=sigma, frame_size=frame if cropped_only else None)
    if not any(_same_shape(max(size) / min(size), shape) for shape in CAMERA_SHAPES):
        sigma = math.hypot(sigma, EXIF_CROPPED_SIGMA)
    return intrinsics_from_exif(focal, size, focal_sigma=sigma)


def _same_shape(one: float, other: float) -> bool:
    return abs(math.log(one / other)) <= SHAPE_TOLERANCE


def _centred(focal: float, image_size: tuple[int, int], focal_sigma: float, source: Source) -> Intrinsics:
    width, height = checked_size(image_size)
    matrix = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    return Intrinsics(matrix, (width, height), focal_sigma, source)


def checked_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """Return (width, height) as integers.

    Raises:
        ArgumentError: they are not two positive numbers.
    """
    try:
        width, height = (int(side) for side in image_size)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"an image size is (width, height) in pixels, got {image_size!r}") from None
    if width <= 0 or height <= 0:
        raise ArgumentError(f"an image size must be positive, got {width} x {height}")
    return width, height

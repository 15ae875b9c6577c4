"""The pinhole camera: intrinsics and where they come from, projection, and the frames of other systems.

Frames and pixels are face3d's own everywhere outside the conversions below: camera frame OpenCV's (+x right, +y down,
+z forward), metres, rigid transforms as 4x4 `camera_from_head`, pixel (0, 0) at the top-left corner of the top-left
pixel, so that the first pixel's centre is (0.5, 0.5) and the middle of the image is (width / 2, height / 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from face3d.errors import ArgumentError
from face3d.media.photo import Photo

__all__ = [
    "FULL_FRAME_DIAGONAL_MM",
    "Intrinsics",
    "choose_intrinsics",
    "from_colmap",
    "from_opengl",
    "from_pytorch3d",
    "intrinsics_from_exif",
    "intrinsics_from_fov",
    "intrinsics_from_values",
    "intrinsics_prior",
    "pixels_from_pytorch3d_ndc",
    "project",
    "pytorch3d_ndc_from_camera",
    "pytorch3d_ndc_from_pixels",
    "to_colmap",
    "to_opengl",
    "to_pytorch3d",
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
        object.__setattr__(self, "image_size", _checked_size(self.image_size))

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
    diagonal = math.hypot(*_checked_size(frame_size or image_size))
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
    longer = max(_checked_size(image_size))
    return _centred(longer / 2 / math.tan(math.radians(degrees) / 2), image_size, 0.0, "fov")


def intrinsics_prior(image_size: tuple[int, int]) -> Intrinsics:
    """Return the guess for an unknown camera: a phone's main camera (26 mm equivalent), log-normal sigma 0.25."""
    diagonal = math.hypot(*_checked_size(image_size))
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
    width, height = _checked_size(image_size)
    matrix = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    return Intrinsics(matrix, (width, height), focal_sigma, source)


def _checked_size(image_size: tuple[int, int]) -> tuple[int, int]:
    try:
        width, height = (int(side) for side in image_size)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"an image size is (width, height) in pixels, got {image_size!r}") from None
    if width <= 0 or height <= 0:
        raise ArgumentError(f"an image size must be positive, got {width} x {height}")
    return width, height


def project(
    points: Float[Tensor, "*B N 3"],
    camera_from_head: Float[Tensor, "*B 4 4"],
    intrinsics: Float[Tensor, "*B 3 3"],
) -> Float[Tensor, "*B N 2"]:
    """Project head-frame points to image pixels.

    Args:
        points: metres, head frame.
        camera_from_head: rigid transform into the OpenCV camera frame.
        intrinsics: K in pixels of the original image.

    Returns:
        Pixels, origin at the top-left corner of the top-left pixel. Points at or behind the camera give NaN (and no
        gradient).
    """
    rotation, translation = camera_from_head[..., :3, :3], camera_from_head[..., :3, 3]
    in_camera = points @ rotation.transpose(-1, -2) + translation[..., None, :]
    return _project_camera(in_camera, intrinsics)


def _project_camera(in_camera: Float[Tensor, "*B N 3"], intrinsics: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B N 2"]:
    depth = in_camera[..., 2:]
    visible = depth > 0
    # Dividing by 1 where the depth is unusable keeps NaN out of the gradients of the visible points.
    normalised = in_camera / torch.where(visible, depth, torch.ones_like(depth))
    pixels = (normalised @ intrinsics.transpose(-1, -2))[..., :2]
    return torch.where(visible, pixels, torch.full_like(pixels, torch.nan))


def to_opengl(camera_from_head: Float[Tensor, "*B 4 4"]) -> Float[Tensor, "*B 4 4"]:
    """Return the transform into the OpenGL, glTF and Blender camera frame: +x right, +y up, +z backwards."""
    return _flip(camera_from_head, (1.0, -1.0, -1.0, 1.0))


def from_opengl(camera_from_head: Float[Tensor, "*B 4 4"]) -> Float[Tensor, "*B 4 4"]:
    """Return the OpenCV-frame transform of an OpenGL, glTF or Blender one; the inverse of `to_opengl`."""
    return _flip(camera_from_head, (1.0, -1.0, -1.0, 1.0))


def _flip(transform: Float[Tensor, "*B 4 4"], signs: tuple[float, ...]) -> Float[Tensor, "*B 4 4"]:
    return transform * transform.new_tensor(signs)[:, None]


def to_colmap(camera_from_head: Float[Tensor, "*B 4 4"]) -> tuple[Float[Tensor, "*B 4"], Float[Tensor, "*B 3"]]:
    """Return COLMAP's pose: unit quaternion (w, x, y, z) with w >= 0, and translation in metres.

    COLMAP's axes are OpenCV's and its first pixel's centre is (0.5, 0.5) as here, so K needs no change.
    """
    xyzw = roma.rotmat_to_unitquat(camera_from_head[..., :3, :3])
    wxyz = roma.quat_xyzw_to_wxyz(xyzw)
    wxyz = torch.where(wxyz[..., :1] < 0, -wxyz, wxyz)
    return wxyz, camera_from_head[..., :3, 3]


def from_colmap(quaternion: Float[Tensor, "*B 4"], translation: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 4 4"]:
    """Return the transform of a COLMAP pose (quaternion w, x, y, z of any length); the inverse of `to_colmap`."""
    unit = quaternion / quaternion.norm(dim=-1, keepdim=True)
    return _rigid(roma.unitquat_to_rotmat(roma.quat_wxyz_to_xyzw(unit)), translation)


def _rigid(rotation: Float[Tensor, "*B 3 3"], translation: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 4 4"]:
    top = torch.cat([rotation, translation[..., None]], dim=-1)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], dim=-2)


def pytorch3d_ndc_from_pixels(pixels: Float[Tensor, "*B N 2"], image_size: tuple[int, int]) -> Float[Tensor, "*B N 2"]:
    """Return PyTorch3D's NDC: +x left, +y up, the shorter side spans [-1, 1], the middle of the image at 0.

    Args:
        pixels: face3d's rule.
        image_size: (width, height) pixels.
    """
    middle = pixels.new_tensor(image_size) / 2
    return (middle - pixels) / (min(image_size) / 2)


def pixels_from_pytorch3d_ndc(ndc: Float[Tensor, "*B N 2"], image_size: tuple[int, int]) -> Float[Tensor, "*B N 2"]:
    """Return pixels of PyTorch3D NDC points; the inverse of `pytorch3d_ndc_from_pixels`."""
    middle = ndc.new_tensor(image_size) / 2
    return middle - ndc * (min(image_size) / 2)


def pytorch3d_ndc_from_camera(
    points: Float[Tensor, "*B N 3"], intrinsics: Float[Tensor, "*B 3 3"], image_size: tuple[int, int]
) -> Float[Tensor, "*B N 3"]:
    """Return what PyTorch3D's and face3d's rasterisers take: NDC x and y, and the depth in metres as it is.

    Args:
        points: metres, OpenCV camera frame. Points at or behind the camera give NaN in x and y.
        intrinsics: K in pixels.
        image_size: (width, height) pixels.
    """
    xy = pytorch3d_ndc_from_pixels(_project_camera(points, intrinsics), image_size)
    return torch.cat([xy, points[..., 2:]], dim=-1)


def to_pytorch3d(
    camera_from_head: Float[Tensor, "*B 4 4"], intrinsics: Float[Tensor, "*B 3 3"], image_size: tuple[int, int]
) -> tuple[Float[Tensor, "*B 3 3"], Float[Tensor, "*B 3"], Float[Tensor, "*B 2"], Float[Tensor, "*B 2"]]:
    """Return (R, T, focal_length, principal_point) for PyTorch3D's `PerspectiveCameras(in_ndc=True)`.

    Its camera frame is +x left, +y up, +z forward, points are rows (x R + T), NDC as in `pytorch3d_ndc_from_pixels`.
    A skew in K has no place there and is refused.

    Raises:
        ArgumentError: K has a skew.
    """
    if bool((intrinsics[..., 0, 1] != 0).any()):
        raise ArgumentError("PyTorch3D's camera has no skew; give intrinsics without one")
    flipped = _flip(camera_from_head, (-1.0, -1.0, 1.0, 1.0))
    half_side = min(image_size) / 2
    focal = torch.stack([intrinsics[..., 0, 0], intrinsics[..., 1, 1]], dim=-1) / half_side
    principal = (intrinsics.new_tensor(image_size) / 2 - intrinsics[..., :2, 2]) / half_side
    return flipped[..., :3, :3].transpose(-1, -2), flipped[..., :3, 3], focal, principal


def from_pytorch3d(
    rotation: Float[Tensor, "*B 3 3"],
    translation: Float[Tensor, "*B 3"],
    focal_length: Float[Tensor, "*B 2"],
    principal_point: Float[Tensor, "*B 2"],
    image_size: tuple[int, int],
) -> tuple[Float[Tensor, "*B 4 4"], Float[Tensor, "*B 3 3"]]:
    """Return (camera_from_head, K) of a PyTorch3D camera in NDC; the inverse of `to_pytorch3d`."""
    camera_from_head = _flip(_rigid(rotation.transpose(-1, -2), translation), (-1.0, -1.0, 1.0, 1.0))
    half_side = min(image_size) / 2
    intrinsics = torch.diag_embed(torch.cat([focal_length * half_side, torch.ones_like(focal_length[..., :1])], dim=-1))
    centre = focal_length.new_tensor(image_size) / 2 - principal_point * half_side
    column = torch.cat([centre, torch.ones_like(centre[..., :1])], dim=-1)
    return camera_from_head, torch.cat([intrinsics[..., :2], column[..., None]], dim=-1)

"""Where the irises are in a picture: dark discs of known size between the bright whites of the eyes.

MediaPipe's own iris landmarks follow a turning eye by halves, and are some pixels off for many people. This looks at
the pixels between the lids: of all places the one whose left and right rim are brighter outside than inside, then the
rim itself, row by row, to a fraction of a pixel, and a circle through it that is seen at the head's slant (a search as
Daugman's, 1993, then a fit of the limbus). Lids cover the rim above and below, so height comes from its curvature, and
is less certain.

A reading depends on the frame and its landmarks alone.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.iris_kernels import CELLS, FOUND, PICTURE, find_irises
from face3d.landmarks.mediapipe_topology import GROUPS

__all__ = ["UNREAD", "read_irises"]

UNREAD: Float[ndarray, "2 4"] = np.zeros((2, 4), np.float32)
"""What is read where nothing can be said."""

UNREAD.setflags(write=False)

OUTWARD = 0.38
"""Radii of the iris by which it is, in an eye that looks ahead, further outside than the middle of the eye's corners:
the inner one has the tear duct beside it. 0.2 to 0.5 on photos and drawings."""

SMALLEST = 2.5
"""Pixels of an iris's radius below which nothing is read."""

NARROWEST = 0.5
"""Width of an iris against its height below which an eye is turned away."""

CLOSED = 0.6
"""The detector's eyeBlink from which lids are closed, whatever lashes look like."""

FEWEST_INSIDE = 0.9
"""Share of the eyes' pictures that must lie inside the frame."""

LEAST_CONTRAST, LEAST_LEVEL = 0.3, 12.0
"""Step from iris to white as a share of the white: closed lids have less; and in grey levels."""

LEAST_SEEN, LEAST_SIDE = 8.0, 2.0
"""Rows, twelve to a radius, that must show the rim, both sides together, and the side that shows less of it. With fewer
the lids are nearly closed, or it is something else."""

STRAIGHT = 2.5
"""Rows' standard deviations by which the height is unknown where edges are straight: those of something else."""

SURELY_SEEN = 13.0
"""Rows with which hardly any reading is false."""

MOST_APART = 0.9
"""Radii between the places of the two irises in their eyes; if they are further apart, one is false."""

ROW_SIGMA = (0.75, 0.7)
"""Standard deviation of a row of the rim for the place along and across, cells: with it readings on drawn people have
the certainties that they state."""

_RINGS = np.array([GROUPS["left_iris"], GROUPS["right_iris"]])
_LIDS = np.array([GROUPS["left_eye"], GROUPS["right_eye"]])
# Those on the image's left and right, of an upright face.
_CORNERS = np.array([(362, 263), (33, 133)])
_OUTWARD = np.array([[OUTWARD], [-OUTWARD]])


def read_irises(image: UInt8[ndarray, "H W 3"], face: FaceLandmarks) -> Float[ndarray, "2 4"] | None:
    """Read the irises of a face.

    Args:
        image: RGB.
        face: in it, as MediaPipe found it.

    Returns:
        Of the left and the right eye x and y of the iris's centre in pixels, and how certain they are along the line
        of the eye's corners and across it: one over the standard deviation in pixels, 0 where nothing can be said.
        Single precision. None where landmarks are not MediaPipe's.
    """
    if face.topology != "mediapipe_478":
        return None
    # In single precision, as they are stored.
    points = face.points.astype(np.float32).astype(np.float64)
    if not np.isfinite(points).all():
        return UNREAD
    rings = points[_RINGS, :2]
    radius = float(np.sqrt(((rings[:, 1:] - rings[:, :1]) ** 2).sum(axis=2)).mean())
    if radius < SMALLEST:
        return UNREAD
    corners = points[_CORNERS, :2]
    along = corners[:, 1] - corners[:, 0]
    along /= np.sqrt((along**2).sum(axis=1, keepdims=True)) + 1e-9
    down = np.stack([-along[:, 1], along[:, 0]], axis=1)
    middle = corners.mean(axis=1)
    height = ((points[_LIDS, :2].mean(axis=1) - middle) * down).sum(axis=1, keepdims=True)
    origins = middle + height * down + _OUTWARD * radius * along
    normal = _face_normal(points)
    slant = np.stack([along @ normal[:2], down @ normal[:2]], axis=1)
    squeeze = np.sqrt(np.maximum(1 - slant**2, 0.1))
    if (squeeze[:, 0] < NARROWEST).all():
        return UNREAD
    pictures, found = np.empty((2, *PICTURE), np.float32), np.empty((2, FOUND))
    cell = radius / CELLS
    inside = find_irises(np.ascontiguousarray(image), origins, along, down, cell, squeeze, pictures, found)
    if inside < FEWEST_INSIDE:
        return UNREAD
    centres = origins + cell * (found[:, :1] * along + found[:, 1:2] * down)
    reading = np.concatenate([centres, _certainty(found, squeeze, pictures.max(axis=(1, 2))) / cell], axis=1)
    curves = face.blendshapes or {}
    closed = [curves.get(name, 0.0) > CLOSED for name in ("eyeBlinkLeft", "eyeBlinkRight")]
    reading[(reading[:, 2] == 0) | closed] = 0.0
    return reading.astype(np.float32)


def _face_normal(points: Float[ndarray, "478 3"]) -> Float[ndarray, " 3"]:
    """Which way the face looks, by its landmarks and their depths."""
    (ax, ay, az), (dx, dy, dz) = points[263] - points[33], points[152] - points[10]
    normal = np.array([ay * dz - az * dy, az * dx - ax * dz, ax * dy - ay * dx])
    return normal / (np.sqrt((normal**2).sum()) + 1e-9)


def _certainty(
    found: Float[ndarray, "2 F"], squeeze: Float[ndarray, "2 2"], brightest: Float[ndarray, " 2"]
) -> Float[ndarray, "2 2"]:
    """One over the standard deviations along and across, in cells."""
    sides, contrast = found[:, 5:7], found[:, 7]
    seen = sides.sum(axis=1)
    sure = (seen >= LEAST_SEEN) & (sides.min(axis=1) >= LEAST_SIDE) & (squeeze[:, 0] >= NARROWEST)
    sure &= np.sqrt(found[:, 4]) < STRAIGHT
    sure &= (contrast >= LEAST_CONTRAST) & (contrast * brightest >= LEAST_LEVEL)
    if sure.all() and abs(found[0, 0] - found[1, 0]) > MOST_APART * CELLS:
        sure[int(seen.argmin())] = False
    certainty = 1 / (np.sqrt(np.maximum(found[:, 3:5], 1e-3)) * ROW_SIGMA)
    # With few rows most of what is told is chance, or another thing than an iris.
    certainty *= np.minimum(1.0, seen / SURELY_SEEN)[:, None] ** 2
    return np.where(sure[:, None], certainty, 0.0)

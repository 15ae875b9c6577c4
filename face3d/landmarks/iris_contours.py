"""Where the irises are in a picture: dark discs of known size between the bright whites of the eyes.

MediaPipe's own iris landmarks follow a turning eye by halves, and are some pixels off for many people. This looks at
the pixels between the lids: of all places the one whose left and right rim are brighter outside than inside, then the
rim itself, row by row, to a fraction of a pixel, and a circle through it that is seen at the slant of the head and of
the eyes in it (a search as Daugman's, 1993, then a fit of the limbus). Lids cover the rim above and below, so height
comes from its curvature, and is less certain. Of rims that compete those of both eyes together decide.

A reading depends on the frame and its landmarks alone. Loops that are compiled here keep what they take from other
modules until this one changes.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from face3d.compiled import compiled
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

AVERTED = math.sqrt(0.75)
"""Sine by which a head faces aside from which on its eyes are turned away: their irises are half as wide as high."""

CLOSED = 0.6
"""The detector's eyeBlink from which lids are closed, whatever lashes look like."""

FEWEST_INSIDE = 0.9
"""Share of the eyes' pictures that must lie inside the frame."""

LEAST_CONTRAST, LEAST_LEVEL = 0.3, 12.0
"""Step from iris to white as a share of the white: closed lids have less; and in grey levels."""

LEAST_SEEN, LEAST_SIDE = 8.0, 2.0
"""Rows, twelve to a radius, that must show the rim, both sides together, and the side that shows less of it. With fewer
the lids are nearly closed, or it is something else."""

LEAST_SEEN_NEAR, LEAST_SIDE_NEAR = 6.0, 1.0
"""The same where the detector's own iris is near, as those of narrow eyes and of eyes that look into a corner are."""

NEAR, FAR = 0.75, 1.5
"""Radii from the detector's own iris up to which a reading is near it, and from which it is of something else: of eyes
that look aside that one is a radius off."""

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
    origins, along, down, facing = (np.empty((2, 2)) for _ in range(4))
    radius = _lay_axes(points, origins, along, down, facing)
    if radius < SMALLEST or min(abs(facing[0, 0]), abs(facing[1, 0])) > AVERTED:
        return UNREAD
    pictures, found = np.empty((2, *PICTURE), np.float32), np.empty((2, FOUND))
    cell = radius / CELLS
    believed = np.ascontiguousarray(points[_RINGS[:, 0], :2])
    inside = find_irises(np.ascontiguousarray(image), origins, along, down, cell, facing, believed, pictures, found)
    if inside < FEWEST_INSIDE:
        return UNREAD
    reading = np.empty((2, 4))
    _tell(found, origins, along, down, cell, facing, pictures, believed, reading)
    curves = face.blendshapes or {}
    closed = [curves.get(name, 0.0) > CLOSED for name in ("eyeBlinkLeft", "eyeBlinkRight")]
    reading[(reading[:, 2] == 0) | closed] = 0.0
    return reading.astype(np.float32)


@compiled
def _lay_axes(points, origins, along, down, facing):  # type: ignore[no-untyped-def]
    """Fill in where the eyes are looked for, their axes and how the head faces along them; gives the iris's radius."""
    radius = 0.0
    for eye in range(2):
        middle = points[_RINGS[eye, 0]]
        for k in range(1, _RINGS.shape[1]):
            rim = points[_RINGS[eye, k]]
            radius += math.hypot(rim[0] - middle[0], rim[1] - middle[1])
    radius /= 2 * (_RINGS.shape[1] - 1)
    right, left, chin, brow = points[33], points[263], points[152], points[10]
    ax, ay, az = left[0] - right[0], left[1] - right[1], left[2] - right[2]
    dx, dy, dz = chin[0] - brow[0], chin[1] - brow[1], chin[2] - brow[2]
    # Which way the face looks, by its landmarks and their depths.
    nx, ny, nz = ay * dz - az * dy, az * dx - ax * dz, ax * dy - ay * dx
    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    nx, ny = nx / length, ny / length
    for eye in range(2):
        one, other = points[_CORNERS[eye, 0]], points[_CORNERS[eye, 1]]
        x, y = other[0] - one[0], other[1] - one[1]
        length = math.hypot(x, y) + 1e-9
        x, y = x / length, y / length
        along[eye, 0], along[eye, 1], down[eye, 0], down[eye, 1] = x, y, -y, x
        across, below = 0.5 * (one[0] + other[0]), 0.5 * (one[1] + other[1])
        lid_x, lid_y = 0.0, 0.0
        for k in range(_LIDS.shape[1]):
            lid_x += points[_LIDS[eye, k], 0] / _LIDS.shape[1]
            lid_y += points[_LIDS[eye, k], 1] / _LIDS.shape[1]
        height = (lid_x - across) * -y + (lid_y - below) * x
        outward = (OUTWARD if eye == 0 else -OUTWARD) * radius
        origins[eye, 0] = across - height * y + outward * x
        origins[eye, 1] = below + height * x + outward * y
        # The normal points into the head.
        facing[eye, 0], facing[eye, 1] = -(x * nx + y * ny), y * nx - x * ny
    return radius


@compiled
def _tell(found, origins, along, down, cell, facing, pictures, believed, reading):  # type: ignore[no-untyped-def]
    """Fill in places in pixels and one over their standard deviations, 0 where nothing can be said."""
    sure = np.empty(2, np.bool_)
    for eye in range(2):
        left, right, contrast = found[eye, 5], found[eye, 6], found[eye, 7]
        for axis in range(2):
            reading[eye, axis] = origins[eye, axis] + cell * (
                found[eye, 0] * along[eye, axis] + found[eye, 1] * down[eye, axis]
            )
        off = math.hypot(reading[eye, 0] - believed[eye, 0], reading[eye, 1] - believed[eye, 1]) / (CELLS * cell)
        sure[eye] = (
            off <= FAR
            and left + right >= (LEAST_SEEN_NEAR if off <= NEAR else LEAST_SEEN)
            and min(left, right) >= (LEAST_SIDE_NEAR if off <= NEAR else LEAST_SIDE)
            and abs(facing[eye, 0]) <= AVERTED
            and math.sqrt(found[eye, 4]) < STRAIGHT
            and contrast >= LEAST_CONTRAST
            and contrast * pictures[eye].max() >= LEAST_LEVEL
        )
    if sure.all() and abs(found[0, 0] - found[1, 0]) > MOST_APART * CELLS:
        sure[0 if found[0, 5] + found[0, 6] <= found[1, 5] + found[1, 6] else 1] = False
    for eye in range(2):
        # With few rows most of what is told is chance, or another thing than an iris.
        seen = min(1.0, (found[eye, 5] + found[eye, 6]) / SURELY_SEEN) ** 2
        for axis in range(2):
            deviation = math.sqrt(max(found[eye, 3 + axis], 1e-3)) * ROW_SIGMA[axis] * cell
            reading[eye, 2 + axis] = seen / deviation if sure[eye] else 0.0

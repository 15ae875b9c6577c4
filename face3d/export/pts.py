"""iBUG's .pts: the 68 points of one face as text, as 300-W and Menpo have them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from face3d.errors import InputError

__all__ = ["export_pts"]

ONE_BASED = 0.5
"""The format counts as MATLAB does: the first pixel's centre is at (1, 1), which face3d has at (0.5, 0.5)."""


def export_pts(points: Float[np.ndarray, "N C"]) -> bytes:
    """Write x and y of the points of one face.

    Args:
        points: face3d's pixels; further coordinates are left out.

    Raises:
        InputError: a point is not finite.
    """
    if not np.isfinite(points[:, :2]).all():
        raise InputError("a .pts file holds finite points only")
    lines = [f"{x:.3f} {y:.3f}" for x, y in points[:, :2] + ONE_BASED]
    return "\n".join(["version: 1", f"n_points: {len(lines)}", "{", *lines, "}", ""]).encode("ascii")

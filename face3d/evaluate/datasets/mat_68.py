"""AFLW2000-3D, 300W-LP and LS3D-W in MATLAB form: one file per image."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from face3d.errors import InputError
from face3d.evaluate.datasets.annotation import ONE_BASED, Annotation, Source, check_points
from face3d.evaluate.datasets.files import beside, files_of, load_mat, mat_array, name_in

__all__ = ["mat_sources", "read_mat"]

POINT_NAMES = ("pt3d_68", "pt2d_68", "pts_3d", "pts_2d", "pt2d")
"""Variables that hold landmarks, of which the first that a file has counts: AFLW2000-3D has `pt3d_68` (and in `pt2d`
the 21 points of AFLW), 300W-LP `pt2d` with 68, and its separate landmark files and LS3D-W `pts_3d` and `pts_2d`."""

YAW_EDGES = (30, 60)
"""Degrees between the groups that AFLW2000-3D is reported by."""


def read_mat(path: Path, name: str, images: Path | None = None) -> Annotation:
    """Read one image's landmarks, and from `Pose_Para` (pitch, yaw, roll in radians, ...) its yaw as a group.

    Points come as (2 or 3, N) or (N, 2 or 3) in MATLAB's pixels, whose first has its centre at (1, 1): 0.5 is taken
    off. Of 3D points x and y are kept. Invisible ones, marked (-1, -1), have no position.

    Raises:
        InputError: the file cannot be read or holds no landmarks.
    """
    content = load_mat(path)
    variable = next((variable for variable in POINT_NAMES if variable in content), None)
    if variable is None:
        raise InputError(f"{path} has none of the variables {', '.join(POINT_NAMES)}; it is no landmark file")
    points = mat_array(content, variable, path)
    if points.ndim == 2 and points.shape[0] in (2, 3) and points.shape[1] not in (2, 3):
        points = points.T
    points = check_points(points, path)
    points[(points == -1).all(axis=1)] = np.nan
    attributes = {}
    pose = content.get("Pose_Para")
    if isinstance(pose, np.ndarray) and pose.dtype.kind == "f" and pose.size >= 3 and np.isfinite(pose).all():
        attributes["yaw"] = _yaw_group(abs(math.degrees(float(pose.ravel()[1]))))
    return Annotation(name, name, check_points(points, path) + ONE_BASED, beside(path, name, images), None, attributes)


def _yaw_group(degrees: float) -> str:
    low, high = YAW_EDGES
    return f"0-{low}" if degrees <= low else f"{low}-{high}" if degrees <= high else f"{high}-90"


def mat_sources(path: Path, images: Path | None) -> list[Source]:
    """Every .mat file of a folder (and the folders in it), or one file."""

    def source(file: Path) -> Source:
        # 300W-LP's landmark files are called IMAGE_pts.mat.
        name = name_in(path, file).removesuffix("_pts")
        return Source(name, lambda: read_mat(file, name, images))

    return [source(file) for file in files_of(path, ".mat")]

"""The edges of a mesh as lines of constant width, with what lies behind the surface left out.

Dimension letters: V vertices, F faces, H, W image height and width.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int

from face3d.render.compiled import compiled, run_interleaved
from face3d.render.rasterize_numba import check_triangles, rasterize_camera
from face3d.render.supersampling import sample_grid

__all__ = ["wireframe_layer"]

CROWDED = 4.0
FAINTEST = 0.15


def wireframe_layer(
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    image_size: tuple[int, int],
    *,
    line_width: float = 1.0,
    supersample: int = 2,
) -> Float[np.ndarray, "H W"]:
    """How much of each pixel the visible edges of a mesh cover.

    Each sample asks how far the edges of the triangle that it sees are from it in the image. The two triangles of an
    edge so draw half of its line each, and on the silhouette the outer half falls away. Triangles seen from behind
    (the inside of an open mesh) have no lines. Lines that crowd, closer together than CROWDED of their widths, grow
    fainter, so that fine parts of a mesh stay grey and do not fill up.

    Args:
        vertices_camera: OpenCV camera frame, metres.
        triangles: corner indices, counter-clockwise seen from outside.
        intrinsics: K in pixels of the image.
        image_size: (height, width).
        line_width: pixels.
        supersample: samples per pixel and axis.

    Returns:
        float32 in [0, 1].
    """
    coverage = np.zeros(image_size, dtype=np.float32)
    faces = check_triangles(triangles, len(vertices_camera))
    grid = sample_grid(vertices_camera, intrinsics, image_size, supersample)
    if grid is None or not len(faces):
        return coverage
    fragments = rasterize_camera(vertices_camera, faces, grid.intrinsics, grid.size)
    with np.errstate(invalid="ignore", over="ignore"):
        homogeneous = np.asarray(vertices_camera, dtype=np.float64) @ grid.intrinsics.T
    samples = np.zeros(grid.size, dtype=np.float32)
    half_width = line_width * grid.factor / 2
    run_interleaved(
        lambda first, step: _draw_edges(fragments.face_id, faces, homogeneous, half_width, first, step, samples),
        *grid.size,
        None,
    )
    coverage[grid.pixels] = grid.summed(samples) / grid.factor**2
    return coverage


@compiled
def _draw_edges(face_id, faces, homogeneous, half_width, first_row, row_step, samples):  # type: ignore[no-untyped-def]
    for row in range(first_row, face_id.shape[0], row_step):
        for column in range(face_id.shape[1]):
            face = face_id[row, column]
            if face < 0:
                continue
            x, y = column + 0.5, row + 0.5
            nearest, determinant, longest = math.inf, 0.0, 0.0
            for corner in range(3):
                a = homogeneous[faces[face, corner]]
                b = homogeneous[faces[face, (corner + 1) % 3]]
                c = homogeneous[faces[face, (corner + 2) % 3]]
                # The line through two homogeneous points is their cross product, wherever the camera plane lies.
                line_x, line_y = a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2]
                line_1 = a[0] * b[1] - a[1] * b[0]
                determinant = line_x * c[0] + line_y * c[1] + line_1 * c[2]
                length = max(math.sqrt(line_x * line_x + line_y * line_y), 1e-30)
                nearest = min(nearest, abs(line_x * x + line_y * y + line_1) / length)
                # |(a x b)_xy| is the edge's length in the image times the depths of its ends.
                longest = max(longest, length / (a[2] * b[2]) if a[2] > 0.0 and b[2] > 0.0 else math.inf)
            if determinant >= 0.0:
                continue
            depths = homogeneous[faces[face, 0], 2] * homogeneous[faces[face, 1], 2] * homogeneous[faces[face, 2], 2]
            # Twice the area over the longest edge; a triangle that reaches behind the camera is a large one.
            height = math.inf if longest == math.inf else -determinant / depths / max(longest, 1e-30)
            ink = min(max(height / (2.0 * half_width * CROWDED), FAINTEST), 1.0)
            samples[row, column] = ink * min(max(half_width + 0.5 - nearest, 0.0), 1.0)

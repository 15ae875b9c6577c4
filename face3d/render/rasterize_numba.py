"""What each pixel of a photo sees of a mesh in the camera's frame: the fast path, in numpy and compiled loops.

It works with 2D homogeneous edge functions (Olano and Greer, "Triangle Scan Conversion using 2D Homogeneous
Coordinates", 1997), so that a triangle through the camera plane needs no clipping. The differentiable rasteriser is
`face3d.render.rasterize`.

Dimension letters: V vertices, F faces, H, W image height and width, C channels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from face3d.errors import ArgumentError
from face3d.render.compiled import compiled, run_interleaved

__all__ = ["CameraFragments", "check_triangles", "interpolate_attributes", "rasterize_camera"]

DEFAULT_NEAR = 0.01
"""Metres. Nothing closer to the camera than this is drawn: no lens focuses there, and a head is never so near."""


class CameraFragments(NamedTuple):
    """What each pixel centre of an image sees.

    Attributes:
        face_id: (H, W) int32 index into the triangles, -1 where nothing is seen.
        barycentric: (H, W, 3) perspective-correct weights of the triangle's corners, 0 where nothing is seen.
        depth: (H, W) z in the camera frame, in the unit of the vertices (metres), infinite where nothing is seen.
    """

    face_id: Int[np.ndarray, "H W"]
    barycentric: Float[np.ndarray, "H W 3"]
    depth: Float[np.ndarray, "H W"]


def rasterize_camera(
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    image_size: tuple[int, int],
    *,
    near: float = DEFAULT_NEAR,
    cull_backfaces: bool = False,
    threads: int | None = None,
) -> CameraFragments:
    """Find what the centre of each pixel sees of a mesh.

    Pixels are sampled at their centres, (0.5, 0.5) for the first one. Edges that triangles share are watertight: a
    centre exactly on one goes to the nearer triangle, or to the one of lower index. Degenerate triangles, and those
    with a corner that is not finite, are left out. For smooth edges render larger and average.

    Args:
        vertices_camera: OpenCV camera frame (+x right, +y down, +z forward), metres.
        triangles: corner indices, counter-clockwise seen from outside.
        intrinsics: K, in pixels of the image to render; its last row is 0, 0, 1.
        image_size: (height, width).
        near: the part of the mesh closer than this, along z in metres, is cut away.
        cull_backfaces: leave out triangles seen from inside.
        threads: how many threads to use; by default as many as there are processors, fewer for small images.

    Returns:
        Face indices, perspective-correct barycentric coordinates (float32) and depths (float32).

    Raises:
        ArgumentError: an image without pixels, an index without a vertex, or wrong shapes.
    """
    height, width = _check_image_size(image_size)
    corners = np.ascontiguousarray(vertices_camera, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 3:
        raise ArgumentError(f"vertices_camera must have the shape (V, 3), not {tuple(corners.shape)}")
    matrix = np.asarray(intrinsics, dtype=np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or not np.array_equal(matrix[2], [0.0, 0.0, 1.0]):
        raise ArgumentError("intrinsics must be a finite 3x3 pinhole matrix with the last row 0, 0, 1")
    if not near > 0.0:
        raise ArgumentError(f"near must be a positive distance in metres, not {near}")
    faces = check_triangles(triangles, len(corners))

    edges, boxes = np.empty((len(faces), 10)), np.empty((len(faces), 4), dtype=np.int32)
    with np.errstate(invalid="ignore", over="ignore"):
        homogeneous_pixels = corners @ matrix.T
    _edge_functions(homogeneous_pixels, faces, height, width, float(near), cull_backfaces, edges, boxes)
    face_id = np.full((height, width), -1, dtype=np.int32)
    barycentric = np.zeros((height, width, 3), dtype=np.float32)
    depth = np.full((height, width), np.inf, dtype=np.float32)
    run_interleaved(
        lambda first, step: _fill_camera(edges, boxes, float(near), first, step, face_id, barycentric, depth),
        height,
        width,
        threads,
    )
    return CameraFragments(face_id, barycentric, depth)


def interpolate_attributes(
    fragments: CameraFragments,
    triangles: Int[np.ndarray, "F 3"],
    attributes: Float[np.ndarray, "V C"],
    *,
    background: float = 0.0,
) -> Float[np.ndarray, "H W C"]:
    """Blend per-vertex values over the pixels that see the mesh.

    Args:
        fragments: from `rasterize_camera`.
        triangles: the corner indices that were rasterised, or others of the same faces (UV corners, say).
        attributes: one row per vertex, any unit.
        background: the value of pixels that see nothing.

    Returns:
        float32.
    """
    values = np.ascontiguousarray(attributes, dtype=np.float32)
    if values.ndim != 2:
        raise ArgumentError(f"attributes must have the shape (V, C), not {tuple(values.shape)}")
    faces = check_triangles(triangles, len(values))
    image = np.full((*fragments.face_id.shape, values.shape[1]), background, dtype=np.float32)
    _blend(fragments.face_id, fragments.barycentric, faces, values, image)
    return image


def check_triangles(triangles: Int[np.ndarray, "F 3"], vertex_count: int) -> Int[np.ndarray, "F 3"]:
    """Return the triangles as a contiguous int64 array; raise `ArgumentError` if one names no vertex."""
    faces = np.ascontiguousarray(triangles)
    if faces.ndim != 2 or faces.shape[1] != 3 or not np.issubdtype(faces.dtype, np.integer):
        raise ArgumentError(f"triangles must be integers of the shape (F, 3), not {faces.dtype} {tuple(faces.shape)}")
    faces = faces.astype(np.int64, copy=False)
    if faces.size and (faces.min() < 0 or faces.max() >= vertex_count):
        raise ArgumentError(
            f"triangles name vertices {faces.min()} to {faces.max()}, but the mesh has {vertex_count} vertices"
        )
    return faces


def _check_image_size(image_size: tuple[int, int]) -> tuple[int, int]:
    height, width = (int(length) for length in image_size)
    if height < 1 or width < 1:
        raise ArgumentError(f"image_size must be at least one pixel each way, not {height} x {width} (height x width)")
    return height, width


@compiled
def _edge_functions(points, faces, height, width, near, cull, edges, boxes):  # type: ignore[no-untyped-def]
    """Per face: three edge functions a*x + b*y + c, positive inside, the determinant, and the pixels that it may cover.

    `points` are homogeneous pixels K X. An edge function is the cross product of its two ends, so that the neighbour
    across the edge has exactly its negative, and no pixel centre falls between the two.
    """
    for face in range(faces.shape[0]):
        boxes[face, 0], boxes[face, 1], boxes[face, 2], boxes[face, 3] = 0, -1, 0, -1
        finite = True
        for corner in range(3):
            for axis in range(3):
                if not math.isfinite(points[faces[face, corner], axis]):
                    finite = False
        if not finite:
            continue
        for corner in range(3):
            p = points[faces[face, (corner + 1) % 3]]
            q = points[faces[face, (corner + 2) % 3]]
            edges[face, 3 * corner] = p[1] * q[2] - p[2] * q[1]
            edges[face, 3 * corner + 1] = p[2] * q[0] - p[0] * q[2]
            edges[face, 3 * corner + 2] = p[0] * q[1] - p[1] * q[0]
        first = points[faces[face, 0]]
        determinant = first[0] * edges[face, 0] + first[1] * edges[face, 1] + first[2] * edges[face, 2]
        if not (math.isfinite(determinant) and determinant != 0.0) or (cull and determinant > 0.0):
            continue
        if determinant < 0.0:
            for k in range(9):
                edges[face, k] = -edges[face, k]
        edges[face, 9] = abs(determinant)

        left, right, top, bottom = math.inf, -math.inf, math.inf, -math.inf
        for corner in range(3):
            p = points[faces[face, corner]]
            q = points[faces[face, (corner + 1) % 3]]
            if p[2] >= near:
                x, y = p[0] / p[2], p[1] / p[2]
                left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
            if (p[2] >= near) != (q[2] >= near):
                t = (near - p[2]) / (q[2] - p[2])
                x, y = (p[0] + t * (q[0] - p[0])) / near, (p[1] + t * (q[1] - p[1])) / near
                left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
        # A centre exactly on an edge must not be lost to the rounding of the divisions above.
        slack = 1e-6
        if left - slack < width and right + slack > 0.0 and top - slack < height and bottom + slack > 0.0:
            boxes[face, 0] = max(0.0, math.ceil(left - 0.5 - slack))
            boxes[face, 1] = min(width - 1.0, math.floor(right - 0.5 + slack))
            boxes[face, 2] = max(0.0, math.ceil(top - 0.5 - slack))
            boxes[face, 3] = min(height - 1.0, math.floor(bottom - 0.5 + slack))


@compiled
def _fill_camera(edges, boxes, near, first_row, row_step, face_id, barycentric, depth):  # type: ignore[no-untyped-def]
    """Draw every face into the rows first_row, first_row + row_step, ..."""
    for face in range(boxes.shape[0]):
        left, right, top, bottom = boxes[face, 0], boxes[face, 1], boxes[face, 2], boxes[face, 3]
        if right < left or bottom < top:
            continue
        a0, b0, c0 = edges[face, 0], edges[face, 1], edges[face, 2]
        a1, b1, c1 = edges[face, 3], edges[face, 4], edges[face, 5]
        a2, b2, c2 = edges[face, 6], edges[face, 7], edges[face, 8]
        determinant = edges[face, 9]
        start = top + (first_row - top) % row_step
        for row in range(start, bottom + 1, row_step):
            y = row + 0.5
            r0, r1, r2 = b0 * y + c0, b1 * y + c1, b2 * y + c2
            for column in range(left, right + 1):
                x = column + 0.5
                e0, e1, e2 = a0 * x + r0, a1 * x + r1, a2 * x + r2
                if e0 >= 0.0 and e1 >= 0.0 and e2 >= 0.0:
                    total = e0 + e1 + e2
                    if total > 0.0:
                        # One division for four: they are most of the time.
                        share = 1.0 / total
                        z = np.float32(determinant * share)
                        if z >= near and z < depth[row, column]:
                            depth[row, column] = z
                            face_id[row, column] = face
                            barycentric[row, column, 0] = e0 * share
                            barycentric[row, column, 1] = e1 * share
                            barycentric[row, column, 2] = e2 * share


@compiled
def _blend(face_id, barycentric, faces, values, image):  # type: ignore[no-untyped-def]
    for row in range(face_id.shape[0]):
        for column in range(face_id.shape[1]):
            face = face_id[row, column]
            if face >= 0:
                a, b, c = faces[face]
                u, v, w = barycentric[row, column]
                for channel in range(values.shape[1]):
                    image[row, column, channel] = (
                        u * values[a, channel] + v * values[b, channel] + w * values[c, channel]
                    )

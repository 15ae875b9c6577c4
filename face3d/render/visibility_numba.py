"""Visibility in PyTorch3D's normalised device coordinates, by its rules and in the input's own precision."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int

from face3d.render.compiled import compiled, run_interleaved

__all__ = ["visible_triangles_ndc"]


def visible_triangles_ndc(
    soup: Float[np.ndarray, "F 3 3"],
    x_centres: Float[np.ndarray, " W"],
    y_centres: Float[np.ndarray, " H"],
    epsilon: float,
    cull_backfaces: bool,
    perspective_correct: bool,
    *,
    threads: int | None = None,
) -> Int[np.ndarray, "H W"]:
    """Find which triangle each pixel sees, by PyTorch3D's rules and in the input's own precision.

    Args:
        soup: the corners of each triangle in PyTorch3D's NDC, float32 or float64.
        x_centres: NDC x of each column's pixel centres, descending, in the dtype of `soup`.
        y_centres: NDC y of each row's pixel centres, descending, likewise.
        epsilon: triangles of a smaller area (times two) or with a corner of a smaller z are left out.
        cull_backfaces: leave out triangles seen from behind.
        perspective_correct: interpolate depth over the triangle in space, not over its image.
        threads: as in `rasterize_camera`.

    Returns:
        int32 indices into `soup`, -1 where nothing is seen. Of two triangles at the same depth the first wins.
    """
    visible = np.full((len(y_centres), len(x_centres)), -1, dtype=np.int32)
    depth = np.full(visible.shape, np.inf, dtype=soup.dtype)
    boxes = np.empty((len(soup), 4), dtype=np.int32)
    limit = soup.dtype.type(epsilon)
    _boxes_ndc(soup, x_centres, y_centres, limit, cull_backfaces, boxes)
    run_interleaved(
        lambda first, step: _fill_ndc(
            soup, boxes, x_centres, y_centres, limit, perspective_correct, first, step, visible, depth
        ),
        *visible.shape,
        threads,
    )
    return visible


@compiled
def _first_not_above(descending, value):  # type: ignore[no-untyped-def]
    """Index of the first entry <= value in a descending array; its length if there is none."""
    low, high = 0, descending.shape[0]
    while low < high:
        middle = (low + high) // 2
        if descending[middle] <= value:
            high = middle
        else:
            low = middle + 1
    return low


@compiled
def _first_below(descending, value):  # type: ignore[no-untyped-def]
    """Index of the first entry < value in a descending array; its length if there is none."""
    low, high = 0, descending.shape[0]
    while low < high:
        middle = (low + high) // 2
        if descending[middle] < value:
            high = middle
        else:
            low = middle + 1
    return low


@compiled
def _edge(px, py, ax, ay, bx, by):  # type: ignore[no-untyped-def]
    return (px - ax) * (by - ay) - (py - ay) * (bx - ax)


@compiled
def _boxes_ndc(soup, x_centres, y_centres, epsilon, cull, boxes):  # type: ignore[no-untyped-def]
    """Columns and rows (first, one past last) whose centres lie in each triangle's bounding box; none if left out."""
    for face in range(soup.shape[0]):
        boxes[face, 0], boxes[face, 1], boxes[face, 2], boxes[face, 3] = 0, 0, 0, 0
        usable = True
        for corner in range(3):
            for axis in range(3):
                if not math.isfinite(soup[face, corner, axis]):
                    usable = False
            if soup[face, corner, 2] < epsilon:
                usable = False
        if not usable:
            continue
        ax, ay = soup[face, 0, 0], soup[face, 0, 1]
        bx, by = soup[face, 1, 0], soup[face, 1, 1]
        cx, cy = soup[face, 2, 0], soup[face, 2, 1]
        area = _edge(ax, ay, bx, by, cx, cy)
        if not math.isfinite(area) or abs(area) <= epsilon or (cull and area < 0.0):
            continue
        boxes[face, 0] = _first_not_above(x_centres, max(ax, bx, cx))
        boxes[face, 1] = _first_below(x_centres, min(ax, bx, cx))
        boxes[face, 2] = _first_not_above(y_centres, max(ay, by, cy))
        boxes[face, 3] = _first_below(y_centres, min(ay, by, cy))


@compiled
def _fill_ndc(  # type: ignore[no-untyped-def]
    soup, boxes, x_centres, y_centres, epsilon, perspective_correct, first_row, row_step, visible, depth
):
    """Draw every triangle into the rows first_row, first_row + row_step, ..."""
    for face in range(soup.shape[0]):
        left, right, top, bottom = boxes[face, 0], boxes[face, 1], boxes[face, 2], boxes[face, 3]
        if left >= right or top >= bottom:
            continue
        ax, ay, az = soup[face, 0, 0], soup[face, 0, 1], soup[face, 0, 2]
        bx, by, bz = soup[face, 1, 0], soup[face, 1, 1], soup[face, 1, 2]
        cx, cy, cz = soup[face, 2, 0], soup[face, 2, 1], soup[face, 2, 2]
        area = _edge(cx, cy, ax, ay, bx, by) + epsilon
        for row in range(top + (first_row - top) % row_step, bottom, row_step):
            y = y_centres[row]
            for column in range(left, right):
                x = x_centres[column]
                wa = _edge(x, y, bx, by, cx, cy) / area
                wb = _edge(x, y, cx, cy, ax, ay) / area
                wc = _edge(x, y, ax, ay, bx, by) / area
                if wa > 0.0 and wb > 0.0 and wc > 0.0:
                    if perspective_correct:
                        wa, wb, wc = wa * bz * cz, wb * az * cz, wc * az * bz
                        total = max(wa + wb + wc, epsilon)
                        wa, wb, wc = wa / total, wb / total, wc / total
                        if not (wa > 0.0 and wb > 0.0 and wc > 0.0):
                            continue
                    z = wa * az + wb * bz + wc * cz
                    if z >= 0.0 and z < depth[row, column]:
                        depth[row, column] = z
                        visible[row, column] = face

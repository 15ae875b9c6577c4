"""Compiled loops of the exact closest point on a triangle mesh, and of the registration that lies on it.

The bounding-box tree is complete and implicit: node i has the children 2i+1 and 2i+2, and leaf j of L holds the sorted
triangles from j*F//L to (j+1)*F//L. Nothing but the boxes is stored.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int

from face3d.render.compiled import compiled

__all__ = ["BLOCK", "closest_points", "normal_equations"]

BLOCK = 512
"""Points whose sums are added up before they meet the others': a result does not depend on the number of threads."""

_STACK = 64
"""Room for the nodes still to visit: more than the depth of any tree that fits in memory."""


@compiled
def _on_segment(px, py, pz, ax, ay, az, bx, by, bz):  # type: ignore[no-untyped-def]
    """Closest point to p on the segment from a to b, which may be a point."""
    dx, dy, dz = bx - ax, by - ay, bz - az
    length = dx * dx + dy * dy + dz * dz
    along = 0.0
    if length > 0.0:
        along = min(1.0, max(0.0, ((px - ax) * dx + (py - ay) * dy + (pz - az) * dz) / length))
    return ax + along * dx, ay + along * dy, az + along * dz


@compiled
def _on_triangle(px, py, pz, corners):  # type: ignore[no-untyped-def]
    """Closest point to p on a triangle (9 coordinates), and its squared distance; slivers and points are triangles too.

    Inside the triangle's prism it is the foot of the perpendicular, elsewhere the nearest of the three edges' points.
    """
    ax, ay, az = corners[0], corners[1], corners[2]
    bx, by, bz = corners[3], corners[4], corners[5]
    cx, cy, cz = corners[6], corners[7], corners[8]
    ux, uy, uz = bx - ax, by - ay, bz - az
    vx, vy, vz = cx - ax, cy - ay, cz - az
    wx, wy, wz = px - ax, py - ay, pz - az
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    nn = nx * nx + ny * ny + nz * nz
    # At this thinness what the rounding of the normal costs and what lies between the edges are equally small: 1e-8 of
    # the triangle's length. Thinner, the edges are the triangle.
    if nn > 1e-16 * (ux * ux + uy * uy + uz * uz) * (vx * vx + vy * vy + vz * vz):
        ex, ey, ez = px - bx, py - by, pz - bz
        along_u = (ny * uz - nz * uy) * wx + (nz * ux - nx * uz) * wy + (nx * uy - ny * ux) * wz
        along_v = (ny * vz - nz * vy) * wx + (nz * vx - nx * vz) * wy + (nx * vy - ny * vx) * wz
        dx, dy, dz = cx - bx, cy - by, cz - bz
        along_d = (ny * dz - nz * dy) * ex + (nz * dx - nx * dz) * ey + (nx * dy - ny * dx) * ez
        # Each is positive on the inner side of its edge (of v, on the outer).
        if along_u >= 0.0 and along_v <= 0.0 and along_d >= 0.0:
            height = (wx * nx + wy * ny + wz * nz) / nn
            x, y, z = px - height * nx, py - height * ny, pz - height * nz
            return x, y, z, height * height * nn
    x, y, z = _on_segment(px, py, pz, ax, ay, az, bx, by, bz)
    squared = (px - x) ** 2 + (py - y) ** 2 + (pz - z) ** 2
    x2, y2, z2 = _on_segment(px, py, pz, bx, by, bz, cx, cy, cz)
    squared2 = (px - x2) ** 2 + (py - y2) ** 2 + (pz - z2) ** 2
    if squared2 < squared:
        x, y, z, squared = x2, y2, z2, squared2
    x2, y2, z2 = _on_segment(px, py, pz, cx, cy, cz, ax, ay, az)
    squared2 = (px - x2) ** 2 + (py - y2) ** 2 + (pz - z2) ** 2
    if squared2 < squared:
        x, y, z, squared = x2, y2, z2, squared2
    return x, y, z, squared


@compiled
def _to_box(px, py, pz, box):  # type: ignore[no-untyped-def]
    """Squared distance from p to a box (low corner, high corner); 0 inside."""
    x = max(box[0] - px, 0.0, px - box[3])
    y = max(box[1] - py, 0.0, py - box[4])
    z = max(box[2] - pz, 0.0, pz - box[5])
    return x * x + y * y + z * z


@compiled
def _closest(px, py, pz, corners, boxes, guess, waiting, bounds):  # type: ignore[no-untyped-def]
    """Closest point, squared distance and row of the triangle; `guess` is a row to begin with, or negative.

    `waiting` and `bounds` are scratch for the nodes still to visit and their squared distances.
    """
    count, leaves = len(corners), (len(boxes) + 1) // 2
    x, y, z, best, hit = 0.0, 0.0, 0.0, math.inf, -1
    if guess >= 0:
        x, y, z, best = _on_triangle(px, py, pz, corners[guess])
        hit = guess
    waiting[0], bounds[0] = 0, _to_box(px, py, pz, boxes[0])
    top = 1
    while top > 0:
        top -= 1
        node = waiting[top]
        if bounds[top] >= best:
            continue
        if node >= leaves - 1:
            leaf = node - (leaves - 1)
            for row in range(leaf * count // leaves, (leaf + 1) * count // leaves):
                x2, y2, z2, squared = _on_triangle(px, py, pz, corners[row])
                if squared < best:
                    x, y, z, best, hit = x2, y2, z2, squared, row
        else:
            first, second = 2 * node + 1, 2 * node + 2
            to_first, to_second = _to_box(px, py, pz, boxes[first]), _to_box(px, py, pz, boxes[second])
            if to_first > to_second:
                first, second, to_first, to_second = second, first, to_second, to_first
            if to_second < best:
                waiting[top], bounds[top] = second, to_second
                top += 1
            if to_first < best:
                waiting[top], bounds[top] = first, to_first
                top += 1
    return x, y, z, best, hit


@compiled
def closest_points(
    points: Float[np.ndarray, "N 3"],
    corners: Float[np.ndarray, "F 9"],
    boxes: Float[np.ndarray, "M 6"],
    first: int,
    step: int,
    closest: Float[np.ndarray, "N 3"],
    distances: Float[np.ndarray, " N"],
    rows: Int[np.ndarray, " N"],
) -> None:
    """Fill `closest`, `distances` and `rows` for every `step`-th block of points from block `first` on."""
    waiting, bounds = np.empty(_STACK, np.int64), np.empty(_STACK)
    blocks = (len(points) + BLOCK - 1) // BLOCK
    for block in range(first, blocks, step):
        guess = -1
        for n in range(block * BLOCK, min(len(points), (block + 1) * BLOCK)):
            x, y, z, squared, guess = _closest(
                points[n, 0], points[n, 1], points[n, 2], corners, boxes, guess, waiting, bounds
            )
            closest[n, 0], closest[n, 1], closest[n, 2] = x, y, z
            distances[n], rows[n] = math.sqrt(squared), guess


@compiled
def normal_equations(
    points: Float[np.ndarray, "N 3"],
    corners: Float[np.ndarray, "F 9"],
    boxes: Float[np.ndarray, "M 6"],
    scale: float,
    rotation: Float[np.ndarray, "3 3"],
    translation: Float[np.ndarray, " 3"],
    centre: Float[np.ndarray, " 3"],
    huber: float,
    first: int,
    step: int,
    rows: Int[np.ndarray, " N"],
    sums: Float[np.ndarray, "K 36"],
) -> None:
    """Distances from points to a moved mesh, linearised: one row of `sums` per block of points.

    The mesh is moved by x = scale * rotation @ v + translation. A residual is the distance along the line of sight n
    from the moved surface's closest point x: e = n . (p - x), whose derivatives by a translation, by a rotation vector
    about `centre` and by the logarithm of the scale about it are -n, -(x - centre) x n and -n . (x - centre); that the
    closest point slides along the surface changes none of them. On the surface, n is the triangle's normal.

    Args:
        huber: residuals beyond it count linearly instead of squared (Huber's loss).
        rows: triangle found last time, or -1; replaced by the one found now.
        sums: of J^T J's upper triangle (28, row by row), of J^T e (7), and of the loss (1).
    """
    waiting, bounds = np.empty(_STACK, np.int64), np.empty(_STACK)
    jacobian, normal = np.empty(7), np.empty(3)
    blocks = (len(points) + BLOCK - 1) // BLOCK
    for block in range(first, blocks, step):
        total = sums[block]
        total[:] = 0.0
        for n in range(block * BLOCK, min(len(points), (block + 1) * BLOCK)):
            px, py, pz = points[n, 0] - translation[0], points[n, 1] - translation[1], points[n, 2] - translation[2]
            # The point seen from the mesh: the tree stays as it was built.
            qx = (rotation[0, 0] * px + rotation[1, 0] * py + rotation[2, 0] * pz) / scale
            qy = (rotation[0, 1] * px + rotation[1, 1] * py + rotation[2, 1] * pz) / scale
            qz = (rotation[0, 2] * px + rotation[1, 2] * py + rotation[2, 2] * pz) / scale
            x, y, z, squared, row = _closest(qx, qy, qz, corners, boxes, rows[n], waiting, bounds)
            rows[n] = row
            corner = corners[row]
            length = math.sqrt(squared)
            residual = scale * length
            size = abs(corner[0]) + abs(corner[1]) + abs(corner[2]) + abs(qx) + abs(qy) + abs(qz)
            if length > 1e-12 * size:
                nx, ny, nz = (qx - x) / length, (qy - y) / length, (qz - z) / length
            else:
                ux, uy, uz = corner[3] - corner[0], corner[4] - corner[1], corner[5] - corner[2]
                vx, vy, vz = corner[6] - corner[0], corner[7] - corner[1], corner[8] - corner[2]
                nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
                area = math.sqrt(nx * nx + ny * ny + nz * nz)
                if area == 0.0:
                    continue
                nx, ny, nz = nx / area, ny / area, nz / area
                residual = scale * ((qx - x) * nx + (qy - y) * ny + (qz - z) * nz)
            for k in range(3):
                normal[k] = rotation[k, 0] * nx + rotation[k, 1] * ny + rotation[k, 2] * nz
            mx = scale * (rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z) + translation[0] - centre[0]
            my = scale * (rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z) + translation[1] - centre[1]
            mz = scale * (rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z) + translation[2] - centre[2]
            jacobian[0], jacobian[1], jacobian[2] = -normal[0], -normal[1], -normal[2]
            jacobian[3] = -(my * normal[2] - mz * normal[1])
            jacobian[4] = -(mz * normal[0] - mx * normal[2])
            jacobian[5] = -(mx * normal[1] - my * normal[0])
            jacobian[6] = -(mx * normal[0] + my * normal[1] + mz * normal[2])
            weight, loss = 1.0, residual * residual
            if abs(residual) > huber:
                weight, loss = huber / abs(residual), huber * (2.0 * abs(residual) - huber)
            at = 0
            for i in range(7):
                for j in range(i, 7):
                    total[at] += weight * jacobian[i] * jacobian[j]
                    at += 1
            for i in range(7):
                total[28 + i] += weight * residual * jacobian[i]
            total[35] += loss

"""The compiled loops of the differentiable rasteriser, in PyTorch3D's rules and in its order of arithmetic.

PyTorch3D's own loop on the CPU (`RasterizeMeshesNaiveCpu` and `RasterizeMeshesBackwardCpu`) rounds each product and sum
to float32 and fuses none. The same operations in the same order give the same bits, so that the two backends agree on
slivers and at exact ties too, where any other order of summation would not. Hence the spelled-out expressions below,
and the constants in float32: with a Python float, numba would compute in float64.

All loops call each other inside this one file: numba notices a change of the file that holds a loop, not of another.

Argument names: `points` (N, 3) vertices in NDC; `triangles` (S, 3) rows of `points`; `first_face` (B + 1) where each
item's triangles begin; `second_half` (S) whether a triangle and the one before it are two parts of one face; `boxes`
(S, 4) and `areas` (S) from `set_up`; `x`, `y` NDC of the pixel centres; `pix_to_face`, `zbuf`, `dists` (B, H, W, K) and
`bary` (B, H, W, K, 3) as in Fragments. a, b, c are the corners of a triangle, p the pixel, w its barycentric weights.
"""

from __future__ import annotations

import math

import numpy as np

from face3d.render.compiled import compiled

__all__ = ["accumulate", "backward", "fill", "resolve", "set_up"]

EPSILON = 1e-8
"""PyTorch3D's kEpsilon: on twice the area (NDC squared), on z, on squared lengths, and added to the area."""
SMALLEST_SUM = np.float32(1e-8)
"""Least divisor of the perspective correction."""
SMALLEST_CLIPPED_SUM = np.float32(1e-5)
"""Least divisor after weights outside the triangle were clipped."""
ZERO, ONE, TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)


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
def _corners(points, triangles, face):  # type: ignore[no-untyped-def]
    a, b, c = triangles[face, 0], triangles[face, 1], triangles[face, 2]
    return (
        points[a, 0], points[a, 1], points[a, 2],
        points[b, 0], points[b, 1], points[b, 2],
        points[c, 0], points[c, 1], points[c, 2],
    )  # fmt: skip


@compiled
def _edge(px, py, ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """Twice the area of p, a, b; positive if they run counter-clockwise in the image (x is mirrored)."""
    return (px - ax) * (by - ay) - (py - ay) * (bx - ax)


@compiled
def _correct_perspective(wa, wb, wc, az, bz, cz):  # type: ignore[no-untyped-def]
    wa, wb, wc = wa * bz * cz, wb * az * cz, wc * az * bz
    total = max(wa + wb + wc, SMALLEST_SUM)
    return wa / total, wb / total, wc / total


@compiled
def _clip_weights(wa, wb, wc):  # type: ignore[no-untyped-def]
    wa, wb, wc = max(wa, ZERO), max(wb, ZERO), max(wc, ZERO)
    total = max(wa + wb + wc, SMALLEST_CLIPPED_SUM)
    return wa / total, wb / total, wc / total


@compiled
def _segment_distance(px, py, ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """Squared distance from p to the segment a-b."""
    dx, dy = bx - ax, by - ay
    length_squared = dx * dx + dy * dy
    if length_squared <= EPSILON:
        return (px - bx) * (px - bx) + (py - by) * (py - by)
    t = (dx * (px - ax) + dy * (py - ay)) / length_squared
    t = min(max(t, ZERO), ONE)
    gap_x, gap_y = px - (ax + t * dx), py - (ay + t * dy)
    return gap_x * gap_x + gap_y * gap_y


@compiled
def _edge_distance(px, py, ax, ay, bx, by, cx, cy):  # type: ignore[no-untyped-def]
    ab = _segment_distance(px, py, ax, ay, bx, by)
    ac = _segment_distance(px, py, ax, ay, cx, cy)
    bc = _segment_distance(px, py, bx, by, cx, cy)
    return min(min(ab, ac), bc)


@compiled
def set_up(points, triangles, x, y, reach, cull, boxes, areas):  # type: ignore[no-untyped-def]
    """Columns and rows (first, one past last) that each triangle may cover, none if it is left out; and its area.

    `reach` is how far in NDC a pixel may lie outside the triangle's bounding box: the root of the blur radius.
    """
    for face in range(triangles.shape[0]):
        boxes[face, 0], boxes[face, 1], boxes[face, 2], boxes[face, 3] = 0, 0, 0, 0
        ax, ay, az, bx, by, bz, cx, cy, cz = _corners(points, triangles, face)
        area = _edge(ax, ay, bx, by, cx, cy)
        # A sum of finite numbers may overflow, which loses nothing: such a triangle has no usable area either.
        if not math.isfinite(ax + ay + az + bx + by + bz + cx + cy + cz) or not math.isfinite(area):
            continue
        if az < EPSILON or bz < EPSILON or cz < EPSILON or abs(area) <= EPSILON or (cull and area < ZERO):
            continue
        areas[face] = _edge(cx, cy, ax, ay, bx, by) + EPSILON
        boxes[face, 0] = _first_not_above(x, max(ax, bx, cx) + reach)
        boxes[face, 1] = _first_below(x, min(ax, bx, cx) - reach)
        boxes[face, 2] = _first_not_above(y, max(ay, by, cy) + reach)
        boxes[face, 3] = _first_below(y, min(ay, by, cy) - reach)


@compiled
def fill(  # type: ignore[no-untyped-def]
    points, triangles, first_face, second_half, boxes, areas, x, y, blur, perspective, clip, first, step, index, zbuf
):
    """Keep the nearest K triangles of each pixel in the rows first, first + step, ..., nearest first.

    `index` is pix_to_face, -1 before, and `zbuf` infinite before. Of equal depths the lower index is nearer.
    Of the two parts of one face only the one whose edges are nearer to the pixel stays.
    """
    last = zbuf.shape[3] - 1
    for item in range(first_face.shape[0] - 1):
        for face in range(first_face[item], first_face[item + 1]):
            left, right, top, bottom = boxes[face, 0], boxes[face, 1], boxes[face, 2], boxes[face, 3]
            if left >= right or top >= bottom:
                continue
            ax, ay, az, bx, by, bz, cx, cy, cz = _corners(points, triangles, face)
            area = areas[face]
            for row in range(top + (first - top) % step, bottom, step):
                py = y[row]
                for column in range(left, right):
                    px = x[column]
                    wa = _edge(px, py, bx, by, cx, cy)
                    wb = _edge(px, py, cx, cy, ax, ay)
                    wc = _edge(px, py, ax, ay, bx, by)
                    # Divisions cost most, and a pixel on the wrong side of an edge is not inside whatever they give.
                    if blur <= ZERO and not (
                        (wa > ZERO and wb > ZERO and wc > ZERO)
                        if area > ZERO
                        else (wa < ZERO and wb < ZERO and wc < ZERO)
                    ):
                        continue
                    wa, wb, wc = wa / area, wb / area, wc / area
                    if perspective:
                        wa, wb, wc = _correct_perspective(wa, wb, wc, az, bz, cz)
                    inside = wa > ZERO and wb > ZERO and wc > ZERO
                    if clip:
                        wa, wb, wc = _clip_weights(wa, wb, wc)
                    z = wa * az + wb * bz + wc * cz
                    if not z >= ZERO or (blur <= ZERO and not inside):
                        continue
                    if not inside and not _edge_distance(px, py, ax, ay, bx, by, cx, cy) < blur:
                        continue
                    if second_half[face]:
                        k = 0
                        while k <= last and index[item, row, column, k] != face - 1:
                            k += 1
                        if k <= last:
                            ux, uy, _, vx, vy, _, wx, wy, _ = _corners(points, triangles, face - 1)
                            other = _edge_distance(px, py, ux, uy, vx, vy, wx, wy)
                            if not _edge_distance(px, py, ax, ay, bx, by, cx, cy) < other:
                                continue
                            for k_after in range(k, last):
                                index[item, row, column, k_after] = index[item, row, column, k_after + 1]
                                zbuf[item, row, column, k_after] = zbuf[item, row, column, k_after + 1]
                            index[item, row, column, last] = -1
                            zbuf[item, row, column, last] = math.inf
                    if z < zbuf[item, row, column, last]:
                        k = last
                        while k > 0 and z < zbuf[item, row, column, k - 1]:
                            index[item, row, column, k] = index[item, row, column, k - 1]
                            zbuf[item, row, column, k] = zbuf[item, row, column, k - 1]
                            k -= 1
                        index[item, row, column, k] = face
                        zbuf[item, row, column, k] = z


@compiled
def resolve(points, triangles, areas, x, y, perspective, clip, first, step, index, zbuf, bary, dists):  # type: ignore[no-untyped-def]
    """Weights and distances of what `fill` found in the rows first, first + step, ...; -1 where it found nothing."""
    items, height, width, count = index.shape
    for item in range(items):
        for row in range(first, height, step):
            py = y[row]
            for column in range(width):
                px = x[column]
                for k in range(count):
                    face = index[item, row, column, k]
                    if face < 0:
                        zbuf[item, row, column, k] = -ONE
                        dists[item, row, column, k] = -ONE
                        for corner in range(3):
                            bary[item, row, column, k, corner] = -ONE
                        continue
                    ax, ay, az, bx, by, bz, cx, cy, cz = _corners(points, triangles, face)
                    wa = _edge(px, py, bx, by, cx, cy) / areas[face]
                    wb = _edge(px, py, cx, cy, ax, ay) / areas[face]
                    wc = _edge(px, py, ax, ay, bx, by) / areas[face]
                    if perspective:
                        wa, wb, wc = _correct_perspective(wa, wb, wc, az, bz, cz)
                    distance = _edge_distance(px, py, ax, ay, bx, by, cx, cy)
                    dists[item, row, column, k] = -distance if wa > ZERO and wb > ZERO and wc > ZERO else distance
                    if clip:
                        wa, wb, wc = _clip_weights(wa, wb, wc)
                    bary[item, row, column, k, 0] = wa
                    bary[item, row, column, k, 1] = wb
                    bary[item, row, column, k, 2] = wc


@compiled
def _segment_distance_backward(px, py, ax, ay, bx, by, grad):  # type: ignore[no-untyped-def]
    """Gradient on a and b. The foot of the perpendicular is where the distance is least, so it counts as fixed."""
    dx, dy = bx - ax, by - ay
    t = (dx * (px - ax) + dy * (py - ay)) / (dx * dx + dy * dy)
    t = min(max(t, ZERO), ONE)
    gap_x, gap_y = ((ONE - t) * ax + t * bx) - px, ((ONE - t) * ay + t * by) - py
    on_a, on_b = grad * (ONE - t) * TWO, grad * t * TWO
    return on_a * gap_x, on_a * gap_y, on_b * gap_x, on_b * gap_y


@compiled
def _edge_distance_backward(px, py, ax, ay, bx, by, cx, cy, grad):  # type: ignore[no-untyped-def]
    """Gradient on a, b and c of the distance to the nearest edge."""
    ab = _segment_distance(px, py, ax, ay, bx, by)
    ac = _segment_distance(px, py, ax, ay, cx, cy)
    bc = _segment_distance(px, py, bx, by, cx, cy)
    none = ZERO * grad
    if ab <= ac and ab <= bc:
        gx, gy, hx, hy = _segment_distance_backward(px, py, ax, ay, bx, by, grad)
        return gx, gy, hx, hy, none, none
    if ac <= ab and ac <= bc:
        gx, gy, hx, hy = _segment_distance_backward(px, py, ax, ay, cx, cy, grad)
        return gx, gy, none, none, hx, hy
    gx, gy, hx, hy = _segment_distance_backward(px, py, bx, by, cx, cy, grad)
    return none, none, gx, gy, hx, hy


@compiled
def _clip_weights_backward(wa, wb, wc, ga, gb, gc):  # type: ignore[no-untyped-def]
    va, vb, vc = max(wa, ZERO), max(wb, ZERO), max(wc, ZERO)
    total = va + vb + vc
    passes = ONE
    if total < SMALLEST_CLIPPED_SUM:
        passes = ZERO
        total = max(total, SMALLEST_CLIPPED_SUM)
    square = total * total
    sa, sb, sc = -va / square * passes, -vb / square * passes, -vc / square * passes
    inverse = ONE / total
    on_a = ga * (inverse + sa) + gb * sb + gc * sc
    on_b = gb * (inverse + sb) + ga * sa + gc * sc
    on_c = gc * (inverse + sc) + ga * sa + gb * sb
    return (
        on_a * (ZERO if wa < ZERO else ONE),
        on_b * (ZERO if wb < ZERO else ONE),
        on_c * (ZERO if wc < ZERO else ONE),
    )


@compiled
def _correct_perspective_backward(wa, wb, wc, az, bz, cz, ga, gb, gc):  # type: ignore[no-untyped-def]
    """Gradient on the uncorrected weights and on the depths of the corners."""
    va, vb, vc = wa * bz * cz, wb * az * cz, wc * az * bz
    total = max(va + vb + vc, SMALLEST_SUM)
    on_total = (-va * ga - vb * gb - vc * gc) / (total * total)
    ha, hb, hc = on_total + ga / total, on_total + gb / total, on_total + gc / total
    on_az = hb * wb * cz + hc * wc * bz
    on_bz = ha * wa * cz + hc * wc * az
    on_cz = ha * wa * bz + hb * wb * az
    return ha * bz * cz, hb * az * cz, hc * az * bz, on_az, on_bz, on_cz


@compiled
def backward(  # type: ignore[no-untyped-def]
    points, triangles, areas, x, y, perspective, clip, first, step, index, has_zbuf, has_bary, has_dists,
    grad_zbuf, grad_bary, grad_dists, grad_corners,
):  # fmt: skip
    """Add each pixel's gradient to the corners (S, 3, 3) of its triangles, for the items first, first + step, ...

    Items share no triangle, so that threads over items never meet, and the sum has one order whatever their number.
    """
    items, height, width, count = index.shape
    for item in range(first, items, step):
        for row in range(height):
            py = y[row]
            for column in range(width):
                px = x[column]
                for k in range(count):
                    face = index[item, row, column, k]
                    if face < 0:
                        continue
                    ax, ay, az, bx, by, bz, cx, cy, cz = _corners(points, triangles, face)
                    area = areas[face]
                    ea = _edge(px, py, bx, by, cx, cy)
                    eb = _edge(px, py, cx, cy, ax, ay)
                    ec = _edge(px, py, ax, ay, bx, by)
                    ua, ub, uc = ea / area, eb / area, ec / area
                    wa, wb, wc = ua, ub, uc
                    if perspective:
                        wa, wb, wc = _correct_perspective(ua, ub, uc, az, bz, cz)
                    grad = grad_corners[face]

                    ga, gb, gc = ZERO * area, ZERO * area, ZERO * area
                    if has_bary:
                        ga, gb, gc = (
                            grad_bary[item, row, column, k, 0],
                            grad_bary[item, row, column, k, 1],
                            grad_bary[item, row, column, k, 2],
                        )
                    if has_zbuf:
                        gz = grad_zbuf[item, row, column, k]
                        ga, gb, gc = ga + gz * az, gb + gz * bz, gc + gz * cz
                    if clip:
                        ga, gb, gc = _clip_weights_backward(wa, wb, wc, ga, gb, gc)
                    if perspective:
                        ga, gb, gc, on_az, on_bz, on_cz = _correct_perspective_backward(
                            ua, ub, uc, az, bz, cz, ga, gb, gc
                        )
                        grad[0, 2] += on_az
                        grad[1, 2] += on_bz
                        grad[2, 2] += on_cz

                    # Each weight is an edge function over the area: one term through each, summed weight by weight.
                    square = area * area
                    inverse = ONE / area
                    ra, rb, rc = ga * (-ea / square), gb * (-eb / square), gc * (-ec / square)
                    qa, qb, qc = ga * inverse, gb * inverse, gc * inverse
                    # On the area: d/dc, d/da, d/db of edge(c, a, b). On each edge function: d/d(its second and third).
                    on_ax = ra * (cy - by) + (qb * (cy - py) + rb * (cy - by)) + (qc * (py - by) + rc * (cy - by))
                    on_ay = ra * (bx - cx) + (qb * (px - cx) + rb * (bx - cx)) + (qc * (bx - px) + rc * (bx - cx))
                    on_bx = (qa * (py - cy) + ra * (ay - cy)) + rb * (ay - cy) + (qc * (ay - py) + rc * (ay - cy))
                    on_by = (qa * (cx - px) + ra * (cx - ax)) + rb * (cx - ax) + (qc * (px - ax) + rc * (cx - ax))
                    on_cx = (qa * (by - py) + ra * (by - ay)) + (qb * (py - ay) + rb * (by - ay)) + rc * (by - ay)
                    on_cy = (qa * (px - bx) + ra * (ax - bx)) + (qb * (ax - px) + rb * (ax - bx)) + rc * (ax - bx)
                    if has_dists:
                        inside = wa > ZERO and wb > ZERO and wc > ZERO
                        gd = grad_dists[item, row, column, k]
                        dax, day, dbx, dby, dcx, dcy = _edge_distance_backward(
                            px, py, ax, ay, bx, by, cx, cy, -gd if inside else gd
                        )
                        on_ax, on_ay = on_ax + dax, on_ay + day
                        on_bx, on_by = on_bx + dbx, on_by + dby
                        on_cx, on_cy = on_cx + dcx, on_cy + dcy
                    grad[0, 0] += on_ax
                    grad[0, 1] += on_ay
                    grad[1, 0] += on_bx
                    grad[1, 1] += on_by
                    grad[2, 0] += on_cx
                    grad[2, 1] += on_cy
                    if has_zbuf:
                        if clip:
                            wa, wb, wc = _clip_weights(wa, wb, wc)
                        grad[0, 2] += gz * wa
                        grad[1, 2] += gz * wb
                        grad[2, 2] += gz * wc


@compiled
def accumulate(triangles, grad_corners, grad_points):  # type: ignore[no-untyped-def]
    """Add the gradients of the corners to those of the vertices that they are."""
    for face in range(triangles.shape[0]):
        for corner in range(3):
            for axis in range(3):
                grad_points[triangles[face, corner], axis] += grad_corners[face, corner, axis]

"""The compiled loop of `face3d.tracking.frame_faces.face_sharpness`."""

from __future__ import annotations

import numpy as np

from face3d.compiled import compiled

__all__ = ["fine_structure"]


@compiled
def fine_structure(image, left, top, right, bottom, small):  # type: ignore[no-untyped-def]
    """Mean size of the Laplacian of the green channel of a part, brought to a square by the means of areas.

    Args:
        image: (H, W, 3) uint8.
        left, top, right, bottom: the part, whose sides are no shorter than the square's.
        small: (S, S) int32, room for the square.
    """
    height, width, side = bottom - top, right - left, len(small)
    step_y, step_x = height / side, width / side
    area = np.float32(1 / (step_x * step_y))
    sums = np.empty(width, np.float32)
    for i in range(side):
        # Rows first, which are next to each other in memory: vector instructions do many columns at once.
        sums[:] = 0
        start, end = i * step_y, (i + 1) * step_y
        for y in range(int(start), min(int(np.ceil(end - 1e-9)), height)):
            share = np.float32(min(end, y + 1.0) - max(start, y))
            row = image[top + y, left:right].reshape(-1)
            for x in range(width):
                sums[x] += share * np.float32(row[3 * x + 1])
        for k in range(side):
            start, end = k * step_x, (k + 1) * step_x
            total = np.float32(0)
            for x in range(int(start), min(int(np.ceil(end - 1e-9)), width)):
                total += np.float32(min(end, x + 1.0) - max(start, x)) * sums[x]
            small[i, k] = np.int32(total * area + np.float32(0.5))
    bends = 0
    for i in range(side):
        above, below = abs(i - 1), side - 1 - abs(side - 2 - i)
        for k in range(side):
            before, after = abs(k - 1), side - 1 - abs(side - 2 - k)
            bends += abs(small[above, k] + small[below, k] + small[i, before] + small[i, after] - 4 * small[i, k])
    return bends / (side * side)

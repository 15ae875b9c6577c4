"""Compiled loops of the lip reader: a picture of the mouth, laid upright, and a small convolutional network over it.

All in plain loops and single precision, so that a reading has the same bits whatever else the machine does.
"""

from __future__ import annotations

import math

import numpy as np

from face3d.compiled import compiled

__all__ = ["convolve", "dense", "sample_mouth"]

TAPS = 4
"""Per axis and cell at most, where a cell is larger than a pixel."""


@compiled
def sample_mouth(image, centre, along, up, width, height, out):  # type: ignore[no-untyped-def]
    """Lay a picture upright into `out`, (H, W, 3), from up to down and along.

    Args:
        image: (h, w, 3) uint8.
        centre, along, up: (2,) pixels, and unit vectors in the picture.
        width, height: pixels from the middle to the sides of what is taken.

    Returns:
        The share of it that lies inside the picture.
    """
    rows, columns = out.shape[0], out.shape[1]
    image_height, image_width = image.shape[0], image.shape[1]
    step_x, step_y = 2.0 * width / columns, 2.0 * height / rows
    taps_x = min(TAPS, max(1, math.ceil(step_x)))
    taps_y = min(TAPS, max(1, math.ceil(step_y)))
    share = np.float32(1.0 / (taps_x * taps_y))
    inside = 0
    for row in range(rows):
        for column in range(columns):
            red, green, blue = np.float32(0), np.float32(0), np.float32(0)
            for tap_y in range(taps_y):
                y = height - (row + (tap_y + 0.5) / taps_y) * step_y
                for tap_x in range(taps_x):
                    x = (column + (tap_x + 0.5) / taps_x) * step_x - width
                    # A pixel's centre is half a pixel from its corner.
                    across = centre[0] + x * along[0] + y * up[0] - 0.5
                    down = centre[1] + x * along[1] + y * up[1] - 0.5
                    if -0.5 <= across < image_width - 0.5 and -0.5 <= down < image_height - 0.5:
                        inside += 1
                    across = min(max(across, 0.0), image_width - 1.0)
                    down = min(max(down, 0.0), image_height - 1.0)
                    left, top = int(across), int(down)
                    right, bottom = min(left + 1, image_width - 1), min(top + 1, image_height - 1)
                    s, t = np.float32(across - left), np.float32(down - top)
                    a, b = (1 - s) * (1 - t), s * (1 - t)
                    c, d = (1 - s) * t, s * t
                    red += a * image[top, left, 0] + b * image[top, right, 0]
                    red += c * image[bottom, left, 0] + d * image[bottom, right, 0]
                    green += a * image[top, left, 1] + b * image[top, right, 1]
                    green += c * image[bottom, left, 1] + d * image[bottom, right, 1]
                    blue += a * image[top, left, 2] + b * image[top, right, 2]
                    blue += c * image[bottom, left, 2] + d * image[bottom, right, 2]
            out[row, column, 0] = red * share
            out[row, column, 1] = green * share
            out[row, column, 2] = blue * share
    return inside / (rows * columns * taps_x * taps_y)


@compiled
def convolve(values, weights, bias, stride, out):  # type: ignore[no-untyped-def]
    """A convolution with zeros around and nothing negative after it.

    Args:
        values: (h, w, a).
        weights: (k, k, a, b), k odd; bias: (b,).
        stride: steps of the output.
        out: (ceil(h / stride), ceil(w / stride), b).
    """
    size, channels, kinds = weights.shape[0], weights.shape[2], weights.shape[3]
    height, width, reach = values.shape[0], values.shape[1], size // 2
    framed = np.zeros((height + 2 * reach, width + 2 * reach, channels), np.float32)
    framed[reach : reach + height, reach : reach + width] = values
    # Sums of their own, not views of the output, which might overlap what is read: so they stay in registers.
    sums = np.empty(kinds, np.float32)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            for kind in range(kinds):
                sums[kind] = bias[kind]
            for i in range(size):
                for j in range(size):
                    for channel in range(channels):
                        value = framed[row * stride + i, column * stride + j, channel]
                        for kind in range(kinds):
                            sums[kind] += value * weights[i, j, channel, kind]
            for kind in range(kinds):
                out[row, column, kind] = max(sums[kind], np.float32(0))


@compiled
def dense(values, weights, bias, bent, out):  # type: ignore[no-untyped-def]
    """values (a,) times weights (a, b) plus bias (b,) into `out`; nothing negative if `bent`."""
    out[:] = bias
    for k in range(len(values)):
        value = values[k]
        if value != 0:
            for j in range(len(out)):
                out[j] += value * weights[k, j]
    if bent:
        for j in range(len(out)):
            out[j] = max(out[j], np.float32(0))

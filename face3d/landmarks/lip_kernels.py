"""Compiled loops of the lip reader: a picture of the mouth, laid upright, and a small convolutional network over it.

All in plain loops and single precision, so that a reading has the same bits whatever else the machine does.
"""

from __future__ import annotations

import math

import numpy as np

from face3d.compiled import compiled

__all__ = ["convolve", "dense", "normalise", "sample_mouth", "told"]

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
def normalise(picture, least, out):  # type: ignore[no-untyped-def]
    """A picture (h, w, c) less each channel's mean, over the standard deviation of all its values, `least` or more."""
    height, width, channels = picture.shape
    count = height * width
    sums, total, squares = np.zeros(channels), 0.0, 0.0
    for row in range(height):
        for column in range(width):
            for channel in range(channels):
                value = np.float64(picture[row, column, channel])
                sums[channel] += value
                squares += value * value
    for channel in range(channels):
        total += sums[channel]
    mean = total / (count * channels)
    scale = np.float32(max(math.sqrt(max(squares / (count * channels) - mean * mean, 0.0)), least))
    means = (sums / count).astype(np.float32)
    for row in range(height):
        for column in range(width):
            for channel in range(channels):
                out[row, column, channel] = (picture[row, column, channel] - means[channel]) / scale


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
    columns = out.shape[1]
    # Room for three columns beyond the last.
    framed = np.zeros((height + 2 * reach, width + 2 * reach + 4 * stride, channels), np.float32)
    framed[reach : reach + height, reach : reach + width] = values
    # Sums of their own, not views of the output, which might overlap what is read: so they stay in registers. Four
    # columns at a time, as each sum waits for the one before it.
    a, b = np.empty(kinds, np.float32), np.empty(kinds, np.float32)
    c, d = np.empty(kinds, np.float32), np.empty(kinds, np.float32)
    nothing = np.float32(0)
    for row in range(out.shape[0]):
        for column in range(0, columns, 4):
            for kind in range(kinds):
                a[kind] = b[kind] = c[kind] = d[kind] = bias[kind]
            for i in range(size):
                line = framed[row * stride + i]
                for j in range(size):
                    x = column * stride + j
                    for channel in range(channels):
                        p, q = line[x, channel], line[x + stride, channel]
                        r, s = line[x + 2 * stride, channel], line[x + 3 * stride, channel]
                        for kind in range(kinds):
                            weight = weights[i, j, channel, kind]
                            a[kind] += p * weight
                            b[kind] += q * weight
                            c[kind] += r * weight
                            d[kind] += s * weight
            left = columns - column
            for kind in range(kinds):
                out[row, column, kind] = max(a[kind], nothing)
                if left > 1:
                    out[row, column + 1, kind] = max(b[kind], nothing)
                if left > 2:
                    out[row, column + 2, kind] = max(c[kind], nothing)
                if left > 3:
                    out[row, column + 3, kind] = max(d[kind], nothing)


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


@compiled
def told(patch, clues, least, convolutions, layers, answer):  # type: ignore[no-untyped-def]
    """What the whole network says of a picture.

    Args:
        patch: (h, w, 3) as `sample_mouth` gives it.
        clues: (C,) told beside the picture, each of mean 0 and variance 1.
        least: grey levels that the picture's contrast counts as at least.
        convolutions: three of weights, bias and stride; layers: two of weights and bias.
        answer: to be filled.
    """
    values = np.empty(patch.shape, np.float32)
    normalise(patch, least, values)
    for weights, bias, stride in convolutions:
        rows, columns = -(-values.shape[0] // stride), -(-values.shape[1] // stride)
        out = np.empty((rows, columns, weights.shape[3]), np.float32)
        convolve(values, weights, bias, stride, out)
        values = out
    given = np.empty(values.size + len(clues), np.float32)
    given[: values.size] = values.reshape(-1)
    given[values.size :] = clues
    (hidden_weights, hidden_bias), (answer_weights, answer_bias) = layers
    hidden = np.empty(len(hidden_bias), np.float32)
    dense(given, hidden_weights, hidden_bias, True, hidden)
    dense(hidden, answer_weights, answer_bias, False, answer)

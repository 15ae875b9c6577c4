"""The compiled loops of `face3d.landmarks.iris_contours`: an upright picture of an eye, and the iris in it.

Lengths are cells of the upright picture, `CELLS` to the iris's expected radius, from the picture's middle. All in plain
loops, so that a reading has the same bits whatever else the machine does.
"""

from __future__ import annotations

import math

import numpy as np

from face3d.compiled import compiled

__all__ = ["CELLS", "FOUND", "PICTURE", "find_irises"]

CELLS = 12
"""Along a radius of the iris."""

PICTURE = (37, 69)
"""Rows and columns: the opening of the lids, nearly five radii wide, where landmarks of it are somewhat off."""

FOUND = 8
"""What is told of an eye: the iris's x, y and radius; variances of x and y if a row of its rim had variance 1; how many
rows show the left and the right side; the step from iris to white, as a share of the white."""

BRIGHTNESS = (0.15, 0.35, 0.5)
"""Of red, green and blue. Skin is darkest in blue, so that the white stands out from it and a lid's edge, which is not
looked for, does not."""

TURNING = 0.55
"""Sine by which an iris is turned aside that is seen one of its radii aside: 5.85 mm of radius, 10.6 mm in front of the
eye's centre."""

LEAST_SQUARE = 0.1
"""Smallest square of the share of its width that a circle seen at a slant has left."""

PLACES = 2 * ((PICTURE[1] // 2 - CELLS + 1) // 2) + 1
"""Across, that are searched; two cells between."""

_ARC, _ARC_REACH = 7, 0.75
"""Places along each side of the rim that the search looks at, and how far they reach up and down, as a share of the
radius: lids mostly cover what is beyond."""

_SEARCH_RADII = (0.92, 1.04)

_WITHIN_ACROSS, _WITHIN_DOWN = 0.5, 0.125
"""Radii across and down between the places by which what was followed is told to be dark within."""

_OFF_MIDDLE = 0.15
"""What a place loses that is a radius above or below the middle, where the search's best would be about 1."""

_ALIKE, _ALIKE_AT_MOST = 0.4, 1.0
"""What a pair of places loses that are a radius apart in their eyes, by the square of that, and the most it loses: both
eyes look the same way."""

_STARTS, _START_RADII = (0.0, -0.2, 0.2), (0.95, 1.08)
"""Radii beside the search's place from which the rim is followed, and its radii there: highlights beside the rim are
taken for it by who begins nearer to them."""

TRIES = (len(_STARTS) + 1) * len(_START_RADII)
"""That many rims are followed for an eye: from those places, and from where the detector believes the iris."""

_AWAY, _AWAY_AT_MOST = 8.0, 16.0
"""Rows that an iris loses which is a radius away from where the detector believes it, by the square of that, and at
most: dark lashes have rims too, and on photos it is hardly ever half a radius off."""

_SIZES_ALIKE, _SIZES_ALIKE_AT_MOST = 300.0, 12.0
"""Rows that a pair of irises loses whose radii differ, by the square of that as a share of the expected radius, and at
most: a person's irises are equally large."""

_LIMITS = (0.25, 0.19, 0.14, 0.1)
"""Radii off the rim at which a row is no longer believed, pass by pass (Tukey's weights)."""

_RADIUS_SIGMA, _RADII = 0.2, (0.88, 1.15)
"""Standard deviation of the radius as a share of what is expected, if a row of the rim had one of a radius; and what
radii can be."""

_ROWS, _ROW_REACH = 10, 0.88
"""Rows above and below the middle in which the rim is looked for, but none beyond that share of the radius."""

_REACH = 0.38
"""Radii to either side of the rim's expected place in which it is looked for."""


@compiled
def find_irises(image, origins, along, down, cell, facing, believed, pictures, out):  # type: ignore[no-untyped-def]
    """Find both irises of a face.

    Args:
        image: (H, W, 3) uint8.
        origins, along, down: (2, 2) pixels of the pictures' middles, and unit vectors of their axes.
        cell: pixels.
        facing: (2, 2) sines by which the head faces along and down each picture.
        believed: (2, 2) pixels where the detector believes the irises' centres.
        pictures: (2, rows, columns) get the upright pictures.
        out: (2, FOUND) gets what is found.

    Returns:
        The share of the pictures that lies inside the image.
    """
    inside = 0.0
    scores = np.empty((2, PLACES))
    starts = np.empty((2, PLACES, 2))
    for eye in range(2):
        inside += 0.5 * _lay_upright(image, origins[eye], along[eye], down[eye], cell, pictures[eye])
        _search(pictures[eye], facing[eye], scores[eye], starts[eye])
    best, first, second = -1e9, 0, 0
    for i in range(PLACES):
        for j in range(PLACES):
            apart = 2.0 * (i - j) / CELLS
            score = scores[0, i] + scores[1, j] - min(_ALIKE * apart * apart, _ALIKE_AT_MOST)
            if score > best:
                best, first, second = score, i, j
    # Both eyes look the same way, which is told better by both than by either's corners.
    turned = TURNING * (first + second - (PLACES - 1)) / CELLS
    followed = np.empty((2, TRIES, FOUND))
    supports = np.empty((2, TRIES))
    for eye in range(2):
        place = first if eye == 0 else second
        x, y = 2.0 * (place - (PLACES - 1) // 2), starts[eye, place, 0]
        narrower, lower = _squeeze(facing[eye, 0] + turned), _squeeze(facing[eye, 1])
        across, below = (believed[eye, 0] - origins[eye, 0]) / cell, (believed[eye, 1] - origins[eye, 1]) / cell
        own_x, own_y = across * along[eye, 0] + below * along[eye, 1], across * down[eye, 0] + below * down[eye, 1]
        for k in range(TRIES):
            found = followed[eye, k]
            radius, start = _START_RADII[k // (len(_STARTS) + 1)] * CELLS, k % (len(_STARTS) + 1)
            if start < len(_STARTS):
                _follow_rim(pictures[eye], x + _STARTS[start] * CELLS, y, radius, narrower, lower, found)
            else:
                _follow_rim(pictures[eye], own_x, own_y, radius, narrower, lower, found)
            away = ((found[0] - own_x) ** 2 + (found[1] - own_y) ** 2) / CELLS**2
            supports[eye, k] = found[5] + found[6] + 2 * min(found[5], found[6]) - min(_AWAY * away, _AWAY_AT_MOST)
    best = -1e9
    for i in range(TRIES):
        for j in range(TRIES):
            apart = (followed[0, i, 2] - followed[1, j, 2]) / CELLS
            score = supports[0, i] + supports[1, j] - min(_SIZES_ALIKE * apart * apart, _SIZES_ALIKE_AT_MOST)
            if score > best:
                best, first, second = score, i, j
    out[0] = followed[0, first]
    out[1] = followed[1, second]
    return inside


@compiled
def _lay_upright(image, origin, along, down, cell, out):  # type: ignore[no-untyped-def]
    """Fill `out` with the brightness around `origin`; gives the share that lies inside the image."""
    height, width = image.shape[:2]
    rows, columns = out.shape
    inside = 0
    for i in range(rows):
        y = (i - 0.5 * (rows - 1)) * cell
        for j in range(columns):
            x = (j - 0.5 * (columns - 1)) * cell
            # A pixel's centre is half a pixel from its corner.
            across = origin[0] + x * along[0] + y * down[0] - 0.5
            below = origin[1] + x * along[1] + y * down[1] - 0.5
            if 0 <= across <= width - 1 and 0 <= below <= height - 1:
                inside += 1
            across = min(max(across, 0.0), width - 1.001)
            below = min(max(below, 0.0), height - 1.001)
            c, r = int(across), int(below)
            s, t = across - c, below - r
            value = 0.0
            for channel in range(3):
                top = image[r, c, channel] * (1 - s) + image[r, c + 1, channel] * s
                bottom = image[r + 1, c, channel] * (1 - s) + image[r + 1, c + 1, channel] * s
                value += BRIGHTNESS[channel] * (top * (1 - t) + bottom * t)
            out[i, j] = value
    return inside / (rows * columns)


@compiled
def _squeeze(turned):  # type: ignore[no-untyped-def]
    """How much narrower than a circle an iris looks that is turned aside by this sine."""
    return math.sqrt(max(1.0 - turned * turned, LEAST_SQUARE))


@compiled
def _search(picture, facing, scores, starts):  # type: ignore[no-untyped-def]
    """For every place across the best height and radius: a rim brighter outside than inside, and dark within."""
    rows, columns = picture.shape
    ordered = np.sort(picture[::2, ::3].copy().reshape(-1))
    low, high = ordered[int(0.05 * len(ordered))], ordered[int(0.9 * len(ordered))]
    most = max(high - low, 1.0)
    level = np.empty((rows, columns), np.float32)
    for i in range(rows):
        for j in range(columns):
            level[i, j] = (min(picture[i, j], high) - low) / most
    scores[:] = -1e9
    heights = int(0.5 * rows - 0.6 * CELLS)
    for factor in _SEARCH_RADII:
        radius = factor * CELLS
        lower = _squeeze(facing[1])
        for y in range(-heights, heights + 1, 2):
            for number in range(PLACES):
                x = 2 * (number - (PLACES - 1) // 2)
                narrower = _squeeze(facing[0] + TURNING * x / CELLS)
                total = 0.0
                for k in range(_ARC):
                    share = _ARC_REACH * (2 * k / (_ARC - 1) - 1)
                    i = round(0.5 * (rows - 1) + y + share * radius * lower)
                    half = math.sqrt(1 - share * share) * radius * narrower
                    i = min(max(i, 0), rows - 1)
                    for sign in (-1, 1):
                        middle = 0.5 * (columns - 1) + x
                        j = min(max(round(middle + sign * (half + 1.8)), 0), columns - 1)
                        outside = level[i, j]
                        j = min(max(round(middle + sign * (half - 1.8)), 0), columns - 1)
                        within = level[i, j]
                        total += min(max(outside - within, -0.5), 1.0) - 0.5 * within
                score = total / (2 * _ARC) - _OFF_MIDDLE * (y / CELLS) ** 2
                if score > scores[number]:
                    scores[number] = score
                    starts[number, 0], starts[number, 1] = y, radius


@compiled
def _at(picture, x, y):  # type: ignore[no-untyped-def]
    """The picture between cells."""
    rows, columns = picture.shape
    x = min(max(x + 0.5 * (columns - 1), 0.0), columns - 1.001)
    y = min(max(y + 0.5 * (rows - 1), 0.0), rows - 1.001)
    c, r = int(x), int(y)
    s, t = x - c, y - r
    top = picture[r, c] * (1 - s) + picture[r, c + 1] * s
    bottom = picture[r + 1, c] * (1 - s) + picture[r + 1, c + 1] * s
    return top * (1 - t) + bottom * t


@compiled
def _edge(picture, x, y, sign, radius, bright):  # type: ignore[no-untyped-def]
    """Where along a row, nearest to x, dark turns to bright outwards: cells from x; and the height of the step."""
    inner, outer = 0.0, 0.0
    for k in range(4):
        away = (0.15 + k * 0.1) * radius
        # What is brighter than the white is a highlight.
        inner += 0.25 * min(_at(picture, x - sign * away, y), bright)
        outer += 0.25 * min(_at(picture, x + sign * away, y), bright)
    if outer <= inner:
        return 0.0, 0.0
    half, reach = 0.5 * (inner + outer), _REACH * radius
    best, place = 1e9, -reach
    before = _at(picture, x - sign * reach, y)
    while place < reach:
        after = _at(picture, x + sign * (place + 1.0), y)
        if before < half <= after:
            crossing = place + (half - before) / (after - before)
            if abs(crossing) < abs(best):
                best = crossing
        before = after
        place += 1.0
    if best > reach + 1:
        return 0.0, 0.0
    return sign * best, outer - inner


@compiled
def _levels(picture, x, y, radius, narrow):  # type: ignore[no-untyped-def]
    """How dark the iris is, and how bright the white beside it; highlights and the pupil hardly count."""
    inner, outer = np.empty(25), np.empty(18)
    for k in range(25):
        inner[k] = _at(picture, x + (k % 5 - 2) * 0.3 * radius * narrow, y + (k // 5 - 2) * 0.15 * radius)
    for k in range(18):
        away = (1.15 + 0.1 * (k // 6)) * radius * narrow
        outer[k] = _at(picture, x + (away if k % 2 else -away), y + (k // 2 % 3 - 1) * 0.25 * radius)
    inner.sort()
    outer.sort()
    return inner[8], outer[12]


@compiled
def _dark_within(picture, x, y, across, down, limit):  # type: ignore[no-untyped-def]
    """Whether every column of what is followed is dark somewhere: not so where the rim is that of two other things."""
    for k in range(-1, 2):
        darkest = 255.0
        for m in range(-4, 5):
            darkest = min(darkest, _at(picture, x + _WITHIN_ACROSS * k * across, y + _WITHIN_DOWN * m * down))
        if darkest > limit:
            return False
    return True


@compiled
def _follow_rim(picture, x, y, radius, narrower, lower, out):  # type: ignore[no-untyped-def]
    """Lay a circle, seen at a slant, through the left and right rim: Gauss-Newton with robust weights."""
    out[:] = 0.0
    dark, bright = _levels(picture, x, y, radius, narrower)
    contrast = bright - dark
    if contrast <= 0.0:
        return
    out[7] = contrast / bright
    normal, pull, update = np.empty((3, 3)), np.empty(3), np.empty(3)
    for limit in _LIMITS:
        normal[:] = 0.0
        pull[:] = 0.0
        normal[1, 1] = 1e-4
        normal[2, 2] = 1.0 / (_RADIUS_SIGMA * CELLS) ** 2
        pull[2] = normal[2, 2] * (CELLS - radius)
        out[5], out[6] = 0.0, 0.0
        for k in range(-_ROWS, _ROWS + 1):
            share = k / (radius * lower)
            if abs(share) > _ROW_REACH:
                continue
            half = math.sqrt(1 - share * share)
            for side in range(2):
                sign = 2.0 * side - 1.0
                rim = x + sign * narrower * radius * half
                shift, step = _edge(picture, rim, y + k, sign, radius, bright)
                relative = shift / (limit * CELLS)
                if step < 0.3 * contrast or abs(relative) >= 1.0:
                    continue
                if _at(picture, rim + shift - sign * 0.3 * radius, y + k) > 0.5 * (dark + bright):
                    continue
                # A row that meets the rim at a slant tells less of it.
                weight = (1 - relative * relative) ** 2 * min(1.0, step / (0.6 * contrast)) * half * half
                slopes = (1.0, sign * narrower * share / (lower * half), sign * narrower / half)
                for a in range(3):
                    pull[a] += weight * slopes[a] * shift
                    for b in range(3):
                        normal[a, b] += weight * slopes[a] * slopes[b]
                out[5 + side] += weight
        if max(out[5], out[6]) < 1.0:
            return
        inverse = np.linalg.inv(normal)
        for a in range(3):
            update[a] = inverse[a, 0] * pull[0] + inverse[a, 1] * pull[1] + inverse[a, 2] * pull[2]
        x += min(max(update[0], -3.0), 3.0)
        y += min(max(update[1], -3.0), 3.0)
        radius = min(max(radius + update[2], _RADII[0] * CELLS), _RADII[1] * CELLS)
    if not _dark_within(picture, x, y, radius * narrower, radius, 0.5 * (dark + bright)):
        out[:] = 0.0
        return
    out[0], out[1], out[2] = x, y, radius
    out[3], out[4] = inverse[0, 0], inverse[1, 1]

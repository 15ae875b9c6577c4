"""From heatmaps to points: where a peak is, and the maps that a point draws.

Heatmap coordinates count from the top-left corner of the top-left cell, so the first cell's centre is (0.5, 0.5).

FAN's own decoding knows a peak's cell and which neighbour is higher, so a point jumps by half a cell as a face moves:
on a face 200 pixels wide that is 3 pixels. The peak of a heatmap is a Gaussian, and fitting that Gaussian to the cells
around it gives its place to a few hundredths of a cell.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray

__all__ = ["draw_gaussians", "heatmap_peaks", "reference_peaks"]

FIT_RADIUS = 3
"""Cells around the highest one that take part in the fit: a window of 7 x 7, cut at the map's border."""

WIDTH_PRIOR = 0.02 / 0.4
"""Noise of a cell, as a share of the peak's height, over the spread of the log of peaks' widths around 1 cell.

What keeps a noisy peak at the border, of which half is missing, from being taken for a wide one that lies outside.
"""

FIT_STEPS = 12
"""Gauss-Newton steps; four settle all but the noisiest peaks."""

LARGEST_CORRECTION = 0.5
"""Cells between the fitted and the reference peak, on each axis. A clean peak needs half of that; more is no peak."""

WIDTHS = (0.4, 4.0)
"""Plausible standard deviations of a peak in cells; FAN draws its targets with 1."""

LEAST_EXPLAINED = 0.8
"""Share of the window's energy that the fitted Gaussian must explain to be believed; of a clean peak it is all."""

QUARTER = 0.25
"""FAN's own step towards the higher neighbour, in cells."""

GAUSSIAN_SIZE = 13
GAUSSIAN_SIGMA = 0.25 * GAUSSIAN_SIZE
"""Pixels; what FAN's depth network is shown of each point (face-alignment, `draw_gaussian`)."""


def reference_peaks(
    heatmaps: Float[ndarray, "B N H W"],
) -> tuple[Float32[ndarray, "B N 2"], Float[ndarray, "B N"]]:
    """The peaks as face-alignment finds them: the highest cell's centre, a quarter of a cell towards the higher side.

    Cells at the border, and neighbours that are equal, give no such step.

    Returns:
        x and y in heatmap coordinates, and the highest cell's value.
    """
    rows, columns, heights = _highest_cells(heatmaps)
    centres = np.stack([columns, rows], axis=-1).astype(np.float32) + np.float32(0.5)
    return centres + np.float32(QUARTER) * _higher_sides(heatmaps, rows, columns), heights


def heatmap_peaks(heatmaps: Float[ndarray, "B N H W"]) -> tuple[Float[ndarray, "B N 2"], Float[ndarray, "B N"]]:
    """The peaks between cells: a Gaussian of free height and width, least squares over the cells around the highest.

    Where the surroundings are no such peak (flat, negative, torn), the answer is that of `reference_peaks`; it is never
    more than half a cell from it.

    Returns:
        x and y in heatmap coordinates, float64, and the highest cell's value.
    """
    shape = heatmaps.shape
    maps = np.asarray(heatmaps, dtype=np.float64).reshape(1, -1, *shape[2:])
    rows, columns, heights = _highest_cells(maps)
    fallback = QUARTER * _higher_sides(maps, rows, columns)[0]
    shifts = _fitted_shifts(maps[0], rows[0], columns[0], fallback)
    peaks = np.stack([columns[0], rows[0]], axis=-1) + 0.5 + shifts
    return peaks.reshape(*shape[:2], 2), heights.reshape(shape[:2])


def draw_gaussians(points: Float[ndarray, "N 2"], size: int) -> Float32[ndarray, "N S S"]:
    """One map per point, as face-alignment shows them to its depth network: 13 x 13 cells, height 1, at whole cells.

    Args:
        points: x and y counted from 1 as there; what lies more than the kernel outside draws nothing.
        size: side of the maps.
    """
    offsets = np.arange(GAUSSIAN_SIZE) - GAUSSIAN_SIZE // 2
    profile = np.exp(-((offsets / GAUSSIAN_SIGMA) ** 2) / 2)
    kernel = np.outer(profile, profile).astype(np.float32)
    maps = np.zeros((len(points), size, size), dtype=np.float32)
    for one, point in zip(maps, np.asarray(points, dtype=np.float64), strict=True):
        if not np.isfinite(point).all():
            continue
        (columns, kernel_columns), (rows, kernel_rows) = (_placed(int(value), size) for value in np.floor(point))
        if columns.start < columns.stop and rows.start < rows.stop:
            one[rows, columns] = kernel[kernel_rows, kernel_columns]
    return maps


def _placed(centre: int, size: int) -> tuple[slice, slice]:
    """Along one axis, which cells of a map a kernel covers and with which of its own; `centre` counts from 1.

    A kernel that sticks out on the low side is cut two cells short, as there: the depth network was trained so.
    """
    first, last = centre - GAUSSIAN_SIZE // 2, min(centre + GAUSSIAN_SIZE // 2, size)
    start = max(first, 1) - 1
    cut = max(-first, 1) - 1
    return slice(start, last), slice(cut, cut + last - start)


def _highest_cells(
    heatmaps: Float[ndarray, "B N H W"],
) -> tuple[Int[ndarray, "B N"], Int[ndarray, "B N"], Float[ndarray, "B N"]]:
    flat = heatmaps.reshape(*heatmaps.shape[:2], -1)
    highest = flat.argmax(axis=-1)
    heights = np.take_along_axis(flat, highest[..., None], axis=-1)[..., 0]
    return highest // heatmaps.shape[3], highest % heatmaps.shape[3], heights


def _higher_sides(
    heatmaps: Float[ndarray, "B N H W"], rows: Int[ndarray, "B N"], columns: Int[ndarray, "B N"]
) -> Float32[ndarray, "B N 2"]:
    """-1, 0 or 1 along x and y, towards the higher neighbour; 0 at the border, on both axes."""
    height, width = heatmaps.shape[2:]
    inside = (rows > 0) & (rows < height - 1) & (columns > 0) & (columns < width - 1)
    batch, channel = np.indices(rows.shape)
    row, column = np.clip(rows, 1, height - 2), np.clip(columns, 1, width - 2)
    along_x = heatmaps[batch, channel, row, column + 1] - heatmaps[batch, channel, row, column - 1]
    along_y = heatmaps[batch, channel, row + 1, column] - heatmaps[batch, channel, row - 1, column]
    return (np.sign(np.stack([along_x, along_y], axis=-1)) * inside[..., None]).astype(np.float32)


def _fitted_shifts(
    maps: Float[ndarray, "N H W"],
    rows: Int[ndarray, " N"],
    columns: Int[ndarray, " N"],
    fallback: Float[ndarray, "N 2"],
) -> Float[ndarray, "N 2"]:
    """Peak minus centre of the highest cell, by Gauss-Newton over (height, x, y, log width) with damping."""
    steps = np.arange(-FIT_RADIUS, FIT_RADIUS + 1)
    down, right = (axis.reshape(-1) for axis in np.meshgrid(steps, steps, indexing="ij"))
    row, column = rows[:, None] + down, columns[:, None] + right
    height, width = maps.shape[1:]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    numbers = np.arange(len(maps))[:, None]
    values = maps[numbers, np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)] * inside
    tallest = values.max(axis=1, initial=0.0)
    usable = np.isfinite(values).all(axis=1) & (tallest > 0)
    values = np.where(usable[:, None], values / np.where(usable, tallest, 1.0)[:, None], 0.0)

    state = np.column_stack([np.ones(len(maps)), fallback, np.zeros(len(maps))])
    error = np.full(len(maps), np.inf)
    damping = np.full(len(maps), 1e-3)
    trial = state
    normal = np.zeros((len(maps), 4, 4))
    slope = np.zeros((len(maps), 4))
    for _ in range(FIT_STEPS + 1):
        model, jacobian = _gaussian(trial, right, down)
        residual = (values - model) * inside
        trial_error = np.sum(residual**2, axis=1) + (WIDTH_PRIOR * trial[:, 3]) ** 2
        better = trial_error < error
        state = np.where(better[:, None], trial, state)
        error = np.where(better, trial_error, error)
        jacobian = jacobian * inside[..., None]
        normal = np.where(better[:, None, None], jacobian.transpose(0, 2, 1) @ jacobian, normal)
        slope = np.where(better[:, None], np.einsum("nkp,nk->np", jacobian, residual), slope)
        prior = WIDTH_PRIOR**2 * np.array([0.0, 0.0, 0.0, 1.0])
        damping = np.clip(np.where(better, damping * 0.2, damping * 10), 1e-9, 1e6)
        levels = damping * (normal.trace(axis1=1, axis2=2) + 1e-12)
        damped = normal + np.diag(prior) + levels[:, None, None] * np.eye(4)
        downhill = slope - prior * state
        trial = state + np.clip(np.linalg.solve(damped, downhill[..., None])[..., 0], -1.0, 1.0)
        trial[:, 3] = np.clip(trial[:, 3], np.log(WIDTHS[0]), np.log(WIDTHS[1]))

    energy = np.sum(values**2, axis=1)
    shifts = state[:, 1:3]
    believed = usable & (error <= (1 - LEAST_EXPLAINED) * energy)
    corrected = np.clip(shifts, fallback - LARGEST_CORRECTION, fallback + LARGEST_CORRECTION)
    return np.where(believed[:, None], corrected, fallback)


def _gaussian(
    state: Float[ndarray, "N 4"], right: Int[ndarray, " K"], down: Int[ndarray, " K"]
) -> tuple[Float[ndarray, "N K"], Float[ndarray, "N K 4"]]:
    """A Gaussian of (height, x, y, log width) at the window's cells, and its derivatives."""
    height, x, y, log_width = (column[:, None] for column in state.T)
    variance = np.exp(2 * log_width)
    from_x, from_y = right - x, down - y
    distance = (from_x**2 + from_y**2) / variance
    unit = np.exp(-distance / 2)
    model = height * unit
    return model, np.stack([unit, model * from_x / variance, model * from_y / variance, model * distance], axis=-1)

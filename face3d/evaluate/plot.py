"""Cumulative error curves as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from face3d.errors import DependencyError, OutputError
from face3d.evaluate.statistics import cumulative_share

__all__ = ["plot_cumulative"]


def plot_cumulative(
    path: Path,
    errors: Mapping[str, Float[np.ndarray, " N"]],
    *,
    label: str,
    limit: float,
    title: str,
    marks: tuple[float, ...] = (),
) -> None:
    """Draw, for each named set of errors, the share of them (in per cent) that is no larger than x.

    Args:
        path: a PNG, PDF or SVG file by its suffix.
        errors: values by the curve's name; missing ones (NaN or infinite) never come in.
        label: of the x axis, with its unit.
        limit: where the x axis ends.
        marks: thin lines at these x.

    Raises:
        DependencyError: matplotlib cannot be imported.
        OutputError: the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError(f"drawing {path.name} needs matplotlib: pip install matplotlib ({error})") from error
    figure = Figure(figsize=(7.0, 4.8), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    limits = np.linspace(0.0, limit, 1001)
    for name, values in errors.items():
        axes.plot(limits, 100 * cumulative_share(values, limits), linewidth=1.6, label=f"{name} ({len(values):,})")
    for mark in marks:
        axes.axvline(mark, color="0.75", linewidth=0.8, zorder=0)
    axes.set(xlim=(0, limit), ylim=(0, 100), xlabel=label, ylabel="share with no larger error, %", title=title)
    axes.grid(color="0.9")
    axes.legend(loc="lower right", fontsize="small")
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.lstrip(".") or "png")
    try:
        path.write_bytes(content.getvalue())
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; choose another folder for --out") from error

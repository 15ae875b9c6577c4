"""What a face does over time, as plots: mouth, eyes, brows, pose of the head, and how sure each frame is."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from face3d.export.live_link import CURVES

if TYPE_CHECKING:
    from face3d.track_result import Track

__all__ = ["COLOURS", "Panel", "Series", "curve_panels", "curves_picture", "thinned"]

COLOURS = ("#0f766e", "#d97706", "#7c3aed", "#e11d48", "#2563eb")
"""Of the series of a panel, told apart also by those who see red and green alike (by their lightness)."""

GROUPS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "Mouth": (
        ("Jaw open", ("JawOpen",)),
        ("Smile", ("MouthSmileLeft", "MouthSmileRight")),
        ("Pucker", ("MouthPucker",)),
        ("Funnel", ("MouthFunnel",)),
        ("Close", ("MouthClose",)),
    ),
    "Eyes": (
        ("Blink left", ("EyeBlinkLeft",)),
        ("Blink right", ("EyeBlinkRight",)),
        ("Wide", ("EyeWideLeft", "EyeWideRight")),
        ("Squint", ("EyeSquintLeft", "EyeSquintRight")),
    ),
    "Brows": (
        ("Inner up", ("BrowInnerUp",)),
        ("Outer up", ("BrowOuterUpLeft", "BrowOuterUpRight")),
        ("Down", ("BrowDownLeft", "BrowDownRight")),
    ),
}
"""Panels, and of each series the curves whose mean it is."""

PICTURE_POINTS = 3000
"""Of a series in the picture: more than it has pixels across."""


PANEL_GAP = 0.12
"""Between panels, in heights of one."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A named curve over the frames of a track."""

    label: str
    values: Float[np.ndarray, " T"]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Curves of one unit that belong together, and the range to show them in."""

    title: str
    series: tuple[Series, ...]
    low: float
    high: float
    unit: str = ""


def curve_panels(track: Track) -> list[Panel]:
    """What is worth seeing of a track; a head without ARKit's expressions shows its jaw and strongest expressions."""
    curves = track.live_link()
    panels = []
    if curves is not None:
        number = {name: column for column, name in enumerate(CURVES)}
        for title, rows in GROUPS.items():
            series = tuple(
                Series(label, curves[:, [number[name] for name in names]].mean(axis=1)) for label, names in rows
            )
            panels.append(Panel(title, series, 0.0, 1.0))
    else:
        jaw = Series("Opening", np.degrees(track.jaw[:, 0]))
        panels.append(Panel("Jaw", (jaw,), *_range([jaw.values], 5.0), unit="°"))
        strongest = np.argsort(-track.expression.std(axis=0), kind="stable")[: len(COLOURS)]
        series = tuple(Series(track.model.expression_names[e], track.expression[:, e]) for e in sorted(strongest))
        panels.append(Panel("Expressions", series, *_range([one.values for one in series], 1.0)))
    facing = np.diag([1.0, -1.0, -1.0]) @ track.camera_from_head[:, :3, :3]
    angles = np.degrees((Rotation.from_matrix(facing) * Rotation.from_rotvec(track.neck)).as_euler("YXZ")).T
    labels = ("Yaw, to the subject's left", "Pitch, down", "Roll")
    pose = tuple(Series(label, values) for label, values in zip(labels, angles, strict=True))
    panels.append(Panel("Head", pose, *_range(angles, 10.0), unit="°"))
    panels.append(Panel("Quality", (Series("Quality", track.quality),), 0.0, 1.0))
    return panels


def thinned(
    times: Float[np.ndarray, " T"], values: Float[np.ndarray, " T"], count: int, *, longest_step: float
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"]]:
    """At most about `count` points of a curve that look as the whole: of each stretch the least and the greatest.

    A NaN stands where more than `longest_step` seconds lie between two frames, for plots to leave a hole.
    """
    picks = np.arange(len(times))
    if len(times) > count:
        edges = np.unique(np.linspace(0, len(times), count // 2 + 1).astype(int))
        stretches = ((first, values[first:last]) for first, last in itertools.pairwise(edges))
        picks = np.unique([first + place for first, part in stretches for place in (part.argmin(), part.argmax())])
    after = np.nonzero(np.diff(times) > longest_step)[0] + 1
    holes = np.unique(np.searchsorted(picks, after))
    holes = holes[(holes > 0) & (holes < len(picks))]
    times, values = times[picks], values[picks]
    return np.insert(times, holes, times[holes - 1]), np.insert(values, holes, np.nan)


def curves_picture(track: Track) -> bytes:
    """The panels as one PNG; stretches that do not show the face themselves are shaded."""
    import matplotlib
    from matplotlib.figure import Figure

    panels = curve_panels(track)
    with matplotlib.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        height = 1.5 * len(panels) + 0.6
        figure = Figure(figsize=(10, height), dpi=120)
        # Fixed, as to find room for the texts takes as long as to draw all.
        figure.subplots_adjust(left=0.07, right=0.8, top=1 - 0.3 / height, bottom=0.4 / height, hspace=PANEL_GAP)
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for ax, panel in zip(axes, panels, strict=True):
            for first, last in track.gaps():
                ax.axvspan(first, last, color="0.88", linewidth=0)
            for one, colour in zip(panel.series, COLOURS, strict=False):
                points = thinned(track.times, one.values, PICTURE_POINTS, longest_step=1.9 / track.frame_rate)
                ax.plot(*points, color=colour, linewidth=1.0, label=one.label)
            ax.set_ylim(panel.low, panel.high)
            ax.set_ylabel(f"{panel.title} ({panel.unit})" if panel.unit else panel.title)
            ax.grid(alpha=0.25, linewidth=0.5)
            if len(panel.series) > 1:
                ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        step = 1 / track.frame_rate
        axes[-1].set_xlim(track.times[0], max(track.times[-1], track.times[0] + step))
        axes[-1].set_xlabel("seconds")
        title = f"{track.name}: grey where the video does not show the face"
        figure.suptitle(title, fontsize=9, y=1 - 0.08 / height, verticalalignment="top")
        file = io.BytesIO()
        figure.savefig(file, format="png")
    return file.getvalue()


def _range(values: Sequence[Float[np.ndarray, " T"]] | Float[np.ndarray, "S T"], least: float) -> tuple[float, float]:
    """Bounds around curves with a little air, zero among them, never closer than `least` to it on both sides."""
    low, high = min(float(one.min()) for one in values), max(float(one.max()) for one in values)
    air = 0.05 * (high - low)
    return min(low - air, -least), max(high + air, least)

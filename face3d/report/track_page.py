"""The page of a tracked person: video and head side by side on one clock, over the curves of what the face does."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from face3d.export import Mesh
from face3d.export.gltf_animation import IN_PLACE, export_gltf_animation
from face3d.render.portrait import HeadAppearance, portrait
from face3d.report.content import shared_content
from face3d.report.page import glb_uri, jpeg_uri, render_page
from face3d.report.track_curves import COLOURS, Panel, curve_panels, thinned

if TYPE_CHECKING:
    from face3d.track_result import Track

__all__ = ["track_page"]

POSTER = 480

MOST_KEYS = 12_000
"""Key frames of the animation in the page, eight minutes of video at 25 a second; of longer ones it shows every n-th
frame, so that the page stays one that a browser opens."""

PLOT_POINTS = 1200
"""Points of a curve in the page."""

PLOT_WIDTH, PLOT_HEIGHT = 1000, 100
"""Of a panel in its own units; the page stretches it."""


def track_page(
    track: Track,
    mesh: Mesh,
    look: HeadAppearance,
    folder: Path,
    *,
    overlay_start: float | None,
    side_by_side: bool = False,
) -> str:
    """Describe a track as one HTML file, which plays overlay.mp4 beside it and needs no network.

    Args:
        track: what to describe.
        mesh: the person at rest in the colours of the 3D view, head frame.
        look: the same colours for the picture that stands in for that view.
        folder: where the track's files lie next to the page.
        overlay_start: time in seconds of the first frame of overlay.mp4; None when there is no such file.
        side_by_side: the video shows the plain frame beside the drawn one.
    """
    every = math.ceil(len(track.frames) / MOST_KEYS)
    animated = export_gltf_animation(
        replace(mesh, uv=None, uv_triangles=None), track.model, track.motion(every), also_in_place=True
    )
    first = float(track.times[0]) if overlay_start is None else min(overlay_start, float(track.times[0]))
    last = max(float(track.times[-1]), first + 1 / track.frame_rate)
    told = track.residual[np.isfinite(track.residual)]
    return render_page(
        "track.html",
        **shared_content(track, folder, distance=float(np.median(track.camera_from_head[:, 2, 3]))),
        player={
            "video": overlay_start is not None,
            "start": overlay_start or 0.0,
            "first": first,
            "last": last,
            "step": 1 / track.frame_rate,
            "gaps": track.gaps(),
            "animation": mesh.name,
            "inPlace": IN_PLACE,
            # Where the clip ends a viewer would begin anew.
            "end": float(track.times[::every][-1]) - 1e-3,
            "begin": float(track.times[0]),
        },
        glb=glb_uri(animated),
        poster=jpeg_uri(portrait(mesh.vertices, mesh.triangles, look, (POSTER, POSTER))[0]),
        every=every,
        aspect=(track.intrinsics.image_size[0] * (1 + side_by_side), track.intrinsics.image_size[1]),
        panels=[_plotted(track, panel, first, last) for panel in curve_panels(track)],
        plot=(PLOT_WIDTH, PLOT_HEIGHT),
        gaps=[(_across(a, first, last), _across(b, first, last)) for a, b in track.gaps()],
        frames={
            "count": len(track.frames),
            "rate": track.frame_rate,
            "seconds": float(track.times[-1] - track.times[0]),
            "valid": float(track.valid.mean()),
            "quality": float(track.quality.mean()),
            "shots": len(np.unique(track.shots)),
            "residual": float(told.mean()) if len(told) else None,
            "speed": track.timings.get("frames_per_second"),
        },
    )


def _plotted(track: Track, panel: Panel, first: float, last: float) -> dict[str, Any]:
    """A panel with its curves as paths in plot units."""
    series = []
    for one, colour in zip(panel.series, COLOURS, strict=False):
        times, values = thinned(track.times, one.values, PLOT_POINTS, longest_step=1.9 / track.frame_rate)
        x = (times - first) / (last - first) * PLOT_WIDTH
        y = (panel.high - np.clip(values, panel.low, panel.high)) / (panel.high - panel.low) * PLOT_HEIGHT
        series.append({"label": one.label, "colour": colour, "path": _path(x.tolist(), y.tolist())})
    zero = panel.high / (panel.high - panel.low) * PLOT_HEIGHT
    return {
        "title": panel.title,
        "unit": panel.unit,
        "low": panel.low,
        "high": panel.high,
        "zero": zero,
        "series": series,
    }


def _path(x: list[float], y: list[float]) -> str:
    """An SVG path that lifts its pen at NaN."""
    steps, pen = [], "M"
    for right, down in zip(x, y, strict=True):
        if down != down:
            pen = "M"
            continue
        steps.append(f"{pen}{right:.1f} {down:.1f}")
        pen = "L"
    return "".join(steps)


def _across(time: float, first: float, last: float) -> float:
    return min(max((time - first) / (last - first), 0.0), 1.0) * PLOT_WIDTH

"""What the pages of photos and of videos both tell: size, measurements, camera, files, licences, times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from face3d.report.page import MODEL_VIEWER_VERSION
from face3d.report.words import camera_sentence, file_purpose, grouped, size_sentence, size_source, spoken

if TYPE_CHECKING:
    from face3d.reconstruction import Reconstruction
    from face3d.track_result import Track

__all__ = ["shared_content"]

HEADLINES = ("pupillary_distance", "face_width", "head_circumference")
"""Measurements that stand large at the top, where the head model has them."""

RATE = "frames_per_second"
"""The timing that is no time."""


def shared_content(result: Reconstruction | Track, folder: Path | None, *, distance: float) -> dict[str, Any]:
    """What the templates' common parts name.

    Args:
        result: what to describe.
        folder: where the result's files lie next to the page; their names and sizes are listed.
        distance: of the head from the camera, metres.
    """
    matrix = result.intrinsics.matrix
    return {
        "title": result.name,
        "source": result.source,
        "headlines": [
            {"label": spoken(name), **_measured(result, name)} for name in HEADLINES if name in result.measurements
        ],
        "warnings": result.warnings,
        "size": size_sentence(result.scale.value, result.scale.sigma),
        "size_sources": [
            {"rests_on": size_source(source.name), "value": source.value, "sigma": source.sigma}
            for source in result.scale.sources
        ],
        "measurements": [
            {
                "heading": heading,
                "rows": [{"name": name, "label": spoken(name), **_measured(result, name)} for name in names],
            }
            for heading, names in grouped(result.measurements).items()
        ],
        "camera": {
            "sentence": camera_sentence(result.intrinsics.source),
            "focal": float(matrix[0, 0]),
            "focal_sigma": result.intrinsics.focal_sigma,
            "centre": (float(matrix[0, 2]), float(matrix[1, 2])),
            "size": result.intrinsics.image_size,
            "field_of_view": math.degrees(2 * math.atan(max(result.intrinsics.image_size) / 2 / matrix[0, 0])),
            "distance": distance,
        },
        "head_model": result.model.name,
        "files": [] if folder is None else _files(folder),
        "assets": result.assets,
        "seconds": _seconds({step: taken for step, taken in result.timings.items() if step != RATE}),
        "viewer_version": MODEL_VIEWER_VERSION,
    }


def _measured(result: Reconstruction | Track, name: str) -> dict[str, Any]:
    measurement = result.measurements[name]
    return {"value": measurement.value, "sigma": measurement.sigma, "standard": measurement.standard}


def _files(folder: Path) -> list[dict[str, str]]:
    return [
        {"name": path.name, "size": _size_of(path.stat().st_size), "purpose": file_purpose(path.name)}
        for path in sorted(folder.iterdir())
        if path.is_file()
    ]


def _size_of(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def _seconds(timings: Mapping[str, float]) -> Sequence[dict[str, Any]]:
    longest = max(timings.values(), default=1.0) or 1.0
    return [
        {"label": spoken(step), "seconds": seconds, "share": seconds / longest} for step, seconds in timings.items()
    ]

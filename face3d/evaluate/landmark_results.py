"""The files that a landmark evaluation leaves behind."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from face3d.errors import OutputError
from face3d.evaluate.landmarks import THRESHOLDS, LandmarkReport
from face3d.evaluate.plot import plot_cumulative

__all__ = ["landmark_document", "write_landmark_results"]


def landmark_document(report: LandmarkReport) -> dict[str, Any]:
    """The report as a JSON document; errors are parts of the length they are over, and null where there is none."""
    document = {
        "markup": report.markup.name,
        "normaliser": report.normaliser,
        "faces": len(report.faces),
        "missing": sum(face.pixels is None for face in report.faces),
        "errors": {name: asdict(error) for name, error in report.errors.items()},
        "regions": dict(report.regions),
        "groups": {name: asdict(grouping) for name, grouping in report.groupings.items()},
        "failures": [
            {
                "face": failure.name,
                "error": "Missing" if failure.missing else type(failure.error).__name__,
                "message": str(failure.error),
            }
            for failure in report.failures
        ],
    }
    return {key: _without_infinity(value) for key, value in document.items()}


def _without_infinity(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _without_infinity(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_infinity(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_landmark_results(report: LandmarkReport, out: Path) -> None:
    """Write landmarks.json, landmarks_faces.csv (a line per face) and landmarks_curve.png.

    Raises:
        OutputError: the folder cannot be written to.
        DependencyError: matplotlib is not installed; everything but the curve is written.
    """
    regions = list(report.markup.regions)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "landmarks.json").write_text(json.dumps(landmark_document(report), indent=2) + "\n")
        with (out / "landmarks_faces.csv").open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["face", *report.errors, *(f"{name} ({report.normaliser})" for name in regions)])
            for face in report.faces:
                numbers = [face.normalised[name] for name in report.errors]
                numbers += [face.regions.get(name, math.nan) for name in regions]
                cells = [f"{number:.6f}" if math.isfinite(number) else "" for number in numbers]
                table.writerow([face.annotation.name, *cells])
    except OSError as error:
        raise OutputError(f"cannot write results into {out}: {error.strerror}; choose another --out") from error
    curves: dict[str, Float[np.ndarray, " F"]] = {name: report.values(name) for name in report.errors}
    plot_cumulative(
        out / "landmarks_curve.png",
        curves,
        label="mean error over the length named",
        limit=THRESHOLDS[-1],
        title=f"{report.markup.name}, {len(report.faces)} faces",
        marks=THRESHOLDS[:-1],
    )

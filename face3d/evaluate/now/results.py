"""The files that the NoW evaluation leaves behind."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from face3d.errors import OutputError
from face3d.evaluate.now.evaluation import NowReport
from face3d.evaluate.plot import plot_cumulative
from face3d.evaluate.statistics import summarise

__all__ = ["now_document", "write_now_original", "write_now_results"]

PLOT_LIMIT = 7.0
"""Millimetres at the end of the curve, as in the benchmark's own plots."""


def now_document(report: NowReport) -> dict[str, Any]:
    """The report as a JSON document; lengths in millimetres."""
    return {
        "metrical": report.metrical,
        "images": len(report.errors),
        "missing": sum(failure.missing for failure in report.failures),
        "overall": asdict(report.overall),
        "challenges": {name: asdict(summary) for name, summary in report.challenges.items()},
        "subjects": {name: asdict(summary) for name, summary in report.subjects.items()},
        "groups": {name: asdict(grouping) for name, grouping in report.groupings.items()},
        "failures": [
            {
                "image": failure.image.name,
                "error": "Missing" if failure.missing else type(failure.error).__name__,
                "message": str(failure.error),
            }
            for failure in report.failures
        ],
    }


def write_now_results(report: NowReport, out: Path) -> None:
    """Write now.json, now_images.csv, now_distances.npz (one array per image) and now_curve.png.

    Raises:
        OutputError: the folder cannot be written to.
        DependencyError: matplotlib is not installed; everything but the curve is written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "now.json").write_text(json.dumps(now_document(report), indent=2) + "\n")
        np.savez_compressed(
            out / "now_distances.npz",
            allow_pickle=False,
            **{image.name: error.distances for image, error in report.errors.items()},
        )
        with (out / "now_images.csv").open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["image", "points", "median_mm", "mean_mm", "std_mm", "scale", "iterations", "converged"])
            for image, error in report.errors.items():
                summary, found = summarise(error.distances), error.registration
                numbers = [f"{value:.6f}" for value in (summary.median, summary.mean, summary.std)]
                numbers.append(f"{found.transform.scale:.9g}")
                row = [image.name, summary.count, *numbers, found.iterations, int(found.converged)]
                table.writerow(row)
    except OSError as error:
        raise OutputError(f"cannot write results into {out}: {error.strerror}; choose another --out") from error
    curves = {"all": np.concatenate(report.distances())}
    if len(report.challenges) > 1:
        curves |= {challenge: np.concatenate(report.distances(challenge)) for challenge in report.challenges}
    plot_cumulative(
        out / "now_curve.png",
        curves,
        label="distance from scan to prediction, mm",
        limit=PLOT_LIMIT,
        title=f"NoW, {'metrical' if report.metrical else 'non-metrical'}",
    )


def write_now_original(report: NowReport, folder: Path, name: str, *, seed: int = 0) -> list[Path]:
    """Write the files of the published evaluation, which its plot script reads: for all images and each challenge.

    `<name>_computed_distances[_<challenge>].npy` is a pickled dict (computed_distances, num_missing_files,
    input_files; each array shuffled), `...npy.meanmedian` holds the median and the mean in two lines. The metrical form
    adds `_metrical` to the name.

    Raises:
        OutputError: the folder cannot be written to.
    """
    written = []
    random = np.random.default_rng(seed)
    challenges: list[str | None] = [None, *report.challenges]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for challenge in challenges:
            images = [image for image in report.errors if challenge in (None, image.challenge)]
            distances = [random.permutation(report.errors[image].distances) for image in images]
            missing = [
                failure
                for failure in report.failures
                if failure.missing and challenge in (None, failure.image.challenge)
            ]
            content: Mapping[str, Any] = {
                "computed_distances": distances,
                "num_missing_files": len(missing),
                "input_files": [image.name for image in images],
            }
            stem = f"{name}_metrical" if report.metrical else name
            path = folder / f"{stem}_computed_distances{f'_{challenge}' if challenge else ''}.npy"
            boxed = np.empty((), dtype=object)
            boxed[()] = dict(content)
            np.save(path, boxed, allow_pickle=True)
            summary = summarise(distances)
            path.with_name(path.name + ".meanmedian").write_text(f"{summary.median:.18e}\n{summary.mean:.18e}\n")
            written.append(path)
    except OSError as error:
        raise OutputError(f"cannot write results into {folder}: {error.strerror}; choose another --out") from error
    return written

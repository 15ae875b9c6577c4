"""What a lip evaluation leaves behind: a JSON document, and tables of its clips."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from face3d.errors import OutputError
from face3d.evaluate.lip_motion import LipComparison, LipReport, overall
from face3d.evaluate.transcripts import TextReport

__all__ = ["lip_document", "write_lip_results"]


def lip_document(motion: LipReport | None, text: TextReport | None) -> dict[str, Any]:
    """The reports as a JSON document.

    `landmarks` in parts of the distance of the eyes' outer corners, `truth` in metres; each with `overall` values and
    their intervals, and its `clips`. `text` has error rates likewise. null where there is no number.
    """
    document: dict[str, Any] = {"landmarks": None, "truth": None, "text": None, "failures": []}
    if motion is not None:
        for kind, comparisons in motion.comparisons.items():
            document[kind] = {
                "overall": {name: asdict(interval) for name, interval in overall(comparisons).items()},
                "clips": {name: _clip(comparison) for name, comparison in comparisons.items()},
            }
        document["failures"] = [
            {"clip": failure.clip, "error": type(failure.error).__name__, "message": str(failure.error)}
            for failure in motion.failures
        ]
    if text is not None:
        document["text"] = {
            "overall": {name: asdict(interval) for name, interval in text.overall.items()},
            "clips": {
                name: {rate: asdict(count) | {"rate": count.rate} for rate, count in counts.items()}
                for name, counts in text.clips.items()
            },
            "missing": list(text.missing),
        }
    return document


def write_lip_results(document: Mapping[str, Any], out: Path) -> None:
    """Write lips.json and, of each part that there is, lips_<part>.csv with a line per clip.

    Raises:
        OutputError: the folder cannot be written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "lips.json").write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
        for part in ("landmarks", "truth", "text"):
            if document[part] is not None and document[part]["clips"]:
                rows = {name: _flat(numbers) for name, numbers in document[part]["clips"].items()}
                with (out / f"lips_{part}.csv").open("w", newline="") as stream:
                    table = csv.writer(stream)
                    columns = list(next(iter(rows.values())))
                    table.writerow(["clip", *columns])
                    table.writerows([name, *(row[column] for column in columns)] for name, row in rows.items())
    except OSError as error:
        raise OutputError(f"cannot write results into {out}: {error.strerror}; choose another --out") from error


def _clip(comparison: LipComparison) -> dict[str, Any]:
    numbers = comparison.numbers()
    for kind, count in comparison.counts().items():
        numbers |= {f"{kind}_precision": count.precision, f"{kind}_recall": count.recall}
    return {
        "frames": comparison.frames,
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
        **{f"{kind}s": asdict(count) for kind, count in comparison.counts().items()},
    }


def _flat(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """A document's clip as one row: names of inner numbers behind those of what they are in."""
    row: dict[str, Any] = {}
    for name, value in numbers.items():
        if isinstance(value, dict):
            row |= {f"{name}_{inner}": number for inner, number in value.items()}
        else:
            row[name] = "" if value is None else value
    return row

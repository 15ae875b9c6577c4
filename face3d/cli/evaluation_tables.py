"""What `face3d evaluate` says to people: its reports as tables of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from face3d.evaluate.landmarks import LandmarkReport
    from face3d.evaluate.now import NowReport
    from face3d.evaluate.statistics import Summary

__all__ = ["comparison_table", "landmark_table", "lip_table", "now_table"]


def _row(name: str, cells: list[str]) -> str:
    return f"{name:<30}" + "".join(f"{cell:>13}" for cell in cells)


def _interval(interval: Any, form: str) -> str:
    return f"{format(interval.value, form)} [{format(interval.low, form)}, {format(interval.high, form)}]"


def landmark_table(report: LandmarkReport) -> str:
    """Errors over each length, by region and by group."""
    from face3d.evaluate.landmarks import THRESHOLDS

    missing = sum(face.pixels is None for face in report.faces)
    limits = [f"{limit:.2f}" for limit in THRESHOLDS]
    lines = [f"{report.markup.name}, {len(report.faces)} faces, {missing} of them without prediction (failed)", ""]
    lines.append(_row("over", ["NME", "median", *(f"AUC {t}" for t in limits), *(f"failed {t}" for t in limits)]))
    for length, error in report.errors.items():
        numbers = [f"{error.mean:.5f}", f"{error.median:.5f}", *(f"{area:.4f}" for area in error.auc.values())]
        lines.append(_row(length, [*numbers, *(f"{100 * rate:.2f} %" for rate in error.failure_rate.values())]))
    if report.regions:
        lines += ["", _row(f"region (over {report.normaliser})", ["NME"])]
        lines += [_row(name, [f"{value:.5f}"]) for name, value in report.regions.items()]
    for column, grouping in report.groupings.items():
        title = f"{column} (over {report.normaliser})"
        lines += ["", f"{title:<30}{'faces':>8}{'missing':>9}   NME [95 % interval]             failed at {limits[-1]}"]
        for name, group in grouping.groups.items():
            mean = "-" if group.mean is None else _interval(group.mean, ".5f")
            failed = _interval(group.failure_rate, ".4f")
            lines.append(f"{name:<30}{group.faces:>8}{group.missing:>9}   {mean:<32}{failed}")
        lines.append(f"worst: {grouping.worst}, by {_interval(grouping.gap, '.5f')} over {grouping.best}")
        lines.append(
            f"most failures: {grouping.most_failures}, by {_interval(grouping.failure_gap, '.4f')} "
            f"over {grouping.fewest_failures}"
        )
    return "\n".join(lines)


def _summary_row(name: str, summary: Summary) -> str:
    return _row(
        name, [f"{value:.3f}" for value in (summary.median, summary.mean, summary.std)] + [f"{summary.count:,}"]
    )


def now_table(report: NowReport) -> str:
    """Distances in millimetres, of all and by challenge, subject and group."""
    form = "metrical" if report.metrical else "non-metrical"
    missing = sum(failure.missing for failure in report.failures)
    lines = [
        f"NoW, {form}: {len(report.errors)} images, {missing} missing, {len(report.failures) - missing} unusable",
        "",
    ]
    lines.append(_row("mm", ["median", "mean", "std", "points"]))
    lines.append(_summary_row("all", report.overall))
    for title, table in (("challenge", report.challenges), ("subject", report.subjects)):
        lines += ["", title, *(_summary_row(name, summary) for name, summary in table.items())]
    for column, grouping in report.groupings.items():
        lines += ["", f"{column:<30}{'images':>8}{'subjects':>10}   median, mm [95 % interval over subjects]"]
        for name, group in grouping.groups.items():
            lines.append(f"{name:<30}{group.images:>8}{group.subjects:>10}   {_interval(group.median, '.3f')}")
        lines.append(f"worst: {grouping.worst}, by {_interval(grouping.gap, '.3f')} mm over {grouping.best}")
    return "\n".join(lines)


def comparison_table(document: dict[str, Any]) -> str:
    """Distances in millimetres from both sides, of the document that the comparison is in JSON."""
    lines = [
        _row("mm", ["mean", "median", "90 %", "95 %", "99 %", "largest", "within 1 mm", "2 mm", "3 mm"]),
    ]
    for key, title in (("a_to_b", "A to B"), ("b_to_a", "B to A"), ("two_sided", "both")):
        side = document[key]
        if side is None:
            continue
        lengths = [side["mean"], side["median"], *(side["percentiles"][q] for q in (90, 95, 99)), side["maximum"]]
        shares = side["recall" if "recall" in side else "f_score"]
        cells = [f"{1000 * length:.3f}" for length in lengths] + [f"{100 * share:.1f} %" for share in shares.values()]
        lines.append(_row(title, cells))
    if document["two_sided"] is not None:
        lines.append("(for both: harmonic mean of the two shares, the F-score)")
    units = ", ".join(f"{key.upper()} in {document[key]['unit']}" for key in ("a", "b"))
    if document["alignment"] is None:
        lines.append(f"not aligned; {units}")
    else:
        alignment = document["alignment"]
        lines.append(f"B aligned on A, scale {alignment['scale']:.5f}, {alignment['iterations']} iterations; {units}")
    return "\n".join(lines)


def lip_table(document: dict[str, Any]) -> str:
    """Lips and texts overall, with their intervals over clips, of the document that the evaluation is in JSON."""
    titles = {
        "landmarks": "against landmarks (rms in % of the eyes' outer corners' distance)",
        "truth": "against true heads (rms and vertex errors in mm)",
        "text": "texts (%)",
    }
    lines = []
    for part, title in titles.items():
        if document[part] is None:
            continue
        clips = len(document[part]["clips"])
        lines += ["", f"{title}, {clips} clip{'' if clips == 1 else 's'} [95 % interval over clips]"]
        for name, interval in document[part]["overall"].items():
            lengths = name.endswith(("_rms", "vertex_error"))
            factor = 1.0 if not (lengths or part == "text") else 1000.0 if part == "truth" else 100.0
            value, low, high = (f"{factor * interval[key]:.3f}" for key in ("value", "low", "high"))
            lines.append(f"{name.replace('_', ' '):<30}{value:>10} [{low}, {high}]")
        if part == "text" and document[part]["missing"]:
            lines.append(f"without transcript: {', '.join(document[part]['missing'])}")
    return "\n".join(lines[1:])

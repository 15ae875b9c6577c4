"""Evaluating how lips move, per clip and overall: tracks against landmarks of their videos, and against true heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from face3d.errors import Face3DError, InputError
from face3d.evaluate.lip_files import LandmarkClip, LipClip, clips_in, read_landmark_clips, read_lip_clip
from face3d.evaluate.lips import (
    CLOSED,
    Agreement,
    Closures,
    agreement,
    closures,
    interocular,
    lip_series,
    lip_vertex_errors,
    upper_face,
)
from face3d.evaluate.statistics import Interval, bootstrap_mean, bootstrap_ratio
from face3d.head import HeadModel

__all__ = ["LipComparison", "LipFailure", "LipReport", "against_landmarks", "against_truth", "evaluate_lips", "overall"]

SHORTEST = 5
"""Frames that a correlation is made of at least."""

REST_SHARE = 5.0
"""Per cent of a video's frames whose lips are taken to be closed: what they measure is landmarks' opening at rest."""


@dataclass(frozen=True, slots=True)
class LipComparison:
    """One clip's lips beside those of a reference.

    Attributes:
        frames: how many both have.
        aperture, width: of the lips; against landmarks over the distance of the eyes' outer corners, against true
            heads in metres.
        protrusion: likewise; None where the reference has no depth.
        closures: of the lips, as the track itself tells them; by its opening where it does not.
        opening_closures: the same by the track's opening alone, whatever it tells.
        labiodentals: frames in which the lower lip is at the upper teeth; None unless both sides tell them.
        vertex_error: mean distance of the lips' vertices in metres; None without a true head.
        worst_vertex_error: mean over frames of the largest distance.
    """

    frames: int
    aperture: Agreement
    width: Agreement
    protrusion: Agreement | None
    closures: Closures
    opening_closures: Closures
    labiodentals: Closures | None = None
    vertex_error: float | None = None
    worst_vertex_error: float | None = None

    def numbers(self) -> dict[str, float]:
        """The numbers that are averaged over clips, by name; NaN where there is none."""
        nothing = float("nan")
        series = {"aperture": self.aperture, "width": self.width, "protrusion": self.protrusion}
        numbers = {}
        for name, found in series.items():
            numbers[f"{name}_correlation"] = nothing if found is None else found.correlation
            numbers[f"{name}_rms"] = nothing if found is None else found.rms
        numbers["vertex_error"] = nothing if self.vertex_error is None else self.vertex_error
        numbers["worst_vertex_error"] = nothing if self.worst_vertex_error is None else self.worst_vertex_error
        return numbers

    def counts(self) -> dict[str, Closures]:
        """What is counted by frames, by name."""
        counted = {"closure": self.closures, "opening_closure": self.opening_closures}
        return counted if self.labiodentals is None else counted | {"labiodental": self.labiodentals}


@dataclass(frozen=True, slots=True)
class LipFailure:
    """A clip that could not be evaluated, and why."""

    clip: str
    error: Face3DError


@dataclass(frozen=True, slots=True)
class LipReport:
    """What was found, by reference ("landmarks", "truth") and clip."""

    comparisons: Mapping[str, Mapping[str, LipComparison]]
    failures: Sequence[LipFailure]


def evaluate_lips(
    results: Path,
    head: HeadModel,
    *,
    landmarks: Path | None = None,
    truth: Path | None = None,
    closed: float = CLOSED,
    tolerance: int = 1,
    on_failure: Callable[[LipFailure], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> LipReport:
    """Compare the lips of every track in a folder with landmarks, with true heads, or with both.

    Args:
        results: what `face3d track` wrote, see `clips_in`.
        head: of the tracks and of the true heads.
        landmarks: what `face3d align` wrote of the same videos.
        truth: tracks, or files with `vertices`, of the same names.
        closed: opening beyond rest, over the distance of the eyes' outer corners, below which lips are closed.
        tolerance: frames by which a closure may come too early or too late.
        on_failure: called for each clip that fails.
        on_progress: called with the clips that are done and their number.

    Raises:
        ArgumentError: a folder has no clips in it, or the head has no lips.
    """
    tracks = clips_in(results, "track.npz")
    references = {
        name: clips_in(folder, file)
        for name, folder, file in (("landmarks", landmarks, "landmarks.npz"), ("truth", truth, "track.npz"))
        if folder is not None
    }
    found: dict[str, dict[str, LipComparison]] = {name: {} for name in references}
    failures = []
    for done, (name, path) in enumerate(tracks.items(), start=1):
        for kind, others in references.items():
            try:
                if name not in others:
                    raise InputError(f"{name}: there is no {kind} of that name")
                clip = read_lip_clip(path, head)
                if kind == "truth":
                    reference = read_lip_clip(others[name], head)
                    found[kind][name] = against_truth(clip, reference, closed=closed, tolerance=tolerance)
                else:
                    people = read_landmark_clips(others[name])
                    found[kind][name] = against_landmarks(clip, people, closed=closed, tolerance=tolerance)
            except InputError as error:
                failures.append(LipFailure(name, error))
                if on_failure is not None:
                    on_failure(failures[-1])
        if on_progress is not None:
            on_progress(done, len(tracks))
    return LipReport(found, failures)


def against_truth(clip: LipClip, truth: LipClip, *, closed: float = CLOSED, tolerance: int = 1) -> LipComparison:
    """Compare a track's lips with a true head's, in metres.

    Raises:
        InputError: they have fewer than five frames in common, or other vertices.
    """
    rows, true_rows = _common(clip.frames, truth.frames)
    points, true_points = clip.points[rows], truth.points[true_rows]
    series, true_series = lip_series(points), lip_series(true_points)
    vertex, worst = lip_vertex_errors(
        clip.lips[rows], truth.lips[true_rows], upper_face(points), upper_face(true_points)
    )
    assert series.protrusion is not None, "points in space"
    assert true_series.protrusion is not None, "points in space"
    shut = _told_closed(truth, closed)[true_rows]
    labiodentals = None
    if clip.labiodental is not None and truth.labiodental is not None:
        labiodentals = closures(clip.labiodental[rows], truth.labiodental[true_rows], tolerance=tolerance)
    return LipComparison(
        frames=len(rows),
        aperture=agreement(series.aperture, true_series.aperture),
        width=agreement(series.width, true_series.width),
        protrusion=agreement(series.protrusion, true_series.protrusion),
        closures=closures(_told_closed(clip, closed)[rows], shut, tolerance=tolerance),
        opening_closures=closures(_closed(clip, closed)[rows], shut, tolerance=tolerance),
        labiodentals=labiodentals,
        vertex_error=float(vertex.mean()),
        worst_vertex_error=float(worst.mean()),
    )


def against_landmarks(
    clip: LipClip, people: Sequence[LandmarkClip], *, closed: float = CLOSED, tolerance: int = 1
) -> LipComparison:
    """Compare a track's lips, seen by its camera, with a video's landmarks; of several people with the nearest.

    Raises:
        InputError: the track has no camera, or fewer than five frames with landmarks.
    """
    if clip.pixels is None:
        raise InputError("the track has no `camera_from_head` and `K`, so that nobody knows where its lips are seen")
    shared = [(person, *np.intersect1d(clip.frames, person.frames, return_indices=True)[1:]) for person in people]
    near = [
        (float(np.median(np.linalg.norm(clip.pixels[rows] - person.points[others, :, :2], axis=-1))), place)
        for place, (person, rows, others) in enumerate(shared)
        if len(rows) >= SHORTEST
    ]
    if not near:
        raise InputError(f"fewer than {SHORTEST} frames of the track have landmarks")
    person, rows, others = shared[min(near)[1]]
    pixels, seen = clip.pixels[rows], person.points[others]
    length = interocular(seen[..., :2])
    series, seen_series = lip_series(pixels), lip_series(seen[..., :2])
    protrusion = None
    if seen.shape[2] == 3:
        deep, seen_deep = lip_series(clip.points[rows]), lip_series(seen)
        assert deep.protrusion is not None, "points in space"
        assert seen_deep.protrusion is not None, "points in space"
        protrusion = agreement(
            deep.protrusion / interocular(clip.points[rows]), seen_deep.protrusion / interocular(seen)
        )
    opening = seen_series.aperture / length
    shut = opening - np.percentile(opening, REST_SHARE) < closed
    return LipComparison(
        frames=len(rows),
        aperture=agreement(series.aperture / length, opening),
        width=agreement(series.width / length, seen_series.width / length),
        protrusion=protrusion,
        closures=closures(_told_closed(clip, closed)[rows], shut, tolerance=tolerance),
        opening_closures=closures(_closed(clip, closed)[rows], shut, tolerance=tolerance),
    )


def overall(comparisons: Mapping[str, LipComparison]) -> dict[str, Interval]:
    """Means over clips, and precision and recall over all frames, with the intervals of resampled clips."""
    if not comparisons:
        return {}
    rows = [comparison.numbers() for comparison in comparisons.values()]
    found = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        if np.isfinite(values).any():
            found[name] = bootstrap_mean(values[np.isfinite(values)])
    for kind in ("closure", "opening_closure", "labiodental"):
        counts = [count for comparison in comparisons.values() if (count := comparison.counts().get(kind)) is not None]
        for rate, part, whole in (("precision", "met", "predicted"), ("recall", "found", "true")):
            parts, wholes = (np.array([getattr(count, key) for count in counts], dtype=float) for key in (part, whole))
            if wholes.any():
                found[f"{kind}_{rate}"] = bootstrap_ratio(parts[wholes > 0], wholes[wholes > 0])
    return found


def _told_closed(clip: LipClip, limit: float) -> Bool[np.ndarray, " T"]:
    """As the clip itself tells it, else by its opening."""
    return _closed(clip, limit) if clip.closed is None else clip.closed


def _closed(clip: LipClip, limit: float) -> Bool[np.ndarray, " T"]:
    opening: Float[np.ndarray, " T"] = lip_series(clip.points).aperture / interocular(clip.points)
    return opening - clip.rest < limit


def _common(
    frames: Int[np.ndarray, " T"], others: Int[np.ndarray, " U"]
) -> tuple[Int[np.ndarray, " C"], Int[np.ndarray, " C"]]:
    """Rows of the frames that both have."""
    _, rows, other_rows = np.intersect1d(frames, others, return_indices=True)
    if len(rows) < SHORTEST:
        raise InputError(f"only {len(rows)} frames are in both clips; {SHORTEST} is the least")
    return rows, other_rows

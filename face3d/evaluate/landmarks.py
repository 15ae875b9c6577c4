"""Landmark error by the field's measures, over data sets and the groups in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float

from face3d.errors import ArgumentError, Face3DError, InputError
from face3d.evaluate.datasets import Annotation, Source
from face3d.evaluate.groups import Metadata
from face3d.evaluate.markups import Markup, markup_of
from face3d.evaluate.statistics import Interval, bootstrap_mean, gap

__all__ = [
    "THRESHOLDS",
    "FaceError",
    "GroupError",
    "Grouping",
    "LandmarkFailure",
    "LandmarkReport",
    "NormalisedError",
    "Normaliser",
    "area_under_curve",
    "evaluate_landmarks",
    "face_error",
    "failure_rate",
    "normalising_lengths",
]

Normaliser: TypeAlias = Literal["interocular", "interpupil", "box", "diagonal"]

THRESHOLDS = (0.07, 0.08, 0.10)
"""Normalised errors up to which the area under the curve is taken, and above which a face counts as failed."""

NO_ERROR = math.inf
"""Normalised error of a face for which there is no prediction: it fails at every threshold."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceError:
    """The error of one face.

    Attributes:
        annotation: what is right.
        pixels: (N,) distance of each point, pixels; NaN where the annotation has no position; None if nothing was
            predicted.
        normalised: mean of them over each length there is; infinite if nothing was predicted.
        regions: the same by part of the face, over the length chosen for the report.
    """

    annotation: Annotation
    pixels: Float[np.ndarray, " N"] | None
    normalised: Mapping[Normaliser, float]
    regions: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class NormalisedError:
    """All faces' errors over one length.

    Attributes:
        mean: over the faces with a prediction (NME).
        median: of the same.
        auc: area under the cumulative curve up to each threshold, over all faces, between 0 and 1.
        failure_rate: the share of all faces above each threshold or without prediction.
    """

    mean: float
    median: float
    auc: Mapping[float, float]
    failure_rate: Mapping[float, float]


@dataclass(frozen=True, slots=True)
class GroupError:
    """One group's error over the length chosen for the report.

    Attributes:
        faces: how many it has.
        missing: how many of them have no prediction.
        mean: normalised error of the others, with its interval; None if there are none.
        failure_rate: at the largest threshold.
    """

    faces: int
    missing: int
    mean: Interval | None
    failure_rate: Interval


@dataclass(frozen=True, slots=True)
class Grouping:
    """The groups of one column.

    Attributes:
        groups: by name.
        worst: of the largest mean error; `best`: of the smallest.
        gap: between their means.
        most_failures: the group of the highest failure rate; `fewest_failures`: of the lowest.
        failure_gap: between their rates.
    """

    groups: Mapping[str, GroupError]
    worst: str
    best: str
    gap: Interval
    most_failures: str
    fewest_failures: str
    failure_gap: Interval


@dataclass(frozen=True, slots=True)
class LandmarkFailure:
    """A face that could not be evaluated, or for which nothing was predicted.

    Attributes:
        name: of the face.
        error: why.
        missing: there is no prediction, so that it counts as failed; otherwise the annotation could not be used, so
            that it does not count at all.
    """

    name: str
    error: Face3DError
    missing: bool


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkReport:
    """What the evaluation found.

    Attributes:
        markup: of the annotations.
        normaliser: the length that regions and groups are over.
        faces: the error of each face, in the order of the data set.
        failures: what went wrong.
        errors: over all faces, by length.
        regions: mean over faces with a prediction, by part of the face.
        groupings: by column of the metadata or attribute of the data set.
    """

    markup: Markup
    normaliser: Normaliser
    faces: Sequence[FaceError]
    failures: Sequence[LandmarkFailure]
    errors: Mapping[Normaliser, NormalisedError]
    regions: Mapping[str, float]
    groupings: Mapping[str, Grouping]

    def values(self, normaliser: Normaliser) -> Float[np.ndarray, " F"]:
        """The normalised error of each face; infinite where nothing was predicted."""
        return np.array([face.normalised[normaliser] for face in self.faces])


def normalising_lengths(points: Float[np.ndarray, "N 2"]) -> dict[Normaliser, float]:
    """The lengths that an annotated face offers, pixels.

    - interocular: between the outer corners of the eyes (300-W since 2013, WFLW);
    - interpupil: between the middles of the eyes;
    - box: square root of width times height of the points' box (AFLW2000-3D, LS3D-W);
    - diagonal: of that box (Menpo).

    Lengths that need points which the markup or the annotation lacks are left out.
    """
    markup = markup_of(len(points))
    finite = points[np.isfinite(points).all(axis=1)]
    size = np.ptp(finite, axis=0) if len(finite) else np.zeros(2)
    lengths: dict[Normaliser, float] = {"box": float(np.sqrt(size.prod())), "diagonal": float(np.linalg.norm(size))}
    if markup.outer_corners is not None:
        right, left = markup.outer_corners
        lengths["interocular"] = float(np.linalg.norm(points[right] - points[left]))
    if markup.pupils is not None:
        middles = [points[list(eye)].mean(axis=0) for eye in markup.pupils]
        lengths["interpupil"] = float(np.linalg.norm(middles[0] - middles[1]))
    return {name: lengths[name] for name in get_args(Normaliser) if name in lengths and lengths[name] > 0}


def face_error(
    annotation: Annotation,
    predicted: Float[np.ndarray, "N 2"] | None,
    *,
    normaliser: Normaliser = "interocular",
    without_jaw: bool = False,
) -> FaceError:
    """The error of one face.

    Args:
        annotation: what is right.
        predicted: the same points as predicted, pixels; None if there is nothing.
        normaliser: the length that the regions' errors are over.
        without_jaw: leave the contour of the face out.

    Raises:
        InputError: the annotation has no extent, or its eyes have none of the length asked for.
    """
    markup = markup_of(len(annotation.points))
    lengths = normalising_lengths(annotation.points)
    if normaliser not in lengths:
        raise InputError(f"{annotation.name}: its {len(annotation.points)} points have no {normaliser} length; use box")
    if predicted is None:
        return FaceError(annotation, None, dict.fromkeys(lengths, NO_ERROR), dict.fromkeys(markup.regions, NO_ERROR))
    pixels = np.linalg.norm(predicted - annotation.points, axis=1)
    if without_jaw:
        pixels[list(markup.regions.get("jaw", ()))] = np.nan
    known = np.isfinite(annotation.points).all(axis=1)
    if not np.isfinite(predicted[known]).all():
        raise InputError(f"{annotation.name}: the prediction has points that are not finite")
    if np.isnan(pixels).all():
        raise InputError(f"{annotation.name}: no point is left to compare")
    mean = float(np.nanmean(pixels))
    regions = {}
    for name, rows in markup.regions.items():
        inside = pixels[list(rows)]
        if not np.isnan(inside).all():
            regions[name] = float(np.nanmean(inside)) / lengths[normaliser]
    return FaceError(annotation, pixels, {name: mean / length for name, length in lengths.items()}, regions)


def area_under_curve(values: Float[np.ndarray, " F"], threshold: float) -> float:
    """Area under the cumulative error curve from 0 to a threshold, over the threshold; exact, not by steps of a plot.

    A value e adds a step of height 1/F at e, so its area is the part of the interval behind it: max(0, 1 - e / t).
    """
    return float(np.maximum(0.0, 1.0 - values / threshold).mean())


def failure_rate(values: Float[np.ndarray, " F"], threshold: float) -> float:
    """The share of values above a threshold; missing ones (infinite) are."""
    return float((values > threshold).mean())


def evaluate_landmarks(
    sources: Sequence[Source],
    predict: Callable[[Annotation], Float[np.ndarray, "N 2"] | None],
    *,
    normaliser: Normaliser | None = None,
    without_jaw: bool = False,
    metadata: Metadata | None = None,
    on_failure: Callable[[LandmarkFailure], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> LandmarkReport:
    """Evaluate every face of a data set; a broken file is reported and never stops the rest.

    Args:
        sources: the annotated faces, see `dataset_sources`.
        predict: gives the predicted points of a face in its markup, or None; an InputError that it raises is reported,
            and the face counts as one without prediction.
        normaliser: the length that regions and groups are over; by default interocular where the markup has eyes, else
            box.
        without_jaw: leave the contour of the face out everywhere.
        metadata: groupings; those that the data set itself has are reported as well.
        on_failure: called with each failure as it is found.
        on_progress: called with the number of faces done and in all.

    Raises:
        InputError: not one annotation could be used.
        ArgumentError: the faces have different numbers of points; evaluate them one kind at a time.
    """
    faces: list[FaceError] = []
    failures: list[LandmarkFailure] = []

    def fail(name: str, error: Face3DError, missing: bool) -> None:
        failures.append(LandmarkFailure(name, error, missing))
        if on_failure is not None:
            on_failure(failures[-1])

    markup: Markup | None = None
    for done, source in enumerate(sources, start=1):
        try:
            annotation = source.read()
            if markup is None:
                markup = markup_of(len(annotation.points))
                normaliser = normaliser or ("box" if markup.outer_corners is None else "interocular")
            elif markup != markup_of(len(annotation.points)):
                raise InputError(
                    f"{source.name} has {len(annotation.points)} points, unlike the others ({markup.name}); "
                    "evaluate each markup in a folder of its own"
                )
            assert normaliser is not None
            nothing = face_error(annotation, None, normaliser=normaliser)
        except Face3DError as error:
            fail(source.name, error, missing=False)
        else:
            faces.append(_predicted(annotation, nothing, predict, normaliser, without_jaw, fail))
        if on_progress is not None:
            on_progress(done, len(sources))
    if markup is None or normaliser is None or not faces:
        raise InputError(f"not one annotation could be used; the first: {failures[0].error if failures else 'no file'}")
    return _report(markup, normaliser, faces, failures, metadata)


def _predicted(
    annotation: Annotation,
    nothing: FaceError,
    predict: Callable[[Annotation], Float[np.ndarray, "N 2"] | None],
    normaliser: Normaliser,
    without_jaw: bool,
    fail: Callable[[str, Face3DError, bool], None],
) -> FaceError:
    try:
        points = predict(annotation)
        if points is None:
            fail(annotation.name, InputError(f"{annotation.name}: no face is predicted there"), True)
            return nothing
        return face_error(annotation, points, normaliser=normaliser, without_jaw=without_jaw)
    except InputError as error:
        fail(annotation.name, error, True)
        return nothing


def _report(
    markup: Markup,
    normaliser: Normaliser,
    faces: Sequence[FaceError],
    failures: Sequence[LandmarkFailure],
    metadata: Metadata | None,
) -> LandmarkReport:
    errors: dict[Normaliser, NormalisedError] = {}
    for name in get_args(Normaliser):
        if all(name in face.normalised for face in faces):
            values = np.array([face.normalised[name] for face in faces])
            found = values[np.isfinite(values)]
            errors[name] = NormalisedError(
                mean=float(found.mean()) if len(found) else NO_ERROR,
                median=float(np.median(found)) if len(found) else NO_ERROR,
                auc={limit: area_under_curve(values, limit) for limit in THRESHOLDS},
                failure_rate={limit: failure_rate(values, limit) for limit in THRESHOLDS},
            )
    regions = {}
    for region in markup.regions:
        inside = np.array([face.regions[region] for face in faces if region in face.regions])
        if np.isfinite(inside).any():
            regions[region] = float(inside[np.isfinite(inside)].mean())
    by_name = {face.annotation.name: face.normalised[normaliser] for face in faces}
    groupings = {}
    for column, members in _memberships(faces, metadata).items():
        groups = {group: np.array([by_name[name] for name in names]) for group, names in members.items()}
        groupings[column] = _grouping(groups)
    return LandmarkReport(markup, normaliser, faces, failures, errors, regions, groupings)


def _memberships(faces: Sequence[FaceError], metadata: Metadata | None) -> dict[str, dict[str, list[str]]]:
    """Names of faces by column and group; a column of the metadata goes before an attribute of the same name."""
    columns: dict[str, dict[str, list[str]]] = {}
    for face in faces:
        for column, group in sorted(face.annotation.attributes.items()):
            columns.setdefault(column, {}).setdefault(group, []).append(face.annotation.name)
    columns = {column: {group: groups[group] for group in sorted(groups)} for column, groups in columns.items()}
    if metadata is not None:
        images: dict[str, list[str]] = {}
        for face in faces:
            images.setdefault(face.annotation.image_name, []).append(face.annotation.name)
        for column in metadata.groups:
            members = metadata.members(column, list(images))
            if not members:
                raise ArgumentError(f"{metadata.path} names none of the images evaluated; its first column must")
            columns[column] = {group: [name for key in keys for name in images[key]] for group, keys in members.items()}
    return columns


def _grouping(groups: Mapping[str, Float[np.ndarray, " F"]]) -> Grouping:
    found = {name: values[np.isfinite(values)] for name, values in groups.items()}
    failed = {name: (values > THRESHOLDS[-1]).astype(np.float64) for name, values in groups.items()}
    errors = {
        name: GroupError(
            faces=len(values),
            missing=len(values) - len(found[name]),
            mean=bootstrap_mean(found[name]) if len(found[name]) else None,
            failure_rate=bootstrap_mean(failed[name]),
        )
        for name, values in groups.items()
    }
    means = {name: values.mean() if len(values) else NO_ERROR for name, values in found.items()}
    worst, best = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    rates = {name: values.mean() for name, values in failed.items()}
    most, fewest = max(rates, key=rates.__getitem__), min(rates, key=rates.__getitem__)
    both_found = len(found[worst]) and len(found[best])
    return Grouping(
        groups=errors,
        worst=worst,
        best=best,
        gap=gap(found[worst], found[best]) if both_found else Interval(NO_ERROR, NO_ERROR, NO_ERROR),
        most_failures=most,
        fewest_failures=fewest,
        failure_gap=gap(failed[most], failed[fewest]),
    )

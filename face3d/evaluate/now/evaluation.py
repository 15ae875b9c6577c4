"""A whole submission to the NoW benchmark, evaluated."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from face3d.errors import ArgumentError, Face3DError, InputError
from face3d.evaluate.groups import Metadata
from face3d.evaluate.now.crop import crop_scan
from face3d.evaluate.now.folders import NowImage, check_folders, find_prediction, find_scan, read_image_list
from face3d.evaluate.now.scan_error import Reproduce, ScanError, scan_error
from face3d.evaluate.scan_file import LengthUnit, read_landmarks3d, read_scan
from face3d.evaluate.statistics import Interval, PooledInterval, Summary, summarise

__all__ = ["GroupError", "Grouping", "NowFailure", "NowReport", "evaluate_now"]


@dataclass(frozen=True, slots=True)
class NowFailure:
    """An image that gave no distances.

    Attributes:
        image: which one.
        error: why.
        missing: the submission has nothing for it, rather than something unusable.
    """

    image: NowImage
    error: Face3DError
    missing: bool


@dataclass(frozen=True, slots=True)
class GroupError:
    """One group's pooled distances, millimetres.

    Attributes:
        summary: of the pool.
        images: how many are in it.
        subjects: how many people they show.
        median: with the interval over resampled subjects.
    """

    summary: Summary
    images: int
    subjects: int
    median: Interval


@dataclass(frozen=True, slots=True)
class Grouping:
    """The groups of one column of the metadata.

    Attributes:
        groups: by name.
        worst: the group of the largest median.
        best: the group of the smallest.
        gap: between their medians, millimetres, with its interval.
    """

    groups: Mapping[str, GroupError]
    worst: str
    best: str
    gap: Interval


@dataclass(frozen=True, slots=True, eq=False)
class NowReport:
    """What the evaluation found. Distances are millimetres, and points of all images are pooled.

    Attributes:
        errors: of each image, in the order of the list.
        failures: images without result.
        metrical: whether the size had to be right.
        overall: over all images.
        challenges: by challenge.
        subjects: by subject.
        groupings: by column of the metadata.
    """

    errors: Mapping[NowImage, ScanError]
    failures: Sequence[NowFailure]
    metrical: bool
    overall: Summary
    challenges: Mapping[str, Summary]
    subjects: Mapping[str, Summary]
    groupings: Mapping[str, Grouping]

    def distances(self, challenge: str | None = None) -> list[Float[np.ndarray, " K"]]:
        """Distances of each image, of all or of one challenge."""
        return [error.distances for image, error in self.errors.items() if challenge in (None, image.challenge)]


def evaluate_now(
    dataset: Path,
    predictions: Path,
    *,
    images: Path | None = None,
    metrical: bool = False,
    unit: LengthUnit = "m",
    challenges: Sequence[str] = (),
    reproduce: Reproduce = "nothing",
    metadata: Metadata | None = None,
    on_failure: Callable[[NowFailure], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> NowReport:
    """Evaluate every image of a list; a missing or broken prediction is reported and never stops the rest.

    Args:
        dataset: the NoW folder, with `scans`, `scans_lmks_onlypp` and the lists of images.
        predictions: `<subject>/<challenge>/<image>.obj|ply`, with landmarks in `.npy` or `.txt` beside it.
        images: another list, or the folder that has it.
        metrical: the size must be right as well.
        unit: of the predictions; only the metrical form asks. (MICA writes its meshes in mm.)
        challenges: which to evaluate; all by default.
        reproduce: see `scan_error`.
        metadata: groupings of subjects (or images).
        on_failure: called with each failure as it is found.
        on_progress: called with the number of images done and in all.

    Raises:
        ArgumentError: the folders are not what they should be, or a challenge has no images.
        InputError: the list cannot be read, or not one image gave a result.
    """
    check_folders(dataset, predictions)
    listed = read_image_list(images or dataset)
    for challenge in challenges:
        if challenge not in {image.challenge for image in listed}:
            raise ArgumentError(f"the list has no images of {challenge!r}")
    chosen = [image for image in listed if not challenges or image.challenge in challenges]
    errors: dict[NowImage, ScanError] = {}
    failures: list[NowFailure] = []

    def fail(image: NowImage, error: Face3DError, missing: bool = False) -> None:
        failures.append(NowFailure(image, error, missing))
        if on_failure is not None:
            on_failure(failures[-1])

    done = 0
    for subject, group in itertools.groupby(sorted(chosen, key=lambda image: image.subject), lambda i: i.subject):
        points: Float[np.ndarray, "K 3"] | Face3DError
        landmarks = np.zeros((7, 3))
        try:
            scan_path, landmarks_path = find_scan(dataset, subject)
            landmarks = read_landmarks3d(landmarks_path, 7)
            points = crop_scan(read_scan(scan_path).vertices, landmarks).vertices
        except Face3DError as error:
            points = error
        for image in group:
            try:
                found = find_prediction(predictions, image)
                if found is None:
                    wanted = predictions / f"{image.name}.obj"
                    fail(image, InputError(f"{wanted} is missing (nor is there a .ply); predict it"), missing=True)
                elif isinstance(points, Face3DError):
                    fail(image, points)
                else:
                    errors[image] = _image_error(points, landmarks, found, metrical, unit, reproduce)
            except Face3DError as error:
                fail(image, error)
            done += 1
            if on_progress is not None:
                on_progress(done, len(chosen))
    if not errors:
        raise InputError(f"none of the {len(chosen)} images gave a result; the first: {failures[0].error}")
    return _report({image: errors[image] for image in chosen if image in errors}, failures, metrical, metadata)


def _image_error(
    points: Float[np.ndarray, "K 3"],
    landmarks: Float[np.ndarray, "7 3"],
    prediction: tuple[Path, Path],
    metrical: bool,
    unit: LengthUnit,
    reproduce: Reproduce,
) -> ScanError:
    mesh_path, landmarks_path = prediction
    predicted = read_scan(mesh_path)
    marks = read_landmarks3d(landmarks_path, 7)
    try:
        return scan_error(points, landmarks, predicted, marks, metrical=metrical, unit=unit, reproduce=reproduce)
    except InputError as error:
        raise InputError(f"{mesh_path}: {error}") from error


def _report(
    errors: Mapping[NowImage, ScanError],
    failures: Sequence[NowFailure],
    metrical: bool,
    metadata: Metadata | None,
) -> NowReport:
    def pooled(images: Sequence[NowImage]) -> Summary:
        return summarise([errors[image].distances for image in images])

    def by(attribute: str) -> dict[str, Summary]:
        names = dict.fromkeys(getattr(image, attribute) for image in errors)
        return {name: pooled([image for image in errors if getattr(image, attribute) == name]) for name in names}

    groupings: dict[str, Grouping] = {}
    if metadata is not None:
        named = {image.name: image for image in errors}
        for column in metadata.groups:
            members = metadata.members(column, list(named))
            images = {group: [named[name] for name in names] for group, names in members.items()}
            if images:
                groupings[column] = _grouping(errors, images, pooled)
    return NowReport(errors, failures, metrical, pooled(list(errors)), by("challenge"), by("subject"), groupings)


def _grouping(
    errors: Mapping[NowImage, ScanError],
    images: Mapping[str, Sequence[NowImage]],
    pooled: Callable[[Sequence[NowImage]], Summary],
) -> Grouping:
    """Groups and their gap; a cluster is what one subject has in one group, so that groups of images work as well."""
    clusters: dict[str, list[Float[np.ndarray, " K"]]] = {}
    members: dict[str, list[str]] = {}
    for group, inside in images.items():
        for image in inside:
            cluster = f"{group}\n{image.subject}"
            clusters.setdefault(cluster, []).append(errors[image].distances)
            if cluster not in members.setdefault(group, []):
                members[group].append(cluster)
    resampling = PooledInterval(clusters)
    groups = {}
    for group, inside in images.items():
        summary = pooled(inside)
        interval = resampling.median(members[group], summary.median)
        groups[group] = GroupError(summary, len(inside), len(members[group]), interval)
    worst = max(groups, key=lambda group: groups[group].summary.median)
    best = min(groups, key=lambda group: groups[group].summary.median)
    value = groups[worst].summary.median - groups[best].summary.median
    return Grouping(groups, worst, best, resampling.gap(members[worst], members[best], value))

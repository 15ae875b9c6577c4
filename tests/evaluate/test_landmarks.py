"""The measures against numbers counted by hand, and reports over data sets with missing and broken parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face3d.errors import ArgumentError, InputError
from face3d.evaluate.datasets import Annotation, Source
from face3d.evaluate.groups import Metadata
from face3d.evaluate.landmarks import (
    area_under_curve,
    evaluate_landmarks,
    face_error,
    failure_rate,
    normalising_lengths,
)
from face3d.evaluate.markups import markup_of
from face3d.evaluate.statistics import cumulative_share


def annotated(count=68, name="a", seed=0, **attributes):
    points = np.random.default_rng(seed).uniform(100, 200, (count, 2))
    return Annotation(name, name.partition("#")[0], points, attributes=attributes)


def test_lengths():
    points = np.random.default_rng(0).uniform(20, 60, (68, 2))
    points[36], points[45] = (30, 40), (60, 80)
    points[36:42, 0], points[42:48, 0] = 30, 60
    points[36:42, 1], points[42:48, 1] = 40, 40
    points[45] = (60, 80)
    points[0], points[1] = (0, 0), (90, 160)
    lengths = normalising_lengths(points)
    assert lengths["interocular"] == 50
    assert lengths["interpupil"] == pytest.approx(np.hypot(30, 40 / 6))
    assert lengths["box"] == 120
    assert lengths["diagonal"] == pytest.approx(np.hypot(90, 160))


def test_lengths_of_other_markups():
    points = np.random.default_rng(1).uniform(0, 100, (98, 2))
    assert normalising_lengths(points)["interocular"] == pytest.approx(np.linalg.norm(points[60] - points[72]))
    assert normalising_lengths(points)["interpupil"] == pytest.approx(np.linalg.norm(points[96] - points[97]))
    assert normalising_lengths(points[:29])["interocular"] == pytest.approx(np.linalg.norm(points[8] - points[9]))
    assert set(normalising_lengths(points[:39])) == {"box", "diagonal"}
    # The 51 are the 68 without their contour.
    inner = normalising_lengths(points[:68])["interocular"]
    assert normalising_lengths(points[17:68])["interocular"] == inner
    points[45] = np.nan
    assert "interocular" not in normalising_lengths(points[:68])


@pytest.mark.parametrize("count", [68, 51, 98, 29])
def test_regions_cover_every_point_once(count):
    rows = [row for region in markup_of(count).regions.values() for row in region]
    assert sorted(rows) == list(range(count))


def test_error_of_a_face():
    face = annotated()
    predicted = face.points.copy()
    predicted[48:68] += [3, 4]
    found = face_error(face, predicted)
    length = normalising_lengths(face.points)["interocular"]
    assert found.normalised["interocular"] == pytest.approx(5 * 20 / 68 / length)
    assert found.regions["mouth"] == pytest.approx(5 / length)
    assert found.regions["jaw"] == 0
    inner = face_error(face, predicted, without_jaw=True)
    assert inner.normalised["interocular"] == pytest.approx(5 * 20 / 51 / length)
    assert "jaw" not in inner.regions


def test_points_without_annotation_do_not_count():
    face = annotated()
    predicted = face.points + np.array([0, 1])
    face.points[3] = np.nan
    length = normalising_lengths(face.points)["box"]
    assert face_error(face, predicted).normalised["box"] == pytest.approx(1 / length)


def test_nothing_predicted_is_an_infinite_error():
    found = face_error(annotated(), None)
    assert found.pixels is None
    assert set(found.normalised.values()) == {math.inf}


@given(st.lists(st.floats(0, 0.3) | st.just(math.inf), min_size=1, max_size=30), st.sampled_from([0.07, 0.08, 0.1]))
def test_area_is_that_under_the_curve(values, threshold):
    values = np.array(values)
    limits = np.linspace(0, threshold, 20_001)
    integral = np.trapezoid(cumulative_share(values, limits), limits) / threshold
    assert area_under_curve(values, threshold) == pytest.approx(integral, abs=1e-4)
    assert failure_rate(values, threshold) == pytest.approx(1 - cumulative_share(values, np.array([threshold]))[0])


def faces(count, **attributes):
    return [annotated(name=f"set/{n}", seed=n, **attributes) for n in range(count)]


def sources(annotations):
    return [Source(face.name, lambda face=face: face) for face in annotations]


def off_by(pixels):
    return lambda face: face.points + np.array([pixels.get(face.name, 1.0), 0])


def test_report_over_a_data_set():
    annotations = faces(4)
    predict = off_by({"set/0": 2.0, "set/1": 4.0})
    report = evaluate_landmarks(
        sources(annotations), lambda face: None if face.name == "set/3" else predict(face), normaliser="box"
    )
    boxes = [normalising_lengths(face.points)["box"] for face in annotations]
    expected = np.array([2 / boxes[0], 4 / boxes[1], 1 / boxes[2]])
    error = report.errors["box"]
    assert error.mean == pytest.approx(expected.mean())
    assert error.median == pytest.approx(np.median(expected))
    assert error.failure_rate[0.08] == 0.25
    assert error.auc[0.1] == pytest.approx((1 - expected / 0.1).sum() / 4)
    assert report.regions["nose"] == pytest.approx(expected.mean())
    assert [(failure.name, failure.missing) for failure in report.failures] == [("set/3", True)]
    assert list(report.errors) == ["interocular", "interpupil", "box", "diagonal"]


def test_broken_annotations_do_not_count_and_broken_predictions_fail():
    annotations = faces(3)

    def unreadable():
        raise InputError("x.pts is broken")

    def predict(face):
        if face.name == "set/1":
            raise InputError("prediction is broken")
        return face.points

    told = []
    steps = []
    report = evaluate_landmarks(
        [*sources(annotations), Source("x", unreadable), *sources([annotated(98, "other")])],
        predict,
        on_failure=told.append,
        on_progress=lambda *at: steps.append(at),
    )
    assert len(report.faces) == 3
    assert [(failure.name, failure.missing) for failure in told] == [("set/1", True), ("x", False), ("other", False)]
    assert report.errors["interocular"].failure_rate[0.1] == pytest.approx(1 / 3)
    assert steps == [(n, 5) for n in range(1, 6)]


def test_predictions_of_no_use_are_failures():
    report = evaluate_landmarks(sources(faces(2)), lambda face: np.full((68, 2), np.nan))
    assert len(report.failures) == 2
    assert report.errors["interocular"].failure_rate[0.1] == 1


def test_nothing_to_evaluate():
    with pytest.raises(InputError, match="no file"):
        evaluate_landmarks([], lambda face: None)
    degenerate = Annotation("a", "a", np.ones((68, 2)))
    with pytest.raises(InputError, match="interocular"):
        evaluate_landmarks(sources([degenerate]), lambda face: face.points)


def test_the_worst_group():
    annotations = faces(40)
    table = Metadata("table.csv", {"tone": {f"set/{n}": "dark" if n % 4 == 0 else "light" for n in range(40)}})
    worse = {f"set/{n}": 3.0 for n in range(0, 40, 4)}
    report = evaluate_landmarks(sources(annotations), off_by(worse), metadata=table)
    tone = report.groupings["tone"]
    assert (tone.worst, tone.best) == ("dark", "light")
    assert [group.faces for group in tone.groups.values()] == [10, 30]
    values = report.values("interocular")
    dark, light = values[::4], np.delete(values, np.arange(0, 40, 4))
    assert tone.gap.value == pytest.approx(dark.mean() - light.mean())
    assert 0 < tone.gap.low < tone.gap.value < tone.gap.high
    mean = tone.groups["dark"].mean
    assert mean is not None
    assert mean.low < dark.mean() < mean.high


def test_a_group_that_is_not_found_is_the_one_of_most_failures():
    """Its mean error, of the one face that was found, is the best of all."""
    annotations = faces(5, pose="profile") + [annotated(name=f"f{n}", seed=50 + n, pose="frontal") for n in range(5)]
    shifts = {"set/0": 0.0}

    def predict(face):
        return None if face.name in {"set/1", "set/2", "set/3", "set/4"} else off_by(shifts)(face)

    grouping = evaluate_landmarks(sources(annotations), predict).groupings["pose"]
    assert grouping.best == "profile"
    assert grouping.most_failures == "profile"
    assert grouping.failure_gap.value == pytest.approx(0.8)
    assert grouping.groups["profile"].missing == 4


def test_a_table_of_other_images():
    with pytest.raises(ArgumentError, match=r"table\.csv"):
        evaluate_landmarks(sources(faces(2)), off_by({}), metadata=Metadata("table.csv", {"tone": {"z": "dark"}}))

from __future__ import annotations

import shutil

import numpy as np
import pytest

from face3d.errors import ArgumentError, InputError
from face3d.evaluate.groups import Metadata
from face3d.evaluate.now import evaluate_now
from tests.evaluate.now.benchmark_folder import IMAGES, make_benchmark


@pytest.fixture
def benchmark(tmp_path):
    return make_benchmark(tmp_path)


def test_a_submission(benchmark):
    seen = []
    report = evaluate_now(*benchmark, metrical=True, on_progress=lambda *at: seen.append(at))
    assert [image.name + ".jpg" for image in report.errors] == list(IMAGES)
    assert report.failures == []
    assert seen == [(n, 4) for n in range(1, 5)]
    assert report.subjects["anna"].maximum < 1e-4
    assert 0.1 < report.subjects["bert"].mean < report.subjects["cleo"].mean < 3
    assert set(report.challenges) == {"multiview_neutral", "selfie"}
    pooled = np.concatenate(report.distances())
    assert report.overall.count == len(pooled) == sum(summary.count for summary in report.challenges.values())
    assert report.overall.mean == pytest.approx(pooled.mean())
    (selfie,) = [e for image, e in report.errors.items() if image.name == "cleo/selfie/IMG_4"]
    # The scale of the non-metrical form can only help.
    free = evaluate_now(*benchmark, challenges=["selfie"])
    assert free.subjects["cleo"].mean < selfie.distances.mean()
    assert set(free.challenges) == {"selfie"}


def test_failures_never_stop_the_rest_and_are_named(benchmark):
    dataset, predictions = benchmark
    (predictions / "anna/multiview_neutral/IMG_1.obj").unlink()
    (predictions / "anna/selfie/IMG_2.obj").write_text("v 0 0 zero\n")
    (predictions / "bert/multiview_neutral/IMG_3.npy").unlink()
    told = []
    report = evaluate_now(dataset, predictions, on_failure=told.append)
    assert [image.name for image in report.errors] == ["cleo/selfie/IMG_4"]
    assert told == list(report.failures)
    assert [failure.missing for failure in told] == [True, False, False]
    for failure in told:
        assert failure.image.stem in str(failure.error)
        assert "\n" not in str(failure.error)


def test_a_broken_scan_fails_the_images_of_its_subject(benchmark):
    dataset, predictions = benchmark
    shutil.rmtree(dataset / "scans_lmks_onlypp" / "anna")
    report = evaluate_now(dataset, predictions)
    assert [failure.image.subject for failure in report.failures] == ["anna", "anna"]
    assert set(report.subjects) == {"bert", "cleo"}


def test_text_landmarks_and_ply_are_second_choice(benchmark):
    dataset, predictions = benchmark
    npy = predictions / "cleo/selfie/IMG_4.npy"
    text = "\n".join(" ".join(f"{x:.9f}" for x in row) for row in np.load(npy)[0])
    npy.with_suffix(".txt").write_text(text)
    before = evaluate_now(dataset, predictions).subjects["cleo"]
    npy.unlink()
    after = evaluate_now(dataset, predictions).subjects["cleo"]
    assert after.mean == pytest.approx(before.mean, abs=1e-6)


def test_groups_by_subject(benchmark, tmp_path):
    table = Metadata(tmp_path / "m.csv", {"wide": {"anna": "no", "bert": "no", "cleo": "yes"}})
    grouping = evaluate_now(*benchmark, metrical=True, metadata=table).groupings["wide"]
    assert (grouping.worst, grouping.best) == ("yes", "no")
    assert grouping.groups["no"].images == 3
    assert grouping.groups["no"].subjects == 2
    assert grouping.gap.value == pytest.approx(
        grouping.groups["yes"].summary.median - grouping.groups["no"].summary.median
    )
    # Without bert the better group is exact, with bert alone it is not: the gap varies by which of them are drawn.
    assert grouping.gap.low < 0.3 < grouping.gap.value == pytest.approx(grouping.gap.high, abs=2e-3)
    # One subject: resampling has nothing to vary.
    only = grouping.groups["yes"].median
    assert only.low == pytest.approx(only.high) == pytest.approx(only.value, abs=1e-3)


def test_wrong_folders(benchmark, tmp_path):
    dataset, predictions = benchmark
    with pytest.raises(ArgumentError, match="scans"):
        evaluate_now(predictions, dataset)
    with pytest.raises(ArgumentError, match="no folder"):
        evaluate_now(dataset, tmp_path / "nothing")
    with pytest.raises(ArgumentError, match="profile"):
        evaluate_now(dataset, predictions, challenges=["profile"])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="none of the 4 images"):
        evaluate_now(dataset, empty)


@pytest.mark.parametrize("line", ["../../secret/x.jpg", "/a/b.jpg", "a/b.jpg", "a/b/c/d.jpg"])
def test_lists_that_lead_elsewhere_are_refused(benchmark, tmp_path, line):
    path = tmp_path / "list.txt"
    path.write_text(line)
    with pytest.raises(InputError, match="line 1"):
        evaluate_now(*benchmark, images=path)

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from face3d.evaluate.now import evaluate_now
from face3d.evaluate.now.results import write_now_original, write_now_results
from tests.evaluate.now.benchmark_folder import make_benchmark


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    dataset, predictions = make_benchmark(tmp_path_factory.mktemp("now"))
    (predictions / "anna/selfie/IMG_2.obj").unlink()
    return evaluate_now(dataset, predictions, metrical=True)


def test_own_files(report, tmp_path):
    write_now_results(report, tmp_path)
    document = json.loads((tmp_path / "now.json").read_text())
    assert document["missing"] == 1
    assert document["overall"]["mean"] == report.overall.mean
    with (tmp_path / "now_images.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image"] for row in rows] == [image.name for image in report.errors]
    with np.load(tmp_path / "now_distances.npz", allow_pickle=False) as archive:
        for image, error in report.errors.items():
            np.testing.assert_array_equal(archive[image.name], error.distances)
            row = next(row for row in rows if row["image"] == image.name)
            assert float(row["median_mm"]) == pytest.approx(np.median(error.distances), abs=1e-6)
    with Image.open(tmp_path / "now_curve.png") as picture:
        assert picture.width > 500


def test_files_of_the_published_evaluation(report, tmp_path):
    """As its plot script reads them: a pickled dict in .npy, and the two numbers beside it."""
    write_now_original(report, tmp_path, "ours")
    names = {path.name for path in tmp_path.iterdir()}
    stems = {"ours_metrical_computed_distances.npy"} | {
        f"ours_metrical_computed_distances_{challenge}.npy" for challenge in report.challenges
    }
    assert names == stems | {f"{stem}.meanmedian" for stem in stems}
    content = np.load(tmp_path / "ours_metrical_computed_distances.npy", allow_pickle=True, encoding="latin1").item()
    assert content["num_missing_files"] == 1
    assert len(content["computed_distances"]) == len(content["input_files"]) == 3
    pooled = np.hstack(content["computed_distances"])
    np.testing.assert_array_equal(np.sort(pooled), np.sort(np.hstack(report.distances())))
    median, mean = np.loadtxt(tmp_path / "ours_metrical_computed_distances.npy.meanmedian")
    assert (median, mean) == (np.median(pooled), pytest.approx(np.mean(pooled), rel=1e-12))

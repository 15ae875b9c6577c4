from __future__ import annotations

import numpy as np
import pytest

from face3d.evaluate.now import procrustes, scan_error
from face3d.evaluate.scan_file import Scan
from face3d.evaluate.similarity import Similarity
from tests.evaluate.golden import golden


def errors(kind, metrical, reproduce="now"):
    given = golden("pipeline")
    return given, scan_error(
        given[f"scan_{kind}_mm"][given["kept_vertex_ids"]],
        given["gt_landmarks_mm"],
        Scan(given["pred_vertices_m"], given["pred_faces"]),
        given["pred_landmarks_m"],
        metrical=metrical,
        unit="m",
        reproduce=reproduce,
    )


@pytest.mark.parametrize("metrical", [False, True])
def test_golden_starts(metrical):
    given, found = errors("clean", metrical)
    start = given["start_metrical_mm" if metrical else "start_nonmetrical_mm"]
    np.testing.assert_allclose(found.start.apply(given["pred_vertices_m"]), start, rtol=0, atol=1e-6)


@pytest.mark.parametrize("reproduce", ["now", "nothing"])
@pytest.mark.parametrize("metrical", [False, True])
def test_golden_refined(metrical, reproduce):
    form = "metrical" if metrical else "nonmetrical"
    _, clean = errors("clean", metrical, reproduce)
    assert clean.distances.max() < 1e-3
    given, noisy = errors("noisy", metrical, reproduce)
    median, mean, _ = given[f"noisy_{form}_median_mean_std"]
    assert noisy.registration.converged
    assert np.median(noisy.distances) == pytest.approx(median, abs=5e-3)
    assert noisy.distances.mean() == pytest.approx(mean, abs=1e-3)
    squares = float((noisy.distances**2).sum())
    assert squares == pytest.approx(float(given[f"noisy_{form}_sum_sq"]), rel=5e-3)
    # What is minimised is what is measured.
    assert squares == pytest.approx(noisy.registration.loss, rel=1e-9)


@pytest.mark.parametrize(("unit", "factor"), [("m", 1000.0), ("cm", 10.0), ("mm", 1.0)])
def test_golden_metrical_start_keeps_the_translation_of_the_dropped_scale(unit, factor):
    given = golden("procrustes")
    case = int(given["metrical_case"])
    marks, target = given["pred_landmarks"][case], given["gt_landmarks"][case]
    vertices = given["metrical_pred_vertices"]
    points = np.random.default_rng(0).normal(size=(20, 3)) * 30 + target.mean(axis=0)
    triangles = np.arange(30).reshape(10, 3)
    found = scan_error(points, target, Scan(vertices, triangles), marks, metrical=True, unit=unit, reproduce="now")
    np.testing.assert_allclose(found.start.apply(vertices), given[f"metrical_start_{unit}"], rtol=0, atol=1e-8)
    plain = scan_error(points, target, Scan(vertices, triangles), marks, metrical=True, unit=unit)
    assert plain.start.scale == factor
    # Without the peculiarity, the landmarks' middle lands on its target.
    np.testing.assert_allclose(plain.start.apply(marks).mean(axis=0), target.mean(axis=0), atol=1e-9)


def test_mirror_images_are_allowed_only_to_reproduce():
    given = golden("pipeline")
    mirrored = given["pred_vertices_m"] * [-1, 1, 1]
    arguments = (
        given["scan_clean_mm"][given["kept_vertex_ids"]],
        given["gt_landmarks_mm"],
        Scan(mirrored, given["pred_faces"]),
        given["pred_landmarks_m"] * [-1, 1, 1],
    )
    assert scan_error(*arguments, reproduce="now").distances.max() < 1e-3
    honest = scan_error(*arguments)
    assert np.linalg.det(honest.registration.transform.rotation) > 0
    assert honest.distances.mean() > 0.1


def test_size_counts_in_the_metrical_form_alone():
    given = golden("pipeline")
    arguments = (given["scan_clean_mm"][given["kept_vertex_ids"]], given["gt_landmarks_mm"])
    large = Scan(given["pred_vertices_m"] * 1.1, given["pred_faces"])
    marks = given["pred_landmarks_m"] * 1.1
    assert scan_error(*arguments, large, marks).distances.max() < 1e-3
    assert scan_error(*arguments, large, marks, metrical=True).distances.mean() > 0.5


def test_the_frame_of_the_prediction_does_not_matter():
    given = golden("pipeline")
    away = Similarity(100.0, np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]), np.array([300.0, -200, 1000]))
    points = given["scan_noisy_mm"][given["kept_vertex_ids"]]
    near = scan_error(
        points,
        given["gt_landmarks_mm"],
        Scan(given["pred_vertices_m"], given["pred_faces"]),
        given["pred_landmarks_m"],
        metrical=True,
    )
    moved = Scan(away.apply(given["pred_vertices_m"]), given["pred_faces"])
    far = scan_error(
        points, given["gt_landmarks_mm"], moved, away.apply(given["pred_landmarks_m"]), metrical=True, unit="cm"
    )
    np.testing.assert_allclose(near.distances.mean(), far.distances.mean(), atol=1e-4)
    assert procrustes(given["pred_landmarks_m"], moved.vertices[:7]).scale > 0

from __future__ import annotations

import numpy as np
import pytest

from face3d.errors import InputError
from face3d.evaluate.now import crop_scan
from tests.evaluate.golden import golden


def test_golden_centres_and_radii():
    given = golden("procrustes")
    for landmarks, centre, radius in zip(
        given["mask_landmarks"], given["mask_centre"], given["mask_radius"], strict=True
    ):
        found = crop_scan(landmarks, landmarks)
        np.testing.assert_allclose(found.centre, centre, rtol=0, atol=1e-9)
        assert found.radius == pytest.approx(radius, abs=1e-9)


def test_golden_crop():
    given = golden("pipeline")
    found = crop_scan(given["scan_clean_mm"], given["gt_landmarks_mm"], given["scan_faces"])
    np.testing.assert_array_equal(found.vertex_ids, given["kept_vertex_ids"])
    np.testing.assert_array_equal(found.triangles, given["kept_faces"])
    np.testing.assert_array_equal(found.vertices, given["scan_clean_mm"][given["kept_vertex_ids"]])


def test_the_border_belongs_to_the_crop():
    landmarks = np.array([[-1.0, 1, 0], [-0.5, 1, 0], [0.5, 1, 0], [1, 1, 0], [0, 0, 0], [-0.5, -1, 0], [0.5, -1, 0]])
    # Eyes 2 apart, bridge 1 above the nose: the ball has radius 2.1 about (0, 0.3, 0).
    ball = crop_scan(landmarks, landmarks)
    assert ball.radius == pytest.approx(2.1)
    np.testing.assert_allclose(ball.centre, [0, 0.3, 0])
    heights = [np.nextafter(ball.radius, 9), ball.radius]
    found = crop_scan(np.array([[*ball.centre[:2], height] for height in heights]), landmarks)
    assert found.vertex_ids.tolist() == [1]


@pytest.mark.parametrize("landmarks", [np.zeros((6, 3)), np.full((7, 3), np.nan), np.eye(7)[:, :3] + 1e6])
def test_landmarks_that_are_not_the_scans(landmarks):
    with pytest.raises(InputError):
        crop_scan(np.zeros((10, 3)), landmarks)

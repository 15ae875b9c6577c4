"""What irises say of size, where they say anything."""

from __future__ import annotations

import numpy as np
import pytest

from face3d.fit import plain_response
from face3d.fit.landmark_problem import ViewState
from face3d.fit.metric_evidence import apparent_iris_diameters
from face3d.fit.point_model import PointModel
from face3d.head import load_head
from tests.fit.synthetic_views import observe_posed


@pytest.mark.parametrize(("depth", "eyes"), [(1.0, 2), (-0.3, 0)])
def test_an_eye_behind_the_camera_measures_nothing(depth, eyes):
    head = load_head("open")
    response = plain_response(head, "mediapipe_478")
    points = PointModel.of(head, response.triangles, response.barycentric, identity_components=5)
    observation, pose = observe_posed(head, np.zeros(5), np.random.default_rng(0), angle=5)
    view = ViewState(
        expression=np.zeros(head.expression_size),
        turns=np.tile(np.eye(3), (3, 1, 1)),
        rotation=pose[:3, :3],
        translation=pose[:3, 3] * [1, 1, depth],
        log_focal=0.0,
        errors=np.zeros(0),
    )
    focal = float(observation.intrinsics.matrix[0, 0])
    found = apparent_iris_diameters(points, observation.landmarks, view, np.zeros(5), focal)
    assert len(found) == eyes
    assert all(0.008 < diameter < 0.016 for diameter in found)

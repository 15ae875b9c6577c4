from __future__ import annotations

import csv
import json

import numpy as np
from PIL import Image

from face3d.evaluate.landmark_results import landmark_document, write_landmark_results
from face3d.evaluate.landmarks import evaluate_landmarks
from tests.evaluate.test_landmarks import faces, off_by, sources


def test_files(tmp_path):
    predict = off_by({"set/1": 7.0})
    report = evaluate_landmarks(
        sources(faces(6, light="low")), lambda face: None if face.name == "set/2" else predict(face)
    )
    write_landmark_results(report, tmp_path)
    document = json.loads((tmp_path / "landmarks.json").read_text())
    assert document == json.loads(json.dumps(landmark_document(report), allow_nan=False))
    assert document["missing"] == 1
    assert document["groups"]["light"]["groups"]["low"]["faces"] == 6
    assert document["failures"][0]["error"] == "Missing"
    with (tmp_path / "landmarks_faces.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["face"] for row in rows] == [f"set/{n}" for n in range(6)]
    assert rows[2]["interocular"] == rows[2]["mouth (interocular)"] == ""
    found = np.array([float(row["interocular"]) for row in rows if row["interocular"]])
    np.testing.assert_allclose(found.mean(), document["errors"]["interocular"]["mean"], atol=1e-6)
    with Image.open(tmp_path / "landmarks_curve.png") as picture:
        assert picture.height > 300


def test_no_prediction_at_all_is_still_a_report():
    document = landmark_document(evaluate_landmarks(sources(faces(2)), lambda face: None))
    assert document["errors"]["box"]["mean"] is None
    assert document["regions"] == {}
    assert document["errors"]["box"]["failure_rate"] == {"0.07": 1.0, "0.08": 1.0, "0.1": 1.0}

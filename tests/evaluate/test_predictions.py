from __future__ import annotations

import json

import numpy as np
import pytest
from skimage import data

from face3d.errors import InputError
from face3d.evaluate.datasets import Annotation
from face3d.evaluate.predictions import detected_faces, face_of, predicted_faces
from face3d.landmarks import ibug_points
from tests.evaluate.datasets.test_pts import write_pts

POINTS = np.random.default_rng(0).uniform(0, 300, (68, 2))


def save_npz(path, points):
    np.savez(path.with_suffix(".npz"), points=points)


def save_npy(path, points):
    np.save(path.with_suffix(".npy"), points)


def save_pts(path, points):
    write_pts(path.with_suffix(".pts"), points)


def save_json(path, points):
    path.with_suffix(".json").write_text(json.dumps({"topology": "ibug_68", "points": points.tolist()}))


def save_faces_json(path, points):
    path.with_suffix(".json").write_text(json.dumps({"faces": [{"points": points.tolist()}]}))


def save_reconstruction_json(path, points):
    path.with_suffix(".json").write_text(json.dumps({"detected": {"pixels": points.tolist()}, "fitted": {}}))


@pytest.mark.parametrize(
    "save",
    [save_npz, save_npy, save_pts, save_json, save_faces_json, save_reconstruction_json],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("place", ["set/deep/img", "img", "set/deep/img/landmarks", "img/landmarks", "img_0"])
def test_files_are_found(tmp_path, save, place):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, POINTS)
    (found,) = predicted_faces(tmp_path, "set/deep/img")
    np.testing.assert_allclose(found, POINTS, atol=1e-5)
    assert predicted_faces(tmp_path, "set/deep/other") == []


def test_several_faces(tmp_path):
    np.savez(tmp_path / "a.npz", points=np.stack([POINTS, POINTS + 500]))
    save_json(tmp_path / "a_1.x", POINTS + 1000)
    found = predicted_faces(tmp_path, "a")
    assert [round(float(face.mean() - POINTS.mean())) for face in found] == [0, 500, 1000]
    near = face_of(found, Annotation("a", "a", POINTS + 480))
    np.testing.assert_array_equal(near, POINTS + 500)
    assert face_of(found, Annotation("a", "a", POINTS + 5000)) is None
    assert face_of([], Annotation("a", "a", POINTS)) is None


def test_depth_is_dropped(tmp_path):
    np.save(tmp_path / "a.npy", np.concatenate([POINTS, POINTS[:, :1]], axis=1).astype(np.float32))
    np.testing.assert_allclose(predicted_faces(tmp_path, "a")[0], POINTS, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b"{"),
        ("a.json", b'{"other": 1}'),
        ("a.json", b"7"),
        ("a.json", b'{"points": [[1, 2], [3]]}'),
        ("a.json", b'{"points": [1, 2, 3]}'),
        ("a.npz", b"PK\x03\x04"),
        ("a.npy", b"x"),
        ("a.pts", b"x"),
    ],
)
def test_broken_predictions_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        predicted_faces(tmp_path, "a")


def test_a_pickle_is_not_opened(tmp_path):
    np.savez(tmp_path / "a.npz", points=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"a\.npz"):
        predicted_faces(tmp_path, "a")


def test_other_markups():
    mesh = np.random.default_rng(0).uniform(0, 300, (478, 2))
    truth = Annotation("a", "a", POINTS)
    np.testing.assert_array_equal(face_of([mesh], truth), ibug_points(mesh))
    with pytest.raises(InputError, match="98 points"):
        face_of([mesh[:98]], truth)
    reverse = {(98, 68): tuple(range(67, -1, -1))}
    np.testing.assert_array_equal(face_of([mesh[:98]], truth, reverse), mesh[67::-1])


def test_detection_on_the_fly(detector, astronaut_file):
    from_file = Annotation("a", "a", np.ones((68, 2)), image=astronaut_file)
    (face,) = detected_faces(detector, from_file)
    assert face.shape == (478, 2)
    (same,) = detected_faces(detector, Annotation("a", "a", np.ones((68, 2)), pixels=data.astronaut()))
    assert np.abs(face - same).max() < 2
    with pytest.raises(InputError, match="--images"):
        detected_faces(detector, Annotation("a", "a", np.ones((68, 2))))

"""`face3d evaluate` as a shell sees it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from face3d.cli import main
from face3d.evaluate.scan_file import read_scan
from face3d.export.mesh import Mesh
from face3d.export.ply import export_ply
from face3d.landmarks import ibug_points
from tests.evaluate import talking_heads
from tests.evaluate.datasets.test_pts import write_pts
from tests.evaluate.now.benchmark_folder import make_benchmark
from tests.evaluate.shapes import now_landmarks, open_head


@pytest.fixture
def small_set(tmp_path):
    """Three faces with predictions 2, 1 and 1 pixels off, and a table of groups."""
    points = np.random.default_rng(0).uniform(50, 250, (68, 2))
    for n, shift in enumerate((2, 1, 1)):
        write_pts(tmp_path / "truth" / f"{n}.pts", points)
        (tmp_path / "predicted").mkdir(exist_ok=True)
        np.savez(tmp_path / "predicted" / f"{n}.npz", points=points + np.array([shift, 0]))
    (tmp_path / "people.csv").write_text("image,age\n0.jpg,70\n1.jpg,20\n2.jpg,31\n")
    return tmp_path


def test_landmarks(small_set, capfd):
    arguments = ["evaluate", "landmarks", str(small_set / "truth"), "--predictions", str(small_set / "predicted")]
    arguments += ["--metadata", str(small_set / "people.csv"), "--group-by", "age:40"]
    assert main([*arguments, "--out", str(small_set / "out")]) == 0
    shown = capfd.readouterr()
    assert shown.err == ""
    assert "worst: >=40" in shown.out
    names = {path.name for path in (small_set / "out").iterdir()}
    assert names == {"landmarks.json", "landmarks_faces.csv", "landmarks_curve.png"}
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document == json.loads((small_set / "out" / "landmarks.json").read_text())
    assert document["groups"]["age"]["worst"] == ">=40"


def test_landmarks_broken_and_missing(small_set, capfd):
    (small_set / "truth" / "0.pts").write_text("broken")
    (small_set / "predicted" / "1.npz").unlink()
    arguments = ["evaluate", "landmarks", str(small_set / "truth"), "--predictions", str(small_set / "predicted")]
    assert main([*arguments, "--quiet"]) == 1
    shown = capfd.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 2
    assert "0.pts" in shown.err
    assert "1: no face" in shown.err


def test_landmarks_on_the_fly(tmp_path, detector, astronaut_file, capfd):
    """What MediaPipe's own points annotate, MediaPipe finds again."""
    with Image.open(astronaut_file) as image:
        (face,) = detector.detect(np.asarray(image))
    write_pts(tmp_path / "astronaut.pts", ibug_points(face.points[:, :2]))
    arguments = ["evaluate", "landmarks", str(tmp_path), "--detector", "mediapipe", "--images"]
    assert main([*arguments, str(astronaut_file.parent), "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["errors"]["interocular"]["mean"] < 0.01


def test_now(tmp_path, capfd):
    dataset, predictions = make_benchmark(tmp_path)
    table = tmp_path / "subjects.csv"
    table.write_text("subject,wide\nanna,no\nbert,no\ncleo,yes\n")
    arguments = ["evaluate", "now", str(dataset), str(predictions), "--metrical", "--metadata", str(table)]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--reproduce", "now", "--id", "ours"]) == 0
    shown = capfd.readouterr()
    assert shown.err == ""
    assert "worst: yes" in shown.out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"now.json", "now_images.csv", "now_distances.npz", "now_curve.png", "results"}
    assert (tmp_path / "out" / "results" / "ours_metrical_computed_distances_selfie.npy").is_file()
    (predictions / "anna/selfie/IMG_2.obj").unlink()
    assert main([*arguments, "--json"]) == 1
    shown = capfd.readouterr()
    assert json.loads(shown.out)["missing"] == 1
    assert "IMG_2" in shown.err
    assert shown.err.count("\n") == 1


def test_mesh(tmp_path, capfd):
    vertices, triangles = open_head()
    (tmp_path / "a.ply").write_bytes(export_ply(Mesh(vertices, triangles), unit="mm"))
    moved = vertices @ np.diag([-1.0, 1, -1]) + [0.1, 0.2, 3]
    (tmp_path / "b.ply").write_bytes(export_ply(Mesh(moved, triangles)))
    arguments = ["evaluate", "mesh", str(tmp_path / "a.ply"), str(tmp_path / "b.ply")]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert "A in mm, B in m" in capfd.readouterr().out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"mesh.json", "mesh_curve.png", "error_a.ply", "error_b.ply"}
    np.testing.assert_allclose(read_scan(tmp_path / "out" / "error_b.ply").vertices, vertices, atol=2e-6)
    np.save(tmp_path / "a.npy", 1000 * now_landmarks())
    np.save(tmp_path / "b.npy", now_landmarks() @ np.diag([-1.0, 1, -1]) + [0.1, 0.2, 3])
    marks = ["--landmarks-a", str(tmp_path / "a.npy"), "--landmarks-b", str(tmp_path / "b.npy"), "--crop"]
    assert main([*arguments, *marks, "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["a_to_b"]["maximum"] < 2e-6
    assert document["a_to_b"]["count"] < len(vertices) < document["b_to_a"]["count"] + 1


@pytest.fixture
def talking(tmp_path):
    """Two clips, the lips of one opening too little, with true heads and texts."""
    head = talking_heads.open_head()
    for number, (name, opening) in enumerate((("anna", 1.0), ("bert", 0.6))):
        for kind, factor in (("tracks", opening), ("truth", 1.0)):
            (tmp_path / kind / name).mkdir(parents=True)
            np.savez(tmp_path / kind / name / "track.npz", **talking_heads.talk(head, seed=number, opening=factor))
        for kind, text in (("said", "a fine day"), ("read", "a fine way")):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / kind / f"{name}.txt").write_text(text)
    return tmp_path


def test_lips(talking, capfd):
    pytest.importorskip("jiwer")
    arguments = ["evaluate", "lips", str(talking / "tracks"), "--truth", str(talking / "truth"), "--no-visemes"]
    arguments += ["--transcripts", str(talking / "read"), "--reference", str(talking / "said")]
    assert main([*arguments, "--out", str(talking / "out")]) == 0
    shown = capfd.readouterr()
    assert shown.err == ""
    assert "worst vertex error" in shown.out
    assert "wer" in shown.out
    assert {path.name for path in (talking / "out").iterdir()} == {"lips.json", "lips_truth.csv", "lips_text.csv"}
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document == json.loads((talking / "out" / "lips.json").read_text())
    assert document["truth"]["clips"]["anna"]["vertex_error"] < 1e-6
    assert document["truth"]["clips"]["bert"]["vertex_error"] > 1e-4
    assert document["text"]["overall"]["wer"]["value"] == pytest.approx(1 / 3)
    (talking / "truth" / "bert" / "track.npz").unlink()
    (talking / "read" / "anna.txt").unlink()
    assert main([*arguments, "--quiet"]) == 1
    shown = capfd.readouterr()
    assert shown.err.count("\n") == 1
    assert "bert: there is no truth" in shown.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("lips",), 2),
        (("lips", "."), 2),
        (("lips", ".", "--truth", "."), 2),
        (("lips", "--truth", "."), 2),
        (("lips", "--transcripts", "."), 2),
        (("lips", ".", "--truth", ".", "--closed", "0"), 2),
        (("lips", "--transcripts", ".", "--reference", "empty"), 2),
        (("landmarks", "nowhere", "--predictions", "."), 2),
        (("landmarks", "."), 2),
        (("landmarks", ".", "--predictions", ".", "--detector", "mediapipe"), 2),
        (("landmarks", "empty", "--predictions", "."), 2),
        (("landmarks", "empty", "--format", "pts", "--predictions", "."), 1),
        (("landmarks", "x.pts", "--predictions", ".", "--group-by", "age"), 2),
        (("landmarks", "x.pts", "--detector", "abacus"), 2),
        (("now", "nowhere", "."), 2),
        (("now", ".", ".", "--id", "../x"), 2),
        (("mesh", "a.obj", "b.obj"), 1),
        (("mesh", "a.obj", "b.obj", "--limit", "0"), 2),
        (("mesh", "a.obj", "b.obj", "--landmarks-a", "a.npy"), 2),
        (("mesh", "point.obj", "point.obj"), 2),
    ],
)
def test_errors_are_one_line(arguments, code, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pts").write_text("n_points: 2\n{\n1 1\n2 3\n}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "point.obj").write_text("v 0 0 0\nf 1 1 1\n")
    assert main(["evaluate", *arguments]) == code
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1

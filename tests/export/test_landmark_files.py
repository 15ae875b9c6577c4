"""Landmark files: read back by other means, they hold what was found, in the pixels that each format counts."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from face3d.errors import InputError
from face3d.evaluate.datasets.pts import read_pts
from face3d.export.landmarks_csv import write_landmarks_csv
from face3d.export.landmarks_json import write_landmarks_json
from face3d.export.landmarks_npz import write_landmarks_npz
from face3d.export.pts import export_pts
from face3d.landmarks.detector import FaceLandmarks, Sighting


def face(person: int, frame: int | None = None, *, depth: bool = True, curves: bool = True) -> FaceLandmarks:
    rng = np.random.default_rng(person)
    points = rng.uniform(0, 300, (68, 3))
    if not depth:
        points[:, 2] = np.nan
    smoothed = None if frame is None else points + 0.25
    time = None if frame is None else frame / 25
    return FaceLandmarks(
        points=points,
        confidence=rng.uniform(size=68),
        box=np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)]),
        score=0.875,
        topology="ibug_68",
        detector="drawn",
        licence="none",
        image_size=(320, 240),
        blendshapes={"jawOpen": 0.5, "mouthClose": 0.125} if curves else None,
        face_transform=np.eye(4) if curves else None,
        sighting=Sighting("clip.mp4", person, frame, time, interpolated=frame == 3, smoothed=smoothed),
    )


PHOTO = [face(1), face(2)]
VIDEO = [face(1, 2), face(1, 3), face(2, 3)]


def as_json(faces):
    text = io.StringIO()
    write_landmarks_json(text, "clip.mp4", iter(faces))
    return json.loads(text.getvalue())


def as_rows(faces, **options):
    text = io.StringIO(newline="")
    write_landmarks_csv(text, iter(faces), **options)
    return list(csv.DictReader(io.StringIO(text.getvalue())))


def as_arrays(faces):
    file = io.BytesIO()
    write_landmarks_npz(file, iter(faces))
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def test_pts_counts_from_one(tmp_path):
    """The centre of the top-left pixel is (0.5, 0.5) here and (1, 1) there."""
    content = export_pts(np.array([[0.5, 0.5, 9.0], [10.25, 20.75, 9.0]]))
    assert content.split() == b"version: 1 n_points: 2 { 1.000 1.000 10.750 21.250 }".split()
    points = face(1).points
    (tmp_path / "face.pts").write_bytes(export_pts(points))
    np.testing.assert_allclose(read_pts(tmp_path / "face.pts"), points[:, :2], atol=6e-4)
    with pytest.raises(InputError):
        export_pts(np.full((68, 2), np.nan))


@pytest.mark.parametrize("faces", [PHOTO, VIDEO], ids=["photo", "video"])
def test_every_format_holds_the_same(faces):
    document, rows, arrays = as_json(faces), as_rows(faces), as_arrays(faces)
    assert document["source"] == "clip.mp4"
    for n, one in enumerate(faces):
        entry, row, sighting = document["faces"][n], rows[n], one.sighting
        np.testing.assert_allclose(entry["points"], one.points, atol=6e-4)
        np.testing.assert_allclose(arrays["points"][n], one.points, rtol=1e-6)
        from_row = [[float(row[f"{axis}_{k}"]) for axis in "xyz"] for k in range(68)]
        np.testing.assert_allclose(from_row, one.points, atol=6e-4)
        assert entry["person"] == int(row["person"]) == arrays["person"][n] == sighting.person
        assert entry["blendshapes"] == {"jawOpen": 0.5, "mouthClose": 0.125}
        assert float(row["jawOpen"]) == 0.5
        np.testing.assert_allclose(entry["face_transform"], np.eye(4))
        np.testing.assert_allclose(arrays["face_transform"][n], np.eye(4))
        np.testing.assert_allclose([float(row["box_left"]), float(row["box_bottom"])], one.box[[0, 3]], atol=6e-4)
        np.testing.assert_allclose(arrays["confidence"][n], one.confidence, rtol=1e-6)
        if sighting.frame is None:
            assert "frame" not in entry
            assert row["frame"] == row["time"] == ""
        else:
            assert entry["frame"] == int(row["frame"]) == arrays["frame"][n] == sighting.frame
            assert entry["time"] == float(row["time"]) == arrays["time"][n] == sighting.time
            assert entry["interpolated"] == bool(int(row["interpolated"])) == arrays["interpolated"][n]
            np.testing.assert_allclose(entry["smoothed"], one.points + 0.25, atol=6e-4)
            np.testing.assert_allclose(arrays["smoothed"][n], one.points + 0.25, rtol=1e-6)
    assert arrays["blendshape_names"].tolist() == ["jawOpen", "mouthClose"]
    assert str(arrays["topology"]) == "ibug_68"


def test_smoothed_points_in_a_table_of_their_own():
    rows = as_rows(VIDEO, smoothed=True)
    assert float(rows[0]["x_7"]) == pytest.approx(VIDEO[0].points[7, 0] + 0.25, abs=6e-4)


def test_detectors_without_depth_or_curves():
    faces = [face(1, depth=False, curves=False)]
    (entry,), (row,), arrays = as_json(faces)["faces"], as_rows(faces), as_arrays(faces)
    assert np.shape(entry["points"]) == (68, 2)
    assert row["z_0"] == ""
    assert np.isnan(arrays["points"][0, :, 2]).all()
    assert "blendshapes" not in entry
    assert not {"blendshapes", "face_transform"} & set(arrays)


def test_one_face_without_a_transform():
    """Frames between two sightings have none."""
    arrays = as_arrays([VIDEO[0], replace(VIDEO[1], face_transform=None)])
    assert np.isfinite(arrays["face_transform"][0]).all()
    assert np.isnan(arrays["face_transform"][1]).all()


def test_nobody():
    assert as_json([])["faces"] == []
    assert as_rows([]) == []
    arrays = as_arrays([])
    assert arrays["points"].shape == (0, 0, 3)
    assert arrays["image_size"].shape == (0, 2)

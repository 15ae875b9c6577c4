"""Pictures on request: each is over the photo's own pixels and shows the head where it is."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from face3d.errors import ArgumentError
from face3d.render.maps import decode_depth
from face3d.report import check_pictures


def test_maps_and_overlays_have_the_photos_size(folder, photo):
    for name in ("wireframe", "landmarks", "depth", "depth_preview", "normals"):
        with Image.open(folder / f"{name}.png") as image:
            assert (image.height, image.width) == photo.shape[:2], name


def test_depth_is_the_heads_at_its_landmarks(folder, head):
    depth = decode_depth((folder / "depth.png").read_bytes())
    anatomy = head.points()["anatomy"]
    nose = list(anatomy["labels"]).index("pronasale")
    x, y = anatomy["pixels"][nose]
    expected = (anatomy["head"][nose] @ head.camera_from_head[:3, :3].T + head.camera_from_head[:3, 3])[2]
    assert depth[int(y), int(x)] == pytest.approx(expected, abs=0.003)
    assert np.isinf(depth[0, 0])


def test_normals_face_the_camera_where_the_head_is_seen(folder):
    with Image.open(folder / "normals.png") as image:
        normals = np.asarray(image).astype(float) / 127.5 - 1
    seen = (np.asarray(normals) > -0.999).any(-1)
    np.testing.assert_allclose(np.linalg.norm(normals[seen], axis=-1), 1, atol=0.02)
    # A vertex normal at the outline may lean away from the viewer.
    assert (normals[seen][:, 2] > 0).mean() > 0.98


def test_overlays_change_only_the_head(folder, photo, head):
    box = head.landmarks.box.round().astype(int)
    for name in ("wireframe", "landmarks"):
        with Image.open(folder / f"{name}.png") as image:
            changed = (np.asarray(image) != photo).any(-1)
        assert changed[box[1] : box[3], box[0] : box[2]].mean() > 0.05, name
        assert not changed[:, :100].any(), name


def test_the_turntable_turns_once(folder):
    with Image.open(folder / "turntable.gif") as image:
        assert image.n_frames == 36
        assert (folder / "turntable.gif").stat().st_size < 3e6


def test_detected_and_fitted_landmarks_are_pairs(head):
    detected, fitted = head.matched_landmarks()
    assert detected.shape == fitted.shape
    eyes = np.linalg.norm(head.landmarks.points[33, :2] - head.landmarks.points[263, :2])
    assert np.linalg.norm(detected - fitted, axis=-1).mean() < 0.05 * eyes


def test_unknown_pictures_are_named_with_those_there_are():
    with pytest.raises(ArgumentError, match=r"portrait.*turntable"):
        check_pictures(["depth", "portrait"])

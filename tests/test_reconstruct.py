"""The job from photo to metric head, through the Python API."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image
from skimage import data

import face3d
from face3d.errors import ArgumentError, InputError, LicenceError, NoFaceError
from face3d.head import save_head
from face3d.reconstruct import Failure

ADULT_PUPILLARY_DISTANCE = (0.051, 0.077)
"""Metres; 5th percentile of women less 2 SD to 95th of men plus 2 SD (Dodgson 2004: 52 to 78 mm holds nearly all)."""


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return face3d.reconstruct([data.astronaut()], out=out, formats=("ply",))


def test_one_face_one_head(heads):
    (head,) = heads
    assert head.source == "the given array"
    assert head.name == "image"
    assert head.folder.name == "image"
    assert head.identity.shape == (head.model.identity_size,)
    assert head.expression.shape == (len(head.model.expression_names),)
    assert np.isfinite(head.camera_from_head).all()


def test_the_head_is_metric(heads):
    (head,) = heads
    distance = head.measurements["pupillary_distance"]
    assert ADULT_PUPILLARY_DISTANCE[0] < distance.value < ADULT_PUPILLARY_DISTANCE[1]
    assert 0.015 < distance.sigma / distance.value < 0.06
    vertices = head.neutral().vertices[0].numpy()
    assert 0.13 < np.ptp(vertices[:, 0]) < 0.24
    depth = head.camera_from_head[2, 3]
    assert 0.2 < depth < 5


def test_the_fit_lies_on_the_face(heads):
    (head,) = heads
    assert head.residual < 0.03
    set_name = head.landmarks.topology
    fitted = head.points()[set_name]["pixels"]
    misses = np.linalg.norm(fitted - head.landmarks.points[: len(fitted), :2], axis=1)
    eyes = np.linalg.norm(head.landmarks.points[33, :2] - head.landmarks.points[263, :2])
    assert np.median(misses) < 0.04 * eyes


def test_the_files_say_what_the_object_says(heads):
    (head,) = heads
    record = json.loads((head.folder / "reconstruction.json").read_text())
    assert record["schema_version"] == 1
    assert record["scale"]["value"] == head.scale.value
    assert {source["name"] for source in record["scale"]["sources"]} >= {"identity", "iris"}
    assert {use["name"]: use["licence"] for use in record["assets"]} == {
        "open_head": "CC0-1.0",
        "mediapipe": "Apache-2.0",
    }
    assert set(record["timings"]) == {"read", "detect", "fit", "measure", "texture"}
    stored = np.load(head.folder / "parameters.npz", allow_pickle=False)
    np.testing.assert_array_equal(stored["identity"], head.identity)
    np.testing.assert_array_equal(stored["K"], head.intrinsics.matrix)
    assert stored["camera_from_head"].shape == (4, 4)
    assert stored["image_size"].tolist() == [512, 512]
    measured = json.loads((head.folder / "measurements.json").read_text())
    assert measured["pupillary_distance"]["value"] == head.measurements["pupillary_distance"].value
    assert {"face_width", "head_breadth"} <= set(measured)
    landmarks = json.loads((head.folder / "landmarks.json").read_text())
    assert len(landmarks["detected"]["pixels"]) == len(head.landmarks.points)
    with Image.open(head.folder / "overlay.png") as picture:
        assert picture.size == (512, 512)


def test_the_head_is_painted(heads):
    (head,) = heads
    with Image.open(head.folder / "texture.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), head.texture)
    mesh = trimesh.load(head.folder / "head_neutral.ply", process=False)
    np.testing.assert_array_equal(np.asarray(mesh.visual.material.image.convert("RGB")), head.texture)
    # PLY carries its colours too, and skin is far from grey.
    rows = mesh.metadata["_ply_raw"]["vertex"]["data"]
    nose = head.model.regions["nose"].numpy()
    assert rows["red"][nose].astype(float).mean() > 1.15 * rows["blue"][nose].astype(float).mean()


def test_the_texture_can_be_left_out_or_freed_of_light(heads):
    (plain,) = face3d.reconstruct([data.astronaut()], texture=False)
    assert plain.texture is None
    assert "texture" not in plain.timings
    (delit,) = face3d.reconstruct([data.astronaut()], delight=True)
    change = np.abs(delit.texture.astype(float) - heads[0].texture)
    assert 1 < change.mean() < 40


def test_a_head_without_texture_coordinates_gets_none(tmp_path):
    save_head(replace(face3d.load_head().arrays(), uv=None, uv_triangles=None), tmp_path / "bare.npz")
    (head,) = face3d.reconstruct([data.astronaut()], head=tmp_path / "bare.npz", out=tmp_path / "out")
    assert head.texture is None
    assert any("texture coordinates" in warning for warning in head.warnings)
    assert not (head.folder / "texture.png").exists()
    assert not (head.folder / "head.mtl").exists()


def test_refining_by_colours(heads, tmp_path):
    (head,) = face3d.reconstruct([data.astronaut()], refine="photometric", out=tmp_path, formats=("glb",))
    assert head.colours is not None
    assert head.colours.residual_after < head.colours.residual_before
    assert 0 < np.abs(head.identity - heads[0].identity).max() < 6
    assert head.residual < 0.06
    record = json.loads((head.folder / "reconstruction.json").read_text())
    assert record["residuals"]["photometric"]["after"] == head.colours.residual_after
    stored = np.load(head.folder / "parameters.npz", allow_pickle=False)
    np.testing.assert_array_equal(stored["light"], head.colours.light)
    assert json.loads((heads[0].folder / "reconstruction.json").read_text())["residuals"]["photometric"] is None
    with pytest.raises(ArgumentError, match="photometric"):
        face3d.reconstruct([data.astronaut()], refine="colours")


def test_points_in_3d_project_onto_their_pixels(heads):
    (head,) = heads
    landmarks = json.loads((head.folder / "landmarks.json").read_text())["fitted"]["anatomy"]
    points = np.array(landmarks["head"]) @ head.camera_from_head[:3, :3].T + head.camera_from_head[:3, 3]
    projected = points @ head.intrinsics.matrix.T
    np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], landmarks["pixels"], atol=0.05)


def test_the_same_photo_gives_the_same_head(heads):
    (again,) = face3d.reconstruct([data.astronaut()])
    np.testing.assert_array_equal(again.identity, heads[0].identity)
    np.testing.assert_array_equal(again.texture, heads[0].texture)
    assert again.folder is None


def test_a_typed_in_pupillary_distance_comes_back_exactly():
    (head,) = face3d.reconstruct([data.astronaut()], pupillary_distance=0.0625)
    assert head.measurements["pupillary_distance"].value == pytest.approx(0.0625, abs=1e-5)
    assert head.scale.sigma < 0.001


def test_a_known_distance_comes_back_exactly():
    (head,) = face3d.reconstruct([data.astronaut()], known_distances={"biocular_width": 0.095})
    assert head.measurements["biocular_width"].value == pytest.approx(0.095, abs=1e-5)


def test_photos_of_one_person_share_the_identity():
    photos = [data.astronaut(), np.ascontiguousarray(data.astronaut()[20:, 60:400])]
    first, second = face3d.reconstruct(photos, same_person=True)
    np.testing.assert_array_equal(first.identity, second.identity)
    assert not np.array_equal(first.camera_from_head, second.camera_from_head)
    assert (first.name, second.name) == ("image", "image-2")
    assert first.texture is second.texture


def test_a_bad_photo_does_not_stop_the_person_fit():
    failures: list[Failure] = []
    (head,) = face3d.reconstruct([data.coffee(), data.astronaut()], same_person=True, on_failure=failures.append)
    assert [type(failure.error) for failure in failures] == [NoFaceError]
    assert head.residual < 0.03


def test_without_a_listener_the_first_bad_photo_raises():
    with pytest.raises(NoFaceError, match="the given array"):
        face3d.reconstruct([data.coffee()])
    with pytest.raises(InputError):
        face3d.reconstruct(["no_such_photo.jpg"])


@pytest.mark.parametrize(
    ("images", "arguments", "message"),
    [
        ([], {}, "one or more"),
        ("photo.jpg", {}, "list"),
        (["photo.jpg"], {"formats": ("fbx",)}, "obj"),
        (["photo.jpg"], {"pupillary_distance": 62.5}, "mm"),
        (["photo.jpg"], {"known_distances": {"arm": 0.7}}, "biocular_width"),
        (["photo.jpg"], {"unit": "inch"}, "m or mm"),
        (["photo.jpg"], {"device": "abacus"}, "abacus"),
    ],
)
def test_unusable_arguments(images, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        face3d.reconstruct(images, **arguments)


def test_open_licences_only(tmp_path):
    face3d.reconstruct([data.astronaut()], licence="open")
    own = face3d.load_head().arrays()
    save_head(replace(own, licence="ask me"), tmp_path / "own.npz")
    with pytest.raises(LicenceError, match="ask me"):
        face3d.reconstruct([data.astronaut()], head=tmp_path / "own.npz", licence="open")

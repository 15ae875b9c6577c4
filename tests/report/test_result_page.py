"""The page of one result: whole by itself, true to the result, and safe whatever things are called."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image

from face3d.reconstruction import write_reconstruction
from tests.report.conftest import Page

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&amp;</title>"


@pytest.fixture(scope="module")
def text(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page.read(text)


def embedded(text, name):
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.DOTALL)[1])


def test_nothing_is_fetched_from_anywhere(page, folder):
    page.check_addresses(folder)


def test_it_is_small_enough_to_send(text):
    assert len(text.encode()) < 5e6


def test_every_measurement_is_there_in_millimetres(page, head):
    rows = re.sub(r"\s+", " ", page.text)
    for name, measurement in head.measurements.items():
        label = name.replace("_", " ").capitalize()
        assert f"{label} {measurement.value * 1000:.1f} {measurement.sigma * 1000:.1f} {measurement.standard}" in rows


def test_size_camera_assets_files_and_times_are_there(page, head, folder):
    for use in head.assets:
        assert use.licence in page.text
        assert use.sha256[:16] in page.text
    for path in folder.iterdir():
        assert path.name == "report.html" or path.name in page.text
    assert f"{head.intrinsics.matrix[0, 0]:.0f}" in page.text
    assert f"{head.scale.sigma * 100:.1f} %" in page.text
    assert f"{head.timings['fit'] * 1000:.0f} ms" in page.text
    assert "512 \u00d7 512" in page.text


def test_the_field_of_view_spans_the_longer_side(page, head):
    half = np.degrees(np.arctan(256 / head.intrinsics.matrix[0, 0]))
    assert f"{2 * half:.1f}°" in page.text


def test_pictures_have_words_and_a_way_to_choose_them(page):
    assert all(image.get("alt") for image in page.all("img"))
    radios = {radio["id"] for radio in page.all("input") if radio["type"] == "radio"}
    labelled = {label["for"] for label in page.all("label")}
    assert radios == labelled
    assert {f"style-{style}" for style in ("shaded", "wireframe", "landmarks", "photo")} < radios
    assert sum("checked" in radio for radio in page.all("input")) == 2
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == 1


def test_the_photo_is_among_the_pictures_as_it_was(page, photo, head):
    image = next(image for image in page.all("img") if image.get("class") == "photo")
    with Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))) as opened:
        tile = np.asarray(opened).astype(float)
    # Around the middle of the face, scaled down to the photo's own pixels.
    left, top, right, bottom = head.landmarks.box
    face = photo[int(top) : int(bottom), int(left) : int(right)].astype(float)
    np.testing.assert_allclose(tile[300:580, 300:580].mean((0, 1)), face.mean((0, 1)), atol=20)


def test_the_models_are_the_heads_in_metres(text, head):
    models = {model["key"]: model for model in embedded(text, "models")}
    for state, geometry in (("neutral", head.neutral()), ("posed", head.posed())):
        model = models[state]
        glb = io.BytesIO(base64.b64decode(model["uri"].partition(",")[2]))
        mesh = trimesh.load(glb, file_type="glb", force="mesh", process=False)
        vertices = geometry.vertices[0].numpy()
        np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), np.ptp(vertices, axis=0), atol=1e-5)
        assert _attributes(glb.getvalue()) & {"COLOR_0", "TEXCOORD_0"}, "it has its colours"


def _attributes(glb):
    document = json.loads(glb[20 : 20 + int.from_bytes(glb[12:16], "little")])
    return document["meshes"][0]["primitives"][0]["attributes"].keys()


def test_lines_are_as_long_as_their_measurements(text, head):
    lines = {name: np.array(points) for name, points in embedded(text, "lines").items()}
    assert set(lines) == set(head.measurements)
    for name, points in lines.items():
        length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
        # A tape bridges the hollows that the points run through.
        tolerance = 3e-5 if len(points) == 2 else 0.06 * length
        assert abs(length - head.measurements[name].value) < tolerance, name


def test_names_and_warnings_are_text_and_never_markup(head, photo, tmp_path):
    hostile = replace(head, name=HOSTILE, source=HOSTILE, warnings=(HOSTILE, "a plain warning"))
    write_reconstruction(hostile, photo, tmp_path, formats=(), unit="m")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page.read(text)
    assert "alert('x')" not in re.sub(r"&#39;|&#34;", "", text).replace("\\u0027", "")
    assert not [attributes for _, attributes in page.elements if "onerror" in attributes]
    assert page.text.count("<script>alert('x')</script>") >= 4
    assert "a plain warning" in page.text
    assert any(HOSTILE in (image["alt"] or "") for image in page.all("img"))
    assert [meta for meta in page.all("meta") if meta.get("name") == "generator"]


def test_a_head_that_cannot_be_measured_has_a_page_without_measurements(head, photo, tmp_path):
    write_reconstruction(replace(head, measurements={}), photo, tmp_path, formats=(), unit="m")
    page = Page.read((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Measurements" not in page.text
    assert "The head in 3D" in page.text


def test_a_painted_head_comes_first_and_a_large_texture_is_sent_smaller(head, photo, tmp_path):
    large = np.full((3000, 3000, 3), 150, dtype=np.uint8)
    write_reconstruction(replace(head, texture=large), photo, tmp_path, formats=(), unit="m")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    posed, neutral = embedded(text, "models")
    assert (posed["key"], neutral["key"]) == ("posed", "neutral")
    glb = base64.b64decode(posed["uri"].partition(",")[2])
    assert "TEXCOORD_0" in _attributes(glb)
    mesh = trimesh.load(io.BytesIO(glb), file_type="glb", force="mesh", process=False)
    assert max(mesh.visual.material.baseColorTexture.size) == 1024
    assert "COLOR_0" in _attributes(base64.b64decode(neutral["uri"].partition(",")[2])), "plain, so that shape is seen"


def test_without_a_texture_the_head_at_rest_comes_first(head, photo, tmp_path):
    write_reconstruction(replace(head, texture=None), photo, tmp_path, formats=(), unit="m")
    models = embedded((tmp_path / "report.html").read_text(encoding="utf-8"), "models")
    assert [model["key"] for model in models] == ["neutral", "posed"]

"""What pages are made of: escaping, images inside, and the vendored 3D view as it was published."""

from __future__ import annotations

import base64
import hashlib
import io
from importlib import resources

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

from face3d.report.page import MODEL_VIEWER_SHA256, MODEL_VIEWER_VERSION, _environment, glb_uri, jpeg_uri, render_page


def test_model_viewer_is_the_published_file_with_its_licences():
    folder = resources.files("face3d.report") / "vendor" / "model-viewer"
    script = (folder / "model-viewer-umd.min.js").read_bytes()
    assert hashlib.sha256(script).hexdigest() == MODEL_VIEWER_SHA256
    assert "Apache License" in (folder / "LICENSE").read_text()
    notices = (folder / "THIRD_PARTY.txt").read_text()
    assert MODEL_VIEWER_VERSION in notices
    assert "three.js, MIT" in notices
    assert "Permission is hereby granted" in notices


def test_the_script_can_stand_in_a_page():
    markup = str(_environment().globals["model_viewer"]())
    comment, script = markup.split("-->", 1)
    assert "--" not in comment.removeprefix("<!--")
    assert script.lower().count("</script") == 1
    assert script.lower().count("<script") == 1


def test_text_is_escaped_and_missing_content_is_an_error():
    page = render_page("index.html", results=[], sheet='"><script>alert(1)</script>')
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    with pytest.raises(UndefinedError):
        render_page("index.html", sheet="a")


def test_files_inside_a_page_decode_to_what_they_were():
    picture = np.tile(np.arange(0, 240, 4, dtype=np.uint8)[None, :, None], (32, 1, 3))
    head, _, body = jpeg_uri(picture, 95).partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as image:
        np.testing.assert_allclose(np.asarray(image).astype(int), picture, atol=6)
    assert base64.b64decode(glb_uri(b"glTF\x02").partition(",")[2]) == b"glTF\x02"

"""The page of many results leads to each, and takes nobody else's place."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from face3d.errors import OutputError
from face3d.report import ResultIndex
from tests.report.conftest import Page


def index_of(head, photo, names):
    index = ResultIndex()
    for name in names:
        index.add(replace(head, name=name), photo)
    return index


def test_it_leads_to_every_result_by_name(head, photo, tmp_path):
    names = ["plain", "a b", "<script>alert(1)<", "50%#?", "ümlaut"]
    index_of(head, photo, names).write(tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    page = Page.read(text)
    links = [link["href"] for link in page.all("a")]
    assert [unquote(link) for link in links] == ["contact_sheet.jpg", *(f"{name}/report.html" for name in names)]
    assert not any(character in link for link in links for character in '<>#?" ')
    assert not page.all("script")
    assert all(name in page.text for name in names)
    assert all(image["src"].startswith("data:image/jpeg") and image["alt"] for image in page.all("img"))
    assert f"{head.measurements['pupillary_distance'].value * 1000:.1f}" in page.text
    with Image.open(tmp_path / "contact_sheet.jpg") as sheet:
        assert sheet.width > 3 * 280
        assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 1000


def test_one_result_needs_no_index(head, photo, tmp_path):
    index_of(head, photo, ["one"]).write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_earlier_index_is_replaced_and_a_strangers_is_kept(head, photo, tmp_path):
    index_of(head, photo, ["a", "b"]).write(tmp_path)
    index_of(head, photo, ["c", "d"]).write(tmp_path)
    assert "c/report.html" in (tmp_path / "index.html").read_text()
    (tmp_path / "index.html").write_text("<h1>My holidays</h1>")
    with pytest.raises(OutputError, match=r"index\.html"):
        index_of(head, photo, ["a", "b"]).write(tmp_path)
    assert (tmp_path / "index.html").read_text() == "<h1>My holidays</h1>"

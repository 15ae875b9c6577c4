"""A real result that the pages describe, made once, and a reader of pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from skimage import data

import face3d
from face3d.reconstruction import Reconstruction, write_reconstruction
from face3d.report import PICTURES

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Page(HTMLParser):
    """The elements of a page; an end tag that closes nothing open, or an element left open, is an error."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def read(cls, text: str) -> Page:
        page = cls()
        page.feed(text)
        page.close()
        assert page.open == []
        return page

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} is there twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def check_addresses(self, folder: Path) -> None:
        """Nothing but what the page holds and files beside it is asked for, and its policy forbids more."""
        metas = [meta for meta in self.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
        policies = [meta["content"] or "" for meta in metas]
        assert len(policies) == 1
        assert policies[0].startswith("default-src 'none'")
        assert "http" not in policies[0]
        assert "*" not in policies[0]
        for _, attributes in self.elements:
            for name in ("src", "href", "poster", "srcset", "action", "data"):
                address = attributes.get(name)
                assert address is None or address.startswith("data:") or (folder / address).is_file(), address
        assert all("src" not in script for script in self.all("script"))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="session")
def photo():
    return data.astronaut()


@pytest.fixture(scope="session")
def head(photo, detector) -> Reconstruction:
    named = face3d.Photo.from_array(np.ascontiguousarray(photo), path=Path("astronaut.png"))
    (result,) = face3d.reconstruct([named])
    return result


@pytest.fixture(scope="session")
def folder(head, photo, tmp_path_factory) -> Path:
    """Everything that can be written of it."""
    folder = tmp_path_factory.mktemp("result")
    write_reconstruction(head, photo, folder, formats=("glb", "stl"), unit="m", pictures=tuple(PICTURES))
    return folder

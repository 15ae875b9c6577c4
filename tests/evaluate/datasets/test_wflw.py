from __future__ import annotations

import numpy as np
import pytest

from face3d.errors import InputError
from face3d.evaluate.datasets.wflw import wflw_sources


def line(points, name, flags=(0, 1, 0, 0, 1, 0)):
    """As WFLW's lists have them: first pixel's centre at (0, 0)."""
    return (
        " ".join(f"{value - 0.5:.6f}" for value in points.ravel())
        + f" 10 20 300 400 {' '.join(map(str, flags))} {name}"
    )


@pytest.fixture
def points():
    return np.random.default_rng(0).uniform(0, 500, (98, 2))


def test_faces_of_a_list(tmp_path, points):
    path = tmp_path / "list.txt"
    path.write_text("\n".join([line(points, "37--Soccer/a_1.jpg"), line(points + 9, "37--Soccer/a_1.jpg"), ""]))
    first, second = wflw_sources(path, tmp_path / "images")
    assert (first.name, second.name) == ("37--Soccer/a_1", "37--Soccer/a_1#2")
    face = second.read()
    np.testing.assert_allclose(face.points, points + 9, atol=1e-5)
    assert face.image_name == "37--Soccer/a_1"
    assert face.image == tmp_path / "images" / "37--Soccer" / "a_1.jpg"
    assert face.attributes["expression"] == "hard"
    assert face.attributes["pose"] == "normal"


def test_lists_without_attributes(tmp_path, points):
    path = tmp_path / "list.txt"
    path.write_text(" ".join(str(value) for value in points.ravel()) + " a.png")
    (source,) = wflw_sources(path, None)
    face = source.read()
    np.testing.assert_allclose(face.points, points + 0.5)
    assert not face.attributes


def test_a_broken_line_fails_alone(tmp_path, points):
    good = line(points, "a.jpg")
    escape = line(points, "../../etc/passwd.jpg")
    lines = [good, good[10:].partition(" ")[2], good.replace(" 10 ", " "), "x " + good.partition(" ")[2], escape, good]
    path = tmp_path / "list.txt"
    path.write_text("\n".join(lines))
    sources = wflw_sources(path, tmp_path)
    assert len(sources) == 6
    for number, source in enumerate(sources, start=1):
        if number in (1, 6):
            source.read()
        else:
            with pytest.raises(InputError, match=f"line {number}"):
                source.read()


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe"])
def test_unusable_lists(tmp_path, content):
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"list\.txt"):
        wflw_sources(path, None)

from __future__ import annotations

import numpy as np
import pytest

from face3d.errors import InputError
from face3d.evaluate.datasets.pts import pts_sources, read_pts


def write_pts(path, points):
    """As 300-W has them: first pixel's centre at (1, 1)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{x + 0.5:.6f} {y + 0.5:.6f}\n" for x, y in points)
    path.write_text(f"version: 1\nn_points:  {len(points)}\n{{\n{rows}}}\n")


@pytest.mark.parametrize("count", [68, 39])
def test_round_trip(tmp_path, count):
    points = np.random.default_rng(0).uniform(0, 500, (count, 2))
    write_pts(tmp_path / "a.pts", points)
    np.testing.assert_allclose(read_pts(tmp_path / "a.pts"), points, atol=1e-5)


@pytest.mark.parametrize(
    "text", ["version: 1\r\nn_points: 2\r\n{\r\n1 1\r\n3 4.5\r\n}", "n_points:2\n{\n1.0  1.0 \n 3 4.5}\n\n"]
)
def test_the_first_pixels_centre_is_one_one(tmp_path, text):
    (tmp_path / "a.pts").write_text(text)
    np.testing.assert_array_equal(read_pts(tmp_path / "a.pts"), [[0.5, 0.5], [2.5, 4.0]])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "n_points: 3\n{\n1 1\n2 2\n}",
        "n_points: 2\n{\n1 1\n2\n}",
        "n_points: 2\n{\n1 1\n2 x\n}",
        "n_points: 2\n{\nnan nan\nnan nan\n}",
        "n_points: 2\n{\n1 1\n2 2\n",
        "\x00\xff",
        "n_points: 0\n{\n}",
    ],
)
def test_broken_files_are_named(tmp_path, text):
    (tmp_path / "a.pts").write_text(text)
    with pytest.raises(InputError, match=r"a\.pts"):
        read_pts(tmp_path / "a.pts")


def test_a_folder_with_its_images(tmp_path):
    points = np.arange(136.0).reshape(68, 2)
    write_pts(tmp_path / "set" / "b.pts", points)
    write_pts(tmp_path / "a.pts", points)
    (tmp_path / "set" / "b.png").touch()
    elsewhere = tmp_path / "images" / "a.jpg"
    elsewhere.parent.mkdir()
    elsewhere.touch()
    sources = pts_sources(tmp_path, None)
    assert [source.name for source in sources] == ["a", "set/b"]
    assert [source.read().image for source in sources] == [None, tmp_path / "set" / "b.png"]
    assert pts_sources(tmp_path, elsewhere.parent)[0].read().image == elsewhere
    (alone,) = pts_sources(tmp_path / "set" / "b.pts", None)
    assert alone.read().name == "b"

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from face3d.errors import DependencyError, OutputError
from face3d.evaluate.plot import plot_cumulative


def draw(path):
    errors = {"one": np.linspace(0, 1, 50), "with missing ones": np.array([0.1, np.inf, np.nan])}
    plot_cumulative(path, errors, label="mm", limit=0.8, title="t", marks=(0.5,))


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_it_is_a_picture(tmp_path, suffix):
    path = tmp_path / f"curve.{suffix}"
    draw(path)
    assert path.stat().st_size > 5000
    if suffix == "png":
        with Image.open(path) as picture:
            assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 10


def test_without_matplotlib_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DependencyError, match="pip install matplotlib"):
        draw(tmp_path / "curve.png")


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"curve\.png"):
        draw(tmp_path / "no" / "curve.png")

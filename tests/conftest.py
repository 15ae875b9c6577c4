"""What all tests share: a data folder of their own, and photos that come with scikit-image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from skimage import data


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh FACE3D_HOME, so that the tests fetch for real and leave the user's own alone."""
    folder = tmp_path_factory.mktemp("face3d-home")
    before = os.environ.get("FACE3D_HOME")
    os.environ["FACE3D_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["FACE3D_HOME"]
    else:
        os.environ["FACE3D_HOME"] = before


@pytest.fixture(scope="session")
def astronaut_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real photo of one face: NASA's Eileen Collins, public domain."""
    path = tmp_path_factory.mktemp("photos") / "astronaut.jpg"
    Image.fromarray(data.astronaut()).save(path, quality=95)
    return path

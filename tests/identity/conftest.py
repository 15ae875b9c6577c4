"""Networks for tests that hold nobody's data: MobileFaceNet with weights of a recipe, and MICA."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from face3d.identity.mobilefacenet import MobileFaceNet
from tests.golden.recipe import recipe_weights
from tests.identity.checkpoints import mica_content
from tests.identity.tflite_writer import mobilefacenet_bytes


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

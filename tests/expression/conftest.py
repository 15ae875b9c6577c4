"""Checkpoints of recipe weights, written once: they are as large as the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from face3d.expression import Spectre, read_spectre
from tests.expression.checkpoints import spectre_content


@pytest.fixture(scope="session")
def spectre_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic spectre_model.tar in its own layout."""
    pytest.importorskip("torchvision")
    path = tmp_path_factory.mktemp("spectre") / "spectre_model.tar"
    torch.save(spectre_content(), path)
    return path


@pytest.fixture(scope="session")
def spectre(spectre_tar: Path) -> Spectre:
    """Its networks."""
    return read_spectre(spectre_tar)

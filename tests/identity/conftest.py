"""The synthetic checkpoint, written once: it is as large as the real one."""

from __future__ import annotations

import pytest
import torch

from tests.identity.checkpoints import mica_content


@pytest.fixture(scope="session")
def mica_tar(tmp_path_factory):
    """The path of a synthetic mica.tar."""
    path = tmp_path_factory.mktemp("mica") / "mica.tar"
    torch.save(mica_content(), path)
    return path

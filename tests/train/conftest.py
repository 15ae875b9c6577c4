"""Small data sets of MICA's and of SPECTRE's layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.expression.conftest import spectre_tar as spectre_tar
from tests.identity.conftest import mica_tar as mica_tar
from tests.train.small_mica import write_masks, write_small_mica
from tests.train.small_spectre import write_small_clips


@pytest.fixture(scope="session")
def small_mica(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `data` and `masks.pkl`; not to be written into."""
    root = tmp_path_factory.mktemp("small-mica")
    write_small_mica(root / "data")
    write_masks(root / "masks.pkl")
    return root


@pytest.fixture(scope="session")
def small_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data`, `landmarks` and `weights` of SPECTRE's training on the golden FLAME; not to be written into."""
    pytest.importorskip("torchvision")
    return write_small_clips(tmp_path_factory.mktemp("small-clips"))

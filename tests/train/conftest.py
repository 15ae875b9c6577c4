"""A small data set of MICA's layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.identity.conftest import mica_tar as mica_tar
from tests.train.small_mica import write_masks, write_small_mica


@pytest.fixture(scope="session")
def small_mica(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `data` and `masks.pkl`; not to be written into."""
    root = tmp_path_factory.mktemp("small-mica")
    write_small_mica(root / "data")
    write_masks(root / "masks.pkl")
    return root

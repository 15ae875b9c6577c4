"""Golden numbers of SPECTRE: small ones in the tree, large ones beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).parents[3] / "shared" / "golden"


def large_golden(name):
    """Arrays that the tree does not hold; the test is skipped where they are not."""
    path = SHARED / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    with np.load(path) as archive:
        return dict(archive)

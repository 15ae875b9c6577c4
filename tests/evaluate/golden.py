"""Golden vectors of the NoW evaluation."""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent.parent / "golden" / "now"


def golden(name):
    """Arrays of a golden file such as "pipeline"."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as archive:
        return dict(archive)

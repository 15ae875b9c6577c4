"""Where the golden vectors of the FLAME layer lie, and their comparison with tensors."""

from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).parent.parent / "golden"
FLAME = GOLDEN / "flame" / "synthetic_flame.pkl"


def golden(name):
    """Arrays of a golden file such as "flame/flame_full"."""
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as archive:
        return dict(archive)


def largest_error(values, expected):
    """Largest absolute difference; refuses shapes that merely broadcast."""
    values = values.detach().double().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    assert values.shape == expected.shape
    return np.abs(values - expected).max()

"""Heads for the tests of the head room: a random small one, and the synthetic FLAME file."""

import pytest
import torch

from face3d.head import HeadModel, load_flame
from tests.head.golden import FLAME
from tests.head.random_heads import random_arrays


@pytest.fixture(scope="session")
def head():
    return HeadModel(random_arrays(), dtype=torch.float64)


@pytest.fixture(scope="session")
def flame():
    return load_flame(FLAME, dtype=torch.float64)

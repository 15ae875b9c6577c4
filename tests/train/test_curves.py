"""Curves as TensorBoard reads them back."""

from __future__ import annotations

import sys

import pytest

from face3d.errors import DependencyError
from face3d.train.curves import Curves
from tests.train.curve_reading import read_curve


def test_a_run_that_goes_on_takes_back_what_lies_beyond_its_checkpoint(tmp_path):
    curves = Curves(tmp_path, 0)
    for step in range(1, 8):
        curves.add({"loss": float(step)}, step)
    curves.close()
    later = Curves(tmp_path, 4)
    for step in range(5, 10):
        later.add({"loss": 10.0 * step}, step)
    later.close()
    assert read_curve(tmp_path, "loss") == [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 4),
        *((step, 10 * step) for step in range(5, 10)),
    ]


def test_without_tensorboard_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(DependencyError, match=r'pip install "face3d\[train\]"'):
        Curves(tmp_path, 0)

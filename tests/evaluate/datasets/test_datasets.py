from __future__ import annotations

import numpy as np
import pytest
import scipy.io

from face3d.errors import ArgumentError, InputError
from face3d.evaluate.datasets import dataset_format, dataset_sources
from tests.evaluate.datasets.test_cofw import write_new, write_old
from tests.evaluate.datasets.test_ls3d_w import tensor
from tests.evaluate.datasets.test_pts import write_pts


def test_the_kind_is_seen(tmp_path):
    (tmp_path / "t7").mkdir()
    (tmp_path / "t7" / "a.t7").write_bytes(tensor(np.ones((68, 2), np.float32)))
    write_pts(tmp_path / "pts" / "deep" / "a.pts", np.ones((68, 2)))
    (tmp_path / "mat").mkdir()
    scipy.io.savemat(tmp_path / "mat" / "a.mat", {"pt3d_68": np.ones((3, 68))})
    write_old(tmp_path / "old.mat")
    write_new(tmp_path / "new.mat")
    (tmp_path / "list.txt").write_text("x")
    for name, kind in {
        "t7": "t7",
        "t7/a.t7": "t7",
        "pts": "pts",
        "mat": "mat",
        "mat/a.mat": "mat",
        "old.mat": "cofw",
        "new.mat": "cofw",
        "list.txt": "wflw",
    }.items():
        assert dataset_format(tmp_path / name) == kind
    assert len(dataset_sources(tmp_path / "pts")) == 1


def test_what_is_no_data_set(tmp_path):
    (tmp_path / "a.csv").touch()
    for path in (tmp_path / "a.csv", tmp_path, tmp_path / "none"):
        with pytest.raises(ArgumentError):
            dataset_sources(path)
    with pytest.raises(InputError):
        dataset_sources(tmp_path, "pts")

"""Feature files: both forms give the same rows; what does not fit is named."""

from __future__ import annotations

import numpy as np
import pytest

from face3d.errors import InputError
from face3d.train.feature_data import FeatureRows, read_features
from face3d.train.task import Draw

ARRAYS: dict[str, np.ndarray] = {
    "features": np.random.default_rng(0).standard_normal((6, 4)).astype(np.float16),
    "identity": np.random.default_rng(1).standard_normal((6, 3)),
    "split": np.array([0, 1, 0, 0, 1, 0]),
}


def write(path, form, **changed):
    arrays = {name: array for name, array in {**ARRAYS, **changed}.items() if array is not None}
    if form == "npz":
        np.savez(path / "f.npz", **arrays)
        return path / "f.npz"
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    return path


@pytest.mark.parametrize("form", ["npz", "npy"])
def test_rows_of_each_kind(tmp_path, form):
    table = read_features(write(tmp_path, form))
    assert isinstance(table.features, np.memmap) == (form == "npy")
    assert (table.learned.tolist(), table.held_out.tolist()) == ([0, 2, 3, 5], [1, 4])
    rows = FeatureRows(table, table.learned)
    batch = rows.batch([Draw(3, ()), Draw(0, ())])
    np.testing.assert_array_equal(batch["features"], ARRAYS["features"][[5, 0]].astype(np.float32))
    np.testing.assert_array_equal(batch["identity"], ARRAYS["identity"][[5, 0]].astype(np.float32))


@pytest.mark.parametrize("form", ["npz", "npy"])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"identity": ARRAYS["identity"][:5]}, "6 features and 5 identities"),
        ({"features": ARRAYS["features"].astype(np.int64)}, "features is int64"),
        ({"features": ARRAYS["features"][:, 0]}, r"features is float16 of \(6,\)"),
        ({"identity": np.where(np.arange(18).reshape(6, 3) == 10, np.nan, 0.0)}, "row 3 of identity is not finite"),
        ({"split": np.array([0, 1, 2, 0, 0, 0])}, "split is int64"),
        ({"split": np.array([0, 1])}, r"split is int64 of \(2,\)"),
        ({"split": np.ones(6, np.uint8)}, "every row is held out"),
        ({"split": None}, "split"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, form, changed, message):
    with pytest.raises(InputError, match=message) as caught:
        read_features(write(tmp_path, form, **changed))
    assert str(tmp_path) in str(caught.value)


def test_other_and_damaged_files(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        read_features(tmp_path / "none.npz")
    path = write(tmp_path, "npz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read as a .npz"):
        read_features(path)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(InputError, match="cannot be read as a .npz"):
        read_features(tmp_path / "one.npy")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "features.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="features.npy cannot be read"):
        read_features(folder)

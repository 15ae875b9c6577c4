import contextlib
import zipfile
from dataclasses import fields, replace

import numpy as np
import pytest

from face3d.errors import CorruptAssetError, Face3DError, MissingAssetError, OutputError
from face3d.head.head_file import read_head, save_head
from tests.head.random_heads import random_arrays

POINT_FIELDS = ("triangles", "barycentric", "labels", "sigma", "contour_triangles", "contour_barycentric")


@pytest.fixture
def stored(tmp_path):
    save_head(random_arrays(dtype=np.float32), tmp_path / "head.npz")
    return tmp_path / "head.npz"


def rewrite(path, **changes):
    """Change entries of a stored head; None removes one."""
    with np.load(path) as archive:
        entries = dict(archive)
    entries |= changes
    np.savez(path, **{key: value for key, value in entries.items() if value is not None})


def test_a_head_comes_back_as_it_was(stored):
    written, read = random_arrays(dtype=np.float32), read_head(stored)
    quantised = ("identity_basis", "expression_basis", "pose_basis")
    for name in (field.name for field in fields(written)):
        before, after = getattr(written, name), getattr(read, name)
        if name in quantised:
            assert np.abs(before - after).max() <= np.abs(before).max() / 32767
        elif isinstance(before, np.ndarray):
            np.testing.assert_array_equal(after, before)
        elif name not in ("point_sets", "regions"):
            assert after == before
    assert list(read.regions) == list(written.regions)
    for name, ids in written.regions.items():
        np.testing.assert_array_equal(read.regions[name], ids)
    assert list(read.point_sets) == list(written.point_sets)
    for name, points in written.point_sets.items():
        for part in POINT_FIELDS:
            np.testing.assert_array_equal(getattr(read.point_sets[name], part), getattr(points, part))


def test_optional_parts_may_be_absent(tmp_path):
    bare = replace(
        random_arrays(),
        pose_basis=None,
        uv=None,
        uv_triangles=None,
        expression_bounds=None,
        expression_basis=np.zeros((0, 40, 3)),
        expression_names=(),
        point_sets={},
        regions={},
    )
    save_head(bare, tmp_path / "bare.npz")
    read = read_head(tmp_path / "bare.npz")
    assert read.pose_basis is None
    assert read.uv is None
    assert read.expression_basis.shape == (0, 40, 3)


def test_the_same_head_gives_the_same_bytes_also_when_read_and_written_again(stored, tmp_path):
    save_head(random_arrays(dtype=np.float32), tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == stored.read_bytes()
    save_head(read_head(stored), tmp_path / "copy.npz")
    assert (tmp_path / "copy.npz").read_bytes() == stored.read_bytes()


def test_files_hold_little_endian_arrays_and_no_pickle(stored):
    with np.load(stored, allow_pickle=False) as archive:
        assert all(archive[key].dtype.str[0] in "<|" for key in archive.files)


def test_entries_that_this_version_does_not_know_are_ignored(stored):
    rewrite(stored, something_new=np.zeros(3))
    assert read_head(stored).name == "random"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": np.array("other")}, "is not a face3d-head file"),
        ({"format_version": np.array(2)}, "has face3d-head version 2, this face3d reads 1"),
        ({"unit": np.array("mm")}, "has unit 'mm'"),
        ({"template": None}, "lacks the entry 'template'"),
        ({"triangles": np.full((60, 3), 77)}, "triangles refers to entry 77..77 of 40"),
        ({"identity_basis": np.zeros((7, 40, 3), np.float32)}, "identity_basis is float32"),
        ({"joint_regressor_rows": np.array([0])}, "differ in shape"),
        ({"provenance": np.array("{")}, "is damaged"),
        ({"points/five/barycentric": None}, "lacks the entry 'points/five/barycentric'"),
    ],
)
def test_unusable_files_are_named_with_the_reason(stored, changes, message):
    rewrite(stored, **changes)
    with pytest.raises(CorruptAssetError, match=message) as raised:
        read_head(stored)
    assert str(stored) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 and then nothing"])
def test_files_of_another_kind_are_refused(tmp_path, content):
    path = tmp_path / "head.npz"
    path.write_bytes(content)
    with pytest.raises(CorruptAssetError, match="is damaged or is not a face3d-head file"):
        read_head(path)


def test_arrays_that_need_pickle_are_refused(stored):
    with zipfile.ZipFile(stored, "a") as archive, archive.open("trap.npy", "w") as entry:
        np.lib.format.write_array(entry, np.array([{}], object), allow_pickle=True)
    with pytest.raises(CorruptAssetError):
        read_head(stored)


def test_truncated_and_altered_files_never_pass_silently_or_crash(stored):
    whole = stored.read_bytes()
    for length in range(0, len(whole) - 1, len(whole) // 23):
        stored.write_bytes(whole[:length])
        with pytest.raises(Face3DError):
            read_head(stored)
    rng = np.random.default_rng(0)
    for _ in range(40):
        altered = bytearray(whole)
        altered[rng.integers(len(whole))] ^= 0xFF
        stored.write_bytes(bytes(altered))
        with contextlib.suppress(Face3DError):
            read_head(stored)


def test_a_missing_file_and_an_unwritable_place_are_named(tmp_path):
    with pytest.raises(MissingAssetError, match="there is no such head file"):
        read_head(tmp_path / "none.npz")
    with pytest.raises(OutputError, match="cannot be written"):
        save_head(random_arrays(), tmp_path / "no folder" / "head.npz")
    assert not list(tmp_path.iterdir())

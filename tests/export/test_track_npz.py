from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from face3d.errors import InputError, OutputError
from face3d.export.track_npz import LABIODENTAL, LIPS_CLOSED, TRACK_ARRAYS, read_track_npz, write_track_npz
from tests.talking import talking_track


def test_every_array_comes_back_without_pickles(tmp_path):
    track = talking_track(12)
    write_track_npz(tmp_path / "track.npz", track.arrays(), track.model.expression_names)
    read = read_track_npz(tmp_path / "track.npz")
    assert tuple(read) == TRACK_ARRAYS
    for name in ("identity", "expression", "eyes", "camera_from_head", "valid", "quality", "residual", "frames"):
        np.testing.assert_array_equal(read[name], getattr(track, name))
    np.testing.assert_array_equal(read["timestamps"], track.times)
    np.testing.assert_array_equal(read["K"], track.intrinsics.matrix)
    assert tuple(read["image_size"]) == track.intrinsics.image_size
    assert tuple(read["expression_names"]) == track.model.expression_names
    assert read["expression_names"].dtype.kind == "U"
    assert read["valid"].dtype == bool
    with np.load(tmp_path / "track.npz", allow_pickle=False) as file:
        assert set(file) == set(TRACK_ARRAYS)


def test_closed_lips_are_there_where_they_are_known(tmp_path):
    closed = np.arange(12) % 5 == 0
    track = replace(talking_track(12), lips_closed=closed)
    write_track_npz(tmp_path / "track.npz", track.arrays(), track.model.expression_names)
    read = read_track_npz(tmp_path / "track.npz")
    assert set(read) == {*TRACK_ARRAYS, LIPS_CLOSED}
    np.testing.assert_array_equal(read[LIPS_CLOSED], closed)


def test_lips_at_the_teeth_are_there_where_they_are_known(tmp_path):
    said = np.arange(12) % 4 == 1
    track = replace(talking_track(12), lips_closed=~said, labiodental=said)
    write_track_npz(tmp_path / "track.npz", track.arrays(), track.model.expression_names)
    read = read_track_npz(tmp_path / "track.npz")
    assert set(read) == {*TRACK_ARRAYS, LIPS_CLOSED, LABIODENTAL}
    np.testing.assert_array_equal(read[LABIODENTAL], said)
    assert read[LABIODENTAL].dtype == bool


def test_other_files_and_folders_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "text.npz").write_text("no arrays")
    for name in ("other.npz", "text.npz", "absent.npz"):
        with pytest.raises(InputError, match=name):
            read_track_npz(tmp_path / name)
    track = talking_track(1)
    with pytest.raises(OutputError, match=r"track\.npz"):
        write_track_npz(tmp_path / "absent" / "track.npz", track.arrays(), track.model.expression_names)

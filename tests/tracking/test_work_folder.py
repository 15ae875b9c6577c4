"""What a run leaves on disk, and who may go on with it."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from face3d.errors import InputError, OutputError
from face3d.tracking import work_folder
from face3d.tracking.work_folder import open_work_folder

SETTINGS = {"clip": "talk.mp4", "every": 2, "camera": [1.5, None]}


def interrupted(path, settings=SETTINGS, **arrays):
    def run():
        with open_work_folder(path, settings) as work:
            for name, values in arrays.items():
                work.keep(name, {"values": values})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()


def test_what_was_kept_is_there_for_the_same_run_and_gone_when_it_ends_well(tmp_path):
    path = tmp_path / "talk.partial"
    interrupted(path, faces_000000=np.arange(3))
    with open_work_folder(path, SETTINGS) as work:
        np.testing.assert_array_equal(work.arrays("faces_000000")["values"], np.arange(3))
        assert work.arrays("faces_000000", "no_such") is None
        assert work.arrays("faces_000001") is None
        assert work.document("faces") is None
    assert list(tmp_path.iterdir()) == []


def test_nothing_stays_of_a_video_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError), open_work_folder(tmp_path / "talk.partial", SETTINGS):
        raise InputError("talk.mp4: shows no face")
    assert list(tmp_path.iterdir()) == []


def test_other_settings_start_over(tmp_path):
    path = tmp_path / "talk.partial"
    interrupted(path, faces_000000=np.arange(3))
    with open_work_folder(path, SETTINGS | {"every": 3}) as work:
        assert work.arrays("faces_000000") is None


def test_a_damaged_file_counts_as_none(tmp_path):
    path = tmp_path / "talk.partial"
    interrupted(path, faces_000000=np.arange(3))
    (path / "faces_000000.npz").write_bytes((path / "faces_000000.npz").read_bytes()[:60])
    with open_work_folder(path, SETTINGS) as work:
        assert work.arrays("faces_000000") is None


def test_no_pickle_is_read(tmp_path):
    with open_work_folder(tmp_path / "talk.partial", SETTINGS) as work:
        np.savez(work.path / "faces_000000.npz", values=np.array([{}], dtype=object))
        assert work.arrays("faces_000000") is None
        with pytest.raises(ValueError, match="pickle"):
            work.keep("faces_000001", {"values": np.array([{}], dtype=object)})


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path):
    path = tmp_path / "talk.partial"
    path.mkdir()
    (path / "thesis.docx").write_text("mine")
    with pytest.raises(OutputError, match="in the way"), open_work_folder(path, SETTINGS):
        pass
    assert (path / "thesis.docx").read_text() == "mine"


def test_two_runs_do_not_share_it(tmp_path):
    path = tmp_path / "talk.partial"
    with open_work_folder(path, SETTINGS) as work:
        work.keep("faces_000000", {"values": np.arange(3)})
        with pytest.raises(OutputError, match="another"), open_work_folder(path, SETTINGS):
            pass
        assert work.arrays("faces_000000") is not None


def test_a_full_disk_is_told_in_one_line_and_leaves_what_is_there(tmp_path, monkeypatch):
    path = tmp_path / "talk.partial"
    interrupted(path, faces_000000=np.arange(3))

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(work_folder.np, "savez", full)
        with pytest.raises(OutputError) as raised, open_work_folder(path, SETTINGS) as work:
            work.keep("faces_000001", {"values": np.arange(3)})
    assert "No space left" in str(raised.value)
    assert "\n" not in str(raised.value)
    with open_work_folder(path, SETTINGS) as work:
        assert work.arrays("faces_000000") is not None
        assert work.arrays("faces_000001") is None


def test_without_a_path_nothing_stays():
    with open_work_folder(None, SETTINGS) as work:
        work.keep("faces_000000", {"values": np.arange(3)})
        path = work.path
    assert not path.exists()

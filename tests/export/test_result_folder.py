"""A result folder is complete under its name, or it is not there."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from face3d.errors import OutputError
from face3d.export.result_folder import ResultFolders, ResultNames

MARKER = "reconstruction.json"


def write_result(folders: ResultFolders, name: str, content: str) -> None:
    with folders.writing(name) as partial:
        (partial / MARKER).write_text(content)


def test_it_appears_when_complete(tmp_path):
    folders = ResultFolders(tmp_path / "out", marker=MARKER)
    with folders.writing("face") as partial:
        (partial / MARKER).write_text("new")
        assert partial.name.endswith(".partial")
        assert not (tmp_path / "out" / "face").exists()
    assert (tmp_path / "out" / "face" / MARKER).read_text() == "new"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["face"]


def test_an_earlier_result_stays_until_the_new_one_is_complete(tmp_path):
    folders = ResultFolders(tmp_path, marker=MARKER)
    write_result(folders, "face", "old")
    with contextlib.suppress(KeyboardInterrupt), folders.writing("face") as partial:
        (partial / MARKER).write_text("half")
        raise KeyboardInterrupt
    assert (tmp_path / "face" / MARKER).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["face"]
    write_result(folders, "face", "new")
    assert (tmp_path / "face" / MARKER).read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["face"]


def test_what_is_no_result_is_never_replaced(tmp_path):
    folders = ResultFolders(tmp_path, marker=MARKER)
    (tmp_path / "face").mkdir()
    (tmp_path / "face" / "diary.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "face")
    for name in ("face", "file", "link"):
        with pytest.raises(OutputError, match=name), folders.writing(name):
            pass
    assert (tmp_path / "face" / "diary.txt").read_text() == "mine"


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/face3d")):
        with pytest.raises(OutputError, match="--out"):
            ResultFolders(out, marker=MARKER)


@given(st.lists(st.tuples(st.text(max_size=300), st.none() | st.integers(1, 3)), max_size=8))
def test_names_never_collide_and_are_plain(inputs):
    names = ResultNames()
    claimed = [
        names.claim(Path(stem.replace("/", "").replace("\0", "") or "x").stem, number) for stem, number in inputs
    ]
    assert len({name.casefold() for name in claimed}) == len(inputs)
    assert all(name and not name.startswith(".") and len(name.encode()) < 220 for name in claimed)


def test_names_are_the_stems():
    names = ResultNames()
    assert [names.claim("face"), names.claim("face"), names.claim("Face"), names.claim("face", 1)] == [
        "face",
        "face-2",
        "Face-3",
        "face_1",
    ]

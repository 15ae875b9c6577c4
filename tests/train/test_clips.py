"""Finding clips, and which of them are learned from."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from face3d.errors import ArgumentError, CorruptAssetError, InputError
from face3d.train.clips import HELD_OUT_SHARE, find_clips, split_clips


def frame(folder: Path) -> None:
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "000000.jpg")


def test_videos_and_folders_of_frames_are_found_by_name(tmp_path):
    frame(tmp_path / "trainval" / "s1" / "00001")
    (tmp_path / "trainval" / "s1" / "00001.mp4").touch()
    (tmp_path / "trainval" / "s1" / "00001.txt").write_text("Text: WORDS")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "a.b.MOV").touch()
    (tmp_path / ".hidden.mp4").touch()
    (tmp_path / "empty").mkdir()
    found = find_clips(tmp_path)
    assert found == {
        "test/a.b": tmp_path / "test" / "a.b.MOV",
        "trainval/s1/00001": tmp_path / "trainval" / "s1" / "00001",
    }


def test_a_picture_beside_a_speakers_clips_does_not_hide_them(tmp_path):
    frame(tmp_path / "s1")
    (tmp_path / "s1" / "a.mp4").touch()
    frame(tmp_path / "s2")
    frame(tmp_path / "s2" / "b")
    assert list(find_clips(tmp_path)) == ["s1/a", "s2/b"]


def test_a_folder_without_clips(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="holds no clip"):
        find_clips(tmp_path)
    with pytest.raises(InputError, match="notes.txt is no folder"):
        find_clips(tmp_path / "notes.txt")


def clips(names) -> dict[str, Path]:
    return {name: Path("data") / f"{name}.mp4" for name in names}


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=30))
def test_a_random_split_parts_speakers(sizes):
    names = [f"speaker{who}/{number}" for who, size in enumerate(sizes) for number in range(size)]
    learned, held_out = split_clips(clips(names), "random")
    assert sorted(learned + held_out) == sorted(names)
    assert (learned, held_out) == split_clips(clips(names), "random")
    if len(sizes) > 1:
        speakers = [{name.split("/")[0] for name in part} for part in (learned, held_out)]
        assert not speakers[0] & speakers[1]
        assert len(speakers[1]) == max(1, round(HELD_OUT_SHARE * len(sizes)))
        assert learned


def test_clips_of_one_folder_are_parted_by_themselves():
    learned, held_out = split_clips(clips("abcdefghij"), "random")
    assert (len(learned), len(held_out)) == (8, 2)
    assert split_clips(clips("a"), "random") == (["a"], [])


@pytest.mark.parametrize("form", ["pairs", "bare", "json"])
def test_lrs3_lists_with_and_without_transcripts(tmp_path, form):
    lists = [["s1/1", "s1/2"], ["s2/1"], ["not/here"]]
    path = tmp_path / ("lists.json" if form == "json" else "LRS3_lists.pkl")
    if form == "json":
        path.write_text(json.dumps([["s1/1.mp4", "s1/2"], ["s2/1"]]))
    elif form == "bare":
        path.write_bytes(pickle.dumps(lists))
    else:
        path.write_bytes(pickle.dumps([[(name, "WORDS") for name in part] for part in lists], protocol=2))
    assert split_clips(clips(["s1/1", "s1/2", "s2/1", "s3/1"]), str(path)) == (["s1/1", "s1/2"], ["s2/1"])


def test_clips_that_are_listed_and_not_there_are_named(tmp_path):
    path = tmp_path / "lists.json"
    path.write_text(json.dumps([[f"s/{number}" for number in range(9)], ["t/1"]]))
    with pytest.raises(InputError, match=r"lists 9 clips that are not in the data: s/1, s/2, s/3, s/4, s/5 and 4 more"):
        split_clips(clips(["s/0"]), str(path))


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"[1, 2]", CorruptAssetError, "is no list of clips"),
        (b'{"train": []}', CorruptAssetError, "is no list of clips"),
        (b"[[], []]", CorruptAssetError, "lists no clip to learn from"),
        (b"[[", InputError, "cannot be read as JSON"),
    ],
)
def test_files_that_are_no_lists(tmp_path, content, error, message):
    path = tmp_path / "lists.json"
    path.write_bytes(content)
    with pytest.raises(error, match=message):
        split_clips(clips("ab"), str(path))


def test_a_pickle_is_never_trusted(tmp_path):
    path = tmp_path / "lists.pkl"
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(CorruptAssetError):
        split_clips(clips("ab"), str(path))
    with pytest.raises(ArgumentError, match="neither `random` nor a file"):
        split_clips(clips("ab"), "halves")

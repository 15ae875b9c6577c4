"""A file is complete or what it was before."""

from __future__ import annotations

import stat

import pytest

from face3d.errors import OutputError
from face3d.media import write_whole


def test_it_takes_the_place_of_an_earlier_file_and_is_readable_by_all(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("earlier")
    write_whole(path, lambda file: file.write(b"later"))
    assert path.read_bytes() == b"later"
    assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), RuntimeError("of another kind")])
def test_what_fails_half_way_leaves_the_earlier_file(tmp_path, failure):
    path = tmp_path / "page.html"
    path.write_text("earlier")

    def write(file):
        file.write(b"half")
        raise failure

    expected = OutputError if isinstance(failure, OSError) else RuntimeError
    with pytest.raises(expected) as caught:
        write_whole(path, write)
    assert isinstance(failure, RuntimeError) or str(path) in str(caught.value)
    assert path.read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        write_whole(tmp_path / "nowhere" / "a.txt", lambda file: file.write(b""))

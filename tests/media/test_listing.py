"""What is taken of a folder, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from face3d.errors import InputError
from face3d.media.listing import images_in, is_video_name, media_in


def test_photos_and_videos_of_all_levels_in_the_order_of_numbers(tmp_path):
    names = ("b10.jpg", "b9.JPG", "a.mp4", "sub/c2.png", "sub/c10.png", "sub/deep/d.webp", "phone.heic")
    passed_over = (".hidden.jpg", "notes.txt", "x.partial/y.jpg", ".git/z.png", "paper.pdf", "sub/data.npz")
    for name in (*names, *passed_over):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in media_in(tmp_path)]
    expected = ["a.mp4", "b9.JPG", "b10.jpg", "phone.heic", "sub/c2.png", "sub/c10.png", "sub/deep/d.webp"]
    assert found == expected
    assert [path.name for path in images_in(tmp_path)] == ["b9.JPG", "b10.jpg", "phone.heic"]


def test_names_that_mix_numbers_and_words_have_an_order(tmp_path):
    names = {"1.jpg", "01.jpg", "a.jpg", "1a.jpg", "a1.jpg", "A1b.jpg", "10.jpg", "2.jpg"}
    for name in names:
        (tmp_path / name).touch()
    found = [path.name for path in images_in(tmp_path)]
    assert set(found) == names
    assert found.index("2.jpg") < found.index("10.jpg") < found.index("a.jpg")


def test_a_folder_that_is_not_there():
    with pytest.raises(InputError, match="nowhere"):
        media_in(Path("nowhere"))


@pytest.mark.parametrize(("name", "video"), [("a.MP4", True), ("b.mov", True), ("c.jpg", False), ("mp4", False)])
def test_names_of_videos(name, video):
    assert is_video_name(Path(name)) is video

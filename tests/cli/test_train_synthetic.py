"""`face3d train synthetic` and `face3d train preview`."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from face3d.cli import main

ARGUMENTS = ["train", "synthetic", "--count", "5", "--size", "64", "--workers", "1"]


def test_it_writes_a_set_and_says_where(tmp_path, capsys):
    folder = tmp_path / "heads"
    assert main([*ARGUMENTS, "--out", str(folder), "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["count"] == 5
    assert document["folder"] == str(folder)
    assert err == ""
    assert (folder / "shard-000000.tar").is_file()
    picture = tmp_path / "sheet.png"
    assert main(["train", "preview", str(folder), "--count", "3", "--out", str(picture), "--quiet"]) == 0
    with Image.open(picture) as sheet:
        assert sheet.width > 500
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (ARGUMENTS, "--out"),
        ([*ARGUMENTS, "--shard-size", "0", "--out", "x"], "shard-size is 1 or more"),
        ([*ARGUMENTS[:-2], "--workers", "0", "--out", "x"], "workers is 1 or more"),
        ([*ARGUMENTS[:3], "0", "--out", "x"], "count is 1 or more"),
    ],
)
def test_unusable_arguments_are_one_line_and_exit_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_another_run_into_the_same_folder_is_refused(tmp_path, capsys):
    folder = tmp_path / "heads"
    assert main([*ARGUMENTS, "--out", str(folder), "--quiet"]) == 0
    assert main([*ARGUMENTS, "--out", str(folder), "--quiet", "--seed", "9"]) == 2
    assert "choose another --out" in capsys.readouterr().err


def test_previewing_nothing_fails(tmp_path, capsys):
    assert main(["train", "preview", str(tmp_path)]) == 1
    assert "no data set" in capsys.readouterr().err

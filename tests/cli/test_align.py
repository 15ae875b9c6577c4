"""`face3d align` with everything that people feed it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from face3d.cli import main
from tests.media.clips import ffmpeg, write_clip


def bad_files(folder: Path, astronaut: Path) -> dict[str, str]:
    """One file of each kind that cannot be used, by its name, with what the message must say about it."""
    (folder / "text.jpg").write_text("I am a text file.")
    (folder / "text.mp4").write_text("I am a text file.")
    (folder / "empty.mov").touch()
    (folder / "truncated.jpg").write_bytes(astronaut.read_bytes()[:20_000])
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", folder / "sound.mp4")
    return {
        "text.jpg": "",
        "text.mp4": "no video",
        "empty.mov": "empty",
        "truncated.jpg": "damaged",
        "tiny.png": "small",
        "sound.mp4": "only sound",
    }


def test_every_bad_file_is_named_and_the_good_ones_are_done(astronaut_file, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    expected = bad_files(folder, astronaut_file)
    (folder / "good.jpg").write_bytes(astronaut_file.read_bytes())
    Image.fromarray(data.coffee()).save(folder / "coffee.jpg")
    command = [sys.executable, "-m", "face3d", "align", str(folder), str(tmp_path / "missing.jpg")]
    out = tmp_path / "out"
    done = subprocess.run([*command, "--json", "--out", str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert {(row["name"], row["people"]) for row in report["results"]} == {("good", 1), ("coffee", 0)}
    failures = {Path(failure["source"]).name: failure["message"] for failure in report["failures"]}
    assert set(failures) == {*expected, "missing.jpg"}
    assert len(done.stderr.splitlines()) == len(failures)
    for name, part in expected.items():
        assert str(folder / name) in failures[name]
        assert part in failures[name]
        assert "\n" not in failures[name]
    assert json.loads((out / "align.json").read_text()) == report
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {"good", "coffee", "align.json"}


def test_words_for_people(astronaut_file, tmp_path, capfd):
    arguments = ["align", str(astronaut_file), "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert capfd.readouterr().out == f"{tmp_path / 'astronaut'}: 1 face\n"
    assert main(arguments) == 0
    assert capfd.readouterr().out == f"{tmp_path / 'astronaut'}: 1 face; done before\n"
    assert main([*arguments, "--quiet"]) == 0
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_an_empty_folder(tmp_path, capfd):
    (tmp_path / "nothing").mkdir()
    assert main(["align", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]) == 1
    message = capfd.readouterr().err
    assert str(tmp_path / "nothing") in message
    assert message.count("\n") == 1


def test_an_output_folder_that_cannot_be_written(astronaut_file, tmp_path, capfd):
    (tmp_path / "file").write_text("in the way")
    assert main(["align", str(astronaut_file), "--out", str(tmp_path / "file")]) == 1
    message = capfd.readouterr().err
    assert str(tmp_path / "file") in message
    assert message.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(astronaut_file, tmp_path, capfd):
    (tmp_path / "secret.jpg").write_bytes(astronaut_file.read_bytes())
    (tmp_path / "secret.jpg").chmod(0)
    assert main(["align", str(tmp_path / "secret.jpg"), "--out", str(tmp_path / "out")]) == 1
    assert "permission" in capfd.readouterr().err


def test_a_truncated_video_is_done_with_a_note(tmp_path, capfd):
    image = data.astronaut()[:320, 60:380]
    write_clip(tmp_path / "whole.mp4", [np.ascontiguousarray(np.roll(image, 5 * n, axis=1)) for n in range(30)])
    ffmpeg("-i", tmp_path / "whole.mp4", "-c", "copy", "-movflags", "+faststart", tmp_path / "front.mp4")
    content = (tmp_path / "front.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    assert main(["align", str(tmp_path / "cut.mp4"), "--json", "--out", str(tmp_path / "out")]) == 0
    (row,) = json.loads(capfd.readouterr().out)["results"]
    assert row["people"] == 1
    assert 3 <= row["frames"] < 30
    assert "truncated" in row["warnings"][0]


def test_a_run_that_was_killed_goes_on(astronaut_file, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for n in range(12):
        (folder / f"{n}.jpg").write_bytes(astronaut_file.read_bytes())
    command = [sys.executable, "-m", "face3d", "align", str(folder), "--json", "--out", str(out)]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(out.glob("*/alignment.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    complete = {path.parent.name for path in out.glob("*/alignment.json")}
    assert complete
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["results"]
    assert [row["name"] for row in rows] == [str(n) for n in range(12)]
    assert complete <= {row["name"] for row in rows if row["already_done"]}
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {
        "align.json",
        *(str(n) for n in range(12)),
    }

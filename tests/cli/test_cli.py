"""The command line as a shell sees it: streams, exit codes, help."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from face3d.cli import main
from face3d.cli.options import libraries_kept_quiet


@pytest.mark.parametrize(
    "command",
    [(), ("reconstruct",), ("align",), ("demo",), ("doctor",), ("assets",), ("assets", "fetch"), ("evaluate", "now")],
)
def test_help_needs_nothing_heavy(command):
    code = (
        "import sys; sys.argv = ['face3d', *sys.argv[1:], '--help']\n"
        "import face3d.cli\n"
        "try: face3d.cli.main()\n"
        "except SystemExit as done: assert done.code == 0\n"
        "assert not {'torch', 'mediapipe', 'cv2', 'numba'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("reconstruct",),
        ("reconstruct", "a.jpg", "--no-such-flag"),
        ("reconstruct", "a.jpg", "--identity", "guess"),
        ("reconstruct", "a.jpg", "--intrinsics", "many"),
        ("reconstruct", "a.jpg", "--formats", "obj,max"),
        ("reconstruct", "a.jpg", "--pupillary-distance", "0.0625"),
        ("reconstruct", "a.jpg", "--known-distance", "ear_to_moon=3"),
        ("reconstruct", "a.jpg", "--device", "abacus"),
        ("align",),
        ("align", "a.jpg", "--formats", "xml"),
        ("align", "a.jpg", "--crop", "arcface100"),
        ("align", "a.jpg", "--crop", "passport"),
        ("align", "a.mp4", "--every", "0"),
        ("align", "a.mp4", "--start", "3", "--end", "2"),
        ("align", "a.mp4", "--still-cutoff", "0"),
        ("align", "a.jpg", "--workers", "0"),
        ("assets", "fetch", "everything"),
    ],
)
def test_unusable_arguments_give_2_and_a_reason(arguments, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    try:
        code: object = main(arguments)
    except SystemExit as done:  # from tyro
        code = done.code
    shown = capfd.readouterr()
    assert code == 2
    assert shown.err
    assert shown.out == ""
    assert list(tmp_path.rglob("reconstruction.json")) == []


def test_exit_codes_reach_the_shell(tmp_path):
    for arguments, code in ((("assets", "path", "mica"), 1), (("assets", "fetch", "everything"), 2)):
        done = subprocess.run(
            [sys.executable, "-m", "face3d", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code
        assert done.stderr.count("\n") == 1


def test_json_is_the_only_thing_on_stdout(capfd):
    assert main(["assets", "list", "--json"]) == 0
    listed = json.loads(capfd.readouterr().out)
    assert [row["name"] for row in listed["assets"]][:2] == ["mediapipe", "mobilefacenet"]


def test_an_error_is_json_too(capfd):
    assert main(["assets", "path", "mica", "--json"]) == 1
    shown = capfd.readouterr()
    assert json.loads(shown.out)["error"] == "MissingAssetError"
    assert shown.err.count("\n") == 1


def test_quiet_says_nothing(capfd):
    assert main(["assets", "list", "--quiet"]) == 0
    assert capfd.readouterr().out == ""


def test_a_closed_pipe_is_no_crash():
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m face3d assets list --json | head -c 1"], capture_output=True, check=True
    )
    assert done.stdout == b"{"
    assert done.stderr == b""


def test_library_chatter_is_kept_back(capfd):
    with libraries_kept_quiet():
        os.write(1, b"native chatter\n")
        os.write(2, b"native chatter\n")
        print("from Python")
        print("face3d: a failure", file=sys.stderr)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err == "from Python\nface3d: a failure\n"


def test_library_chatter_is_shown_with_an_unexpected_error(capfd):
    def fail() -> None:
        with libraries_kept_quiet():
            os.write(2, b"native reason\n")
            raise RuntimeError("unexpected")

    with pytest.raises(RuntimeError):
        fail()
    assert "native reason" in capfd.readouterr().err

"""`face3d track`: flags, files, exit codes and what people and scripts read."""

from __future__ import annotations

import contextlib
import json
import resource
import signal

import numpy as np
import pytest
from skimage import data

from face3d.assets import asset_path
from face3d.cli import main
from face3d.media.video import open_video
from tests.media.clips import write_clip

FILES = {
    *("track.npz", "track.json", "head.glb", "arkit.csv", "curves.png", "measurements.json", "report.html"),
    *("head_neutral.obj", "head_neutral.ply", "head_neutral.glb", "overlay.mp4"),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    image = data.astronaut()[:320, 60:380]
    frames = [np.ascontiguousarray(np.roll(image, 2 * n, axis=1)) for n in range(8)]
    return write_clip(tmp_path_factory.mktemp("clip") / "nod.mp4", frames)


def files_of(folder):
    return {path.name for path in folder.iterdir()}


def test_a_folder_with_every_file(clip, tmp_path, capfd):
    assert main(["track", str(clip), "--out", str(tmp_path), "--side-by-side", "--per-frame-meshes", "ply"]) == 0
    said = capfd.readouterr()
    assert str(tmp_path / "nod") in said.out
    assert "pupillary distance" in said.out
    assert said.err == ""
    assert files_of(tmp_path) == {"nod"}
    assert files_of(tmp_path / "nod") == FILES | {"meshes"}
    assert files_of(tmp_path / "nod" / "meshes") == {f"{n:06d}.ply" for n in range(8)}
    with open_video(tmp_path / "nod" / "overlay.mp4") as video:
        shapes = [frame.pixels.shape for frame in video]
    assert shapes == [(320, 640, 3)] * 8


def test_json_and_flags(clip, tmp_path, capfd):
    flags = ["--no-overlay", "--formats", "stl", "--unit", "mm", "--every", "2", "--start", "0.04", "--smoothing", "0"]
    flags += ["--pupillary-distance", "61", "--fov", "45", "--max-faces", "1"]
    assert main(["track", str(clip), "--out", str(tmp_path), "--json", *flags]) == 0
    document = json.loads(capfd.readouterr().out)
    (result,) = document["results"]
    assert result["name"] == "nod"
    assert result["folder"] == str(tmp_path / "nod")
    assert result["measurements"]["pupillary_distance"]["value"] == pytest.approx(0.061, rel=1e-4)
    assert result["camera"]["source"] == "fov"
    assert result["frames"]["count"] == 4
    assert document["failures"] == []
    files = files_of(tmp_path / "nod")
    assert "head_neutral.stl" in files
    assert not files & {"overlay.mp4", "head_neutral.obj"}
    with np.load(tmp_path / "nod" / "track.npz") as arrays:
        np.testing.assert_array_equal(arrays["frames"], [1, 3, 5, 7])


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--expression", "spectre"], 2, "choose --head flame"),
        (["--lip-loss", "visual"], 1, "face3d assets add lipread"),
        (["--fov", "500"], 2, "field of view"),
        (["--start", "3", "--end", "2"], 2, "start"),
        (["--identity", "mica"], 2, "MICA"),
        (["--start", "60"], 1, "nod.mp4"),
        (["--head", "flame"], 1, "face3d assets add flame"),
    ],
)
def test_what_cannot_be_done_is_one_line(flags, code, words, clip, tmp_path, monkeypatch, capfd):
    asset_path("mediapipe")
    assert main(["track", str(clip), "--out", str(tmp_path / "out"), *flags]) == code
    message = capfd.readouterr().err
    assert words in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("name", ["gone.mp4", "text.mp4", "coffee.mp4", "empty"])
def test_videos_that_are_none(name, tmp_path, capfd):
    (tmp_path / "text.mp4").write_text("no video")
    write_clip(tmp_path / "coffee.mp4", [data.coffee()] * 3)
    (tmp_path / "empty").mkdir()
    assert main(["track", str(tmp_path / name), "--out", str(tmp_path / "out"), "--json"]) == 1
    said = capfd.readouterr()
    assert name in said.err
    assert said.err.count("\n") == 1
    assert json.loads(said.out)["message"] in said.err
    assert files_of(tmp_path / "out") == set()


@pytest.fixture
def small_disk():
    """A limit on file size makes the kernel refuse a write half way, as a full disk does."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextlib.contextmanager
    def limited(size: int):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    yield limited
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(clip, tmp_path, small_disk, capfd):
    arguments = ["track", str(clip), "--out", str(tmp_path / "out"), "--no-overlay", "--formats", "ply", "--quiet"]
    with small_disk(150_000):
        assert main(arguments) == 1
    message = capfd.readouterr().err
    assert str(tmp_path / "out" / "nod") in message
    assert message.count("\n") == 1
    assert files_of(tmp_path / "out") == {"nod.partial"}
    assert "faces.json" in files_of(tmp_path / "out" / "nod.partial")
    assert main(arguments) == 0
    assert files_of(tmp_path / "out") == {"nod"}

"""`face3d reconstruct` with everything that people feed it."""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from face3d.assets import asset_path
from face3d.cli import main

FILES = {
    *(f"head_{state}.{suffix}" for state in ("neutral", "posed") for suffix in ("obj", "ply", "glb")),
    *("parameters.npz", "landmarks.json", "measurements.json", "overlay.png", "reconstruction.json"),
    "report.html",
    *("texture.png", "head.mtl"),
}


def files_of(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def bad_photos(folder: Path, astronaut: Path) -> dict[str, str]:
    """One file of each kind that cannot be used, by its name, with what the message must say about it."""
    (folder / "text.jpg").write_text("I am a text file.")
    (folder / "truncated.jpg").write_bytes(astronaut.read_bytes()[:20_000])
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    Image.new("1", (20_000, 20_000)).save(folder / "huge.png")
    Image.fromarray(data.coffee()).save(folder / "coffee.jpg")
    (folder / "folder.jpg").mkdir()
    return {
        "text.jpg": "",
        "truncated.jpg": "",
        "tiny.png": "small",
        "huge.png": "megapixels",
        "coffee.jpg": "no face",
        "folder.jpg": "",
        "missing.jpg": "",
    }


def test_every_bad_photo_is_named_and_the_good_ones_are_done(astronaut_file, tmp_path):
    expected = bad_photos(tmp_path, astronaut_file)
    command = [sys.executable, "-m", "face3d", "reconstruct", "--json", "--out", str(tmp_path / "out")]
    photos = [str(tmp_path / name) for name in expected]
    photos.insert(3, str(astronaut_file))
    done = subprocess.run([*command, *photos], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert [result["name"] for result in report["results"]] == ["astronaut"]
    failures = {Path(failure["source"]).name: failure["message"] for failure in report["failures"]}
    assert set(failures) == set(expected)
    assert len(done.stderr.splitlines()) == len(expected)
    for name, part in expected.items():
        assert str(tmp_path / name) in failures[name]
        assert part in failures[name]
        assert "\n" not in failures[name]
    assert files_of(tmp_path / "out") == {"astronaut"}
    assert files_of(tmp_path / "out" / "astronaut") == FILES


def test_a_face_cut_by_the_border_is_a_result_or_a_reason(tmp_path, capfd):
    Image.fromarray(data.astronaut()[:, 225:]).save(tmp_path / "half.png")
    code = main(["reconstruct", str(tmp_path / "half.png"), "--json", "--out", str(tmp_path / "out")])
    report = json.loads(capfd.readouterr().out)
    assert code == len(report["failures"])
    assert len(report["results"]) + len(report["failures"]) == 1
    assert all(files_of(Path(result["folder"])) == FILES for result in report["results"])


def test_same_stems_do_not_overwrite_each_other(astronaut_file, tmp_path):
    paths = []
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "face.jpg")
        paths[-1].write_bytes(astronaut_file.read_bytes())
    assert main(["reconstruct", *map(str, paths), "--quiet", "--formats", "ply", "--out", str(tmp_path / "out")]) == 0
    assert files_of(tmp_path / "out") == {"face", "face-2", "index.html", "contact_sheet.jpg"}
    sources = [
        json.loads((tmp_path / "out" / name / "reconstruction.json").read_text())["source"]
        for name in ("face", "face-2")
    ]
    assert sources == [str(path) for path in paths]


def test_an_output_folder_that_cannot_be_written(astronaut_file, tmp_path, capfd):
    (tmp_path / "file").write_text("in the way")
    assert main(["reconstruct", str(astronaut_file), "--out", str(tmp_path / "file")]) == 1
    message = capfd.readouterr().err
    assert str(tmp_path / "file") in message
    assert message.count("\n") == 1


def test_a_full_disk_leaves_no_result(astronaut_file, tmp_path):
    """A limit on file size makes the kernel refuse a write half way, as a full disk does."""
    out = tmp_path / "out"
    (out / "astronaut").mkdir(parents=True)
    (out / "astronaut" / "reconstruction.json").write_text("earlier")

    def small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    asset_path("mediapipe")
    command = [sys.executable, "-m", "face3d", "reconstruct", str(astronaut_file), "--out", str(out)]
    done = subprocess.run(command, preexec_fn=small_disk, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert str(out / "astronaut") in done.stderr
    assert "Traceback" not in done.stderr
    assert files_of(out) == {"astronaut"}
    assert (out / "astronaut" / "reconstruction.json").read_text() == "earlier"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--intrinsics", "nan,500,256,256"),
        ("--intrinsics", "500,inf,256,256"),
        ("--intrinsics", "500,500"),
        ("--fov", "nan"),
        ("--fov", "180"),
        ("--fov", "50", "--intrinsics", "500,500,256,256"),
        ("--pupillary-distance", "nan"),
        ("--head", "no_such_head.npz"),
    ],
)
def test_unusable_numbers_are_arguments(arguments, astronaut_file, tmp_path, capfd):
    assert main(["reconstruct", str(astronaut_file), *arguments, "--out", str(tmp_path / "out")]) == 2
    assert capfd.readouterr().err.count("\n") == 1
    assert not list(tmp_path.rglob("reconstruction.json"))


def test_a_damaged_model_file_is_told_with_its_repair(astronaut_file, tmp_path, monkeypatch, capfd):
    model = asset_path("mediapipe").read_bytes()
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path / "home"))
    asset_path("mediapipe").write_bytes(model[:1000])
    assert main(["reconstruct", str(astronaut_file), "--out", str(tmp_path / "out")]) == 1
    message = capfd.readouterr().err
    assert "face_landmarker.task" in message
    assert "face3d assets fetch mediapipe" in message
    assert message.count("\n") == 1


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


def test_a_head_file_that_would_run_code_does_not(astronaut_file, tmp_path, capfd):
    (tmp_path / "flame.pkl").write_bytes(pickle.dumps({"v_template": Malicious(tmp_path / "ran")}))
    head = ("--head", str(tmp_path / "flame.pkl"))
    assert main(["reconstruct", str(astronaut_file), *head, "--out", str(tmp_path / "out")]) == 1
    message = capfd.readouterr().err
    assert "flame.pkl" in message
    assert message.count("\n") == 1
    assert not (tmp_path / "ran").exists()


def test_flame_without_its_file_says_how_to_get_it(astronaut_file, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path / "home"))
    assert main(["reconstruct", str(astronaut_file), "--head", "flame", "--out", str(tmp_path / "out")]) == 1
    assert "face3d assets add flame PATH" in capfd.readouterr().err


def test_units_and_formats(astronaut_file, tmp_path):
    import trimesh

    arguments = ["--formats", "obj,stl,glb", "--unit", "mm", "--quiet", "--out", str(tmp_path)]
    assert main(["reconstruct", str(astronaut_file), *arguments]) == 0
    heights = {
        suffix: float(
            np.ptp(trimesh.load(tmp_path / "astronaut" / f"head_neutral.{suffix}", force="mesh").vertices[:, 1])
        )
        for suffix in ("obj", "stl", "glb")
    }
    assert 150 < heights["obj"] < 450
    assert heights["stl"] == pytest.approx(heights["obj"], rel=1e-4)
    assert heights["glb"] == pytest.approx(heights["obj"] / 1000, rel=1e-4)
    assert not (tmp_path / "astronaut" / "head_neutral.ply").exists()


def test_more_pictures_on_request(astronaut_file, tmp_path, capfd):
    command = ["reconstruct", str(astronaut_file), "--out", str(tmp_path / "out"), "--formats", "glb", "--quiet"]
    assert main([*command, "--pictures", "depth, wireframe"]) == 0
    expected = {"depth.png", "depth_preview.png", "wireframe.png"}
    expected |= {name for name in FILES if not name.endswith(("obj", "ply", "mtl"))}
    assert files_of(tmp_path / "out" / "astronaut") == expected
    assert main([*command, "--pictures", "depth,portrait"]) == 2
    message = capfd.readouterr().err
    assert "portrait" in message
    assert "turntable" in message


def test_without_texture(astronaut_file, tmp_path):
    assert main(["reconstruct", str(astronaut_file), "--no-texture", "--quiet", "--out", str(tmp_path)]) == 0
    assert files_of(tmp_path / "astronaut") == FILES - {"texture.png", "head.mtl"}
    assert b"mtllib" not in (tmp_path / "astronaut" / "head_neutral.obj").read_bytes()


def test_delight_is_a_flag(astronaut_file, tmp_path):
    for name, flags in (("lit", ()), ("delit", ("--delight",))):
        arguments = [*flags, "--formats", "obj", "--quiet", "--out", str(tmp_path / name)]
        assert main(["reconstruct", str(astronaut_file), *arguments]) == 0
    pictures = [(tmp_path / name / "astronaut" / "texture.png").read_bytes() for name in ("lit", "delit")]
    assert pictures[0] != pictures[1]


def test_the_demo(tmp_path, capfd):
    assert main(["demo", "--out", str(tmp_path)]) == 0
    said = capfd.readouterr().out
    assert str(tmp_path / "astronaut") in said
    assert "report.html" in said
    assert files_of(tmp_path / "astronaut") == FILES

"""Whatever the README tells people to type works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from face3d.cli import main
from face3d.export import Mesh, export_obj, export_ply
from face3d.head import load_head

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines() if line]
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """The photos, the clip and the meshes that the README's commands name, in the working folder."""
    astronaut = data.astronaut()
    for name, picture in (("photo", astronaut), ("front", astronaut), ("side", astronaut[20:, 60:400])):
        Image.fromarray(np.ascontiguousarray(picture)).save(tmp_path / f"{name}.jpg", quality=95)
    write_clip(tmp_path / "clip.mp4", astronaut)
    model = load_head()
    mesh = Mesh(model.template.double().numpy(), model.triangles.numpy())
    (tmp_path / "head.obj").write_bytes(export_obj(mesh))
    (tmp_path / "scan.ply").write_bytes(export_ply(mesh, unit="mm"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_clip(path, picture, frames=8):
    """A few frames of a moving picture."""
    height, width = 256, 256
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (width, height))
    for number in range(frames):
        part = picture[: 2 * height, number : number + 2 * width : 1][::2, ::2, ::-1]
        writer.write(np.ascontiguousarray(np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)))))
    writer.release()


@pytest.mark.parametrize(
    "command", [part for line in SHELL for part in line.split(" && ") if part.startswith("face3d")]
)
def test_commands(command, photos):
    assert main(shlex.split(command)[1:]) == 0
    if "--out" in command:
        words = shlex.split(command)
        out = photos / words[words.index("--out") + 1]
        made = {
            "reconstruct": "*/reconstruction.json",
            "track": "*/track.json",
            "align": "*/alignment.json",
            "evaluate": "mesh.json",
            "train": "dataset.json",
        }
        if out.suffix == ".png":
            assert out.stat().st_size > 0
            return
        expected = {"align": 2, "reconstruct": 2 if "--same-person" in command else 1}.get(words[1], 1)
        assert len(list(out.glob(made.get(words[1], "*/reconstruction.json")))) == expected


@pytest.mark.parametrize("code", PYTHON)
def test_python(code, photos):
    check = "assert smile.vertices.shape == head.posed().vertices.shape"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{check}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_set_up_lines_are_what_continuous_integration_runs():
    assert SHELL[:2] == ["pip install . && face3d demo --out demo", 'pip install ".[test]" && pytest']
    steps = (ROOT / ".ci" / "run").read_text()
    for part in ('".[test]"', "face3d demo --out demo", "\npytest\n"):
        assert part in steps


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target

"""Whatever the README tells people to type works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from face3d.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines() if line]
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """The photos that the README's commands name, in the working folder."""
    astronaut = data.astronaut()
    for name, picture in (("photo", astronaut), ("front", astronaut), ("side", astronaut[20:, 60:400])):
        Image.fromarray(np.ascontiguousarray(picture)).save(tmp_path / f"{name}.jpg", quality=95)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command", [part for line in SHELL for part in line.split(" && ") if part.startswith("face3d")]
)
def test_commands(command, photos):
    assert main(shlex.split(command)[1:]) == 0
    if "--out" in command:
        assert list(photos.glob("*/*/reconstruction.json"))


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

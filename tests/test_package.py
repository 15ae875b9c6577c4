"""What `import face3d` costs and offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import face3d


def in_fresh_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_importing_loads_nothing_heavy():
    heavy = "{'torch', 'numpy', 'scipy', 'cv2', 'mediapipe', 'numba', 'trimesh', 'matplotlib', 'rich', 'pooch'}"
    assert in_fresh_process(f"import sys, face3d; print(sorted({heavy} & set(sys.modules)))") == "[]"


@pytest.mark.parametrize("name", face3d.__all__)
def test_every_public_name_loads(name):
    assert getattr(face3d, name) is not None
    assert name in dir(face3d)


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = face3d.no_such_thing


@pytest.mark.parametrize("first", ["import face3d.reconstruct", "from face3d.reconstruct import Failure"])
def test_the_job_is_not_hidden_by_its_module(first):
    assert in_fresh_process(f"{first}\nimport face3d; print(callable(face3d.reconstruct))") == "True"


def test_versions_agree():
    project = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    assert f'version = "{face3d.__version__}"' in project

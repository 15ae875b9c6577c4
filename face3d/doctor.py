"""The job "what works on this machine": every backend tried, and for what is missing the command that installs it.

Each backend is imported in a process of its own, because a broken native library may abort its process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from face3d import assets
from face3d.errors import CorruptAssetError, Face3DError

__all__ = ["Check", "Probe", "examine", "try_probe"]

PROBE_SECONDS = 180
"""A cold import of PyTorch or Open3D from a slow disk takes about a minute."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found out about one backend or file.

    Attributes:
        name: the package, library or file.
        purpose: what face3d uses it for.
        required: whether `face3d reconstruct` needs it.
        state: "ok", "missing", or "broken" where it is there and does not work.
        detail: its version, or what is wrong.
        remedy: the command that puts it right, None where nothing needs doing.
    """

    name: str
    purpose: str
    required: bool
    state: Literal["ok", "missing", "broken"]
    detail: str
    remedy: str | None


@dataclass(frozen=True, slots=True)
class Probe:
    """A line of Python that prints a version when a backend works, and what to do when it does not."""

    name: str
    purpose: str
    required: bool
    code: str
    remedy: str


def _library(file: str, package: str, purpose: str, *, required: bool) -> Probe:
    code = f"import ctypes; ctypes.CDLL({file!r}); print('found')"
    return Probe(file, purpose, required, code, f"sudo apt-get install -y {package}")


_REINSTALL = "pip install --force-reinstall --no-deps "

PROBES = (
    Probe("torch", "all models", True, "import torch; print(torch.__version__)", 'pip install "torch>=2.11"'),
    Probe(
        "numba",
        "the rasteriser",
        True,
        "import numba; assert numba.njit(lambda: 1)() == 1; print(numba.__version__)",
        "pip install --upgrade numba",
    ),
    Probe(
        "opencv",
        "images",
        True,
        "import cv2; cv2.getRotationMatrix2D((0, 0), 0, 1); print(cv2.__version__)",
        _REINSTALL + "opencv-contrib-python",
    ),
    _library("libEGL.so.1", "libegl1", "mediapipe", required=True),
    _library("libGLESv2.so.2", "libgles2", "mediapipe", required=True),
    Probe(
        "mediapipe",
        "landmarks",
        True,
        "import mediapipe; from mediapipe.tasks.python.vision import FaceLandmarker; print(mediapipe.__version__)",
        "pip install --upgrade mediapipe",
    ),
    Probe(
        "open head",
        "the head model that ships with face3d",
        True,
        "from face3d.head import load_head; print(f'{len(load_head().template)} vertices')",
        _REINSTALL + "face3d",
    ),
    Probe(
        "pytorch3d",
        "the rasteriser on CUDA",
        False,
        "import torch, pytorch3d; from pytorch3d import _C; "
        "from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes; print(pytorch3d.__version__)",
        'pip install "torch>=2.11,<2.13" "easypytorch3d==0.7.9.post1"',
    ),
    _library("libusb-1.0.so.0", "libusb-1.0-0", "open3d", required=False),
    Probe("open3d", "scans", False, "import open3d; print(open3d.__version__)", 'pip install "face3d[scan]"'),
    Probe(
        "face_alignment",
        "FAN landmarks",
        False,
        "import face_alignment; print(face_alignment.__version__)",
        'pip install "face3d[fan]"',
    ),
    Probe(
        "torchvision",
        "SPECTRE's networks",
        False,
        "import torchvision.models; print(torchvision.__version__)",
        'pip install "face3d[spectre]"',
    ),
    Probe("dlib", "dlib landmarks", False, "import dlib; print(dlib.__version__)", 'pip install "face3d[dlib]"'),
)


def examine(device: str = "cpu") -> list[Check]:
    """Try every backend and look at every asset.

    Args:
        device: the PyTorch device that must work.
    """
    on_device = Probe(
        f"device {device}",
        "computing",
        True,
        f"import torch; torch.ones(2, device={device!r}).sum().item(); print('works')",
        "choose --device cpu, or install a PyTorch build for this device",
    )
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        checks = list(pool.map(try_probe, (*PROBES, on_device)))
    return [*checks, _check_home(), *(_check_asset(name) for name in assets.ASSETS)]


def try_probe(probe: Probe) -> Check:
    """Run a probe in a fresh Python process, so that nothing it does can end this one."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", probe.code], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Check(
            probe.name, probe.purpose, probe.required, "broken", f"no answer in {PROBE_SECONDS} s", probe.remedy
        )
    if done.returncode == 0:
        version = done.stdout.strip().splitlines()[-1]
        return Check(probe.name, probe.purpose, probe.required, "ok", version, None)
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    detail = said[-1] if said else ""
    if done.returncode < 0:
        detail = f"its process was killed by signal {-done.returncode} {detail}".rstrip()
    absent = "ModuleNotFoundError" in detail or ("OSError" in detail and "cannot open shared object" in detail)
    return Check(
        probe.name, probe.purpose, probe.required, "missing" if absent else "broken", detail[:200], probe.remedy
    )


def _check_home() -> Check:
    folder = assets.home()
    remedy = "set FACE3D_HOME to a folder that you may write"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check("data folder", "model files", True, "broken", f"{folder}: {error.strerror}", remedy)
    return Check("data folder", "model files", True, "ok", str(folder), None)


def _check_asset(name: str) -> Check:
    asset = assets.asset_named(name)
    verb = "fetch" if asset.sources else "add"
    remedy = f"face3d assets {verb} {name}" + ("" if asset.sources else " PATH")
    try:
        found = assets.stored(name)
        if found is None:
            detail = "fetched on first use" if name == "mediapipe" else f"optional; {asset.licence}"
            return Check(f"asset {name}", asset.role, False, "missing", detail, remedy)
        assets.verify(found)
    except CorruptAssetError as error:
        return Check(f"asset {name}", asset.role, name == "mediapipe", "broken", str(error), remedy)
    except Face3DError as error:
        return Check(f"asset {name}", asset.role, False, "broken", str(error), remedy)
    return Check(f"asset {name}", asset.role, name == "mediapipe", "ok", str(found.path), None)

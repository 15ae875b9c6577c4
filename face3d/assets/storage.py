"""Where assets lie on this machine, and whether they still are what they were.

Layout: `<home>/assets/<name>/<file>`, with `record.json` beside it, which names each file's size and hash and whence it
came. `<home>` is `FACE3D_HOME`, or the user data folder of the platform.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from face3d.assets.table import ASSETS, Asset, Commercial
from face3d.errors import ArgumentError, AssetError, CorruptAssetError

__all__ = [
    "StoredAsset",
    "asset_named",
    "folder_of",
    "home",
    "locked",
    "remedy",
    "sha256_of",
    "store",
    "stored",
    "verify",
]

RECORD = "record.json"
LOCK_SECONDS = 900
"""How long to wait while another process fetches the same asset; a slow line needs minutes for a large file."""


@dataclass(frozen=True, slots=True)
class StoredAsset:
    """An asset that lies in the store.

    Attributes:
        asset: its row of the table.
        path: the main file.
        hashes: file name -> SHA-256, the main file first, companions after it.
        origin: where it came from, for the record.
        licence: SPDX identifier or name of the terms this very file is under.
        commercial: whether these allow commercial use.
        terms: file name -> (licence, commercial) of files of their own terms, see `Asset.members`.
    """

    asset: Asset
    path: Path
    hashes: Mapping[str, str]
    origin: str
    licence: str
    commercial: Commercial
    terms: Mapping[str, tuple[str, Commercial]] = field(default_factory=dict)


def asset_named(name: str) -> Asset:
    """The table's row of that name.

    Raises:
        ArgumentError: there is none.
    """
    try:
        return ASSETS[name]
    except KeyError:
        raise ArgumentError(f"no asset is named {name!r}; there are {', '.join(ASSETS)}") from None


def home() -> Path:
    """face3d's data folder: `FACE3D_HOME`, or the platform's user data folder. It may not exist yet."""
    chosen = os.environ.get("FACE3D_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("face3d", appauthor=False)


def folder_of(name: str) -> Path:
    """The folder that holds an asset's files. It may not exist yet."""
    return home() / "assets" / asset_named(name).name


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 lower-case hexadecimal digits."""
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
        return digest.hexdigest()


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold an asset's lock, so that two processes never write it at once.

    Raises:
        AssetError: the data folder cannot be written, or another process holds the lock for too long.
    """
    from filelock import FileLock, Timeout

    folder = home() / "assets"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name}.lock", timeout=LOCK_SECONDS)
        lock.acquire()
    except Timeout as error:
        raise AssetError(f"{lock.lock_file} is held by another process; end that one and try again") from error
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def store(
    name: str,
    files: Mapping[str, bytes | Path],
    *,
    origin: str,
    licence: str | None = None,
    commercial: Commercial | None = None,
    terms: Mapping[str, tuple[str, Commercial]] | None = None,
) -> StoredAsset:
    """Write an asset's files, each atomically, and its record last. The caller holds the lock.

    Files that an asset of several members already has stay; those of any other asset are replaced as a whole.

    Args:
        name: the asset.
        files: file name -> content or the file to copy, the main file first.
        origin: where it came from.
        licence: the terms of this very file, where they differ from the table's.
        commercial: whether those allow commercial use.
        terms: licence and commercial use of single files that have their own.

    Raises:
        AssetError: the data folder cannot be written.
    """
    asset, folder = asset_named(name), folder_of(name)
    entries = _kept_entries(asset, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            entries[file] = {"sha256": _write_atomically(folder / file, content)}
            if terms and file in terms:
                entries[file] |= dict(zip(("licence", "commercial"), terms[file], strict=True))
        record = {
            "origin": origin,
            "licence": licence or asset.licence,
            "commercial": commercial or asset.commercial,
            "files": entries,
        }
        _write_atomically(folder / RECORD, json.dumps(record, indent=2).encode())
    except OSError as error:
        raise _unwritable(folder, error) from error
    found = stored(name)
    assert found is not None, "just written"
    return found


def stored(name: str) -> StoredAsset | None:
    """What the store holds of an asset, its files not verified; None if it was never added.

    Raises:
        CorruptAssetError: the record cannot be read.
    """
    asset, folder = asset_named(name), folder_of(name)
    try:
        record = json.loads((folder / RECORD).read_text())
        hashes = {file: entry["sha256"] for file, entry in record["files"].items()}
        terms = {
            file: (entry["licence"], entry["commercial"])
            for file, entry in record["files"].items()
            if "licence" in entry
        }
        return StoredAsset(
            asset=asset,
            path=folder / next(iter(hashes)),
            hashes=hashes,
            origin=record["origin"],
            licence=record["licence"],
            commercial=record["commercial"],
            terms=terms,
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise CorruptAssetError(f"{folder / RECORD} cannot be read ({error}); run `{remedy(asset)}`") from error


def verify(found: StoredAsset) -> None:
    """Compare every file of a stored asset with its hash.

    Raises:
        CorruptAssetError: a file is gone or changed; the message names it and the command that replaces it.
    """
    for file, expected in found.hashes.items():
        path = found.path.with_name(file)
        try:
            actual = sha256_of(path)
        except OSError as error:
            raise CorruptAssetError(
                f"{path} cannot be read ({error.strerror}); run `{remedy(found.asset)}` to replace it"
            ) from error
        if file == found.asset.file and found.asset.sha256 is not None:
            expected = found.asset.sha256
        if actual != expected:
            raise CorruptAssetError(
                f"{path} is damaged: its SHA-256 is {actual[:12]}..., not {expected[:12]}...; "
                f"run `{remedy(found.asset)}` to replace it"
            )


def _kept_entries(asset: Asset, folder: Path) -> dict[str, dict[str, str]]:
    """What the record says of the files that stay when others are added."""
    if not asset.members:
        return {}
    try:
        kept: dict[str, dict[str, str]] = json.loads((folder / RECORD).read_text())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return kept


def remedy(asset: Asset) -> str:
    """The command that puts an asset in place."""
    if asset.sources:
        return f"face3d assets fetch {asset.name}"
    return f"face3d assets add {asset.name} PATH"


def _write_atomically(path: Path, content: bytes | Path) -> str:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if isinstance(content, bytes):
                stream.write(content)
            else:
                with content.open("rb") as source:
                    shutil.copyfileobj(source, stream)
            stream.flush()
            os.fsync(stream.fileno())
        digest = sha256_of(Path(temporary))
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return digest


def _unwritable(folder: Path, error: OSError) -> AssetError:
    return AssetError(
        f"cannot write {folder}: {error.strerror or error}; "
        "free some space or set FACE3D_HOME to a folder you may write"
    )

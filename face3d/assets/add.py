"""Adding files that only their user may download."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from face3d.assets.licences import is_open
from face3d.assets.storage import StoredAsset, asset_named, locked, sha256_of, store
from face3d.assets.table import Asset
from face3d.errors import ArgumentError, CorruptAssetError, Face3DError, InputError

__all__ = ["add"]

_TORCH_SUFFIXES = (".tar", ".pth", ".pt", ".ckpt")


def add(name: str, files: Sequence[Path | str], *, licence: str | None = None) -> StoredAsset:
    """Copy a user's file, and companions of it, into the store once its content has proved right.

    Args:
        name: an asset of the table.
        files: the main file and any of the asset's companions, in any order.
        licence: the terms of this very file as an SPDX identifier, where they differ from the table's
            (FLAME 2023 Open is "CC-BY-4.0"); the caller answers for that.

    Raises:
        InputError: a file is missing or cannot be read.
        CorruptAssetError: a file is not what it is offered as.
        ArgumentError: the name is unknown, or there is not exactly one main file.
    """
    asset = asset_named(name)
    paths = [Path(file).expanduser() for file in files]
    companions = {path.name: path for path in paths if path.name in asset.companions}
    mains = [path for path in paths if path.name not in companions]
    if len(mains) != 1:
        extra = f" and any of {', '.join(asset.companions)}" if asset.companions else ""
        raise ArgumentError(f"{name} takes one file{extra}, not {len(mains)}")
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path} is not a file; give the path of {asset.file}")
    check_content(asset, mains[0])
    main_name = asset.file if asset.sha256 else Path(asset.file).stem + mains[0].suffix
    commercial = None if licence is None else ("yes" if is_open(licence) else "no")
    with locked(name):
        return store(
            name,
            {main_name: mains[0], **companions},
            origin=f"added by hand from {mains[0].name}",
            licence=licence,
            commercial=commercial,  # type: ignore[arg-type]
        )


def check_content(asset: Asset, path: Path) -> None:
    """Raise `CorruptAssetError` unless a file is the asset: by hash where there is one, else by reading it safely."""
    if asset.suffixes and path.suffix.lower() not in asset.suffixes:
        raise CorruptAssetError(f"{path} is not a {' or '.join(asset.suffixes)} file, as {asset.name} is")
    if asset.sha256 is not None:
        if sha256_of(path) != asset.sha256:
            raise CorruptAssetError(f"{path} is not {asset.file}: its SHA-256 differs; get it from {asset.obtained}")
    elif path.stat().st_size == 0:
        raise CorruptAssetError(f"{path} is empty; get it from {asset.obtained}")
    elif asset.name == "flame":
        _check_flame(path)
    elif path.suffix.lower() in _TORCH_SUFFIXES:
        _check_torch_file(path)


def _check_flame(path: Path) -> None:
    from face3d.head import load_flame

    try:
        load_flame(path)
    except Face3DError as error:
        raise CorruptAssetError(str(error)) from error


def _check_torch_file(path: Path) -> None:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except Exception as error:  # torch raises nearly every class there is for a file that is not one of its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CorruptAssetError(f"{path} cannot be read safely as PyTorch weights: {reason[:160]}") from error
    if not isinstance(content, dict):
        raise CorruptAssetError(f"{path} holds a {type(content).__name__}, not named weights")

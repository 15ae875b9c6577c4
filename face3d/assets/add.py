"""Adding files that only their user may download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from face3d.assets.licences import is_open
from face3d.assets.storage import StoredAsset, asset_named, locked, sha256_of, store
from face3d.assets.table import Asset, Member
from face3d.assets.torch_file import check_checksums, read_torch_file
from face3d.errors import ArgumentError, CorruptAssetError, Face3DError, InputError

__all__ = ["add"]

_TORCH_SUFFIXES = (".tar", ".pth", ".pt", ".ckpt")


def add(name: str, files: Sequence[Path | str], *, licence: str | None = None) -> StoredAsset:
    """Copy a user's file, and companions of it, into the store once its content has proved right.

    Args:
        name: an asset of the table.
        files: the main file and any of the asset's companions, in any order; a folder stands for those files of the
            asset that lie in it. Of an asset of several members, any of them; those added before stay.
        licence: the terms of this very file as an SPDX identifier, where they differ from the table's
            (FLAME 2023 Open is "CC-BY-4.0"); the caller answers for that.

    Raises:
        InputError: a file is missing or cannot be read.
        CorruptAssetError: a file is not what it is offered as.
        ArgumentError: the name is unknown, or there is not exactly one main file.
    """
    asset = asset_named(name)
    paths = _expanded(asset, files)
    if asset.members:
        return add_members(asset, paths, licence=licence)
    companions = {path.name: path for path in paths if path.name in asset.companions}
    mains = [path for path in paths if path.name not in companions]
    if len(mains) != 1:
        extra = f" and any of {', '.join(asset.companions)}" if asset.companions else ""
        raise ArgumentError(f"{name} takes one file{extra}, not {len(mains)}")
    for path in paths:
        _require_file(path, asset.file)
    check_content(asset, mains[0], companions)
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


def add_members(asset: Asset, paths: Sequence[Path], *, licence: str | None = None) -> StoredAsset:
    """Copy any of an asset's members into the store, beside those that are there."""
    members = {member.file: member for member in asset.members}
    if not paths:
        raise ArgumentError(f"{asset.name} takes one or more of {', '.join(members)}, or a folder that holds them")
    for path in paths:
        _require_file(path, " or ".join(members))
        if path.name not in members:
            raise CorruptAssetError(f"{path} is none of {asset.name}'s files: {', '.join(members)}")
        _check_member(members[path.name], path)
    terms = {
        path.name: (members[path.name].licence, members[path.name].commercial)
        if licence is None
        else (licence, "yes" if is_open(licence) else "no")
        for path in paths
    }
    with locked(asset.name):
        return store(
            asset.name,
            {path.name: path for path in paths},
            origin=f"added by hand from {paths[0].parent}",
            terms=terms,
        )


def _expanded(asset: Asset, files: Sequence[Path | str]) -> list[Path]:
    """The files, with each folder replaced by those of the asset's files that lie in it."""
    names = [member.file for member in asset.members] or [asset.file, *asset.companions]
    paths: list[Path] = []
    for path in (Path(file).expanduser() for file in files):
        if not path.is_dir():
            paths.append(path)
            continue
        found = [path / name for name in names if (path / name).is_file()]
        if not found:
            raise InputError(f"{path} holds none of {', '.join(names)}")
        paths += found
    return paths


def _require_file(path: Path, wanted: str) -> None:
    if not path.is_file():
        raise InputError(f"{path} is not a file; give the path of {wanted}")


def _check_member(member: Member, path: Path) -> None:
    if path.stat().st_size == 0:
        raise CorruptAssetError(f"{path} is empty; get it from {member.obtained}")
    if member.sha256 is not None and not sha256_of(path).startswith(member.sha256):
        raise CorruptAssetError(
            f"{path} is damaged or another file: its SHA-256 does not begin with {member.sha256[:10]}; "
            f"get it from {member.obtained}"
        )
    if path.suffix == ".npy":
        _check_array(path)
    elif path.suffix == ".onnx":
        # The first field of a serialised ONNX model is its version, number 1, a varint.
        if path.read_bytes()[:1] != b"\x08":
            raise CorruptAssetError(f"{path} is no ONNX model; get it from {member.obtained}")
    else:
        read_torch_file(path)


def _check_array(path: Path) -> None:
    try:
        np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CorruptAssetError(f"{path} cannot be read as a NumPy array: {error}") from error


def check_content(asset: Asset, path: Path, companions: Mapping[str, Path]) -> None:
    """Raise `CorruptAssetError` unless a file is the asset: by hash where there is one, else by reading it safely."""
    if asset.suffixes and path.suffix.lower() not in asset.suffixes:
        raise CorruptAssetError(f"{path} is not a {' or '.join(asset.suffixes)} file, as {asset.name} is")
    if path.stat().st_size == 0:
        raise CorruptAssetError(f"{path} is empty; get it from {asset.obtained}")
    if path.suffix.lower() in _TORCH_SUFFIXES:
        check_checksums(path)
    if asset.sha256 is not None:
        if sha256_of(path) != asset.sha256:
            raise CorruptAssetError(f"{path} is not {asset.file}: its SHA-256 differs; get it from {asset.obtained}")
    elif asset.name == "flame":
        _check_flame(path)
    elif asset.name == "mica":
        from face3d.identity import read_mica

        read_mica(path)
    elif asset.name == "arcface":
        from face3d.identity import load_arcface

        load_arcface(path)
    else:
        _check_expression_network(asset, path, companions)


def _check_expression_network(asset: Asset, path: Path, companions: Mapping[str, Path]) -> None:
    from face3d import expression

    if asset.name == "deca":
        expression.read_deca(path)
    elif asset.name == "spectre":
        expression.read_spectre(path)
    elif asset.name == "emotion":
        expression.read_emotion_network(path)
    elif asset.name == "lipread":
        expression.read_visual_front_end(path, companions.get("model.json"))


def _check_flame(path: Path) -> None:
    from face3d.head import load_flame

    try:
        load_flame(path)
    except Face3DError as error:
        raise CorruptAssetError(str(error)) from error

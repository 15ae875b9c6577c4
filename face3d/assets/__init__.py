"""What model files exist, their licences and hashes, and how they get to this machine.

`asset_path("mediapipe")` is the one call that other rooms need: it returns a verified file, fetching it on first use.
"""

from __future__ import annotations

from pathlib import Path

from face3d.assets.add import add
from face3d.assets.fetch import fetch, missing
from face3d.assets.licences import AssetUse, LicencePolicy, is_open, require_licence, use_at_hand, use_of
from face3d.assets.members import StoredMember, obtain_members
from face3d.assets.open_head import open_head_path, open_head_use, use_of_own_head
from face3d.assets.storage import StoredAsset, asset_named, folder_of, home, stored, verify
from face3d.assets.table import ASSETS, Asset, Commercial, Member, NpmSource, PyPISource, Source, UrlSource
from face3d.assets.torch_file import fill, read_torch_file

__all__ = [
    "ASSETS",
    "Asset",
    "AssetUse",
    "Commercial",
    "LicencePolicy",
    "Member",
    "NpmSource",
    "PyPISource",
    "Source",
    "StoredAsset",
    "StoredMember",
    "UrlSource",
    "add",
    "asset_named",
    "asset_path",
    "fetch",
    "fill",
    "folder_of",
    "home",
    "is_open",
    "obtain",
    "obtain_members",
    "open_head_path",
    "open_head_use",
    "read_torch_file",
    "require_licence",
    "stored",
    "use_at_hand",
    "use_of",
    "use_of_own_head",
    "verify",
]


def obtain(name: str, *, progress: bool | None = None) -> StoredAsset:
    """A stored and verified asset, fetched first where it is absent and a program may fetch it.

    Args:
        name: an asset of the table.
        progress: draw a bar on stderr while fetching; None draws it when stderr is a terminal.

    Raises:
        MissingAssetError: it is not here and cannot be fetched; the message says how to add it.
        CorruptAssetError: it is here and damaged; the message says how to replace it.
        AssetError: the data folder cannot be written.
    """
    found = stored(name)
    if found is None:
        asset = asset_named(name)
        if not asset.sources or asset.only_on_command:
            raise missing(asset)
        return fetch(name, progress=progress)
    verify(found)
    return found


def asset_path(name: str) -> Path:
    """The verified main file of an asset, as `obtain` gives it."""
    return obtain(name).path

"""The head model that ships with face3d."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from face3d.assets.licences import AssetUse, is_open
from face3d.assets.storage import sha256_of
from face3d.assets.table import Commercial
from face3d.errors import MissingAssetError

__all__ = ["open_head_path", "open_head_use", "use_of_own_head"]

_PACKAGE = Path(__file__).resolve().parent.parent


def open_head_path() -> Path:
    """Where `open_head.npz` lies: inside an installed package, or at the top of a checkout.

    Raises:
        MissingAssetError: in neither place.
    """
    for folder in (_PACKAGE / "flame_assets", _PACKAGE.parent / "flame_assets"):
        if (folder / "open_head.npz").is_file():
            return folder / "open_head.npz"
    raise MissingAssetError(
        "open_head.npz is not in the installed package; it is the head model that ships with face3d; licence: CC0-1.0; "
        "run `pip install --force-reinstall --no-deps face3d`"
    )


def open_head_use() -> AssetUse:
    """The record of using the head that ships."""
    path = open_head_path()
    return AssetUse(
        "open_head", "head: the open head model", "CC0-1.0", "yes", _cached_hash(path, path.stat().st_mtime_ns)
    )


def use_of_own_head(name: str, licence: str, path: Path | None) -> AssetUse:
    """The record of using a head that neither ships nor lies in the store.

    Args:
        name: of the head model.
        licence: as the head file states it; what is no open licence's identifier leaves commercial use unknown.
        path: its file, where that is one.
    """
    commercial: Commercial = "yes" if is_open(licence) else "unknown"
    digest = sha256_of(path) if path is not None and path.is_file() else None
    return AssetUse(name, "head: a file of the user's own", licence, commercial, digest)


@lru_cache(maxsize=4)
def _cached_hash(path: Path, _modified: int) -> str:
    return sha256_of(path)

"""The head model that ships with face3d."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from face3d.assets.licences import AssetUse
from face3d.assets.storage import sha256_of
from face3d.errors import MissingAssetError

__all__ = ["open_head_path", "open_head_use"]

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


@lru_cache(maxsize=4)
def _cached_hash(path: Path, _modified: int) -> str:
    return sha256_of(path)

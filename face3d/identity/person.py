"""The person that a network sees in photos, in the form that the fit takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from face3d.errors import ArgumentError
from face3d.fit import KnownIdentity
from face3d.head import HeadModel
from face3d.identity.mica import MICA_SCALE_SIGMA, Mica, mica_for
from face3d.landmarks import FaceLandmarks, face_crop

__all__ = ["IdentityNetwork", "check_identity", "open_identity"]


@dataclass(frozen=True, slots=True)
class IdentityNetwork:
    """MICA on a head.

    Attributes:
        mica: its networks.
        weight: how firmly a fit holds to what they see, see `KnownIdentity`.
        warnings: what a person should know before relying on it.
    """

    mica: Mica
    weight: float
    warnings: tuple[str, ...]

    def look_at(
        self, photos: Sequence[UInt8[np.ndarray, "H W 3"]], landmarks: Sequence[FaceLandmarks]
    ) -> KnownIdentity:
        """The mean of what the network sees in each photo of a person.

        Raises:
            InputError: landmarks that no face can be cut out by.
        """
        return self.look_at_crops([face_crop(*pair, "arcface").pixels for pair in zip(photos, landmarks, strict=True)])

    def look_at_crops(self, crops: Sequence[UInt8[np.ndarray, "112 112 3"]]) -> KnownIdentity:
        """The same for faces that have been cut out as ArcFace is shown them."""
        return KnownIdentity("mica", self.mica.identities(crops).mean(axis=0), MICA_SCALE_SIGMA, self.weight)


def check_identity(name: str, weight: float | None) -> None:
    """Raise `ArgumentError` unless these say how a person is found.

    Args:
        name: "auto", "fit" or "mica".
        weight: how firmly MICA's identity is held; None holds it exactly.
    """
    if name not in ("auto", "fit", "mica"):
        raise ArgumentError(f"identity is auto, fit or mica, not {name!r}")
    if weight is not None and name != "mica":
        raise ArgumentError("an identity weight says how firmly MICA's identity is held; choose identity mica with it")
    if weight is not None and not 0 < weight < math.inf:
        raise ArgumentError(f"an identity weight is above 0 and finite, not {weight:g}; leave it out to hold exactly")


def open_identity(name: str, weight: float | None, model: HeadModel, *, device: str = "cpu") -> IdentityNetwork | None:
    """The network that sees who it is; None where the landmarks say so.

    Raises:
        ArgumentError: as for `check_identity`; or the network's identities are not this head's.
        AssetError: its file is missing or damaged.
    """
    check_identity(name, weight)
    if name != "mica":
        return None
    mica, warnings = mica_for(model, device=device)
    return IdentityNetwork(mica, math.inf if weight is None else weight, warnings)

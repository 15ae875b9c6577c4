"""What every face encoder takes and returns, and opening one by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8

from face3d import assets
from face3d.assets import AssetUse
from face3d.errors import ArgumentError, InputError
from face3d.identity.mobilefacenet import MobileFaceNetEncoder
from face3d.landmarks import FaceLandmarks, face_crop

__all__ = ["FaceEncoder", "encode_faces", "encoder_assets", "open_encoder", "similarity"]


@runtime_checkable
class FaceEncoder(Protocol):
    """Turns aligned faces into features that are close for one person and far for two.

    Attributes:
        name: of the network.
        features: how many numbers it gives, D.
    """

    name: str
    features: int

    def encode(self, crops: UInt8[np.ndarray, "B 112 112 3"]) -> Float32[np.ndarray, "B D"]:
        """Features, each row of unit length, of RGB crops as `face3d.landmarks.face_crop` cuts them for "arcface"."""
        ...


def open_encoder(name: str = "mobilefacenet", *, device: str = "cpu") -> FaceEncoder:
    """Open a face encoder by its name; its file is fetched on first use.

    Args:
        name: "mobilefacenet".
        device: PyTorch device.

    Raises:
        ArgumentError: there is no such encoder.
        AssetError: its file is missing or damaged.
    """
    _check_name(name)
    return MobileFaceNetEncoder(assets.asset_path(name), device=device)


def encoder_assets(name: str = "mobilefacenet") -> tuple[AssetUse, ...]:
    """The files that `open_encoder(name)` uses, for the record of a result and its licence check.

    Raises:
        ArgumentError: there is no such encoder.
        AssetError: a file is missing or damaged.
    """
    _check_name(name)
    return (assets.use_of(assets.obtain(name)),)


def encode_faces(
    encoder: FaceEncoder, image: UInt8[np.ndarray, "H W 3"], faces: Sequence[FaceLandmarks]
) -> Float32[np.ndarray, "B D"]:
    """Features of faces that a landmark detector found in an RGB image, one row each.

    Raises:
        ArgumentError: there is no way from these landmarks to the five points of a crop.
        InputError: a face's points are not finite.
    """
    if not faces:
        return np.empty((0, encoder.features), dtype=np.float32)
    return encoder.encode(np.stack([face_crop(image, face, "arcface").pixels for face in faces]))


def similarity(a: Float[np.ndarray, "*A D"], b: Float[np.ndarray, "*B D"]) -> Float[np.ndarray, "*A *B"]:
    """How alike faces are: the cosine between their features, 1 for the same image, about 0 for two persons.

    Args:
        a: features of one face (D,) or of several (A, D), of any length but zero.
        b: likewise.

    Returns:
        float64 in [-1, 1]: every face of `a` with every one of `b`.

    Raises:
        InputError: features of different encoders, or some that are zero or not finite.
    """
    first, second = _unit(a), _unit(b)
    if first.shape[-1] != second.shape[-1]:
        raise InputError(f"features of {first.shape[-1]} and of {second.shape[-1]} numbers cannot be compared")
    return np.clip(np.tensordot(first, second, axes=(-1, -1)), -1.0, 1.0)


def _unit(features: Float[np.ndarray, "*A D"]) -> Float[np.ndarray, "*A D"]:
    features = np.asarray(features, dtype=np.float64)
    lengths = np.linalg.norm(features, axis=-1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise InputError("features that are zero or not finite belong to no face")
    return features / lengths


def _check_name(name: str) -> None:
    if name != "mobilefacenet":
        raise ArgumentError(f"there is no face encoder {name!r}; choose mobilefacenet")

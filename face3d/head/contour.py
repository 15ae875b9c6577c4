"""The yaw-dependent face contour: which of its 79 bins a head's rotation selects.

A jaw-line landmark in a photo lies where the cheek turns away, which moves over the face as the head turns. FLAME's
embeddings therefore hold the jaw line once per degree of yaw.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from face3d.errors import ArgumentError

__all__ = ["ContourSign", "contour_bins", "contour_sign", "yaw_degrees"]

#: "deca": bins grow with the yaw, as in DECA, MICA and SPECTRE. "smplx": with its negative, as in FLAME_PyTorch too.
ContourSign = Literal["deca", "smplx"]

_LARGEST_YAW = 39


def contour_sign(contour: str) -> int:
    """Return +1 for "deca", -1 for "smplx".

    Raises:
        ArgumentError: any other name.
    """
    if contour not in get_args(ContourSign):
        raise ArgumentError(f"contour {contour!r} is unknown; choose 'deca' (+yaw) or 'smplx' (-yaw)")
    return 1 if contour == "deca" else -1


def yaw_degrees(rotations: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B"]:
    """Return the yaw of head rotations in degrees, within 90; positive turns the face to the subject's left (+x)."""
    sine = -rotations[..., 2, 0]
    cosine = torch.sqrt(rotations[..., 0, 0] ** 2 + rotations[..., 1, 0] ** 2)
    return torch.rad2deg(torch.atan2(sine, cosine))


def contour_bins(rotations: Float[Tensor, "*B 3 3"], sign: int = 1) -> Int64[Tensor, "*B"]:
    """Return the contour bin of each head rotation: y for a rounded yaw y of 0..39 degrees, 39 - y for -39..-1.

    The choice is piecewise constant, so no gradient flows through it. Yaws beyond 39 degrees take the last bin of
    their side; halves round to even, as the published systems do.
    """
    yaw = (sign * yaw_degrees(rotations.detach())).clamp(-_LARGEST_YAW, _LARGEST_YAW)
    whole = torch.round(yaw).to(torch.int64)
    return torch.where(whole >= 0, whole, _LARGEST_YAW - whole)

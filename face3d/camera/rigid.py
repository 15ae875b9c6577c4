"""Rigid transforms as 4x4 matrices: putting them together and turning their target's axes round."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["flip_axes", "rigid_transform"]


def flip_axes(transform: Float[Tensor, "*B 4 4"], signs: tuple[float, ...]) -> Float[Tensor, "*B 4 4"]:
    """Return the transform followed by a change of sign of some of its target's axes."""
    return transform * transform.new_tensor(signs)[:, None]


def rigid_transform(rotation: Float[Tensor, "*B 3 3"], translation: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 4 4"]:
    """Return the 4x4 matrix of a rotation followed by a translation."""
    top = torch.cat([rotation, translation[..., None]], dim=-1)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], dim=-2)

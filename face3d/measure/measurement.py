"""Measurements of a person's head with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from face3d.errors import ArgumentError
from face3d.measure.dimensions import TAPE, dimensions_from_points, standard_of

__all__ = ["Measurement", "SurfaceHead", "head_dimensions", "measure_head", "pupillary_distance"]

PUPILLARY_STANDARD = "distance between the pupil centres, gaze far and parallel; NIOSH 2003, ISO 13666"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement.

    Attributes:
        value: metres.
        sigma: standard deviation in metres that the given uncertainty of the head causes, None when none was given.
        standard: what was measured, and after whom.
    """

    value: float
    sigma: float | None
    standard: str


class SurfaceHead(Protocol):
    """What measuring needs of a head model; `face3d.head.HeadModel` is one."""

    @property
    def point_sets(self) -> Mapping[str, Any]:
        """Named point sets; `anatomy` with labels."""

    def __call__(self, identity: Float[Tensor, "B I"]) -> Any:
        """Geometry of neutral heads, with the eyes looking straight ahead."""

    def points(self, name: str, geometry: Any) -> Float[Tensor, "B N 3"]:
        """A point set on a geometry, metres."""


def head_dimensions(model: SurfaceHead, identity: Float[Tensor, "B I"]) -> dict[str, Float[Tensor, " B"]]:
    """Dimensions of neutral heads, the pupillary distance among them, in metres, by name.

    Raises:
        ArgumentError: the model has no labelled point set `anatomy`.
    """
    anatomy_set = model.point_sets.get("anatomy")
    if anatomy_set is None or anatomy_set.labels is None:
        raise ArgumentError("this head model has no labelled point set 'anatomy', so it cannot be measured")
    geometry = model(identity=identity)
    places = model.points("anatomy", geometry)
    anatomy = {label: places[:, k] for k, label in enumerate(anatomy_set.labels)}
    sections = {
        rule.points: model.points(rule.points, geometry) for rule in TAPE.values() if rule.points in model.point_sets
    }
    lengths = dimensions_from_points(anatomy, sections)
    if "pupil_left" in anatomy and "pupil_right" in anatomy:
        lengths["pupillary_distance"] = pupillary_distance(anatomy["pupil_left"], anatomy["pupil_right"])
    return lengths


def pupillary_distance(left: Float[Tensor, "*B 3"], right: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B"]:
    """Distance between the pupil centres of eyes that look straight ahead, metres."""
    return (left - right).norm(dim=-1)


def measure_head(
    model: SurfaceHead,
    identity: Float[Tensor, " I"],
    *,
    covariance: Float[Tensor, "I I"] | None = None,
    scale: float = 1.0,
    scale_sigma: float = 0.0,
) -> dict[str, Measurement]:
    """Measure one head, with the uncertainty that its identity and scale carry over.

    Args:
        model: a head model with anatomical points.
        identity: the person's coefficients.
        covariance: posterior covariance of the coefficients; without it sigma is None unless the scale has one.
        scale: factor from the model's head to the person's.
        scale_sigma: its relative standard deviation.

    Returns:
        Measurements by name, first-order propagation for sigma.

    Raises:
        ArgumentError: the covariance does not fit the identity, or the model has no anatomical points.
    """
    if covariance is not None and covariance.shape != (len(identity), len(identity)):
        raise ArgumentError(f"covariance has shape {tuple(covariance.shape)} for {len(identity)} coefficients")
    names = list(head_dimensions(model, identity[None]))
    known = covariance is not None or scale_sigma > 0

    def stacked(coefficients: Float[Tensor, " I"]) -> Float[Tensor, " D"]:
        lengths = head_dimensions(model, coefficients[None])
        return torch.stack([lengths[name][0] for name in names])

    values = stacked(identity.detach())
    variance = (values * scale_sigma) ** 2
    if covariance is not None:
        slope = torch.autograd.functional.jacobian(stacked, identity.detach(), vectorize=True)
        variance = variance + torch.einsum("di,ij,dj->d", slope, covariance.to(slope), slope)
    return {
        name: Measurement(
            value=float(values[k]) * scale,
            sigma=float(variance[k].clamp_min(0).sqrt()) * scale if known else None,
            standard=PUPILLARY_STANDARD if name == "pupillary_distance" else standard_of(name),
        )
        for k, name in enumerate(names)
    }

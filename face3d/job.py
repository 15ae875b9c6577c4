"""What the jobs do alike: check arguments, name the head's asset, measure a fitted head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from face3d import assets
from face3d.assets import AssetUse
from face3d.errors import ArgumentError
from face3d.export.mesh import Unit
from face3d.head import HeadModel
from face3d.measure import Measurement, measure_head

__all__ = ["check_device", "check_meshes", "check_pupillary_distance", "head_use", "measured"]

PLAUSIBLE_PUPILLARY_DISTANCE = (0.03, 0.1)
"""Metres; people are 40 to 80 mm. Outside, the number is in another unit."""


def check_meshes(formats: Sequence[str], known: Sequence[str], unit: Unit) -> None:
    """Raise `ArgumentError` unless all formats are known ones, and the unit is one of mesh files."""
    if unknown := [name for name in formats if name not in known]:
        raise ArgumentError(f"no mesh format is named {', '.join(unknown)}; there are {', '.join(known)}")
    if unit not in ("m", "mm"):
        raise ArgumentError(f"the unit is m or mm, not {unit!r}")


def check_pupillary_distance(metres: float | None) -> None:
    """Raise `ArgumentError` for a pupillary distance that no person has."""
    low, high = PLAUSIBLE_PUPILLARY_DISTANCE
    if metres is not None and not low <= metres <= high:
        raise ArgumentError(
            f"a pupillary distance of {metres * 1000:g} mm is no person's; give one between {low * 1000:g} and "
            f"{high * 1000:g} mm"
        )


def check_device(device: str) -> None:
    """Raise `ArgumentError` for a PyTorch device that is not here."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ArgumentError(f"the device {device!r} cannot be used here ({reason}); try cpu") from error


def head_use(head: str | Path, model: HeadModel) -> AssetUse:
    """The head that was asked for, for the record of a result and its licence check."""
    if head == "open":
        return assets.open_head_use()
    added = assets.stored(head) if head in ("flame", "mica") else None
    return assets.use_of(added) if added else assets.use_of_own_head(model.name, model.licence, Path(head))


def measured(
    model: HeadModel, identity: Float[np.ndarray, " I"], covariance: Float[np.ndarray, "I I"]
) -> dict[str, Measurement]:
    """Every measurement that the head's anatomical points allow; none for a head without them."""
    if "anatomy" not in model.point_sets:
        return {}
    person, doubt = (torch.as_tensor(values).to(model.template) for values in (identity, covariance))
    return measure_head(model, person, covariance=doubt)

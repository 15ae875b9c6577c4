"""MICA: features of a face to the identity of a FLAME head in true size (Zielonka, Bolkart, Thies 2022).

Networks carry the names of the published checkpoint, so that it loads strictly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from face3d.assets import asset_path, fill, read_torch_file
from face3d.errors import ArgumentError, CorruptAssetError
from face3d.head import HeadModel
from face3d.head.arrays import HeadArrays
from face3d.head.flame import require_flame
from face3d.head.flame_checkpoint import PREFIX, flame_of_generator
from face3d.identity.arcface import FEATURES, arcface_features, fill_arcface
from face3d.identity.arcface_folded import fold_arcface

__all__ = [
    "IDENTITY",
    "MICA_SCALE_SIGMA",
    "MappingNetwork",
    "Mica",
    "flame_difference",
    "mica_for",
    "mica_loss",
    "mica_weights",
    "read_mica",
]

IDENTITY = 300
"""Identity components of FLAME, all of which MICA foretells."""

HIDDEN_LAYERS = 4
SLOPE = 0.2
"""Of the leaky rectifiers between the layers."""

OUTPUT_GAIN = 0.25
"""Factor on the last layer's first weights: training begins near the mean head."""

WEIGHT_ELSEWHERE = 1.0
REGION_WEIGHTS = (
    ("left_eyeball", 0.01),
    ("right_eyeball", 0.01),
    ("left_ear", 0.01),
    ("right_ear", 0.01),
    ("face", 150.0),
)
"""Of the loss, in the order in which MICA writes them: a later region overwrites an earlier one."""

MILLIMETRES = 1000.0

MICA_SCALE_SIGMA = 0.036
"""Relative standard deviation of the size of MICA's heads, an upper estimate from its published errors on NoW.

Wrong size is what alignment with scale takes away: rms_size^2 = rms_metrical^2 - rms_non_metrical^2, over 0.34 mm,
which is how far a face 1 % too large lies from itself after the best rigid alignment (root mean square along the
normals, area by area, on the open head's face: computed).

Reported: MICA's non-metrical errors, 1.11 mm mean and 0.92 mm standard deviation (table in the NeuFace paper), hence
rms 1.44 mm; the average FLAME face's mean, 1.53 mm non-metrical and 1.92 mm metrical (a note that cites MICA's paper);
and that MICA's metrical error is 24 % below the best before it (MICA's abstract).
Assumed, as no source for MICA's own metrical error was found: that the best before it was no worse than the average
face, so that MICA's metrical mean is at most 0.76 x 1.92 = 1.46 mm; and that deviation over mean, 0.83 in the one case
reported, is the same in all, so that the metrical rms is at most 1.90 mm. Wrong size then makes 1.23 mm: 3.6 %.

The same reckoning gives 4.4 % for the average face, which is about how much people's heads differ in size.
"""

FLAME_TOLERANCE = 1e-6
"""Metres. Between two releases of FLAME the template differs by millimetres, between float32 and float64 by 1e-8."""


class MappingNetwork(nn.Module):
    """Unit features to identity coefficients: five linear layers with leaky rectifiers between them.

    Args:
        features: numbers that come in.
        identity: coefficients that go out, and the width of every layer between.
    """

    def __init__(self, features: int = FEATURES, identity: int = IDENTITY) -> None:
        super().__init__()
        widths = [features] + [identity] * HIDDEN_LAYERS
        layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
        self.network = nn.ModuleList(layers)
        self.output = nn.Linear(identity, identity)
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, a=SLOPE, nonlinearity="leaky_relu")
        with torch.no_grad():
            self.output.weight *= OUTPUT_GAIN

    def forward(self, features: Float[Tensor, "B 512"]) -> Float[Tensor, "B 300"]:
        """Identity coefficients, standard deviations of FLAME's components, for features of unit length."""
        for layer in self.network:
            features = nn.functional.leaky_relu(layer(features), SLOPE)
        identity: Tensor = self.output(features)
        return identity


@dataclass(frozen=True, slots=True, eq=False)
class Mica:
    """What `mica.tar` holds.

    Attributes:
        arcface: the features' network, an `IResNet100` as it is read; MICA trained it further, so that it is not
            interchangeable with insightface's own.
        mapping: from features to identity.
        flame: the FLAME model that the identity belongs to; None where it was cut out of the file.
    """

    arcface: nn.Module
    mapping: MappingNetwork
    flame: HeadArrays | None

    def to(self, device: str) -> Mica:
        """The same with its networks on a PyTorch device."""
        return Mica(self.arcface.to(device), self.mapping.to(device), self.flame)

    def folded(self) -> Mica:
        """The same for `identities` alone, which come sooner; see `fold_arcface`."""
        return Mica(fold_arcface(self.arcface), self.mapping, self.flame)

    @torch.inference_mode()
    def identities(self, crops: Sequence[UInt8[np.ndarray, "112 112 3"]]) -> Float[np.ndarray, "B 300"]:
        """Identity coefficients of FLAME, one row per face.

        Args:
            crops: RGB, as `face_crop(image, landmarks, "arcface")` cuts them.
        """
        codes: np.ndarray = self.mapping(arcface_features(self.arcface, crops)).cpu().numpy()
        return codes


def read_mica(path: Path) -> Mica:
    """Read MICA's checkpoint, every part of it strictly and nothing but tensors and numbers.

    Raises:
        CorruptAssetError: the file is missing, damaged, or another system's; the message says which part is wrong.
    """
    content = read_torch_file(path)
    arcface, model = content.get("arcface"), content.get("flameModel")
    if not isinstance(arcface, dict) or not isinstance(model, dict):
        raise CorruptAssetError(_what_it_is(content, path))
    regressor = {name.removeprefix("regressor."): value for name, value in model.items() if not name.startswith(PREFIX)}
    return Mica(
        arcface=fill_arcface(arcface, path),
        mapping=fill(MappingNetwork(), regressor, path, "MICA's mapping network"),
        flame=flame_of_generator(model, path),
    )


def mica_for(model: HeadModel, *, device: str = "cpu") -> tuple[Mica, tuple[str, ...]]:
    """The stored `mica.tar`, and warnings about using its identities on a head.

    Raises:
        ArgumentError: the head is not FLAME, or not the FLAME of that file by its very size.
        MissingAssetError: `mica.tar` has not been added; the message says how.
        CorruptAssetError: it is damaged.
    """
    require_flame(model, "MICA foretells")
    mica = read_mica(asset_path("mica")).to(device).folded()
    if mica.flame is None:
        return mica, ("mica.tar has no FLAME model in it, so nobody knows whether the head is of MICA's release",)
    difference = flame_difference(mica.flame, model)
    if difference is not None and mica.flame.template.shape != model.template.shape:
        raise ArgumentError(difference)
    return mica, () if difference is None else (difference,)


def flame_difference(flame: HeadArrays, model: HeadModel) -> str | None:
    """What tells a head from the FLAME model that MICA's identities belong to; None if nothing does.

    Args:
        flame: of MICA's checkpoint.
        model: the head that is to take the identities.

    Returns:
        A line for people: identities are not interchangeable between releases of FLAME.
    """
    template = model.template.detach().cpu().numpy().astype(np.float64)
    basis = model.identity_basis.detach().cpu().numpy().astype(np.float64)
    if template.shape != flame.template.shape or basis.shape != flame.identity_basis.shape:
        return (
            f"the head has {len(template)} vertices and {len(basis)} identity components, MICA's FLAME "
            f"{len(flame.template)} and {len(flame.identity_basis)}"
        )
    gap = max(np.abs(template - flame.template).max(), np.abs(basis - flame.identity_basis).max())
    if gap <= FLAME_TOLERANCE:
        return None
    return (
        f"the head is another release of FLAME than MICA was trained on (up to {gap * MILLIMETRES:.2g} mm apart), and "
        "identities are not interchangeable: use FLAME 2020, or the head 'mica', which is the one in mica.tar"
    )


def mica_weights(regions: Mapping[str, Int64[Tensor, " R"]], vertices: int) -> Float[Tensor, " V"]:
    """The weight of each vertex in MICA's loss, float64: 150 on the face, 0.01 on eyeballs and ears, 1 elsewhere.

    Args:
        regions: vertex indices by the names of `FLAME_masks.pkl`, as `HeadModel.regions` has them.
        vertices: how many there are.

    Raises:
        ArgumentError: a region is missing.
    """
    missing = [name for name, _ in REGION_WEIGHTS if name not in regions]
    if missing:
        raise ArgumentError(
            f"MICA's loss needs the regions {', '.join(missing)}; put FLAME_masks.pkl beside the FLAME model"
        )
    weights = torch.full((vertices,), WEIGHT_ELSEWHERE, dtype=torch.float64, device=regions["face"].device)
    for name, weight in REGION_WEIGHTS:
        weights[regions[name]] = weight
    return weights


def mica_loss(
    predicted: Float[Tensor, "B V 3"],
    target: Float[Tensor, "B V 3"],
    regions: Mapping[str, Int64[Tensor, " R"]] | None = None,
) -> Float[Tensor, ""]:
    """MICA's training loss: mean absolute difference of coordinates in millimetres, weighted by region.

    Args:
        predicted: vertices in metres, of identity alone.
        target: those of the registered scan's identity; no gradient flows into them.
        regions: as for `mica_weights`; None weighs every vertex alike (MICA's `use_mask: False`).

    Raises:
        ArgumentError: shapes differ, or a region is missing.
    """
    if predicted.shape != target.shape:
        raise ArgumentError(f"predicted is {tuple(predicted.shape)}, target {tuple(target.shape)}")
    difference = (predicted - target.detach()).abs()
    if regions is not None:
        difference = difference * mica_weights(regions, predicted.shape[1]).to(difference)[:, None]
    return difference.mean() * MILLIMETRES


def _what_it_is(content: Mapping[str, Any], path: Path) -> str:
    """Say which checkpoint was given in MICA's place, where its parts tell."""
    known = {
        "E_expression": "SPECTRE's checkpoint, not MICA's: add it as spectre",
        "E_flame": "DECA's checkpoint, not MICA's: add it as deca",
        "conv1.weight": "one network's weights, not MICA's checkpoint: add ArcFace's as arcface",
    }
    what = next((text for part, text in known.items() if part in content), None)
    if what is None:
        missing = [part for part in ("arcface", "flameModel") if not isinstance(content.get(part), dict)]
        shown = ", ".join(list(map(str, content))[:4]) or "nothing"
        what = f"not MICA's whole checkpoint: it lacks {' and '.join(missing)} and holds {shown}"
    return f"{path} is {what}; MICA's is the mica.tar that its install.sh fetches"

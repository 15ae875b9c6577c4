"""DECA's coarse encoder: a 224 x 224 crop of a face to FLAME codes, a camera and light (Feng et al. 2021).

Layers carry the names of `E_flame` in `deca_model.tar` and `spectre_model.tar`, so that both load strictly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from face3d.assets import fill, read_torch_file
from face3d.errors import ArgumentError
from face3d.expression.backbones import in_channels_last, resnet50, unfilled
from face3d.expression.checkpoints import part_of_checkpoint

__all__ = ["CODES", "CROP_SIZE", "CoarseCodes", "CoarseEncoder", "fill_coarse_encoder", "read_deca", "split_codes"]

CROP_SIZE = 224
FEATURES, HIDDEN = 2048, 1024

CODES = (("identity", 100), ("texture", 50), ("expression", 50), ("root", 3), ("jaw", 3), ("camera", 3), ("light", 27))
"""What the encoder's numbers are, in their order (DECA's shape, tex, exp, pose, cam, light)."""

CODE_SIZE = sum(size for _, size in CODES)


@dataclass(frozen=True, slots=True, eq=False)
class CoarseCodes:
    """What DECA says of faces, by name; the leading axes are those of what was split.

    Attributes:
        identity: the first 100 of FLAME's identity components, standard deviations.
        texture: 50 components of the BFM or FLAME texture.
        expression: the first 50 of FLAME's expression components.
        root: rotation of the head, axis-angle.
        jaw: rotation of the jaw, axis-angle.
        camera: s, tx, ty of the weak-perspective camera that sees the crop, see `face3d.camera.weak_perspective`.
        light: nine spherical harmonics, each of red, green and blue.
    """

    identity: Float[Tensor, "*B 100"]
    texture: Float[Tensor, "*B 50"]
    expression: Float[Tensor, "*B 50"]
    root: Float[Tensor, "*B 3"]
    jaw: Float[Tensor, "*B 3"]
    camera: Float[Tensor, "*B 3"]
    light: Float[Tensor, "*B 9 3"]


class CoarseEncoder(nn.Module):
    """The network: RGB crops in [0, 1], as `face_crop(image, landmarks, "spectre")` cuts them, to 236 numbers.

    Colours are not normalised further, neither in DECA nor here.

    Raises:
        DependencyError: torchvision is not installed or does not load.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = resnet50()
        self.layers = nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CODE_SIZE))

    def forward(self, crops: Float[Tensor, "B 3 224 224"]) -> Float[Tensor, "B 236"]:
        """DECA's code of each crop; `split_codes` names its parts.

        Raises:
            ArgumentError: the crops have another shape.
        """
        if crops.ndim != 4 or crops.shape[1:] != (3, CROP_SIZE, CROP_SIZE):
            raise ArgumentError(f"DECA takes crops of (B, 3, {CROP_SIZE}, {CROP_SIZE}), not {tuple(crops.shape)}")
        codes: Tensor = self.layers(self.encoder(crops))
        return codes


def split_codes(codes: Float[Tensor, "*B 236"]) -> CoarseCodes:
    """The parts of DECA's code by name, as views.

    Raises:
        ArgumentError: there are not 236 numbers.
    """
    if codes.shape[-1] != CODE_SIZE:
        raise ArgumentError(f"DECA's code has {CODE_SIZE} numbers, not {codes.shape[-1]}")
    parts = dict(zip((name for name, _ in CODES), codes.split([size for _, size in CODES], dim=-1), strict=True))
    parts["light"] = parts["light"].unflatten(-1, (9, 3))
    return CoarseCodes(**parts)


def read_deca(path: Path) -> CoarseEncoder:
    """DECA's coarse encoder out of `deca_model.tar`, strictly, in evaluation mode.

    Raises:
        CorruptAssetError: the file is missing, damaged, or another system's; the message says what it is.
        DependencyError: torchvision is not installed or does not load.
    """
    content = read_torch_file(path)
    return fill_coarse_encoder(part_of_checkpoint(content, "E_flame", path, "deca"), path)


def fill_coarse_encoder(weights: dict[str, Any], path: Path) -> CoarseEncoder:
    """The encoder with weights of a file that is read already; errors as for `read_deca`."""
    return in_channels_last(fill(unfilled(CoarseEncoder), weights, path, "DECA's coarse encoder (E_flame)"))

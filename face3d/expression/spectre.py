"""SPECTRE: what DECA sees in each frame of a clip, corrected by a network that sees the frames around it.

Filntisis, Retsinas, Paraperas-Papantoniou, Katsamanis, Roussos, Maragos, "Visual Speech-Aware Perceptual 3D Facial
Expression Reconstruction from Videos" (2022). Layers carry the names of `spectre_model.tar`, so that it loads strictly.

The network foretells RESIDUALS: a frame's expression and jaw are DECA's estimate plus them (`ClipEstimate` does the
sum). The rectifier on the residual's first jaw angle lets the mouth open further than DECA has it, never close.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from face3d.assets import asset_path, fill, read_torch_file
from face3d.errors import ArgumentError, InputError
from face3d.expression.backbones import in_channels_last, mobilenet_v2, unfilled
from face3d.expression.checkpoints import part_of_checkpoint
from face3d.expression.chunks import CONTEXT, chunk_plan
from face3d.expression.coarse_encoder import CROP_SIZE, CoarseCodes, CoarseEncoder, fill_coarse_encoder, split_codes
from face3d.head import HeadModel
from face3d.identity.arcface import full_precision

__all__ = [
    "EXPRESSION",
    "FRAME_FEATURES",
    "RESIDUALS",
    "ClipEstimate",
    "ExpressionEncoder",
    "Spectre",
    "TemporalHead",
    "estimate_clip",
    "read_spectre",
    "require_spectre_head",
    "spectre_for",
]

FRAME_FEATURES = 1280
"""MobileNetV2's features of a frame."""

EXPRESSION, JAW = 50, 3
RESIDUALS = EXPRESSION + JAW
WIDTH = 256
"""Of the temporal convolution's result."""

OUTPUT_GAIN = 1e-3
"""Factor on the last layer's first weights and biases: training begins at DECA's estimate, as SPECTRE's did."""

BATCH = 20
"""Frames at a time through the two backbones, on a CPU and on a GPU: 0.6 GB."""


class TemporalHead(nn.Module):
    """From the features of a clip's frames to residuals of expression and jaw.

    A convolution over time sees two frames on either side, and zeros beyond the clip's ends: the first and the last two
    frames are not to be relied on, and no loss looks at them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.temporal, self.layers = _temporal_layers()

    def forward(self, features: Float[Tensor, "B T 1280"]) -> Float[Tensor, "B T 53"]:
        """Residuals: 50 of expression, and the jaw's axis-angle, whose x (opening) is never negative.

        Raises:
            ArgumentError: the features have another shape.
        """
        return _residual(self.temporal, self.layers, features)


class ExpressionEncoder(nn.Module):
    """SPECTRE's `E_expression`, the one network that it trains: a clip's crops to residuals.

    Raises:
        DependencyError: torchvision is not installed or does not load.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = mobilenet_v2()
        # Not a `TemporalHead`, whose name would then come before those of its layers in the checkpoint.
        self.temporal, self.layers = _temporal_layers()

    def frame_features(self, crops: Float[Tensor, "N 3 224 224"]) -> Float[Tensor, "N 1280"]:
        """Features of single frames, RGB in [0, 1]: what `TemporalHead` takes."""
        features: Tensor = self.encoder.get_submodule("features")(crops)
        return features.mean(dim=(2, 3))

    def residual(self, features: Float[Tensor, "B T 1280"]) -> Float[Tensor, "B T 53"]:
        """Residuals of clips whose frames' features are there already, as `TemporalHead` gives them."""
        return _residual(self.temporal, self.layers, features)

    def forward(self, clips: Float[Tensor, "B T 3 224 224"]) -> Float[Tensor, "B T 53"]:
        """Residuals of whole clips; see `TemporalHead.forward`.

        Raises:
            ArgumentError: the clips have another shape; a batch of frames without a time axis is one of those.
        """
        if clips.ndim != 5 or clips.shape[2:] != (3, CROP_SIZE, CROP_SIZE):
            raise ArgumentError(f"SPECTRE takes clips of (B, T, 3, {CROP_SIZE}, {CROP_SIZE}), not {tuple(clips.shape)}")
        return self.residual(self.frame_features(clips.flatten(0, 1)).unflatten(0, clips.shape[:2]))


def _temporal_layers() -> tuple[nn.Sequential, nn.Sequential]:
    convolution = nn.Conv1d(FRAME_FEATURES, WIDTH, 2 * CONTEXT + 1, padding=CONTEXT)
    last = nn.Linear(WIDTH, RESIDUALS)
    with torch.no_grad():
        last.weight.mul_(OUTPUT_GAIN)
        last.bias.mul_(OUTPUT_GAIN)
    return nn.Sequential(convolution, nn.BatchNorm1d(WIDTH), nn.ReLU()), nn.Sequential(last)


def _residual(
    temporal: nn.Sequential, layers: nn.Sequential, features: Float[Tensor, "B T 1280"]
) -> Float[Tensor, "B T 53"]:
    if features.ndim != 3 or features.shape[2] != FRAME_FEATURES:
        raise ArgumentError(f"SPECTRE's head takes features of (B, T, {FRAME_FEATURES}), not {tuple(features.shape)}")
    residual = layers(temporal(features.mT).mT)
    opening = torch.relu(residual[..., EXPRESSION : EXPRESSION + 1])
    return torch.cat([residual[..., :EXPRESSION], opening, residual[..., EXPRESSION + 1 :]], dim=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Spectre:
    """What `spectre_model.tar` holds, both networks in evaluation mode.

    Attributes:
        coarse: DECA's encoder, which SPECTRE leaves as it is.
        expression: what it adds.
    """

    coarse: CoarseEncoder
    expression: ExpressionEncoder

    def to(self, device: str) -> Spectre:
        """The same on a PyTorch device."""
        return Spectre(self.coarse.to(device), self.expression.to(device))


@dataclass(frozen=True, slots=True, eq=False)
class ClipEstimate:
    """What SPECTRE says of a clip of T frames, on the CPU.

    Attributes:
        coarse: DECA's codes of each frame.
        residual: (T, 53) what is added to DECA's expression and jaw.
    """

    coarse: CoarseCodes
    residual: Float[Tensor, "T 53"]

    @property
    def expression(self) -> Float[Tensor, "T 50"]:
        """Expression components: DECA's and the residual."""
        return self.coarse.expression + self.residual[:, :EXPRESSION]

    @property
    def jaw(self) -> Float[Tensor, "T 3"]:
        """Axis-angle of the jaw: DECA's and the residual, added as numbers."""
        return self.coarse.jaw + self.residual[:, EXPRESSION:]


def read_spectre(path: Path) -> Spectre:
    """Read SPECTRE's checkpoint, own layout or Lightning's, both networks strictly and nothing but tensors and numbers.

    Raises:
        CorruptAssetError: the file is missing, damaged, or another system's; the message says which part is wrong.
        DependencyError: torchvision is not installed or does not load.
    """
    content = read_torch_file(path)
    expression = part_of_checkpoint(content, "E_expression", path, "spectre")
    coarse = part_of_checkpoint(content, "E_flame", path, "spectre")
    encoder = fill(unfilled(ExpressionEncoder), expression, path, "SPECTRE's expression encoder (E_expression)")
    return Spectre(fill_coarse_encoder(coarse, path), in_channels_last(encoder))


def require_spectre_head(model: HeadModel) -> None:
    """Raise `ArgumentError` unless a head takes what SPECTRE foretells: FLAME's expressions."""
    if model.name != "flame" or model.expression_size < EXPRESSION:
        raise ArgumentError(
            f"SPECTRE foretells expressions of FLAME, and the head {model.name!r} has others; choose --head flame, or "
            "--expression fit"
        )


def spectre_for(model: HeadModel, *, device: str = "cpu") -> Spectre:
    """The stored `spectre_model.tar`, for a head that takes what it foretells.

    Raises:
        ArgumentError: the head is not FLAME.
        MissingAssetError: the file has not been added; the message says how.
        CorruptAssetError: it is damaged.
        DependencyError: torchvision is not installed or does not load.
    """
    require_spectre_head(model)
    return read_spectre(asset_path("spectre")).to(device)


@torch.inference_mode()
def estimate_clip(
    spectre: Spectre,
    crops: Iterable[Float32[np.ndarray, "224 224 3"]],
    n_frames: int,
    *,
    length: int = 50,
    overlap: int = 2 * CONTEXT,
) -> ClipEstimate:
    """SPECTRE's estimate for each frame of a clip, of any length in the same memory.

    As in SPECTRE's demo, two copies of the first and of the last frame stand beyond the clip's ends, so that its own
    frames all have neighbours. Frames are drawn from `crops` as they are needed and seen by the backbones once each.

    Args:
        spectre: as `read_spectre` gives it.
        crops: RGB in [0, 1], in order, as `face_crop(image, landmarks, "spectre")` cuts them.
        n_frames: how many there are.
        length: frames per chunk, see `chunk_plan`.
        overlap: frames that chunks share.

    Raises:
        InputError: there is no frame, or `crops` ends early.
        ArgumentError: a crop has another shape or type, or chunks of that length and overlap cannot be made.
    """
    if n_frames < 1:
        raise InputError("a clip without frames has no expression")
    encoded = _encoded(spectre, crops, n_frames)
    codes: list[Tensor] = []
    residuals: list[Tensor] = []
    window = torch.empty(0, FRAME_FEATURES)
    seen = 0
    for chunk in chunk_plan(n_frames + 2 * CONTEXT, length, overlap):
        window = window[window.shape[0] - (seen - chunk.start) :]
        while seen < chunk.end:
            code, features = next(encoded)
            if code is not None:
                codes.append(code)
            window = torch.cat([window.to(features), features])
            seen += len(features)
        # Batches do not end where chunks do: what was seen beyond this one's end waits for the next.
        inside = window[: chunk.end - chunk.start]
        with full_precision(window.device):
            residual = spectre.expression.residual(inside[None])[0]
        residuals.append(residual[chunk.keep_start - chunk.start : chunk.keep_end - chunk.start].cpu())
    return ClipEstimate(split_codes(torch.cat(codes)), torch.cat(residuals)[CONTEXT : CONTEXT + n_frames].contiguous())


def _encoded(
    spectre: Spectre, crops: Iterable[Float32[np.ndarray, "224 224 3"]], n_frames: int
) -> Iterator[tuple[Float[Tensor, "n 236"] | None, Float[Tensor, "n 1280"]]]:
    """DECA's codes and the features of some frames at a time; None for the copies beyond the clip's ends."""
    place = next(spectre.coarse.parameters()).device
    supply = iter(crops)
    last = torch.empty(0)
    for start in range(0, n_frames, BATCH):
        taken = list(islice(supply, min(BATCH, n_frames - start)))
        if len(taken) < min(BATCH, n_frames - start):
            raise InputError(f"the clip ends after {start + len(taken)} frames of {n_frames}")
        pixels = _pixels(taken).to(place)
        with full_precision(place):
            features = spectre.expression.frame_features(pixels)
            codes = spectre.coarse(pixels).cpu()
        if start == 0:
            yield None, features[:1].expand(CONTEXT, -1)
        yield codes, features
        last = features[-1:]
    yield None, last.expand(CONTEXT, -1)


def _pixels(crops: list[Float32[np.ndarray, "224 224 3"]]) -> Float[Tensor, "n 3 224 224"]:
    for crop in crops:
        if crop.shape != (CROP_SIZE, CROP_SIZE, 3) or crop.dtype != np.float32:
            raise ArgumentError(
                f"a SPECTRE crop is float32 of ({CROP_SIZE}, {CROP_SIZE}, 3), not {crop.dtype} of {crop.shape}"
            )
    # A permuted view of (B, H, W, C) is channels-last memory as it is.
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)

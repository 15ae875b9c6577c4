"""ArcFace's IResNet-100: 512 numbers that tell people apart (Deng et al. 2019; trained on Glint360K by insightface).

Layers carry the names of insightface's `backbone.pth`, so that it and MICA's copy load strictly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from face3d.assets import fill, read_torch_file
from face3d.errors import ArgumentError, CorruptAssetError, DependencyError

__all__ = ["FEATURES", "IResNet100", "ResidualBlock", "arcface_features", "arcface_input", "load_arcface"]

FEATURES = 512
"""Numbers per face."""

CROP_SIZE = 112
CONTRAST = 127.5
"""Grey levels of 0 to 255 become -1 to 1: (x - 127.5) / 127.5, as insightface feeds this network."""

STAGES = ((64, 3), (128, 13), (256, 30), (512, 3))
"""Width and number of blocks of each stage."""

BATCH = 32
"""Faces at a time: more gain nothing on a CPU, and 32 need half a gigabyte."""


class IResNet100(nn.Module):
    """The network: aligned crops in, raw features out (normalise them to compare faces: `arcface_features` does)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STAGES[0][0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STAGES[0][0])
        self.prelu = nn.PReLU(STAGES[0][0])
        width = STAGES[0][0]
        for number, (out, blocks) in enumerate(STAGES, start=1):
            further = (ResidualBlock(out, out, stride=1) for _ in range(blocks - 1))
            self.add_module(f"layer{number}", nn.Sequential(ResidualBlock(width, out, stride=2), *further))
            width = out
        self.bn2 = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width * (CROP_SIZE // 2 ** len(STAGES)) ** 2, FEATURES)
        self.features = nn.BatchNorm1d(FEATURES)
        self.features.weight.requires_grad_(False)

    def forward(self, crops: Float[Tensor, "B 3 112 112"]) -> Float[Tensor, "B 512"]:
        """Raw features of crops as `arcface_input` makes them.

        Raises:
            ArgumentError: the crops have another shape.
        """
        if crops.ndim != 4 or crops.shape[1:] != (3, CROP_SIZE, CROP_SIZE):
            raise ArgumentError(f"ArcFace takes crops of (B, 3, {CROP_SIZE}, {CROP_SIZE}), not {tuple(crops.shape)}")
        x = self.prelu(self.bn1(self.conv1(crops)))
        for number in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        features: Tensor = self.features(self.fc(self.bn2(x).flatten(1)))
        return features


class ResidualBlock(nn.Module):
    """A residual block with its stride on the second convolution and nothing after the sum."""

    def __init__(self, width: int, out: int, *, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.prelu = nn.PReLU(out)
        self.conv2 = nn.Conv2d(out, out, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        # The first block of every stage halves the image, the first stage's too.
        self.downsample = (
            nn.Sequential(nn.Conv2d(width, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
            if stride != 1
            else None
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The block's output."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x)))))
        summed: Tensor = self.bn3(x) + shortcut
        return summed


class _OnnxNetwork(nn.Module):
    """The same network as an ONNX file, run by onnxruntime on the CPU; it has no gradient."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session = session
        self._input = session.get_inputs()[0].name
        self._fixed = session.get_inputs()[0].shape[0] == 1

    def forward(self, crops: Float[Tensor, "B 3 112 112"]) -> Float[Tensor, "B 512"]:
        """Raw features, on the crops' device."""
        pixels = crops.detach().cpu().contiguous().numpy()
        # A file that was exported for one face takes them one by one.
        parts = [pixels[i : i + 1] for i in range(len(pixels))] if self._fixed else [pixels]
        features = [self._session.run(None, {self._input: part})[0] for part in parts]
        return torch.from_numpy(np.concatenate(features)).to(crops.device)


def load_arcface(path: Path, *, device: str = "cpu") -> nn.Module:
    """ArcFace's network with a file's weights, in evaluation mode: takes and gives what `IResNet100` does.

    Args:
        path: insightface's `backbone.pth`, `mica.tar` (its `arcface` part), or an ONNX file of the network.
        device: PyTorch device; an ONNX file runs on the CPU.

    Raises:
        CorruptAssetError: the file is missing, damaged, or another network's.
        DependencyError: an ONNX file is given and onnxruntime is not installed.
    """
    if path.suffix.lower() == ".onnx":
        return _OnnxNetwork(_open_session(path))
    content = read_torch_file(path)
    inner = content.get("arcface")
    return fill_arcface(inner if isinstance(inner, dict) else content, path).to(device)


def fill_arcface(weights: dict[str, Any], path: Path) -> IResNet100:
    """The network with weights of a file that is read already; errors as for `load_arcface`."""
    # Drawing 65 million random numbers only to overwrite them would take longer than reading the file.
    with torch.device("meta"):
        network = IResNet100()
    network.to_empty(device="cpu")
    filled = fill(network, weights, path, "ArcFace's IResNet-100")
    return filled.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def arcface_input(crops: Sequence[UInt8[np.ndarray, "112 112 3"]]) -> Float[Tensor, "B 3 112 112"]:
    """What the network takes, from RGB crops as `face_crop(image, landmarks, "arcface")` cuts them; channels last.

    Raises:
        ArgumentError: a crop has another shape or type.
    """
    for crop in crops:
        if crop.shape != (CROP_SIZE, CROP_SIZE, 3) or crop.dtype != np.uint8:
            raise ArgumentError(f"an ArcFace crop is uint8 of (112, 112, 3), not {crop.dtype} of {crop.shape}")
    pixels = torch.from_numpy(np.stack(crops)) if len(crops) else torch.empty(0, CROP_SIZE, CROP_SIZE, 3)
    # A permuted view of (B, H, W, C) is channels-last memory as it is.
    return ((pixels.to(torch.float32) - CONTRAST) / CONTRAST).permute(0, 3, 1, 2)


@torch.inference_mode()
def arcface_features(
    network: nn.Module, crops: Sequence[UInt8[np.ndarray, "112 112 3"]], *, batch_size: int = BATCH
) -> Float[Tensor, "B 512"]:
    """Features of unit length, whose inner products say how alike faces are.

    Args:
        network: as `load_arcface` gives it, best through `fold_arcface`; or an `IResNet100` in evaluation mode.
        crops: RGB, as for `arcface_input`.
        batch_size: faces at a time.

    Returns:
        On the network's device.
    """
    place = next(network.parameters(), torch.empty(0)).device
    batches = [crops[start : start + batch_size] for start in range(0, len(crops), batch_size)]
    with full_precision(place):
        features = [network(arcface_input(batch).to(place)) for batch in batches]
    return nn.functional.normalize(torch.cat(features)) if features else torch.empty(0, FEATURES, device=place)


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Convolve in float32 on GPUs too: TF32, PyTorch's default there, errs by a thousandth over a hundred layers."""
    convolution = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = convolution.fp32_precision
    if device.type == "cuda":
        convolution.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolution.fp32_precision = before


def _open_session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise DependencyError(f"{path} needs onnxruntime ({error}); run `pip install 'face3d[onnx]'`") from error
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of its own for each thing that can be wrong with a file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CorruptAssetError(f"{path} cannot be read as an ONNX model: {reason[:160]}") from error
    given, made = (ends[0].shape for ends in (session.get_inputs(), session.get_outputs()))
    if list(given[1:]) != [3, CROP_SIZE, CROP_SIZE] or list(made[1:]) != [FEATURES]:
        raise CorruptAssetError(
            f"{path} is not ArcFace's network: it takes {list(given)} and gives {list(made)}, not "
            f"(B, 3, {CROP_SIZE}, {CROP_SIZE}) and (B, {FEATURES})"
        )
    return session

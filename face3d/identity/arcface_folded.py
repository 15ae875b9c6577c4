"""ArcFace's network for features on a CPU: the same numbers from fewer steps.

Normalisations become part of the convolutions, and weights lie in memory as oneDNN wants them, where PyTorch would lay
out all 65 million anew for each call: for one face a quarter of the time.

A block begins with a normalisation, scale x + shift, whose result is then padded with zeros, so that its shift cannot
simply go into the bias of the convolution behind the padding. Here the values that go from block to block are
x + shift / scale instead: zeros around them are the same zeros, and as every block adds to what came in, what the next
block wants instead of this one goes into the bias of the convolution before the sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor, nn

from face3d.identity.arcface import CROP_SIZE, FEATURES, IResNet100, ResidualBlock

__all__ = ["FoldedArcFace", "fold_arcface"]

LARGEST_SHIFT = 30.0
"""Of what is added to values, relative to their root mean square: costs five of float32's 24 bits."""


def fold_arcface(network: nn.Module) -> nn.Module:
    """The fastest form of a network for features: within 1e-5 of the same, without gradients, and fixed to the CPU.

    Args:
        network: as `load_arcface` gives it. It stays as it is and shares nothing with the result.

    Returns:
        For `arcface_features`. A network on a GPU, or of an ONNX file, or where PyTorch was built without oneDNN, comes
        back itself.
    """
    if not isinstance(network, IResNet100) or network.conv1.weight.device.type != "cpu" or not _onednn_fuses():
        return network
    return FoldedArcFace(network)


@dataclass(frozen=True, slots=True, eq=False)
class _Convolution:
    """A convolution whose weights are a tensor in oneDNN's own layout."""

    weight: Tensor
    bias: Float32[Tensor, " D"]
    stride: tuple[int, int]
    padding: tuple[int, int]

    def __call__(self, x: Float32[Tensor, "B C H W"]) -> Float32[Tensor, "B D h w"]:
        place = (self.padding, self.stride, (1, 1), 1)
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(x, self.weight, self.bias, *place, "none", [], "")
        return result

    def add_to(self, total: Float32[Tensor, "B D h w"], x: Float32[Tensor, "B C H W"]) -> Float32[Tensor, "B D h w"]:
        """Add the result to a tensor, in place."""
        place = (self.padding, self.stride, (1, 1), 1)
        add = torch.ops.mkldnn._convolution_pointwise_.binary
        result: Tensor = add(total, x, self.weight, self.bias, *place, "add", 1.0, None, [], None)
        return result


@dataclass(frozen=True, slots=True, eq=False)
class _FoldedBlock:
    """A residual block; `affine` is its first normalisation, scale and shift, where that did not fold."""

    affine: tuple[Float32[Tensor, "C 1 1"], Float32[Tensor, "C 1 1"]] | None
    first: _Convolution
    slopes: Float32[Tensor, " D"]
    second: _Convolution
    downsample: _Convolution | None

    def __call__(self, x: Float32[Tensor, "B C H W"]) -> Float32[Tensor, "B D h w"]:
        """The block's output, which may lie where its input lay."""
        normalised = x if self.affine is None else torch.addcmul(self.affine[1], x, self.affine[0])
        inner = torch.prelu(self.first(normalised), self.slopes)
        return self.second.add_to(x if self.downsample is None else self.downsample(x), inner)


class FoldedArcFace(nn.Module):
    """Takes and gives what the `IResNet100` does from which it is made; has no parameters to train or to move."""

    def __init__(self, network: IResNet100) -> None:
        super().__init__()
        blocks = [block for block in network.modules() if isinstance(block, ResidualBlock)]
        offsets = [_offset(block.bn1) for block in blocks]
        side = CROP_SIZE
        scale, shift = _affine(network.bn1)
        self._first = _pack(network.conv1, side, scale, shift)
        self._slopes = network.prelu.weight.detach().clone()
        self._offset = None if offsets[0] is None else offsets[0].float()[:, None, None]
        self._blocks = []
        for block, offset, following in zip(blocks, offsets, [*offsets[1:], None], strict=True):
            self._blocks.append(_fold_block(block, side, offset, following))
            side //= block.conv2.stride[0]
        self._weight, self._bias = _fold_head(network, side)

    @torch.no_grad()
    def forward(self, crops: Float[Tensor, "B 3 112 112"]) -> Float[Tensor, "B 512"]:
        """Raw features of crops as `arcface_input` makes them."""
        x = torch.prelu(self._first(crops.contiguous(memory_format=torch.channels_last)), self._slopes)
        if self._offset is not None:
            x += self._offset
        for block in self._blocks:
            x = block(x)
        return torch.addmm(self._bias, x.permute(0, 2, 3, 1).flatten(1), self._weight)


def _onednn_fuses() -> bool:
    """Whether this PyTorch has oneDNN and the two operators that its own compiler calls, as they are called here."""
    if not torch.backends.mkldnn.is_available():
        return False
    try:
        layer = _pack(nn.Conv2d(16, 16, 1), 1, torch.ones(16), torch.zeros(16))
        layer.add_to(layer(torch.zeros(1, 16, 1, 1)), torch.zeros(1, 16, 1, 1))
    except (AttributeError, RuntimeError, TypeError):
        return False
    return True


def _affine(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Float64[Tensor, " C"], Float64[Tensor, " C"]]:
    """A normalisation in evaluation as scale and shift."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale, norm.bias.detach().double() - norm.running_mean.double() * scale


def _offset(norm: nn.BatchNorm2d) -> Float64[Tensor, " C"] | None:
    """shift / scale; None where it is so large, for a channel of next to no scale, that values would drown in it."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale, shift = _affine(norm)
    offset = shift / scale
    usual = (norm.running_mean.double() ** 2 + norm.running_var.double()).sqrt()
    return offset if bool((offset.abs() <= LARGEST_SHIFT * usual).all()) else None


def _fold_block(
    block: ResidualBlock, side: int, offset: Float64[Tensor, " C"] | None, following: Float64[Tensor, " D"] | None
) -> _FoldedBlock:
    """Fold a block.

    Args:
        block: in evaluation mode.
        side: of the image that comes in.
        offset: what has been added to the values that come in; None for nothing.
        following: what is to be added to those that go out.
    """
    before = torch.zeros(block.conv1.in_channels, dtype=torch.float64) if offset is None else offset
    after = torch.zeros(block.conv2.out_channels, dtype=torch.float64) if following is None else following
    scale, shift = _affine(block.bn1)
    affine = None if offset is not None else (scale.float()[:, None, None], shift.float()[:, None, None])
    gain, bias = _affine(block.bn3)
    downsample = None
    if block.downsample is None:
        bias = bias + after - before
    else:
        convolution, norm = block.downsample
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        ratio, constant = _affine(norm)
        constant = constant - ratio * (convolution.weight.detach().double().flatten(1) @ before)
        downsample = _pack(convolution, side, ratio, constant)
        bias = bias + after
    return _FoldedBlock(
        affine=affine,
        first=_pack(block.conv1, side, *_affine(block.bn2), None if offset is None else scale),
        slopes=block.prelu.weight.detach().clone(),
        second=_pack(block.conv2, side, gain, bias),
        downsample=downsample,
    )


def _pack(
    convolution: nn.Conv2d,
    side: int,
    scale: Float[Tensor, " D"],
    bias: Float[Tensor, " D"],
    inner: Float[Tensor, " C"] | None = None,
) -> _Convolution:
    """A convolution of inner x, its result times scale plus bias, laid out for images of a side, one at a time."""
    weight = convolution.weight.detach() * scale.float()[:, None, None, None]
    if inner is not None:
        weight = weight * inner.float()[:, None, None]
    assert not isinstance(convolution.padding, str)
    stride = convolution.stride[0], convolution.stride[1]
    padding = convolution.padding[0], convolution.padding[1]
    # Laid out for one image, the weights serve more of them as fast.
    packed = torch.ops.aten.mkldnn_reorder_conv2d_weight(
        weight.contiguous().to_mkldnn(), padding, stride, (1, 1), 1, [1, convolution.in_channels, side, side]
    )
    return _Convolution(packed, bias.float(), stride, padding)


def _fold_head(network: IResNet100, side: int) -> tuple[Float32[Tensor, "P 512"], Float32[Tensor, " 512"]]:
    """The last three layers as one, for values whose channels lie last."""
    scale, shift = _affine(network.bn2)
    gain, offset = _affine(network.features)
    weight = network.fc.weight.detach().view(FEATURES, len(scale), side, side)
    bias = network.fc.bias.detach().double() + weight.sum(dim=(2, 3), dtype=torch.float64) @ shift
    weight = weight * (gain[:, None] * scale).float()[:, :, None, None]
    return weight.permute(0, 2, 3, 1).flatten(1).t(), (gain * bias + offset).float()

"""MobileFaceNet (Chen et al. 2018): 192 numbers that tell people apart, from a 112 x 112 crop.

The network is the one of `MobileFaceNet.tflite`, whose step order is fixed here and checked against the file's while
its weights are taken over. There, batches are of two; here of any size.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from face3d.errors import CorruptAssetError, InputError
from face3d.identity.tflite_file import TFLiteGraph, TFLiteOperator, read_tflite

__all__ = ["CROP_SIZE", "DESCRIPTION", "FEATURES", "MobileFaceNet", "MobileFaceNetEncoder", "load_mobilefacenet"]

CROP_SIZE = 112
FEATURES = 192
DESCRIPTION = 512
"""Numbers before the last two layers, which are linear and keep of them what tells people apart."""
CPU_BATCH = 2
"""Crops that go through at once on a CPU; with more, a layer's values leave its caches and each crop takes longer."""
BATCH = 64
"""The same elsewhere."""

BOTTLENECKS = (
    (64, 128, 64, 2),
    *[(64, 128, 64, 1)] * 4,
    (64, 256, 128, 2),
    *[(128, 256, 128, 1)] * 6,
    (128, 512, 128, 2),
    *[(128, 256, 128, 1)] * 2,
)
"""Channels in, between and out, and the stride; Chen et al. 2018, table 1, with the file's narrower fourth stage."""


class MobileFaceNet(nn.Module):
    """The network, its batch normalisations folded into the convolutions as in the file.

    Maps RGB as (x - 127.5) / 128, (B, 3, 112, 112), to features (B, 192) of any length.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            _convolution(3, 64, 3, stride=2), nn.PReLU(64), _depthwise(64, 3), nn.PReLU(64), _convolution(64, 64, 1)
        )
        self.bottlenecks = nn.Sequential(*(Bottleneck(*row) for row in BOTTLENECKS))
        self.head = nn.Sequential(
            _convolution(128, 512, 1),
            nn.PReLU(512),
            _depthwise(512, 7, padded=False),
            _convolution(512, 512, 1),
            _convolution(512, FEATURES, 1),
        )

    def forward(self, crops: Float[Tensor, "B 3 112 112"]) -> Float[Tensor, "B 192"]:
        """Features of normalised crops, not of unit length."""
        features: Tensor = self.head(self.bottlenecks(self.stem(crops)))
        return features.flatten(1)

    def describe(self, crops: Float[Tensor, "B 3 112 112"]) -> Float[Tensor, "B 512"]:
        """What the last two, linear layers make features of."""
        pooled: Tensor = self.head[:3](self.bottlenecks(self.stem(crops)))
        return pooled.flatten(1)


class Bottleneck(nn.Module):
    """Widen, look around, narrow; where nothing changes in size, what came in is added."""

    def __init__(self, channels: int, wide: int, out: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _convolution(channels, wide, 1),
            nn.PReLU(wide),
            _depthwise(wide, 3, stride=stride),
            nn.PReLU(wide),
            _convolution(wide, out, 1),
        )
        self.skips = stride == 1 and channels == out

    def forward(self, values: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H2 W2"]:
        """The next layer's values."""
        changed: Tensor = self.layers(values)
        return changed + values if self.skips else changed


class Convolution(nn.Conv2d):
    """A convolution that goes through oneDNN on a CPU.

    PyTorch's own choice on one thread is a path that takes about 1.5 times as long for this network.
    """

    def forward(self, values: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H2 W2"]:
        """The next layer's values."""
        onednn = torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled
        if values.device.type != "cpu" or not onednn:
            return super().forward(values)
        assert isinstance(self.padding, tuple)
        return torch.mkldnn_convolution(
            values, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups
        )


def _convolution(channels: int, out: int, size: int, *, stride: int = 1) -> nn.Module:
    return _padded(Convolution(channels, out, size, stride))


def _depthwise(channels: int, size: int, *, stride: int = 1, padded: bool = True) -> nn.Module:
    layer = Convolution(channels, channels, size, stride, groups=channels)
    return _padded(layer) if padded else layer


def _padded(layer: Convolution) -> nn.Module:
    """TensorFlow's padding SAME for the sides that occur here, which are even where the stride is two.

    Stride 2 on an even side lacks one row for a 3 x 3 kernel; TensorFlow puts it behind, PyTorch would put it in front.
    """
    size, stride = layer.kernel_size[0], layer.stride[0]
    if size == 1:
        return layer
    if stride == 2:
        return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), layer)
    layer.padding = (size // 2, size // 2)
    return layer


def load_mobilefacenet(path: Path) -> MobileFaceNet:
    """The network with the weights of a file, in evaluation mode on the CPU.

    Raises:
        CorruptAssetError: the file is missing, damaged, or another network's.
    """
    network = MobileFaceNet()
    try:
        _fill(network, read_tflite(path))
    except _OtherNetwork as error:
        raise CorruptAssetError(f"{path} does not hold MobileFaceNet: {error}") from error
    return network.eval().requires_grad_(False)


class _OtherNetwork(Exception):
    """The graph is not this network; the message says where they part."""


def _fill(network: MobileFaceNet, graph: TFLiteGraph) -> None:
    walk = _Walk(graph)
    walk.take_all(network.stem)
    for bottleneck in network.bottlenecks:
        assert isinstance(bottleneck, Bottleneck)
        before = walk.at
        walk.take_all(bottleneck.layers)
        if bottleneck.skips:
            walk.take_sum(walk.at, before)
    walk.take_all(network.head)
    walk.take("reshape", walk.at)
    walk.finish()


class _Walk:
    """Follows a graph step by step and fills the layers that its steps are.

    Attributes:
        at: the tensor that the last step computed.
    """

    def __init__(self, graph: TFLiteGraph) -> None:
        if len(graph.inputs) != 1 or graph.tensors[graph.inputs[0]].shape[1:] != (CROP_SIZE, CROP_SIZE, 3):
            raise _OtherNetwork(f"it does not take one batch of {CROP_SIZE} x {CROP_SIZE} RGB crops")
        self.at = graph.inputs[0]
        self._graph = graph
        self._next = 0

    def take_all(self, layers: nn.Module) -> None:
        """Fill the convolutions and PReLUs of a sequence, in order."""
        for layer in layers.modules():
            if isinstance(layer, nn.Conv2d):
                self._take_convolution(layer)
            elif isinstance(layer, nn.PReLU):
                self._take_prelu(layer)

    def take_sum(self, first: int, second: int) -> None:
        """A step that adds two computed tensors."""
        self.take("add", first, second, activation="none")

    def take(self, kind: str, *inputs: int, **options: int | str) -> TFLiteOperator:
        """The next step, which must be of that kind and have these inputs first, in either order, and these options.

        Raises:
            _OtherNetwork: it is another.
        """
        if self._next >= len(self._graph.operators):
            raise _OtherNetwork(f"it ends after {self._next} steps")
        step = self._graph.operators[self._next]
        if step.kind != kind or set(step.inputs[: len(inputs)]) != set(inputs) or len(step.outputs) != 1:
            raise _OtherNetwork(f"step {self._next} is {step.kind} of {step.inputs}, not {kind} of {inputs}")
        for name, value in options.items():
            if step.options[name] != value:
                raise _OtherNetwork(f"step {self._next}, {kind}, has {name} {step.options[name]}, not {value}")
        self._next += 1
        self.at = step.outputs[0]
        return step

    def finish(self) -> None:
        """Make sure that the last step gives the output.

        Raises:
            _OtherNetwork: there are further steps or outputs.
        """
        if self._next != len(self._graph.operators) or self._graph.outputs != (self.at,):
            raise _OtherNetwork(f"it goes on after {self._next} steps")

    def _take_convolution(self, layer: nn.Conv2d) -> None:
        stride = layer.stride[0]
        options: dict[str, int | str] = {
            "stride_x": stride,
            "stride_y": stride,
            "dilation_x": 1,
            "dilation_y": 1,
            "activation": "none",
        }
        if layer.kernel_size[0] == 3:
            options["padding"] = "same"
        elif layer.kernel_size[0] > 1:
            options["padding"] = "valid"
        if layer.groups > 1:
            step = self.take("depthwise_conv", self.at, multiplier=1, **options)
            order = (3, 0, 1, 2)
        else:
            step = self.take("conv", self.at, **options)
            order = (0, 3, 1, 2)
        if len(step.inputs) != 3 or layer.bias is None:
            raise _OtherNetwork(f"a {step.kind} has {len(step.inputs)} inputs, not values, weights and bias")
        _, weights, bias = step.inputs
        self._copy(layer.weight, weights, order)
        self._copy(layer.bias, bias, (0,))

    def _take_prelu(self, layer: nn.PReLU) -> None:
        """relu(x) + a (x - |x|), as TensorFlow 1 wrote it with slopes 2 a."""
        values = self.at
        positive = self.take("relu", values).outputs[0]
        size = self.take("abs", values).outputs[0]
        step = self.take("sub", values, size, activation="none")
        if step.inputs != (values, size):
            raise _OtherNetwork(f"step {self._next - 1} subtracts the other way round")
        doubled = self.at
        following = self._graph.operators[self._next : self._next + 1]
        slopes = [number for step in following for number in step.inputs if number != doubled]
        if len(slopes) != 1:
            raise _OtherNetwork(f"step {self._next} does not take slopes")
        self.take("mul", doubled, slopes[0], activation="none")
        self._copy(layer.weight, slopes[0], (0,), factor=2.0)
        self.take_sum(positive, self.at)

    def _copy(self, parameter: Tensor, number: int, order: tuple[int, ...], *, factor: float = 1.0) -> None:
        tensor = self._graph.tensors[number] if number >= 0 else None
        if tensor is None or tensor.values is None or tensor.values.dtype != np.float32:
            raise _OtherNetwork(f"step {self._next - 1} has no constant where its weights should be")
        if tensor.values.ndim != len(order) or tensor.values.transpose(order).shape != tuple(parameter.shape):
            raise _OtherNetwork(f"{tensor.name} is {tensor.shape}, which does not fit {tuple(parameter.shape)}")
        if not np.isfinite(tensor.values).all():
            raise _OtherNetwork(f"{tensor.name} holds values that are not finite")
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(tensor.values.transpose(order) * np.float32(factor)))


class MobileFaceNetEncoder:
    """MobileFaceNet as a `face3d.identity.FaceEncoder`."""

    name = "mobilefacenet"
    features = FEATURES

    def __init__(self, weights: Path, *, device: str = "cpu") -> None:
        """Load the network.

        Args:
            weights: MobileFaceNet.tflite.
            device: PyTorch device.

        Raises:
            CorruptAssetError: the file is missing, damaged, or another network's.
        """
        self._network = load_mobilefacenet(weights).to(device)
        self._device = torch.device(device)

    def encode(self, crops: UInt8[np.ndarray, "B 112 112 3"]) -> Float32[np.ndarray, "B 192"]:
        """Features of ArcFace crops (`face3d.landmarks.face_crop`), each of unit length.

        Args:
            crops: RGB.

        Returns:
            One row per crop, in their order.

        Raises:
            InputError: another shape or type.
        """
        return self._through(crops, lambda values: nn.functional.normalize(self._network(values), dim=1), FEATURES)

    def describe(self, crops: UInt8[np.ndarray, "B 112 112 3"]) -> Float32[np.ndarray, "B 512"]:
        """The features' richer origin, of any length: it also knows of the shape of a face.

        Arguments, order and errors as of `encode`.
        """
        return self._through(crops, self._network.describe, DESCRIPTION)

    def _through(
        self, crops: UInt8[np.ndarray, "B 112 112 3"], network: Callable[[Tensor], Tensor], size: int
    ) -> Float32[np.ndarray, "B D"]:
        crops = np.asarray(crops)
        if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (CROP_SIZE, CROP_SIZE, 3):
            raise InputError(
                f"MobileFaceNet takes uint8 crops (B, {CROP_SIZE}, {CROP_SIZE}, 3), not {crops.dtype} {crops.shape}"
            )
        features = [np.empty((0, size), dtype=np.float32)]
        batch = CPU_BATCH if self._device.type == "cpu" else BATCH
        with torch.inference_mode():
            for start in range(0, len(crops), batch):
                chunk = torch.from_numpy(np.ascontiguousarray(crops[start : start + batch])).to(self._device)
                # Channels stay last in memory, which is the faster layout on a CPU for these narrow convolutions.
                values = network((chunk.permute(0, 3, 1, 2).float() - 127.5) / 128)
                features.append(values.cpu().numpy())
        return np.concatenate(features)

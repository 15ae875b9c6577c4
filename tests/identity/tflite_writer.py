"""Writes TFLite files by Google's FlatBuffers library, for readers that know the format by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from torch import Tensor, nn

from face3d.identity.mobilefacenet import Bottleneck, MobileFaceNet

CODES = {"add": 0, "conv": 3, "depthwise_conv": 4, "mul": 18, "relu": 19, "reshape": 22, "sub": 41, "abs": 101}
OPTION_TYPES = {"conv": 1, "depthwise_conv": 2, "add": 11, "mul": 21, "sub": 28, "reshape": 17}


@dataclass
class Graph:
    """A network to write: tensors as (name, shape, values or None), steps as (kind, inputs, outputs, options)."""

    tensors: list[tuple[str, tuple[int, ...], np.ndarray | None]] = field(default_factory=list)
    steps: list[tuple[str, list[int], list[int], dict[str, int]]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def tensor(self, shape: Sequence[int], values: np.ndarray | None = None) -> int:
        self.tensors.append((f"tensor {len(self.tensors)}", tuple(shape), values))
        return len(self.tensors) - 1

    def constant(self, values: np.ndarray) -> int:
        return self.tensor(values.shape, np.ascontiguousarray(values))

    def step(self, kind: str, inputs: list[int], shape: Sequence[int], **options: int) -> int:
        output = self.tensor(shape)
        self.steps.append((kind, inputs, [output], options))
        return output


def tflite_bytes(graph: Graph) -> bytes:
    """The graph as a file; options by their field numbers in the schema: {"0": padding, "1": stride, ...}."""
    builder = flatbuffers.Builder(1 << 20)
    kinds = sorted({step[0] for step in graph.steps})
    constants = [values for _, _, values in graph.tensors if values is not None]
    buffers = [_table(builder, 1, {})]
    buffers += [_table(builder, 1, {0: builder.CreateByteVector(values.tobytes())}) for values in constants]
    tensors, number = [], 0
    for name, shape, values in graph.tensors:
        number += values is not None
        fields = {0: _integers(builder, shape), 3: builder.CreateString(name)}
        code = 2 if values is not None and values.dtype == np.int32 else 0
        buffer = number if values is not None else 0
        tensors.append(_table(builder, 8, fields, bytes_={1: code}, words={2: buffer}))
    steps = []
    for kind, inputs, outputs, options in graph.steps:
        fields = {1: _integers(builder, inputs), 2: _integers(builder, outputs)}
        if kind in OPTION_TYPES:
            wide = {int(slot): value for slot, value in options.items() if slot not in _BYTE_OPTIONS[kind]}
            narrow = {int(slot): value for slot, value in options.items() if slot in _BYTE_OPTIONS[kind]}
            fields[4] = _table(builder, 7, {}, bytes_=narrow, words=wide)
        steps.append(_table(builder, 5, fields, bytes_={3: OPTION_TYPES.get(kind, 0)}, words={0: kinds.index(kind)}))
    subgraph = _table(
        builder,
        5,
        {
            0: _tables(builder, tensors),
            1: _integers(builder, graph.inputs),
            2: _integers(builder, graph.outputs),
            3: _tables(builder, steps),
        },
    )
    codes = [_table(builder, 4, {}, bytes_={0: CODES[kind]}, words={2: 1, 3: CODES[kind]}) for kind in kinds]
    model = _table(
        builder,
        5,
        {1: _tables(builder, codes), 2: _tables(builder, [subgraph]), 4: _tables(builder, buffers)},
        words={0: 3},
    )
    builder.Finish(model, file_identifier=b"TFL3")
    return bytes(builder.Output())


_BYTE_OPTIONS = {"conv": "03", "depthwise_conv": "04", "add": "0", "mul": "0", "sub": "0", "reshape": ""}
"""Fields of an operator's options that are a byte each: padding and activation."""


def _table(
    builder: flatbuffers.Builder,
    slots: int,
    offsets: dict[int, int],
    *,
    bytes_: dict[int, int] | None = None,
    words: dict[int, int] | None = None,
) -> int:
    builder.StartObject(slots)
    for slot, value in (words or {}).items():
        builder.PrependInt32Slot(slot, value, 0)
    for slot, value in (bytes_ or {}).items():
        builder.PrependInt8Slot(slot, value, 0)
    for slot, value in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return int(builder.EndObject())


def _vector(builder: flatbuffers.Builder, values: Sequence[int], prepend: Callable[[int], None]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        prepend(value)
    return int(builder.EndVector())


def _tables(builder: flatbuffers.Builder, values: Sequence[int]) -> int:
    return _vector(builder, values, builder.PrependUOffsetTRelative)


def _integers(builder: flatbuffers.Builder, values: Sequence[int]) -> int:
    return _vector(builder, values, builder.PrependInt32)


def mobilefacenet_graph(network: MobileFaceNet, batch: int = 2) -> Graph:
    """The network in the steps of the published file: each PReLU as relu(x) + a (x - |x|)."""
    graph = Graph()
    graph.inputs = [at := graph.tensor((batch, 112, 112, 3))]
    at = _write_layers(graph, network.stem, at)
    for bottleneck in network.bottlenecks:
        assert isinstance(bottleneck, Bottleneck)
        before, at = at, _write_layers(graph, bottleneck.layers, at)
        if bottleneck.skips:
            at = graph.step("add", [at, before], graph.tensors[at][1])
    at = _write_layers(graph, network.head, at)
    shape = graph.constant(np.array([batch, 192], dtype=np.int32))
    graph.outputs = [graph.step("reshape", [at, shape], (batch, 192))]
    return graph


def mobilefacenet_bytes(network: MobileFaceNet) -> bytes:
    """The network as a file."""
    return tflite_bytes(mobilefacenet_graph(network))


def _write_layers(graph: Graph, layers: nn.Module, at: int) -> int:
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            at = _write_convolution(graph, layer, at)
        elif isinstance(layer, nn.PReLU):
            shape = graph.tensors[at][1]
            positive = graph.step("relu", [at], shape)
            negative = graph.step("sub", [at, graph.step("abs", [at], shape)], shape)
            slopes = graph.constant(layer.weight.numpy() / np.float32(2))
            at = graph.step("add", [positive, graph.step("mul", [slopes, negative], shape)], shape)
    return at


def _write_convolution(graph: Graph, layer: nn.Conv2d, at: int) -> int:
    batch, height, width, _ = graph.tensors[at][1]
    stride, valid = layer.stride[0], layer.kernel_size[0] == 7
    shape = (
        (batch, 1, 1, layer.out_channels) if valid else (batch, height // stride, width // stride, layer.out_channels)
    )
    deep = layer.groups > 1
    weight: Tensor = layer.weight.permute((1, 2, 3, 0) if deep else (0, 2, 3, 1))
    assert layer.bias is not None
    inputs = [at, graph.constant(weight.numpy()), graph.constant(layer.bias.numpy())]
    options = {"0": int(valid), "1": stride, "2": stride}
    options |= {"3": 1, "5": 1, "6": 1} if deep else {"4": 1, "5": 1}
    return graph.step("depthwise_conv" if deep else "conv", inputs, shape, **options)

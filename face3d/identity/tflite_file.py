"""Reading TensorFlow Lite files: the graph and its constants, from bytes that nobody vouches for.

A TFLite file is a FlatBuffer: tables point to each other by offsets, and each table's vtable says where its fields are.
Every offset and count is checked against the file before it is followed. Field numbers, operator codes and defaults are
those of TensorFlow's `schema.fbs`, version 3; only the operators of `OPERATORS` are known.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy import ndarray

from face3d.errors import CorruptAssetError

__all__ = ["TFLiteGraph", "TFLiteOperator", "TFLiteTensor", "read_tflite"]

IDENTIFIER = b"TFL3"
MOST_BYTES = 1 << 28
"""Far above any file that is read here."""
MOST_NUMBERS = 64
"""Of a shape, or of an operator's inputs; lists may overlap in the file, so its size alone bounds no memory."""
MOST_NAME_BYTES = 256

_DTYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<f4"), 2: np.dtype("<i4")}
"""TensorType -> what its bytes are."""

_PADDINGS = ("same", "valid")
_ACTIVATIONS = ("none", "relu")

_Option = tuple[str, int, str, int]
"""Name, field number, struct format, default."""

_CONVOLUTION: tuple[_Option, ...] = (("padding", 0, "b", 0), ("stride_x", 1, "<i", 0), ("stride_y", 2, "<i", 0))
_ELEMENTWISE: tuple[_Option, ...] = (("activation", 0, "b", 0),)

OPERATORS: dict[int, tuple[str, int, tuple[_Option, ...]]] = {
    0: ("add", 11, _ELEMENTWISE),
    3: (
        "conv",
        1,
        (*_CONVOLUTION, ("activation", 3, "b", 0), ("dilation_x", 4, "<i", 1), ("dilation_y", 5, "<i", 1)),
    ),
    4: (
        "depthwise_conv",
        2,
        (
            *_CONVOLUTION,
            ("multiplier", 3, "<i", 0),
            ("activation", 4, "b", 0),
            ("dilation_x", 5, "<i", 1),
            ("dilation_y", 6, "<i", 1),
        ),
    ),
    18: ("mul", 21, _ELEMENTWISE),
    19: ("relu", 0, ()),
    22: ("reshape", 17, ()),
    41: ("sub", 28, _ELEMENTWISE),
    101: ("abs", 0, ()),
}
"""BuiltinOperator -> its name here, the BuiltinOptions it takes (0: none are read), and the options that are read."""


@dataclass(frozen=True, slots=True, eq=False)
class TFLiteTensor:
    """A tensor of the graph.

    Attributes:
        name: as the file calls it.
        shape: as the file fixes it, batch included.
        values: float32 or int32 of that shape, read-only, for a constant; None for what is computed.
    """

    name: str
    shape: tuple[int, ...]
    values: ndarray | None


@dataclass(frozen=True, slots=True)
class TFLiteOperator:
    """One step of the graph.

    Attributes:
        kind: a name of `OPERATORS`.
        inputs: tensors by number; -1 for one that is left out.
        outputs: tensors by number.
        options: padding ("same", "valid"), stride_x, stride_y, dilation_x, dilation_y, multiplier, activation
            ("none", "relu"), as far as the kind has them.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class TFLiteGraph:
    """A network: its steps in the order in which they run.

    Attributes:
        tensors: what operators name by number.
        operators: in order; each one's inputs exist in `tensors`.
        inputs: tensors that the caller gives.
        outputs: tensors that the caller gets.
    """

    tensors: tuple[TFLiteTensor, ...]
    operators: tuple[TFLiteOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_tflite(path: Path) -> TFLiteGraph:
    """The network of a .tflite file that has a single graph of float32 operators.

    Raises:
        CorruptAssetError: the file is missing, damaged, or has parts that this reader does not know.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise CorruptAssetError(f"{path} is larger than {MOST_BYTES >> 20} MiB; that is no network face3d uses")
        data = path.read_bytes()
    except OSError as error:
        raise CorruptAssetError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return _graph(data)
    except _Malformed as error:
        raise CorruptAssetError(f"{path} is not a TensorFlow Lite network that can be read: {error}") from error


class _Malformed(Exception):
    """The bytes are not what they should be; the message says which."""


def _graph(data: bytes) -> TFLiteGraph:
    if data[4:8] != IDENTIFIER:
        raise _Malformed(f"it does not begin as one ({IDENTIFIER.decode()})")
    model = _Table(data, _target(data, 0))
    if (version := model.number(0, "<I", 0)) != 3:
        raise _Malformed(f"version {version} of the format, not 3")
    kinds = [max(code.number(0, "b", 0), code.number(3, "<i", 0)) for code in model.tables(1)]
    graphs = list(model.tables(2))
    if len(graphs) != 1:
        raise _Malformed(f"it holds {len(graphs)} graphs, not one")
    buffers = [table.bytes(0) for table in model.tables(4)]
    graph = graphs[0]
    tensors = tuple(_tensor(table, buffers) for table in graph.tables(0))
    operators = tuple(_operator(table, kinds) for table in graph.tables(3))
    inputs, outputs = graph.integers(1), graph.integers(2)
    for operator in operators:
        _check_numbers(operator.inputs, len(tensors), least=-1)
        _check_numbers(operator.outputs, len(tensors))
    _check_numbers((*inputs, *outputs), len(tensors))
    return TFLiteGraph(tensors, operators, inputs, outputs)


def _check_numbers(numbers: tuple[int, ...], count: int, *, least: int = 0) -> None:
    for number in numbers:
        if not least <= number < count:
            raise _Malformed(f"tensor {number} of {count} is named")


def _tensor(table: _Table, buffers: list[memoryview]) -> TFLiteTensor:
    name = bytes(table.bytes(3)[:MOST_NAME_BYTES]).decode("utf-8", "replace")
    shape = table.integers(0)
    if any(side < 0 for side in shape):
        raise _Malformed(f"{name} has the shape {shape}")
    number = table.number(2, "<I", 0)
    if number >= len(buffers):
        raise _Malformed(f"buffer {number} of {len(buffers)} is named")
    content = buffers[number]
    if not content:
        return TFLiteTensor(name, shape, None)
    code = table.number(1, "b", 0)
    if code not in _DTYPES:
        raise _Malformed(f"{name} has elements of type {code}, not float32 or int32")
    dtype = _DTYPES[code]
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise _Malformed(f"{name} has {len(content)} bytes, which is not {shape}")
    return TFLiteTensor(name, shape, np.frombuffer(content, dtype).reshape(shape))


def _operator(table: _Table, kinds: list[int]) -> TFLiteOperator:
    number = table.number(0, "<I", 0)
    if number >= len(kinds):
        raise _Malformed(f"operator code {number} of {len(kinds)} is named")
    if kinds[number] not in OPERATORS:
        raise _Malformed(f"it has an operator {kinds[number]}, which is not known here")
    kind, options_type, wanted = OPERATORS[kinds[number]]
    options: dict[str, int | str] = {}
    if wanted:
        given = table.table(4)
        if given is None or table.number(3, "B", 0) != options_type:
            raise _Malformed(f"a step {kind} comes without its options")
        for name, slot, form, default in wanted:
            value = given.number(slot, form, default)
            if name in ("padding", "activation"):
                known = _PADDINGS if name == "padding" else _ACTIVATIONS
                if not 0 <= value < len(known):
                    raise _Malformed(f"a step {kind} has the {name} {value}, which is not known here")
                options[name] = known[value]
            else:
                options[name] = value
    return TFLiteOperator(kind, table.integers(1), table.integers(2), MappingProxyType(options))


class _Table:
    """A FlatBuffers table at a position of the file; fields by their number in the schema."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position
        self._vtable = position - _number(data, position, "<i")
        self._vtable_bytes = _number(data, self._vtable, "<H")

    def number(self, slot: int, form: str, default: int) -> int:
        """A scalar field, or its default where the file leaves it out."""
        at = self._field(slot)
        return default if at is None else _number(self._data, at, form)

    def table(self, slot: int) -> _Table | None:
        """The table that a field points to."""
        at = self._field(slot)
        return None if at is None else _Table(self._data, _target(self._data, at))

    def tables(self, slot: int) -> Iterator[_Table]:
        """The tables of a vector; none where the file leaves it out."""
        start, count = self._vector(slot, 4)
        for at in range(start, start + 4 * count, 4):
            yield _Table(self._data, _target(self._data, at))

    def integers(self, slot: int) -> tuple[int, ...]:
        """A short vector of int32."""
        start, count = self._vector(slot, 4)
        if count > MOST_NUMBERS:
            raise _Malformed(f"a list of {count} numbers where {MOST_NUMBERS} are the most")
        return struct.unpack_from(f"<{count}i", self._data, start)

    def bytes(self, slot: int) -> memoryview:
        """A vector of bytes, or a string, not copied."""
        start, count = self._vector(slot, 1)
        return memoryview(self._data)[start : start + count]

    def _vector(self, slot: int, item_bytes: int) -> tuple[int, int]:
        at = self._field(slot)
        if at is None:
            return 0, 0
        start = _target(self._data, at)
        count = _number(self._data, start, "<I")
        if start + 4 + count * item_bytes > len(self._data):
            raise _Malformed(f"a list of {count} entries runs over the end of the file")
        return start + 4, count

    def _field(self, slot: int) -> int | None:
        entry = 4 + 2 * slot
        if entry + 2 > self._vtable_bytes:
            return None
        offset = _number(self._data, self._vtable + entry, "<H")
        return self._position + offset if offset else None


def _target(data: bytes, at: int) -> int:
    return at + _number(data, at, "<I")


def _number(data: bytes, at: int, form: str) -> int:
    if not 0 <= at <= len(data) - struct.calcsize(form):
        raise _Malformed(f"it points to byte {at} of {len(data)}")
    value: int = struct.unpack_from(form, data, at)[0]
    return value

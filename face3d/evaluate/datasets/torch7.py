"""Tensors in Torch7's binary serialisation (.t7), and nothing else of it: no functions, no classes, no code."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from face3d.errors import InputError

__all__ = ["read_t7"]

_NIL, _NUMBER, _STRING, _TABLE, _OBJECT, _BOOLEAN = range(6)
_DEEPEST = 32
_LARGEST = 50_000_000

_KINDS: dict[str, np.dtype[Any]] = {
    "Double": np.dtype("<f8"),
    "Float": np.dtype("<f4"),
    "Long": np.dtype("<i8"),
    "Int": np.dtype("<i4"),
    "Short": np.dtype("<i2"),
    "Byte": np.dtype("u1"),
    "Char": np.dtype("i1"),
}


class _Malformed(Exception):
    """The bytes are not what they should be."""


def read_t7(path: Path) -> Any:
    """Read a file: numbers, strings, truth values, tables (as dicts) and tensors (as arrays).

    Raises:
        InputError: the file cannot be read, is truncated, or holds anything else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check the path") from error
    try:
        return _Reader(content).value(0)
    except (_Malformed, struct.error) as error:
        raise InputError(f"{path} is no binary Torch7 file of tensors: {error}") from error


class _Reader:
    """Walks over the bytes; objects that occur twice are written once and named by a number after that."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0
        self._known: dict[int, Any] = {}

    def value(self, depth: int) -> Any:
        """The next value."""
        if depth > _DEEPEST:
            raise _Malformed("it is nested too deeply")
        kind = self._number("i")
        if kind == _NIL:
            return None
        if kind == _NUMBER:
            return self._number("d")
        if kind == _STRING:
            return self._text()
        if kind == _BOOLEAN:
            return bool(self._number("i"))
        if kind not in (_TABLE, _OBJECT):
            raise _Malformed(f"it holds a value of type {kind}, which is no data")
        index = self._number("i")
        if index in self._known:
            return self._known[index]
        if kind == _TABLE:
            table: dict[Any, Any] = {}
            self._known[index] = table
            for _ in range(self._count(self._number("i"), 8)):
                key = self.value(depth + 1)
                if not isinstance(key, (str, float, bool)):
                    raise _Malformed("a table has a key that is neither number nor string")
                table[key] = self.value(depth + 1)
            return table
        self._known[index] = found = self._object(depth)
        return found

    def _object(self, depth: int) -> Any:
        version = self._text()
        name = self._text() if version.startswith("V ") else version
        kind, _, shape = name.removeprefix("torch.").partition("Tensor")
        if name == f"torch.{kind}Tensor" and kind in _KINDS and not shape:
            return self._tensor(_KINDS[kind], depth)
        kind = kind.removesuffix("Storage")
        if name == f"torch.{kind}Storage" and kind in _KINDS:
            count = self._count(self._number("q"), _KINDS[kind].itemsize)
            return np.frombuffer(self._take(count * _KINDS[kind].itemsize), _KINDS[kind])
        raise _Malformed(f"it holds a {name[:40]!r}, which is no tensor")

    def _tensor(self, kind: np.dtype[Any], depth: int) -> np.ndarray:
        dimensions = self._count(self._number("i"), 16)
        if dimensions > 8:
            raise _Malformed(f"a tensor has {dimensions} dimensions")
        size = [self._number("q") for _ in range(dimensions)]
        stride = [self._number("q") for _ in range(dimensions)]
        offset = self._number("q") - 1  # counted from 1
        storage = self.value(depth + 1)
        if not dimensions or storage is None:
            return np.empty(0, kind)
        if not isinstance(storage, np.ndarray) or storage.dtype != kind or storage.ndim != 1:
            raise _Malformed("a tensor has no storage of its type")
        if min(size) < 0 or min(stride) < 0 or offset < 0:
            raise _Malformed("a tensor has a negative size, stride or offset")
        if 0 in size:
            return np.empty(size, kind)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        # Counted in Python's integers, which do not overflow; a stride of 0 must not make much of little either.
        elements = 1
        for n in size:
            elements *= n
        if last >= len(storage) or elements > len(storage):
            raise _Malformed("a tensor reaches beyond its storage")
        strides = [step * kind.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(storage[offset:], size, strides).copy()

    def _text(self) -> str:
        return self._take(self._count(self._number("i"), 1)).decode("latin-1")

    def _count(self, count: int, each: int) -> int:
        """A number of things that the rest of the file has room for."""
        if not 0 <= count <= min(_LARGEST, (len(self._content) - self._at) // each):
            raise _Malformed("it ends too early or counts wrongly")
        return count

    def _take(self, length: int) -> bytes:
        taken = self._content[self._at : self._at + length]
        if len(taken) != length:
            raise _Malformed("it ends too early")
        self._at += length
        return taken

    def _number(self, form: str) -> Any:
        return struct.unpack("<" + form, self._take(struct.calcsize("<" + form)))[0]

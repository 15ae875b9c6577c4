"""Read pickles of arrays without running anything that they name.

FLAME files are pickles written under Python 2, with arrays inside chumpy objects. A pickle can name any function of any
module and have it called, so only a short list of names is answered, each with a harmless stand-in of this module:
nothing of chumpy, and none of the unpickling of NumPy, SciPy and torch (beyond `weights_only`), is imported or called.
"""

from __future__ import annotations

import collections
import io
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch

from face3d.errors import CorruptAssetError, InputError

__all__ = ["dense_array", "read_npy", "read_npz", "read_pickle"]


_DTYPE_NAME = re.compile(r"[<>|=]?[biufcSUO][0-9]{1,6}|O")


def read_pickle(path: Path) -> Any:
    """Return the content of a pickle of dicts, lists, numbers, text and arrays; text in Latin-1 as Python 2 wrote it.

    Arrays, chumpy values and sparse matrices come back as stand-ins for `dense_array`.

    Raises:
        InputError: the file cannot be opened.
        CorruptAssetError: it is no pickle, is damaged, or names something that is not on the list.
    """
    with _opened(path) as stream:
        return _unpickle(stream, path)


def read_npy(path: Path) -> Any:
    """Return the content of an npy file: its array, or the object that a 0-d object array holds (see `read_pickle`).

    Raises:
        InputError: the file cannot be opened.
        CorruptAssetError: it is no npy file, is damaged, or its pickle names something that is not on the list.
    """
    with _opened(path) as stream:
        return _read_npy_stream(stream, path)


def read_npz(path: Path) -> dict[str, Any]:
    """Return the arrays of an npz file by name, each as `read_npy` would."""
    with _opened(path) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                return {
                    name.removesuffix(".npy"): _read_npy_stream(io.BytesIO(archive.read(name)), path)
                    for name in archive.namelist()
                    if name.endswith(".npy")
                }
        except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError) as error:
            raise CorruptAssetError(f"{path}: is damaged or is not an npz file") from error


def dense_array(value: Any) -> np.ndarray:
    """Return the array that an unpickled value stands for.

    Raises:
        InputError: it stands for none.
    """
    if isinstance(value, _Array | _Chumpy | _Sparse):
        return value.dense()
    if isinstance(value, list | tuple):
        try:
            value = [dense_array(item) if isinstance(item, list | tuple | _Array | _Chumpy) else item for item in value]
        except RecursionError as error:
            raise InputError("a list contains itself") from error
    if isinstance(value, list | int | float | np.generic | np.ndarray):
        try:
            array = np.asarray(value)
        except (ValueError, TypeError) as error:
            raise InputError("a list has rows of different length") from error
        if array.dtype.kind in "biufc":
            return array
    raise InputError(f"{_KINDS.get(type(value), f'a {type(value).__name__}')} stands where an array is expected")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _unpickle(stream: BinaryIO, path: Path) -> Any:
    try:
        return _WhitelistUnpickler(stream).load()
    except _UntrustedGlobalError as error:
        raise CorruptAssetError(
            f"{path}: names {error}, which no model file needs; nothing was run. Get the file from its publisher"
        ) from error
    except Exception as error:  # a damaged stream raises nearly every class there is
        raise CorruptAssetError(f"{path}: is damaged or is not a pickle of arrays") from error


def _read_npy_stream(stream: BinaryIO, path: Path) -> Any:
    try:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        has_objects = read_header(stream)[2].hasobject
        if not has_objects:
            stream.seek(0)
            return np.lib.format.read_array(stream, allow_pickle=False)
    except Exception as error:  # NumPy's header parser raises whatever a damaged header makes it meet
        raise CorruptAssetError(f"{path}: is damaged or is not a NumPy file") from error
    content = _unpickle(stream, path)
    return content.only_object() if isinstance(content, _Array) else content


class _UntrustedGlobalError(pickle.UnpicklingError):
    """The pickle names something outside the list."""


class _WhitelistUnpickler(pickle.Unpickler):
    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        if module == "chumpy" or module.startswith("chumpy."):
            return _ChumpySelect if (module, name) == ("chumpy.reordering", "Select") else _Chumpy
        if module.startswith("numpy."):
            module = module.replace("numpy._core.", "numpy.core.", 1)
        if (module, name) in _CLASSES:
            return _CLASSES[module, name]
        if (module, name) in _FUNCTIONS:
            return _StandIn(_FUNCTIONS[module, name])
        raise _UntrustedGlobalError(f"{module}.{name}")


class _StandIn:
    """A function that a pickle may call and not alter: opcode BUILD would otherwise write its attributes."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a pickle tried to alter a function")


class _Token:
    """A class that a pickle may mention as an argument and not call."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a pickle tried to alter a class")


class _DType:
    """A NumPy type of plain numbers or text, or of objects.

    NumPy's own type must not take its state from a pickle: that sets the very flags which tell numbers from pointers.
    """

    __slots__ = ("dtype",)

    dtype: np.dtype[Any]

    def __new__(cls, name: Any, *_: Any) -> _DType:
        if not (isinstance(name, str) and _DTYPE_NAME.fullmatch(name)):
            raise pickle.UnpicklingError(f"an array of type {name!r}")
        instance = super().__new__(cls)
        instance.dtype = np.dtype(name)
        return instance

    def __setstate__(self, state: Any) -> None:
        _version, order, *structure = state[:5]
        if any(part is not None for part in structure):
            raise pickle.UnpicklingError("an array of structures")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """A NumPy array as its pickle describes it."""

    __slots__ = ("dtype", "order", "shape", "values")

    def __init__(self) -> None:
        self.dtype: np.dtype[Any] = np.dtype(np.float64)
        self.order: Literal["C", "F"] = "C"
        self.shape: tuple[int, ...] = (0,)
        self.values: Any = b""

    def __setstate__(self, state: Any) -> None:
        _version, shape, kind, fortran, self.values = state
        if not isinstance(kind, _DType):
            raise pickle.UnpicklingError("an array without a type")
        self.shape = tuple(int(size) for size in shape)
        self.dtype = kind.dtype
        self.order = "F" if fortran else "C"

    def dense(self) -> np.ndarray:
        if self.dtype.hasobject:
            array = dense_array(self.values)
            return array.reshape(*self.shape, *array.shape[1:])
        try:
            return np.frombuffer(_bytes(self.values), self.dtype).reshape(self.shape, order=self.order).copy(self.order)
        except (ValueError, TypeError) as error:
            raise InputError("an array does not have the values that its shape promises") from error

    def only_object(self) -> Any:
        """Return what a 0-d array of objects holds; any other array stays as it is."""
        return self.values[0] if self.dtype.hasobject and self.shape == () else self


class _Stateful:
    """Keeps the state that a pickle gives to an object of a class that is not imported."""

    __slots__ = ("state",)

    state: Mapping[str, Any]

    def __new__(cls, *_: Any) -> _Stateful:
        instance = super().__new__(cls)
        instance.state = {}
        return instance

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and state and isinstance(state[0], dict):
            state = state[0]
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("an object has a state of unknown form")
        self.state = state

    def entry(self, *names: str) -> Any:
        for name in names:
            if name in self.state:
                return self.state[name]
        raise InputError(f"{_KINDS[type(self)]} lacks {names[0]!r}")


class _Chumpy(_Stateful):
    """A chumpy array: its values lie in the state under `x`."""

    __slots__ = ()

    def dense(self) -> np.ndarray:
        return dense_array(self.entry("x"))


class _ChumpySelect(_Chumpy):
    """Chosen entries of another chumpy array, in a shape of their own."""

    __slots__ = ()

    def dense(self) -> np.ndarray:
        source, chosen = dense_array(self.entry("a")).ravel(), dense_array(self.entry("idxs")).ravel()
        try:
            return source[chosen].reshape(tuple(int(size) for size in self.entry("preferred_shape")))
        except (IndexError, ValueError, TypeError) as error:
            raise InputError("a chumpy selection does not fit its array") from error


class _Sparse(_Stateful):
    """A compressed sparse column matrix."""

    __slots__ = ()

    by_row = False

    def dense(self) -> np.ndarray:
        values, minor, starts = (dense_array(self.entry(name)) for name in ("data", "indices", "indptr"))
        try:
            rows, columns = (int(size) for size in self.entry("_shape", "shape"))
            shape = (rows, columns) if self.by_row else (columns, rows)
            counts = np.diff(starts)
            if len(counts) != shape[0] or (counts < 0).any() or counts.sum() != len(minor):
                raise InputError("a sparse matrix contradicts itself")
            matrix = np.zeros(shape, values.dtype)
            np.add.at(matrix, (np.repeat(np.arange(shape[0]), counts), minor), values)
        except (IndexError, ValueError, TypeError, MemoryError) as error:
            raise InputError("a sparse matrix contradicts itself") from error
        return matrix if self.by_row else matrix.T


class _SparseRows(_Sparse):
    """A compressed sparse row matrix."""

    __slots__ = ()

    by_row = True


def _empty_array(_kind: Any, _shape: Any, _code: Any) -> _Array:
    """Return the array that the next opcode fills."""
    return _Array()


def _array_of_buffer(buffer: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    return np.frombuffer(buffer, _number_type(kind)).reshape(shape, order=order)


def _numpy_scalar(kind: Any, data: Any = b"") -> Any:
    return np.frombuffer(_bytes(data), _number_type(kind), count=1)[0]


def _number_type(kind: Any) -> np.dtype[Any]:
    if not isinstance(kind, _DType) or kind.dtype.hasobject:
        raise pickle.UnpicklingError("values that are no numbers")
    return kind.dtype


def _bytes(data: Any) -> bytes:
    # What Python 2 called a string is the bytes of an array, read as Latin-1 text.
    return data.encode("latin1") if isinstance(data, str) else data


def _empty_bytes(*values: Any) -> bytes:
    if values:
        raise pickle.UnpicklingError("bytes made from something")
    return b""


def _encode_latin1(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text in encoding {encoding!r}")
    return text.encode("latin1")


def _reconstruct_object(kind: Any, _base: Any = None, _state: Any = None) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, _Stateful)):
        raise pickle.UnpicklingError("an object of a class that is not read")
    return kind()


def _torch_storage(content: Any) -> torch.Tensor:
    """Return the values of a storage that torch pickled inside the pickle."""
    storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return torch.tensor([], dtype=storage.dtype).set_(storage)


def _torch_array(values: Any, offset: Any, size: Any, stride: Any, *_: Any) -> np.ndarray:
    if not isinstance(values, torch.Tensor):
        raise pickle.UnpicklingError("a tensor without storage")
    return torch.as_strided(values, tuple(size), tuple(stride), offset).clone().numpy()


def _new_set(values: Any = ()) -> set[Any]:
    return set(values)


_KINDS: Mapping[type, str] = {
    _Chumpy: "a chumpy value",
    _ChumpySelect: "a chumpy selection",
    _Sparse: "a sparse matrix",
    _SparseRows: "a sparse matrix",
    _DType: "an array type",
    type(None): "nothing",
}

_CLASSES: Mapping[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Token(),
    ("numpy", "dtype"): _DType,
    ("builtins", "object"): _Token(),
    ("__builtin__", "object"): _Token(),
    ("collections", "OrderedDict"): collections.OrderedDict,
    **{
        (f"scipy.sparse.{module}", f"{kind}_{form}"): stand_in
        for kind, stand_in in (("csc", _Sparse), ("csr", _SparseRows))
        for module in (kind, f"_{kind}")
        for form in ("matrix", "array")
    },
}

_FUNCTIONS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy.core.multiarray", "scalar"): _numpy_scalar,
    ("numpy.core.numeric", "_frombuffer"): _array_of_buffer,
    ("_codecs", "encode"): _encode_latin1,
    ("copyreg", "_reconstructor"): _reconstruct_object,
    ("copy_reg", "_reconstructor"): _reconstruct_object,
    ("builtins", "bytes"): _empty_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
    ("builtins", "set"): _new_set,
    ("__builtin__", "set"): _new_set,
    ("torch.storage", "_load_from_bytes"): _torch_storage,
    ("torch._utils", "_rebuild_tensor_v2"): _torch_array,
}

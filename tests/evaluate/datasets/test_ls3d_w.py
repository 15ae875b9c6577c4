"""LS3D-W's .t7 files, written here byte by byte as Torch7 does, and files that are no such thing."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import InputError
from face3d.evaluate.datasets.ls3d_w import ls3d_w_sources, read_ls3d_w
from face3d.evaluate.datasets.torch7 import read_t7


def text(value):
    return struct.pack("<i", len(value)) + value.encode()


def tensor(array, index=1, kind="Float", offset=0, stride=None):
    stride = [step // array.itemsize for step in array.strides] if stride is None else stride
    storage = np.concatenate([np.zeros(offset, array.dtype), array.ravel(order="K")])
    return b"".join(
        [
            struct.pack("<ii", 4, index) + text("V 1") + text(f"torch.{kind}Tensor"),
            struct.pack(f"<i{2 * array.ndim}qq", array.ndim, *array.shape, *stride, offset + 1),
            struct.pack("<ii", 4, index + 1) + text("V 1") + text(f"torch.{kind}Storage"),
            struct.pack("<q", len(storage)) + storage.tobytes(),
        ]
    )


def table(entries, index=50):
    rows = b"".join(struct.pack("<i", 2) + text(key) + value for key, value in entries.items())
    return struct.pack("<iii", 3, index, len(entries)) + rows


@pytest.mark.parametrize(("kind", "dtype"), [("Float", "f4"), ("Double", "f8"), ("Long", "i8"), ("Byte", "u1")])
@pytest.mark.parametrize("order", ["C", "F"])
def test_tensors(tmp_path, kind, dtype, order):
    array = np.array(np.random.default_rng(0).integers(0, 200, (68, 2)), dtype=dtype, order=order)
    (tmp_path / "a.t7").write_bytes(tensor(array, kind=kind, offset=3))
    found = read_t7(tmp_path / "a.t7")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_pixels_count_from_one(tmp_path):
    points = np.random.default_rng(0).uniform(1, 400, (68, 2)).astype(np.float32)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.t7").write_bytes(tensor(points))
    (tmp_path / "set" / "a.jpg").touch()
    (source,) = ls3d_w_sources(tmp_path, None)
    face = source.read()
    np.testing.assert_allclose(face.points, points - 0.5)
    assert (face.name, face.image) == ("set/a", tmp_path / "set" / "a.jpg")


def test_a_table_that_holds_the_points(tmp_path):
    points = np.arange(136, dtype=np.float32).reshape(68, 2)
    number = struct.pack("<id", 1, 3.5)
    truth = struct.pack("<ii", 5, 1)
    nothing = struct.pack("<i", 0)
    content = table(
        {"n": number, "ok": truth, "nil": nothing, "points": tensor(points), "again": struct.pack("<ii", 4, 1)}
    )
    (tmp_path / "a.t7").write_bytes(content)
    found = read_t7(tmp_path / "a.t7")
    assert (found["n"], found["ok"], found["nil"]) == (3.5, True, None)
    np.testing.assert_array_equal(found["again"], points)
    np.testing.assert_allclose(read_ls3d_w(tmp_path / "a.t7", "a").points, points - 0.5)


def deep(levels):
    content = struct.pack("<id", 1, 0.0)
    for level in range(levels):
        content = table({"a": content}, index=100 + level)
    return content


BAD = {
    "empty": b"",
    "a function": struct.pack("<ii", 6, 1) + text("print()"),
    "a class": struct.pack("<ii", 4, 1) + text("V 1") + text("os.execute"),
    "a tensor of nothing known": struct.pack("<ii", 4, 1) + text("V 1") + text("torch.CudaTensor"),
    "cut": tensor(np.ones((68, 2), np.float32))[:-1],
    "too deep": deep(1000),
    "long text": struct.pack("<ii", 2, 2**30) + b"abc",
    "negative text": struct.pack("<ii", 2, -5) + b"abc",
    "beyond its storage": tensor(np.ones((68, 2), np.float32), stride=[200, 1]),
    "negative stride": tensor(np.ones((68, 2), np.float32), stride=[-2, 1]),
    "overflow": tensor(np.ones((2, 2), np.float32), stride=[2**62, 1]),
    "negative number": table({}).replace(struct.pack("<i", 0), struct.pack("<i", -1)),
    "number as tensor": struct.pack("<id", 1, 2.0),
    "one-dimensional": tensor(np.ones(136, np.float32)),
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused(tmp_path, name):
    (tmp_path / "a.t7").write_bytes(BAD[name])
    with pytest.raises(InputError, match=r"a\.t7"):
        read_ls3d_w(tmp_path / "a.t7", "a")


def test_a_huge_tensor_of_little_is_refused(tmp_path):
    small = tensor(np.ones((1, 2), np.float32), stride=[0, 0])
    huge = small.replace(struct.pack("<qq", 1, 2), struct.pack("<qq", 2**31, 2**31))
    (tmp_path / "a.t7").write_bytes(huge)
    with pytest.raises(InputError, match="storage"):
        read_t7(tmp_path / "a.t7")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_bytes_do_more_than_be_refused(tmp_path_factory, data):
    content = bytearray(table({"points": tensor(np.ones((5, 2), np.float32))}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "fuzz.t7"
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        read_t7(path)

"""Reading TFLite files: what Google's FlatBuffers library wrote comes back, and damage is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from face3d.errors import CorruptAssetError
from face3d.identity.tflite_file import read_tflite
from tests.identity.tflite_writer import Graph, tflite_bytes

WEIGHTS = np.arange(2 * 3 * 3 * 4, dtype=np.float32).reshape(2, 3, 3, 4)


def small_graph() -> Graph:
    """A convolution, its relu and a reshape."""
    graph = Graph()
    graph.inputs = [graph.tensor((1, 6, 8, 4))]
    inputs = [graph.inputs[0], graph.constant(WEIGHTS), graph.constant(np.array([1, -2], dtype=np.float32))]
    values = graph.step("conv", inputs, (1, 3, 2, 2), **{"0": 1, "1": 4, "2": 2, "3": 1, "4": 1, "5": 1})
    values = graph.step("relu", [values], (1, 3, 2, 2))
    shape = graph.constant(np.array([1, 12], dtype=np.int32))
    graph.outputs = [graph.step("reshape", [values, shape], (1, 12))]
    return graph


SMALL = tflite_bytes(small_graph())


def test_a_graph_comes_back(tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(SMALL)
    graph = read_tflite(tmp_path / "a.tflite")
    assert [step.kind for step in graph.operators] == ["conv", "relu", "reshape"]
    conv = graph.operators[0]
    assert dict(conv.options) == {
        "padding": "valid",
        "stride_x": 4,
        "stride_y": 2,
        "activation": "relu",
        "dilation_x": 1,
        "dilation_y": 1,
    }
    weights, bias, shape = (graph.tensors[number].values for number in (1, 2, graph.operators[2].inputs[1]))
    assert weights is not None
    assert bias is not None
    assert shape is not None
    np.testing.assert_array_equal(weights, WEIGHTS)
    np.testing.assert_array_equal(bias, [1, -2])
    np.testing.assert_array_equal(shape, [1, 12])
    assert not weights.flags.writeable
    assert graph.tensors[graph.inputs[0]].shape == (1, 6, 8, 4)
    assert graph.tensors[graph.inputs[0]].values is None
    assert graph.outputs == graph.operators[2].outputs


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begin"),
        (b"PK\x03\x04 no network at all", "begin"),
        (SMALL[:8], "points to byte"),
        (SMALL[:-40], "not a TensorFlow Lite network"),
        (b"\xff\xff\xff\xff" + SMALL[4:], "points to byte"),
    ],
)
def test_damage_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "damaged.tflite"
    path.write_bytes(content)
    with pytest.raises(CorruptAssetError, match=message) as raised:
        read_tflite(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorruptAssetError, match="none.tflite"):
        read_tflite(tmp_path / "none.tflite")


def test_a_constant_of_the_wrong_size_is_told(tmp_path: Path) -> None:
    graph = small_graph()
    name, _, values = graph.tensors[1]
    graph.tensors[1] = (name, (2, 3, 3, 5), values)
    (tmp_path / "a.tflite").write_bytes(tflite_bytes(graph))
    with pytest.raises(CorruptAssetError, match="288 bytes"):
        read_tflite(tmp_path / "a.tflite")


def test_a_tensor_that_is_not_there_is_told(tmp_path: Path) -> None:
    graph = small_graph()
    graph.steps[1][1][0] = 99
    (tmp_path / "a.tflite").write_bytes(tflite_bytes(graph))
    with pytest.raises(CorruptAssetError, match="tensor 99"):
        read_tflite(tmp_path / "a.tflite")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_give_a_graph_or_the_error(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray(SMALL)
    for at, value in changes:
        content[at] = value
    path = tmp_path / "changed.tflite"
    path.write_bytes(content)
    try:
        graph = read_tflite(path)
    except CorruptAssetError:
        return
    for step in graph.operators:
        assert all(-1 <= number < len(graph.tensors) for number in (*step.inputs, *step.outputs))

"""MobileFaceNet: filled from its file exactly, the interpreter's features, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from face3d.errors import CorruptAssetError, InputError
from face3d.identity.mobilefacenet import MobileFaceNet, MobileFaceNetEncoder, load_mobilefacenet
from tests.identity.tflite_writer import Graph, mobilefacenet_graph, tflite_bytes

GOLDEN = Path(__file__).parents[1] / "golden" / "mobilefacenet" / "features.npz"


def golden_crops() -> np.ndarray:
    """Four crops that need no file: a face unscaled, the same upside down, noise, and a ramp."""
    face = data.astronaut()[60:172, 170:282]
    noise = np.random.default_rng(7).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    down, right, channel = np.mgrid[:112, :112, :3]
    return np.stack([face, face[::-1], noise, (2 * down + right * channel) % 256]).astype(np.uint8)


def normalised(crops: np.ndarray) -> torch.Tensor:
    return torch.from_numpy((crops.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128)


def interpreter_features(path: Path, crops: np.ndarray) -> np.ndarray:
    """What the original interpreter gives, two crops at a time; skips where there is none."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    given, taken = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    features = []
    for start in range(0, len(crops), 2):
        interpreter.set_tensor(given, (crops[start : start + 2].astype(np.float32) - 127.5) / 128)
        interpreter.invoke()
        features.append(interpreter.get_tensor(taken).copy())
    return np.concatenate(features)


def test_features_are_the_interpreters_golden_ones(mobilefacenet_file: Path) -> None:
    golden = np.load(GOLDEN)["features"]
    with torch.inference_mode():
        features = load_mobilefacenet(mobilefacenet_file)(normalised(golden_crops())).numpy()
    np.testing.assert_allclose(features, golden, atol=1e-4)
    unit = golden / np.linalg.norm(golden, axis=1, keepdims=True)
    np.testing.assert_allclose(MobileFaceNetEncoder(mobilefacenet_file).encode(golden_crops()), unit, atol=1e-5)


def test_features_are_the_interpreters(mobilefacenet_file: Path) -> None:
    crops = np.random.default_rng(3).integers(0, 256, (4, 112, 112, 3)).astype(np.uint8)
    expected = interpreter_features(mobilefacenet_file, crops)
    with torch.inference_mode():
        features = load_mobilefacenet(mobilefacenet_file)(normalised(crops)).numpy()
    np.testing.assert_allclose(features, expected, atol=1e-4)


def test_a_written_network_computes_what_it_did(recipe_network: MobileFaceNet, recipe_file: Path) -> None:
    crops = golden_crops()
    with torch.inference_mode():
        features = recipe_network(normalised(crops)).numpy()
        again = load_mobilefacenet(recipe_file)(normalised(crops)).numpy()
    np.testing.assert_array_equal(again, features)
    assert features.std(axis=0).min() > 0  # it does look at its input


def test_a_written_network_is_the_interpreters_too(recipe_file: Path) -> None:
    expected = interpreter_features(recipe_file, golden_crops())
    with torch.inference_mode():
        features = load_mobilefacenet(recipe_file)(normalised(golden_crops())).numpy()
    scale = np.abs(expected).max()
    np.testing.assert_allclose(features / scale, expected / scale, atol=1e-5)


def test_each_crop_is_encoded_by_itself(recipe_file: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (7, 112, 112, 3)).astype(np.uint8)
    encoder = MobileFaceNetEncoder(recipe_file)
    features = encoder.encode(crops)
    assert features.shape == (7, encoder.features)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([encoder.encode(crop[None]) for crop in crops]), features, atol=1e-5)
    assert encoder.encode(crops[:0]).shape == (0, encoder.features)


@pytest.mark.parametrize(
    "crops",
    [np.zeros((1, 112, 112, 3)), np.zeros((112, 112, 3), np.uint8), np.zeros((1, 3, 112, 112), np.uint8)],
)
def test_other_shapes_are_refused(recipe_file: Path, crops: np.ndarray) -> None:
    with pytest.raises(InputError, match="112"):
        MobileFaceNetEncoder(recipe_file).encode(crops)


def one_step_less(graph: Graph) -> None:
    del graph.steps[-1]


def one_step_more(graph: Graph) -> None:
    graph.outputs = [graph.step("relu", graph.outputs, (2, 192))]


def other_stride(graph: Graph) -> None:
    graph.steps[0][3]["1"] = 1


def other_padding(graph: Graph) -> None:
    graph.steps[0][3]["0"] = 1


def fused_activation(graph: Graph) -> None:
    graph.steps[0][3]["3"] = 1


def swapped_difference(graph: Graph) -> None:
    graph.steps[3][1].reverse()


def other_input_of_a_sum(graph: Graph) -> None:
    skip = [step for step in graph.steps if step[0] == "add"][-2]
    skip[1][1] = graph.inputs[0]


def narrower(graph: Graph) -> None:
    name, (out, *rest), values = graph.tensors[1]
    assert values is not None
    graph.tensors[1] = (name, (out - 1, *rest), values[:-1])


def not_finite(graph: Graph) -> None:
    values = graph.tensors[1][2]
    assert values is not None
    values.flat[5] = np.nan


@pytest.mark.parametrize(
    "change",
    [
        one_step_less,
        one_step_more,
        other_stride,
        other_padding,
        fused_activation,
        swapped_difference,
        other_input_of_a_sum,
        narrower,
        not_finite,
    ],
)
def test_another_network_is_refused(
    recipe_network: MobileFaceNet, tmp_path: Path, change: Callable[[Graph], None]
) -> None:
    graph = mobilefacenet_graph(recipe_network)
    graph.tensors[1] = (*graph.tensors[1][:2], np.array(graph.tensors[1][2]))
    change(graph)
    path = tmp_path / "other.tflite"
    path.write_bytes(tflite_bytes(graph))
    with pytest.raises(CorruptAssetError, match=r"other\.tflite does not hold MobileFaceNet"):
        load_mobilefacenet(path)

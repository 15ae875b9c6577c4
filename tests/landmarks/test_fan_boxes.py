"""FAN's face detectors: the library's boxes with the same weights, and files that are not theirs."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from face3d.errors import ArgumentError, CorruptAssetError, DependencyError
from face3d.landmarks.fan_boxes import FACE_DETECTORS, box_finder
from tests.golden.recipe import recipe_weights

pytest.importorskip("face_alignment")

NETWORKS = {
    "sfd": ("sfd.net_s3fd", lambda module: module.s3fd()),
    "blazeface": ("blazeface.net_blazeface", lambda module: module.BlazeFace()),
    "blazeface_back": ("blazeface.net_blazeface", lambda module: module.BlazeFace(back_model=True)),
    "retinaface": ("retinaface.net_retinaface", lambda module: module.RetinaFace(cfg=module.cfg_mnet)),
}


# Without the back camera's BlazeFace: on drawn weights the library's suppression of its boxes never ends.
@pytest.fixture(params=[name for name in NETWORKS if name != "blazeface_back"])
def named_files(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, list[Path]]:
    """A detector's name and its files with drawn weights."""
    name = request.param
    module, build = NETWORKS[name]
    network = build(importlib.import_module(f"face_alignment.detection.{module}"))
    state = {key: value for key, value in network.state_dict().items() if key != "anchors"}
    # Scores near one half, so that some boxes pass the threshold and suppression has something to do.
    weights = recipe_weights(state, damping=[("conf|classifier|ClassHead", 0.2), ("loc|regressor|BboxHead", 0.1)])
    paths = [tmp_path / file for file in FACE_DETECTORS[name].files]
    for key, bias in weights.items():
        if key.startswith("regressor") and key.endswith("bias"):
            # Width and height above all noise: the library's suppression never ends on a box without an inside.
            bias.reshape(-1, 16)[:, 2:4] = 100.0
            weights[key.replace("bias", "weight")] *= 1e-3
    torch.save(weights, paths[0])
    if len(paths) == 2:
        random = np.random.default_rng(0)
        np.save(paths[1], np.column_stack([random.uniform(0, 1, (896, 2)), np.ones((896, 2))]).astype(np.float32))
    return name, paths


def test_boxes_are_the_librarys(named_files: tuple[str, list[Path]]) -> None:
    name, paths = named_files
    image = np.ascontiguousarray(data.astronaut()[40:168, 130:270])
    module = importlib.import_module(f"face_alignment.detection.{name.removesuffix('_back')}")
    options: dict[str, object] = {"path_to_detector": str(paths[0])}
    if len(paths) == 2:
        options |= {"path_to_anchor": str(paths[1]), "back_model": name.endswith("_back")}
    expected = module.FaceDetector("cpu", **options).detect_from_image(image.copy())
    found = box_finder(name, paths, "cpu")(image)
    np.testing.assert_allclose(found, np.asarray(expected, dtype=np.float64).reshape(-1, 5), rtol=1e-6, atol=1e-6)
    assert FACE_DETECTORS[name].reference_scale == module.FaceDetector("cpu", **options).reference_scale


def test_files_of_something_else(named_files: tuple[str, list[Path]]) -> None:
    name, paths = named_files
    torch.save({"E_flame": torch.ones(2)}, paths[0])
    with pytest.raises(CorruptAssetError, match=paths[0].name):
        box_finder(name, paths, "cpu")
    paths[0].write_bytes(b"truncated")
    with pytest.raises(CorruptAssetError, match=paths[0].name):
        box_finder(name, paths, "cpu")


def test_an_onnx_file_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / FACE_DETECTORS["yunet"].files[0]
    path.write_bytes(b"\x08nothing of a network")
    with pytest.raises(CorruptAssetError, match=path.name):
        box_finder("yunet", [path], "cpu")


def test_scrfd_without_its_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DependencyError, match="pip install onnxruntime"):
        box_finder("scrfd", [tmp_path / "scrfd_2.5g_bnkps.onnx"], "cpu")


def test_a_face_detector_that_is_none() -> None:
    with pytest.raises(ArgumentError, match="choose sfd, blazeface"):
        box_finder("folder", [], "cpu")

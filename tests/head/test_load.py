import shutil

import numpy as np
import pytest
import torch

import face3d
from face3d import assets
from face3d.errors import ArgumentError, CorruptAssetError, MissingAssetError
from face3d.head import load, load_head, load_open_head, save_head
from tests.head.golden import FLAME, GOLDEN
from tests.head.random_heads import random_arrays


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(load, "_PACKAGE", tmp_path / "checkout" / "face3d")


@pytest.fixture
def head_file(tmp_path):
    save_head(random_arrays(), tmp_path / "head.npz")
    return tmp_path / "head.npz"


def test_the_public_name_is_this_function():
    assert face3d.load_head is load_head


def test_head_files_and_flame_files_are_told_apart(head_file, tmp_path):
    assert load_head(head_file).name == "random"
    assert load_head(str(head_file), dtype=torch.float64).template.dtype == torch.float64
    model = load_head(FLAME, landmarks=GOLDEN / "flame" / "landmark_embedding.npy", contour="smplx")
    assert (model.name, model.contour) == ("flame", "smplx")
    assert "ibug_68" in model.point_sets
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(CorruptAssetError, match="is not a FLAME model"):
        load_head(tmp_path / "other.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    with pytest.raises(CorruptAssetError, match="is damaged"):
        load_head(tmp_path / "broken.npz")


def test_flame_is_found_beside_the_open_head_or_in_the_store(tmp_path):
    with pytest.raises(MissingAssetError, match="face3d assets add flame"):
        load_head("flame")
    folder = tmp_path / "checkout" / "flame_assets"
    folder.mkdir(parents=True)
    shutil.copy(FLAME, folder / "flame2023_Open.pkl")
    assert load_head("flame").provenance["files"] == ["flame2023_Open.pkl"]
    assets.add("flame", [FLAME])
    assert load_head("flame").provenance["files"] == ["flame.pkl"]


def test_unusable_names_and_combinations_are_named(head_file):
    with pytest.raises(ArgumentError, match="head 'flam' is neither 'open', 'flame', 'mica' nor a file"):
        load_head("flam")
    with pytest.raises(ArgumentError, match="has its own landmarks"):
        load_head(head_file, landmarks=GOLDEN / "flame" / "landmark_embedding.npy")
    with pytest.raises(ArgumentError, match="contour 'up' is unknown"):
        load_head(head_file, contour="up")


def test_the_open_head_loads_and_moves(tmp_path):
    try:
        assets.open_head_path()
    except MissingAssetError:
        pytest.skip("the open head has not been built")
    model = load_open_head()
    assert model.joint_names == ("root", "neck", "jaw", "left_eye", "right_eye")
    assert len(model.expression_names) == 52
    rest = model()
    opened = model(jaw=torch.tensor([[0.3, 0.0, 0.0]]))
    moved = (opened.vertices - rest.vertices)[0]
    jaw = model.skinning_weights[:, 2] > 0.9
    assert moved[jaw, 1].mean() < 0, "a positive turn about x opens the mouth"
    left, right = rest.joints[0, 3], rest.joints[0, 4]
    assert left[0] > 0 > right[0]
    assert "ibug_68" in model.point_sets

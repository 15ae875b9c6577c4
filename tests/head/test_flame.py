import pickle
import shutil

import numpy as np
import pytest
import torch

from face3d.errors import CorruptAssetError, Face3DError, InputError
from face3d.head import load_flame
from face3d.head.flame import COMPANION_FILES, read_flame
from tests.head.golden import FLAME, GOLDEN, golden

EXPECTED = golden("flame/flame_model_arrays")


@pytest.fixture(scope="module")
def plain():
    """The synthetic model's arrays as a plain dictionary, as its publisher would have pickled it."""
    arrays = read_flame(FLAME)
    return {
        "f": EXPECTED["f"],
        "v_template": EXPECTED["v_template"],
        "shapedirs": np.concatenate([arrays.identity_basis, arrays.expression_basis]).transpose(1, 2, 0),
        "posedirs": EXPECTED["posedirs"],
        "J_regressor": EXPECTED["J_regressor_dense"],
        "weights": EXPECTED["weights"],
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
    }


def write(path, content):
    path.write_bytes(pickle.dumps(content))
    return path


def test_arrays_are_exactly_those_of_the_file():
    arrays = read_flame(FLAME)
    np.testing.assert_array_equal(arrays.template, EXPECTED["v_template"])
    np.testing.assert_array_equal(arrays.triangles, EXPECTED["f"])
    np.testing.assert_array_equal(arrays.joint_regressor, EXPECTED["J_regressor_dense"])
    np.testing.assert_array_equal(arrays.skinning_weights, EXPECTED["weights"])
    np.testing.assert_array_equal(arrays.pose_basis, EXPECTED["posedirs"].transpose(2, 0, 1))
    np.testing.assert_array_equal(arrays.identity_basis[:8], EXPECTED["shapedirs_first8"].transpose(2, 0, 1))
    np.testing.assert_array_equal(arrays.expression_basis[:8], EXPECTED["shapedirs_expr_first8"].transpose(2, 0, 1))
    assert (len(arrays.identity_basis), len(arrays.expression_basis)) == (300, 100)
    assert arrays.parents == (-1, 0, 1, 1, 1)
    assert arrays.joint_names == ("root", "neck", "jaw", "left_eye", "right_eye")


def test_an_npz_with_the_same_keys_is_the_same_model(plain, tmp_path):
    np.savez(tmp_path / "flame.npz", **plain)
    from_npz, from_pickle = read_flame(tmp_path / "flame.npz"), read_flame(FLAME)
    for name in ("template", "triangles", "identity_basis", "expression_basis", "pose_basis", "joint_regressor"):
        np.testing.assert_array_equal(getattr(from_npz, name), getattr(from_pickle, name))


def test_expressions_start_at_column_300_whatever_is_there(plain, tmp_path):
    model = load_flame(write(tmp_path / "a.pkl", plain | {"shapedirs": plain["shapedirs"][..., :350]}))
    assert (model.identity_size, len(model.expression_names)) == (300, 50)
    model = load_flame(write(tmp_path / "b.pkl", plain | {"shapedirs": plain["shapedirs"][..., :100]}))
    assert (model.identity_size, len(model.expression_names)) == (100, 0)


def test_companions_beside_the_model_are_used(tmp_path):
    shutil.copy(FLAME, tmp_path / "generic_model.pkl")
    assert not load_flame(tmp_path / "generic_model.pkl").point_sets
    shutil.copy(GOLDEN / "flame" / "landmark_embedding.npy", tmp_path)
    write(tmp_path / "FLAME_masks.pkl", {"face": np.arange(7), "nose": np.array([3, 5])})
    model = load_flame(tmp_path / "generic_model.pkl")
    assert set(model.point_sets) == {"ibug_68", "ibug_68_fixed", "now_7"}
    assert model.regions["nose"].tolist() == [3, 5]
    assert model.provenance["files"] == ["generic_model.pkl", "landmark_embedding.npy", "FLAME_masks.pkl"]
    assert set(COMPANION_FILES) >= set(model.provenance["files"][1:])


def test_masks_may_lie_elsewhere(tmp_path):
    masks = write(tmp_path / "masks.pkl", {"lips": np.array([1, 2])})
    assert load_flame(FLAME, masks=masks).regions["lips"].tolist() == [1, 2]


def test_the_real_topology_has_eyeballs_without_masks(tmp_path):
    vertices = 5023
    weights = np.zeros((vertices, 5))
    weights[:, 0] = 1
    content = {
        "f": np.zeros((1, 3), np.uint32),
        "v_template": np.zeros((vertices, 3)),
        "shapedirs": np.zeros((vertices, 3, 2)),
        "posedirs": np.zeros((vertices, 3, 36)),
        "J_regressor": np.zeros((5, vertices)),
        "weights": weights,
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
    }
    regions = read_flame(write(tmp_path / "model.pkl", content)).regions
    assert {name: len(ids) for name, ids in regions.items()} == {"left_eyeball": 546, "right_eyeball": 546}


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_precision_is_chosen_when_loading(precision):
    model = load_flame(FLAME, dtype=precision)
    assert model.template.dtype == model.point_sets["ibug_68"].barycentric.dtype == precision


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shapedirs": None}, "is not a FLAME model; it lacks shapedirs"),
        ({"weights": np.ones((3, 5))}, "skinning_weights has shape"),
        ({"v_template": "text"}, "v_template: a str stands where an array is expected"),
        ({"posedirs": np.zeros((400, 3, 9))}, "pose_basis has shape"),
        ({"kintree_table": np.zeros(5)}, "is not a usable FLAME model"),
        ({"f": np.full((2, 3), 400)}, "triangles refers to entry 400..400 of 400"),
        ({"v_template": np.full((400, 3), np.inf)}, "template holds values that are not finite"),
    ],
)
def test_models_that_do_not_fit_are_named(plain, tmp_path, change, message):
    content = {key: value for key, value in (plain | change).items() if value is not None}
    path = write(tmp_path / "model.pkl", content)
    with pytest.raises(CorruptAssetError, match=message) as raised:
        load_flame(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["untrusted_global.pkl", "tiny_chumpy_select.pkl", "flame_static_embedding.pkl"])
def test_other_pickles_are_no_models(name):
    with pytest.raises(CorruptAssetError, match=name):
        load_flame(GOLDEN / "flame" / name)


def test_folders_missing_files_and_other_content_are_named(tmp_path):
    with pytest.raises(InputError, match="is a folder; name the FLAME file in it"):
        load_flame(tmp_path)
    with pytest.raises(InputError, match=r"none.pkl: cannot be read"):
        load_flame(tmp_path / "none.pkl")
    with pytest.raises(CorruptAssetError, match="holds a list, not a FLAME model"):
        load_flame(write(tmp_path / "list.pkl", [1]))
    with pytest.raises(CorruptAssetError, match="mask 'nose' names vertices"):
        load_flame(FLAME, masks=write(tmp_path / "masks.pkl", {"nose": np.array([400])}))
    with pytest.raises(Face3DError, match="is not a file of vertex masks"):
        load_flame(FLAME, masks=write(tmp_path / "masks.pkl", ["nose"]))

import numpy as np
import pytest

from face3d.errors import CorruptAssetError, InputError
from face3d.head import load_flame
from face3d.head.flame_landmarks import read_embeddings
from tests.head.golden import FLAME, GOLDEN, golden

DECA = GOLDEN / "flame" / "landmark_embedding.npy"
STATIC = GOLDEN / "flame" / "flame_static_embedding.pkl"
DYNAMIC = GOLDEN / "flame" / "flame_dynamic_embedding.npy"
EXPECTED = golden("flame/flame_model_arrays")


def write_npy(path, content):
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
    return path


def test_decas_embedding():
    sets = read_embeddings([DECA])
    assert set(sets) == {"ibug_68", "ibug_68_fixed", "now_7"}
    points = sets["ibug_68"]
    np.testing.assert_array_equal(points.triangles[17:], EXPECTED["static_lmk_faces_idx"])
    np.testing.assert_array_equal(points.barycentric[17:], EXPECTED["static_lmk_bary_coords"])
    np.testing.assert_array_equal(points.contour_triangles, EXPECTED["dynamic_lmk_faces_idx"])
    np.testing.assert_array_equal(points.contour_barycentric, EXPECTED["dynamic_lmk_bary_coords"])
    np.testing.assert_array_equal(sets["ibug_68_fixed"].triangles, EXPECTED["full_lmk_faces_idx"][0])
    np.testing.assert_array_equal(sets["ibug_68_fixed"].barycentric, EXPECTED["full_lmk_bary_coords"][0])


def test_the_older_pair_of_files_embeds_the_same_points():
    older, newer = read_embeddings([DYNAMIC, STATIC])["ibug_68"], read_embeddings([DECA])["ibug_68"]
    np.testing.assert_array_equal(older.contour_triangles, newer.contour_triangles)
    assert older.contour_barycentric is not None
    assert newer.contour_barycentric is not None
    np.testing.assert_allclose(older.contour_barycentric, newer.contour_barycentric, atol=1e-7)
    np.testing.assert_array_equal(older.triangles[17:], newer.triangles[17:])
    np.testing.assert_array_equal(older.barycentric[17:], newer.barycentric[17:])
    np.testing.assert_array_equal(older.triangles[:17], EXPECTED["dynamic_lmk_faces_idx"][0])


def test_without_a_jaw_line_there_are_51_points():
    sets = read_embeddings([STATIC])
    assert set(sets) == {"ibug_51"}
    assert len(sets["ibug_51"]) == 51


def test_embeddings_with_eye_centres_give_the_same_68_points(tmp_path):
    content = {
        f"{part}_{kind}": np.concatenate(
            [EXPECTED[f"{part}_{kind}"]] + 2 * [EXPECTED[f"{part}_{kind}"][:, -1:]], axis=1
        )
        if part == "full"
        else np.concatenate([EXPECTED[f"{part}_{kind}"], EXPECTED[f"{part}_{kind}"][-2:]])
        for part in ("static", "full")
        for kind in ("lmk_faces_idx", "lmk_bary_coords")
    }
    content |= {name: EXPECTED[name] for name in ("dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords")}
    sets, plain = read_embeddings([write_npy(tmp_path / "with_eyes.npy", content)]), read_embeddings([DECA])
    for name in ("ibug_68", "ibug_68_fixed"):
        np.testing.assert_array_equal(sets[name].triangles, plain[name].triangles)


def test_mediapipe_points_are_labelled_with_their_numbers(tmp_path):
    path = tmp_path / "mediapipe_landmark_embedding.npz"
    barycentric = np.tile([-1.3e-15, 0.5, 0.5], (3, 1))
    np.savez(
        path, lmk_face_idx=np.array([5, 6, 7], np.uint32), lmk_b_coords=barycentric, landmark_indices=[168, 6, 197]
    )
    model = load_flame(FLAME, landmarks=(DECA, path))
    assert model.point_sets["mediapipe_3"].labels == ("168", "6", "197")
    assert model.points("mediapipe_3", model()).shape == (1, 3, 3)
    assert "ibug_68" in model.point_sets


def test_unusable_embeddings_are_named(tmp_path):
    with pytest.raises(CorruptAssetError, match="it has none of the known entries, only nose"):
        read_embeddings([write_npy(tmp_path / "other.npy", {"nose": 3})])
    with pytest.raises(CorruptAssetError, match="is not a landmark embedding"):
        read_embeddings([write_npy(tmp_path / "list.npy", [1, 2])])
    with pytest.raises(InputError, match=r"is a .npy, .npz or .pkl file"):
        read_embeddings([tmp_path / "embedding.txt"])
    short = {"lmk_face_idx": np.zeros((3, 17), int), "lmk_b_coords": np.zeros((3, 17, 3))}
    with pytest.raises(CorruptAssetError, match=r"its dynamic part has shape \(3, 17, 3\)"):
        read_embeddings([write_npy(tmp_path / "short.npy", short)])
    with pytest.raises(CorruptAssetError, match="its static part has"):
        read_embeddings([write_npy(tmp_path / "few.npy", {"lmk_face_idx": [1, 2], "lmk_b_coords": np.eye(3)[:2]})])


def test_an_embedding_for_another_mesh_is_named(tmp_path):
    content = {"lmk_face_idx": np.full(51, 9000), "lmk_b_coords": np.full((51, 3), 1 / 3)}
    path = write_npy(tmp_path / "static.npy", content)
    with pytest.raises(CorruptAssetError, match=r"static.npy: does not fit the model: .* 9000..9000 of 786"):
        load_flame(FLAME, landmarks=path)

"""`--identity mica` from photo to files, with recipe weights and the synthetic FLAME inside of the checkpoint."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

import face3d
from face3d import assets
from face3d.cli import main
from face3d.errors import ArgumentError, LicenceError, MissingAssetError
from face3d.head import HeadModel
from face3d.head.whitelist_pickle import dense_array, read_pickle
from face3d.identity import MICA_SCALE_SIGMA, mica_for, read_mica
from face3d.identity.person import open_identity
from face3d.landmarks import face_crop
from tests.head.golden import FLAME
from tests.identity.checkpoints import synthetic_flame

FLAME_ARRAYS = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")


@pytest.fixture(scope="module")
def home(tmp_path_factory, mica_tar):
    """A store that holds the checkpoint and, so that nothing is fetched twice, MediaPipe's model."""
    folder = tmp_path_factory.mktemp("home")
    model = assets.asset_path("mediapipe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACE3D_HOME", str(folder))
        assets.add("mediapipe", [model])
        assets.add("mica", [mica_tar])
        yield folder


@pytest.fixture(scope="module")
def result(home, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    (result,) = face3d.reconstruct(
        [data.astronaut()], head="mica", identity="mica", out=out, formats=("ply", "mica"), texture=False
    )
    return result


def test_the_identity_is_what_the_network_sees(result, detector, mica_tar):
    (face,) = detector.detect(data.astronaut())
    expected = read_mica(mica_tar).identities([face_crop(data.astronaut(), face, "arcface").pixels])[0]
    np.testing.assert_allclose(result.identity, expected, atol=1e-5 * np.abs(expected).max())


def test_the_record_says_by_what_and_how_surely(result):
    record = json.loads((result.folder / "reconstruction.json").read_text())
    assert [use["name"] for use in record["assets"]] == ["mica", "mediapipe"]
    assert record["assets"][0]["commercial"] == "no"
    assert [source["name"] for source in record["scale"]["sources"]] == ["mica"]
    assert record["scale"]["sigma"] == MICA_SCALE_SIGMA
    assert not any("release" in warning for warning in result.warnings)


def test_micas_files_lie_in_a_folder_of_their_own(result):
    files = {path.name for path in (result.folder / "mica").iterdir()}
    assert files == {"identity.npy", "kpt7.npy", "kpt68.npy", "mesh.ply", "mesh.obj"}
    identity = np.load(result.folder / "mica" / "identity.npy", allow_pickle=False)
    np.testing.assert_allclose(identity, result.identity, rtol=1e-6)


def test_an_open_licence_rules_it_out(home):
    with pytest.raises(LicenceError, match="mica"):
        face3d.reconstruct([data.astronaut()], head="mica", identity="mica", licence="open")


def test_another_flame_is_warned_of_and_another_size_refused(home):
    arrays = synthetic_flame().arrays()
    other = HeadModel(replace(arrays, template=arrays.template + np.float32(0.001)))
    assert "up to 1 mm apart" in mica_for(other)[1][0]
    assert mica_for(synthetic_flame())[1] == ()
    fewer = HeadModel(replace(arrays, identity_basis=arrays.identity_basis[:100]))
    with pytest.raises(ArgumentError, match="has 100 of its own"):
        mica_for(fewer)


def test_codes_on_another_flame_are_warned_of_on_the_command_line(home, astronaut_file, tmp_path, capfd):
    """The user's FLAME file is of another release than the one in mica.tar: a millimetre apart."""
    content = {name: dense_array(value) for name, value in read_pickle(FLAME).items() if name in FLAME_ARRAYS}
    content["v_template"] = content["v_template"] + 0.001
    np.savez(tmp_path / "flame_2023.npz", **content)
    shutil.copy(FLAME.with_name("landmark_embedding.npy"), tmp_path)
    asked = ["--head", str(tmp_path / "flame_2023.npz"), "--identity", "mica", "--no-texture", "--formats", "ply"]
    assert main(["reconstruct", str(astronaut_file), *asked, "--json", "--out", str(tmp_path / "out")]) == 0
    (row,) = json.loads(capfd.readouterr().out)["results"]
    (told,) = [warning for warning in row["warnings"] if "release" in warning]
    assert "up to 1 mm apart" in told
    assert "identities are not interchangeable: use FLAME 2020, or the head 'mica'" in told


def test_photos_of_a_person_give_the_mean_of_their_identities(home, detector):
    image = data.astronaut()
    (face,) = detector.detect(image)
    network = open_identity("mica", None, synthetic_flame())
    dim = (image * 0.6).astype(np.uint8)
    alone = [network.look_at([photo], [face]).mean for photo in (image, dim)]
    together = network.look_at([image, dim], [face, face]).mean
    np.testing.assert_allclose(together, np.mean(alone, axis=0), atol=1e-4 * np.abs(together).max())
    assert np.abs(alone[0] - alone[1]).max() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"identity": "mica"}, "the head 'open' has .* choose --head flame, or --head mica"),
        ({"identity": "nobody"}, "identity is auto, fit, regressor, mica"),
        ({"identity_weight": 2.0}, "choose identity mica with it"),
        ({"identity": "mica", "identity_weight": 0.0}, "above 0 and finite"),
        ({"formats": ("mica",)}, "MICA's files hold the 300 identity components"),
    ],
)
def test_arguments_that_cannot_work_are_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        face3d.reconstruct([data.astronaut()], **arguments)


def test_without_the_file_the_message_says_how_to_get_it(tmp_path, monkeypatch, astronaut_file, capfd):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path))
    with pytest.raises(MissingAssetError, match="face3d assets add mica PATH"):
        mica_for(synthetic_flame())
    assert main(["reconstruct", str(astronaut_file), "--head", "mica", "--identity", "mica"]) == 1
    assert "face3d assets add mica PATH" in capfd.readouterr().err


def test_a_soft_tie_lets_landmarks_speak(home, result, astronaut_file, tmp_path, capfd):
    arguments = ["--head", "mica", "--identity", "mica", "--identity-weight", "2", "--no-texture", "--formats", "ply"]
    assert main(["reconstruct", str(astronaut_file), *arguments, "--json", "--out", str(tmp_path)]) == 0
    (row,) = json.loads(capfd.readouterr().out)["results"]
    assert "identity" in [source["name"] for source in row["scale"]["sources"]]
    stored = np.load(tmp_path / row["name"] / "parameters.npz")["identity"]
    assert torch.linalg.vector_norm(torch.tensor(stored - result.identity)) > 0.01

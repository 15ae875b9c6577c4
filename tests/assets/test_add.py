"""Adding files by hand: content is checked, nothing in a file is executed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from face3d import assets
from face3d.cli import main
from face3d.errors import ArgumentError, CorruptAssetError, InputError
from face3d.expression import read_deca, read_emotion_network, read_visual_front_end
from tests.expression.checkpoints import coarse_weights, emotion_weights, lipread_content


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path / "home"))


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def lipread_files(tmp_path):
    """A lip-reading network of recipe weights, and what says which one it is."""
    torch.save(lipread_content(), tmp_path / "my_download.pth")
    (tmp_path / "model.json").write_text('[88, 40, {"relu_type": "swish"}]')
    return [tmp_path / "my_download.pth", tmp_path / "model.json"]


def test_torch_weights_are_copied_and_recorded(lipread_files):
    found = assets.add("lipread", lipread_files)
    assert found.path.name == "model.pth"
    assert assets.obtain("lipread") == found
    assert found.commercial == "unknown"
    assert read_visual_front_end(found.path).frontend3D[2].__class__ is torch.nn.SiLU


def test_a_lip_reading_network_needs_what_says_its_activation(lipread_files):
    weights, config = lipread_files
    config.unlink()
    with pytest.raises(CorruptAssetError, match=r"model.json is missing"):
        assets.add("lipread", [weights])


def test_expression_networks_load_from_the_store(tmp_path):
    pytest.importorskip("torchvision")
    torch.save({"state_dict": emotion_weights()}, tmp_path / "any.ckpt")
    assert not read_emotion_network(assets.add("emotion", [tmp_path / "any.ckpt"]).path).training
    torch.save({"E_flame": coarse_weights(), "E_detail": {}}, tmp_path / "any.tar")
    assert not read_deca(assets.add("deca", [tmp_path / "any.tar"]).path).training
    with pytest.raises(CorruptAssetError, match="DECA's checkpoint: add it as deca"):
        assets.add("spectre", [tmp_path / "any.tar"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mica", "is DECA's checkpoint, not MICA's"),
        ("arcface", "does not hold ArcFace's IResNet-100"),
        ("deca", "does not hold DECA's coarse encoder"),
        ("spectre", "it is DECA's checkpoint"),
        ("emotion", "does not hold EMOCA's emotion network"),
        ("lipread", "does not hold a lip-reading network"),
    ],
)
def test_another_systems_weights_are_refused(tmp_path, name, message):
    path = tmp_path / ("download.tar" if name in ("mica", "deca", "spectre") else "download.pth")
    torch.save({"E_flame": {"w": torch.ones(3)}, "E_detail": {}}, path)
    with pytest.raises(CorruptAssetError, match=message) as caught:
        assets.add(name, [path])
    assert "\n" not in str(caught.value)
    assert assets.stored(name) is None


def test_the_command_line_refuses_decas_checkpoint_for_micas_and_a_damaged_one(tmp_path, capfd):
    path = tmp_path / "deca_model.tar"
    torch.save({"E_flame": {"w": torch.ones(3)}, "E_detail": {}}, path)
    assert main(["assets", "add", "mica", str(path)]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{path} is DECA's checkpoint, not MICA's: add it as deca" in line
    content = path.read_bytes()
    changed = torch.ones(3).numpy().tobytes()
    path.write_bytes(content.replace(changed, bytes(len(changed))))
    assert main(["assets", "add", "deca", str(path)]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{path} is damaged" in line
    assert "get the file anew" in line
    assert assets.stored("mica") is assets.stored("deca") is None


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mica", "mica.tar"),
        ("flame", "flame.pkl"),
        ("deca", "deca_model.tar"),
        ("spectre", "spectre_model.tar"),
        ("lipread", "model.pth"),
        ("emotion", "emotion.ckpt"),
    ],
)
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path, name, file):
    marker = tmp_path / "ran"
    (tmp_path / file).write_bytes(pickle.dumps({"v_template": Malicious(marker)}))
    with pytest.raises(CorruptAssetError, match=file) as caught:
        assets.add(name, [tmp_path / file])
    assert "\n" not in str(caught.value)
    assert not marker.exists()
    assert assets.stored(name) is None


def test_a_file_with_a_known_hash_must_have_it(tmp_path):
    (tmp_path / "face_landmarker.task").write_bytes(b"something else")
    with pytest.raises(CorruptAssetError, match="SHA-256"):
        assets.add("mediapipe", [tmp_path / "face_landmarker.task"])


def test_unusable_offers(tmp_path):
    (tmp_path / "empty.dat").touch()
    with pytest.raises(CorruptAssetError, match="empty"):
        assets.add("dlib", [tmp_path / "empty.dat"])
    with pytest.raises(CorruptAssetError, match=r"\.dat"):
        assets.add("dlib", [Path(__file__)])
    with pytest.raises(InputError, match="nowhere"):
        assets.add("dlib", [tmp_path / "nowhere.dat"])
    with pytest.raises(ArgumentError, match="one file"):
        assets.add("dlib", [])


def test_the_licence_of_this_very_file_can_be_stated(lipread_files):
    found = assets.add("lipread", lipread_files, licence="CC-BY-4.0")
    assert (found.licence, found.commercial) == ("CC-BY-4.0", "yes")

"""Which networks a track asks, and what is said where one is missing or cannot be asked."""

from __future__ import annotations

import pytest
import torch

from face3d import assets
from face3d.errors import ArgumentError, CorruptAssetError, LicenceError, MissingAssetError
from face3d.head import load_head
from face3d.tracking.clip_expression import open_expression_networks
from tests.expression.checkpoints import coarse_weights, lipread_content
from tests.fit.flame_heads import flame_like


@pytest.fixture(autouse=True)
def empty_store(tmp_path, monkeypatch):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path / "home"))


def lipread_files(tmp_path):
    torch.save(lipread_content(), tmp_path / "model.pth")
    (tmp_path / "model.json").write_text('{"relu_type": "swish"}')
    return [tmp_path / "model.pth", tmp_path / "model.json"]


def test_landmarks_alone_ask_nobody():
    networks = open_expression_networks("fit", "geometric", load_head(), live=True, licence="open")
    assert networks.spectre is None
    assert networks.lips is None
    assert networks.assets == ()
    assert networks.stages == 1


def test_spectre_is_for_flame():
    with pytest.raises(ArgumentError, match="the head 'open' has others; choose --head flame, or --expression fit"):
        open_expression_networks("spectre", "none", load_head())


@pytest.mark.parametrize(
    ("expression", "lip_loss", "name", "file"),
    [("spectre", "none", "spectre", "spectre_model.tar"), ("fit", "visual", "lipread", "model.pth")],
)
def test_a_missing_file_is_told_with_the_command_that_adds_it(expression, lip_loss, name, file):
    with pytest.raises(MissingAssetError, match=f"face3d assets add {name}") as raised:
        open_expression_networks(expression, lip_loss, flame_like())
    assert file in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("expression", "lip_loss"), [("spectre", "none"), ("fit", "visual")])
def test_a_cameras_pictures_are_gone(expression, lip_loss):
    with pytest.raises(ArgumentError, match="a camera's are gone; record it"):
        open_expression_networks(expression, lip_loss, flame_like(), live=True)


def test_another_systems_checkpoint_is_refused_when_it_is_added(tmp_path):
    pytest.importorskip("torchvision")
    torch.save({"E_flame": coarse_weights(), "E_detail": {}}, tmp_path / "spectre_model.tar")
    with pytest.raises(CorruptAssetError, match="E_expression"):
        assets.add("spectre", [tmp_path / "spectre_model.tar"])
    with pytest.raises(MissingAssetError):
        open_expression_networks("spectre", "none", flame_like())


def test_the_network_that_reads_lips_and_its_licence(tmp_path):
    assets.add("lipread", lipread_files(tmp_path))
    networks = open_expression_networks("fit", "visual", load_head())
    assert networks.lips is not None
    assert [use.name for use in networks.assets] == ["lipread"]
    assert networks.stages == 2
    with pytest.raises(LicenceError, match="lipread"):
        open_expression_networks("fit", "visual", load_head(), licence="open")


def test_a_file_that_was_changed_since_is_told(tmp_path):
    found = assets.add("lipread", lipread_files(tmp_path))
    torch.save({"something": torch.zeros(3)}, found.path)
    with pytest.raises(CorruptAssetError, match=r"model\.pth"):
        open_expression_networks("fit", "visual", load_head())

"""An asset that is several files: any of them may be added, each keeps its own terms."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
import torch

from face3d import assets
from face3d.assets import storage
from face3d.errors import ArgumentError, CorruptAssetError, InputError, MissingAssetError

FAN_2D, SFD = "2DFAN4-11f355bf06.pth.tar", "s3fd-619a316812.pth"


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path / "home"))


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """A folder as torch hub leaves it, and a table that takes these files for the published ones."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for file in (FAN_2D, SFD, "something_else.pth"):
        torch.save({"weight": torch.ones(3)}, folder / file)
    np.save(folder / "anchors.npy", np.zeros((896, 4), np.float32))
    fan = assets.ASSETS["fan"]
    members = tuple(
        replace(one, sha256=hashlib.sha256((folder / one.file).read_bytes()).hexdigest()[:10])
        if one.file in (FAN_2D, SFD)
        else one
        for one in fan.members
    )
    table = MappingProxyType({**assets.ASSETS, "fan": replace(fan, members=members)})
    monkeypatch.setattr(storage, "ASSETS", table)
    return folder


def test_a_folder_gives_the_files_that_belong_to_it(downloads):
    found = assets.add("fan", [downloads])
    assert list(found.hashes) == [FAN_2D, SFD, "anchors.npy"]
    assets.verify(found)
    one, other = assets.obtain_members("fan", [SFD, FAN_2D])
    assert one.path.name == SFD
    assert "WIDER FACE" in one.licence
    assert other.use.name == f"fan/{FAN_2D}"
    assert other.use.sha256 == hashlib.sha256((downloads / FAN_2D).read_bytes()).hexdigest()


def test_files_added_later_lie_beside_the_earlier(downloads):
    assets.add("fan", [downloads / SFD])
    with pytest.raises(MissingAssetError, match=f"assets add fan {FAN_2D}"):
        assets.obtain_members("fan", [SFD, FAN_2D])
    found = assets.add("fan", [downloads / FAN_2D], licence="MIT")
    assert set(found.hashes) == {SFD, FAN_2D}
    one, other = assets.obtain_members("fan", [SFD, FAN_2D])
    assert (one.commercial, other.licence, other.commercial) == ("unknown", "MIT", "yes")


def test_a_damaged_member_is_named(downloads):
    found = assets.add("fan", [downloads])
    found.path.with_name(SFD).write_bytes(b"cut short")
    with pytest.raises(CorruptAssetError, match=f"{SFD} is damaged"):
        assets.obtain_members("fan", [SFD])
    assert assets.obtain_members("fan", [FAN_2D])
    found.path.with_name(SFD).unlink()
    with pytest.raises(CorruptAssetError, match="cannot be read"):
        assets.obtain_members("fan", [SFD])


def test_unusable_offers(downloads, tmp_path):
    with pytest.raises(CorruptAssetError, match="none of fan's files"):
        assets.add("fan", [downloads / "something_else.pth"])
    torch.save({"weight": torch.ones(4)}, downloads / FAN_2D)
    with pytest.raises(CorruptAssetError, match="SHA-256 does not begin with"):
        assets.add("fan", [downloads])
    assert assets.stored("fan") is None
    (downloads / "blazeface.pth").touch()
    (downloads / "blazefaceback.pth").write_bytes(b"no weights")
    (downloads / "anchorsback.npy").write_bytes(b"no array")
    (downloads / "scrfd_2.5g_bnkps.onnx").write_bytes(b"<html>")
    for file, match in (
        ("blazeface.pth", "empty"),
        ("blazefaceback.pth", "cannot be read safely"),
        ("anchorsback.npy", "NumPy array"),
        ("scrfd_2.5g_bnkps.onnx", "no ONNX"),
    ):
        with pytest.raises(CorruptAssetError, match=match):
            assets.add("fan", [downloads / file])
    with pytest.raises(ArgumentError, match="one or more of"):
        assets.add("fan", [])
    (tmp_path / "nothing").mkdir()
    for name in ("fan", "flame"):
        with pytest.raises(InputError, match="holds none of"):
            assets.add(name, [tmp_path / "nothing"])
    with pytest.raises(InputError, match="not a file"):
        assets.add("fan", [tmp_path / SFD])


def test_a_large_file_is_fetched_only_on_command():
    with pytest.raises(MissingAssetError, match="face3d assets fetch dlib"):
        assets.obtain("dlib")

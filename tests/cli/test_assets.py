"""`face3d assets` from the first fetch to the repair of a damaged file."""

from __future__ import annotations

import json

import torch

from face3d.cli import main
from tests.expression.checkpoints import lipread_content


def test_the_life_of_an_asset(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path / "home"))
    assert main(["assets", "path", "mediapipe"]) == 1
    assert "face3d assets fetch mediapipe" in capfd.readouterr().err
    assert main(["assets", "fetch", "mediapipe", "--json"]) == 0
    row = json.loads(capfd.readouterr().out)["assets"][0]
    assert row["state"] == "here"
    assert main(["assets", "verify"]) == 0
    assert "mediapipe" in capfd.readouterr().out

    with open(row["path"], "r+b") as file:
        file.write(b"damage")
    assert main(["assets", "verify"]) == 1
    said = capfd.readouterr().out
    assert row["path"] in said
    assert "face3d assets fetch mediapipe" in said
    assert main(["assets", "fetch", "mediapipe"]) == 0
    assert main(["assets", "verify", "mediapipe"]) == 0


def test_adding_by_hand(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path / "home"))
    torch.save(lipread_content("prelu"), tmp_path / "download.pth")
    assert main(["assets", "add", "lipread", str(tmp_path / "download.pth")]) == 0
    capfd.readouterr()
    assert main(["assets", "path", "lipread"]) == 0
    assert capfd.readouterr().out.strip().endswith("model.pth")


def test_out_takes_the_document(tmp_path):
    assert main(["assets", "list", "--quiet", "--out", str(tmp_path / "assets.json")]) == 0
    assert len(json.loads((tmp_path / "assets.json").read_text())["assets"]) == 11
    assert main(["assets", "list", "--quiet", "--out", str(tmp_path / "no" / "assets.json")]) == 1

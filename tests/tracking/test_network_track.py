"""The whole of `face3d.track` with SPECTRE's networks and one that reads lips, of recipe weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage import data

import face3d
from face3d import assets
from face3d.assets.storage import folder_of
from face3d.errors import ArgumentError, AssetError
from face3d.fit import visual_lips
from face3d.head import save_head
from face3d.tracking import clip_lips, clip_spectre
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.work_folder import WorkFolder
from tests.expression.checkpoints import coarse_weights, lipread_content, spectre_content
from tests.fit.flame_heads import flame_like_arrays
from tests.media.clips import write_clip

FRAMES = 6


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A FLAME file, the networks' weights in the store, and a clip of a face that nods."""
    pytest.importorskip("torchvision")
    folder = tmp_path_factory.mktemp("networks")
    save_head(flame_like_arrays(), folder / "flame.npz")
    content = spectre_content()
    # Recipe weights say anything of a picture; these say little.
    content["E_flame"] = coarse_weights() | {"layers.2.weight": coarse_weights()["layers.2.weight"] * 1e-2}
    content["E_expression"]["layers.0.weight"] = content["E_expression"]["layers.0.weight"] * 1e-2
    torch.save(content, folder / "spectre_model.tar")
    torch.save(lipread_content(), folder / "model.pth")
    (folder / "model.json").write_text('{"relu_type": "swish"}')
    assets.add("spectre", [folder / "spectre_model.tar"])
    assets.add("lipread", [folder / "model.pth", folder / "model.json"])
    frames = []
    for number in range(FRAMES):
        matrix = cv2.getRotationMatrix2D((164, 113), 4 * np.sin(number / 2), 1)
        matrix[:, 2] += [-60 + 4 * np.sin(number / 3), 20]
        frames.append(cv2.warpAffine(data.astronaut(), matrix, (320, 320), borderMode=cv2.BORDER_REPLICATE))
    yield folder / "flame.npz", write_clip(folder / "nod.mp4", frames)
    # The store is the session's: other tests want these to be missing.
    for name in ("spectre", "lipread"):
        shutil.rmtree(folder_of(name))


def arrays_of(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "track.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def test_expression_and_jaw_come_from_spectre_and_the_pose_from_landmarks(files, tmp_path):
    head, clip = files
    (track,) = face3d.track(clip, head=head, expression="spectre", lip_loss="none", out=tmp_path, overlay=False)
    assert track.expression.shape == (FRAMES, 60)
    assert np.abs(track.expression[:, :50]).max() > 1e-4
    assert not track.expression[:, 50:].any()
    assert track.jaw.any()
    (landmarks,) = face3d.track(clip, head=head, lip_loss="none")
    np.testing.assert_array_equal(track.identity, landmarks.identity)
    turn = np.einsum("tij,tkj->tik", track.camera_from_head[:, :3, :3], landmarks.camera_from_head[:, :3, :3])
    assert np.degrees(np.arccos(np.clip((np.trace(turn, axis1=1, axis2=2) - 1) / 2, -1, 1))).max() < 8
    assert {use.name for use in track.assets} >= {"spectre", "mediapipe"}
    record = json.loads((tmp_path / "nod" / "track.json").read_text())
    assert "spectre" in json.dumps(record["assets"])


def test_a_stopped_run_goes_on_to_the_same_bits(files, tmp_path, monkeypatch):
    """In the middle of SPECTRE's chunks, then in the middle of the lips'."""
    monkeypatch.setattr(visual_lips, "STEPS", 2)
    for stage in (clip_lips.refine_lips, clip_spectre.foretell_expressions):
        monkeypatch.setitem(stage.__kwdefaults__, "chunk", 3)
    options = {"head": files[0], "expression": "spectre", "lip_loss": "visual", "overlay": False, "formats": ("ply",)}
    face3d.track(files[1], out=tmp_path / "whole", **options)
    real = WorkFolder.keep
    for last in ("spectre_000001_000003", "lips_000001_000003"):

        def keep(work, name, arrays, last=last):
            real(work, name, arrays)
            if name == last:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(WorkFolder, "keep", keep)
            with pytest.raises(KeyboardInterrupt):
                face3d.track(files[1], out=tmp_path / "stopped", **options)
        assert (tmp_path / "stopped" / "nod.partial" / f"{last}.npz").exists()
        assert not (tmp_path / "stopped" / "nod").exists()
    face3d.track(files[1], out=tmp_path / "stopped", **options)
    expected, found = arrays_of(tmp_path / "whole" / "nod"), arrays_of(tmp_path / "stopped" / "nod")
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_a_camera_and_the_open_head_are_refused_before_anything_is_read(files):
    with pytest.raises(ArgumentError, match="a camera's are gone"):
        face3d.track(f"file://{files[1]}", lip_loss="visual")
    with pytest.raises(ArgumentError, match="choose --head flame"):
        face3d.track(files[1], expression="spectre")


def test_missing_weights_are_told_before_the_video_is_opened(files, tmp_path, monkeypatch):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path))
    monkeypatch.setattr(ClipPart, "open", pytest.fail)
    for options, name in (({"expression": "spectre"}, "spectre"), ({"lip_loss": "visual"}, "lipread")):
        with pytest.raises(AssetError) as raised:
            face3d.track(files[1], head=files[0], **options)
        assert "\n" not in str(raised.value)
        assert f"face3d assets add {name}" in str(raised.value)

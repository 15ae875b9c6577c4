"""Everything that a track is written as, from known motion over a clip of plain frames."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import av
import numpy as np
import pytest
import trimesh

from face3d.errors import ArgumentError, OutputError
from face3d.export.live_link import read_live_link
from face3d.export.track_npz import read_track_npz
from face3d.head import HeadModel
from face3d.media import whole_file
from face3d.media.video import open_video
from face3d.result_files import MESH_FORMATS
from face3d.track_files import write_overlay, write_track
from tests.export.gltf_evaluator import Gltf
from tests.head.random_heads import random_arrays
from tests.talking import GAP, grey_clip, talking_track

FRAMES = 30


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return grey_clip(tmp_path_factory.mktemp("clip") / "talk.mp4", FRAMES + 4)


@pytest.fixture(scope="module")
def track():
    """The person comes two frames after the clip's beginning and leaves two before its end."""
    return talking_track(FRAMES, first=2)


@pytest.fixture(scope="module")
def folder(track, clip, tmp_path_factory):
    folder = tmp_path_factory.mktemp("talk")
    write_track(track, folder, formats=("obj", "glb"), video=clip, people=2)
    return folder


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


def test_the_files_are_those_of_the_design(folder):
    assert {path.name for path in folder.iterdir()} == {
        *("track.npz", "head_neutral.obj", "head_neutral.glb", "head.glb", "arkit.csv", "overlay.mp4"),
        *("measurements.json", "track.json", "curves.png", "report.html"),
    }


def test_they_all_tell_of_the_same_motion(folder, track):
    arrays = read_track_npz(folder / "track.npz")
    np.testing.assert_array_equal(arrays["timestamps"], track.times)
    times, curves = read_live_link(folder / "arkit.csv")
    np.testing.assert_allclose(times, track.times, atol=1e-5)
    np.testing.assert_allclose(curves, track.live_link(), atol=1e-8)
    found = Gltf.read((folder / "head.glb").read_bytes()).vertices(float(np.float32(track.times[8])))
    wanted = track.posed_in_camera(8) * [1, -1, -1]
    np.testing.assert_allclose(found[: len(wanted)], wanted, atol=1e-6)
    neutral = trimesh.load(folder / "head_neutral.obj", process=False, maintain_order=True)
    np.testing.assert_allclose(neutral.bounds[1], track.neutral().vertices[0].numpy().max(0), atol=1e-6)
    record = json.loads((folder / "track.json").read_text())
    assert record["people"] == 2
    assert record["frames"]["first"] == 2
    measured = json.loads((folder / "measurements.json").read_text())
    assert measured["pupillary_distance"]["value"] == track.measurements["pupillary_distance"].value


def test_the_head_is_drawn_where_the_person_is(folder, track, clip):
    drawn, plain = frames_of(folder / "overlay.mp4"), frames_of(clip)
    assert len(drawn) == len(plain) == FRAMES + 4
    changed = [(np.abs(a - b).max(-1) > 12).mean() for a, b in zip(drawn, plain, strict=True)]
    gap = range(2 + GAP.start, 2 + GAP.stop)
    assert max(changed[:2] + changed[-2:]) < 0.01
    seen = [share for number, share in enumerate(changed[2:-2], start=2) if number not in gap]
    assert min(seen) > 0.1
    strength = [np.abs(a - b).mean() for a, b in zip(drawn, plain, strict=True)]
    assert 0.2 < np.mean([strength[n] for n in gap]) / np.mean(strength[2:-2]) < 0.8, "fainter where it is not seen"
    rows, columns = np.nonzero(np.abs(drawn[8] - plain[8]).max(-1) > 12)
    seen_at = track.posed_in_camera(6) @ track.intrinsics.matrix.T
    pixels = seen_at[:, :2] / seen_at[:, 2:]
    np.testing.assert_allclose([columns.min(), rows.min()], pixels.min(0), atol=6)
    np.testing.assert_allclose([columns.max(), rows.max()], np.minimum(pixels.max(0), [320, 240]), atol=6)


def test_side_by_side_and_a_part_of_the_video(track, clip, tmp_path):
    with open_video(clip, start=0.4, end=0.8) as video:
        start = write_overlay(track, video, tmp_path / "overlay.mp4", side_by_side=True)
    assert start == pytest.approx(0.4, abs=0.041)
    frames = frames_of(tmp_path / "overlay.mp4")
    assert frames[0].shape == (240, 640, 3)
    assert 9 <= len(frames) <= 11
    assert (np.abs(frames[0][:, :320] - frames[0][:, 320:]).max(-1) > 12).mean() > 0.05
    with pytest.raises(OutputError, match="no frame"), open_video(clip, start=60.0) as video:
        write_overlay(track, video, tmp_path / "none.mp4")
    assert not list(tmp_path.glob("none*"))


def test_meshes_of_frames_are_named_by_the_video(track, tmp_path):
    write_track(track, tmp_path, formats=(), per_frame_meshes="ply", unit="mm", report=False)
    names = sorted(path.name for path in (tmp_path / "meshes").iterdir())
    assert names == [f"{number:06d}.ply" for number in range(2, 2 + FRAMES)]
    mesh = trimesh.load(tmp_path / "meshes" / "000007.ply", process=False)
    wanted = track.posed(5, 6).vertices[0].numpy() * 1000
    np.testing.assert_allclose(mesh.bounds, [wanted.min(0), wanted.max(0)], atol=1e-3)
    assert not (tmp_path / "overlay.mp4").exists()
    assert not (tmp_path / "report.html").exists()


def test_a_head_without_named_expressions_has_no_live_link(tmp_path):
    write_track(talking_track(6, model=HeadModel(random_arrays())), tmp_path, formats=tuple(MESH_FORMATS))
    assert not (tmp_path / "arkit.csv").exists()
    assert (tmp_path / "report.html").exists()
    assert len(list(tmp_path.glob("head_neutral.*"))) == len(MESH_FORMATS)


def test_unknown_formats_are_refused_before_anything_is_written(track, tmp_path):
    with pytest.raises(ArgumentError, match="fbx"):
        write_track(track, tmp_path, formats=("fbx",))
    with pytest.raises(ArgumentError, match="stl"):
        write_track(track, tmp_path, per_frame_meshes="stl")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_names_the_file_and_leaves_whole_ones(track, tmp_path, monkeypatch):
    replace = os.replace

    def scarce(source, target):
        if Path(target).name == "curves.png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(whole_file.os, "replace", scarce)
    with pytest.raises(OutputError, match=r"curves\.png.*No space left"):
        write_track(track, tmp_path, formats=("obj",))
    # Files are written side by side; each is whole or not there.
    names = {path.name for path in tmp_path.iterdir()}
    assert "curves.png" not in names
    assert not any(name.endswith(".partial") for name in names)
    read_track_npz(tmp_path / "track.npz")


def test_heads_are_posed_a_few_at_a_time(tmp_path, monkeypatch):
    """Memory must not grow with the video: T times V vertices of two hours would be 14 GB."""
    most = 0
    forward = HeadModel.forward

    def watched(self, **parameters):
        nonlocal most
        geometry = forward(self, **parameters)
        most = max(most, len(geometry.vertices))
        return geometry

    monkeypatch.setattr(HeadModel, "forward", watched)
    track = talking_track(100, image_size=(64, 48))
    write_track(track, tmp_path, formats=(), video=grey_clip(tmp_path / "clip.mp4", 100, (64, 48)))
    assert most <= 32

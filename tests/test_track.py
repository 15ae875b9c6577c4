"""The job from a video to heads over time, through the Python API."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

import face3d
from face3d.errors import ArgumentError, InputError, NoFaceError
from face3d.media import read_image
from face3d.tracking import find_faces
from face3d.tracking.segments import Segments
from tests.media.clips import write_clip

SEGMENTS = Segments(length=8, warm_up=4)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    """Clips of a few frames have several segments."""
    monkeypatch.setattr(find_faces, "segments_of_clip", lambda frames: SEGMENTS)


def nodding(count: int, *, start: int = 0):
    """Frames of a face that nods and moves."""
    for n in range(start, start + count):
        matrix = cv2.getRotationMatrix2D((164, 113), 6 * np.sin(n / 4), 1)
        matrix[:, 2] += [-60 + 8 * np.sin(n / 5), 20 + 5 * np.sin(n / 3)]
        yield cv2.warpAffine(data.astronaut(), matrix, (320, 320), borderMode=cv2.BORDER_REPLICATE)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "nod.mp4", nodding(20))


@pytest.fixture(scope="module")
def whole(clip, tmp_path_factory):
    """The clip tracked in one go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(find_faces, "segments_of_clip", lambda frames: SEGMENTS)
        (result,) = face3d.track(clip, out=tmp_path_factory.mktemp("whole"), overlay=False, formats=("ply",))
    return result


def arrays_of(folder: Path):
    with np.load(folder / "track.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def assert_same_arrays(one: Path, other: Path):
    first, second = arrays_of(one), arrays_of(other)
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name)


def test_one_person_one_head_over_time(whole, clip):
    model, frames = whole.model, 20
    assert (whole.name, whole.person, whole.source) == ("nod", 1, str(clip))
    np.testing.assert_array_equal(whole.frames, np.arange(frames))
    np.testing.assert_allclose(whole.times, np.arange(frames) / 25, atol=1e-6)
    assert whole.identity.shape == (model.identity_size,)
    assert whole.expression.shape == (frames, len(model.expression_names))
    assert whole.camera_from_head.shape == (frames, 4, 4)
    assert whole.arkit.shape == (frames, 61)
    assert whole.valid.all()
    assert (whole.shots == 1).all()
    assert whole.lips_closed.shape == (frames,)
    assert whole.intrinsics.image_size == (320, 320)
    assert whole.frame_rate == pytest.approx(25)
    assert "mediapipe" in {use.name for use in whole.assets}
    assert whole.timings["frames_per_second"] > 0
    assert 0.051 < whole.measurements["pupillary_distance"].value < 0.077


def test_the_head_follows_the_face(whole):
    """It lies on the landmarks, and rolls as the picture was turned."""
    assert np.median(whole.residual) < 0.035
    assert (whole.quality > 0.3).all()
    sideways = whole.camera_from_head[:, :3, 0]
    roll = np.degrees(np.unwrap(np.arctan2(sideways[:, 1], sideways[:, 0])))
    turned = -6 * np.sin(np.arange(20) / 4)
    np.testing.assert_allclose(roll - roll.mean(), turned - turned.mean(), atol=1.0)


def test_the_files_say_what_the_object_says(whole):
    arrays = arrays_of(whole.folder)
    for name in ("identity", "expression", "camera_from_head", "valid", "lips_closed", "labiodental"):
        np.testing.assert_array_equal(arrays[name], getattr(whole, name))
    record = json.loads((whole.folder / "track.json").read_text())
    assert record["source"] == whole.source
    assert record["timings"]["frames_per_second"] > 0
    files = {path.name for path in whole.folder.iterdir()}
    assert files >= {"track.npz", "track.json", "head.glb", "head_neutral.ply", "arkit.csv", "measurements.json"}
    assert not (whole.folder / "overlay.mp4").exists()
    assert [path.name for path in whole.folder.parent.iterdir()] == ["nod"]


KILLED = """
import sys
from functools import partial
import face3d
from face3d.tracking import find_faces
from face3d.tracking.segments import Segments
find_faces.segments_of_clip = lambda frames: Segments(length=8, warm_up=4)
face3d.track(sys.argv[1], out=sys.argv[2], overlay=False, formats=("ply",))
"""


def test_a_killed_run_goes_on_to_the_same_result(whole, clip, tmp_path):
    work = tmp_path / "nod.partial"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(clip), str(tmp_path)], stderr=subprocess.DEVNULL)
    while process.poll() is None and not (work / "faces_000001.npz").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    first = (work / "faces_000000.npz").stat().st_mtime_ns
    assert not (tmp_path / "nod").exists()

    seen = []
    (again,) = face3d.track(
        clip, out=tmp_path, overlay=False, formats=("ply",), on_frame=lambda head: seen.append(head.frame.index)
    )
    assert first
    assert min(seen, default=16) >= 16
    assert_same_arrays(again.folder, whole.folder)
    assert [path.name for path in tmp_path.iterdir()] == ["nod"]


def test_another_run_does_not_mix_with_what_is_there(whole, clip, tmp_path, monkeypatch):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["face3d.track"], "timelines", stopped)
        with pytest.raises(KeyboardInterrupt):
            face3d.track(clip, out=tmp_path, every=2, overlay=False)
    assert (tmp_path / "nod.partial" / "faces.json").exists()
    (result,) = face3d.track(clip, out=tmp_path, overlay=False)
    assert_same_arrays(result.folder, whole.folder)


def test_what_a_kill_left_half_written_is_removed_and_nothing_else(clip, tmp_path):
    for name, file in (("nod.k2j3h4g5", "track.npz"), ("nod_2.k2j3h4g5", "head.glb"), ("talk.k2j3h4g5", "head.glb")):
        (tmp_path / f"{name}.partial").mkdir()
        (tmp_path / f"{name}.partial" / file).write_text("half")
    (tmp_path / "nod.a2j3h4g5.partial").mkdir()
    (tmp_path / "nod.a2j3h4g5.partial" / "thesis.docx").write_text("mine")
    face3d.track(clip, out=tmp_path, overlay=False, end=0.2)
    assert {path.name for path in tmp_path.iterdir()} == {"nod", "talk.k2j3h4g5.partial", "nod.a2j3h4g5.partial"}


def test_two_people_two_tracks(package_photos, tmp_path):
    faces = [cv2.resize(read_image(package_photos[name]).pixels, (300, 300)) for name in ("biden.jpg", "obama.jpg")]
    both = np.concatenate(faces, axis=1)
    frames = [np.ascontiguousarray(np.roll(both, n, axis=1)) for n in range(10)]
    folder = tmp_path / "pair"
    folder.mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{number}.png"), frame[..., ::-1])
    tracks = face3d.track(folder, frames_per_second=10, out=tmp_path / "out", overlay=False, formats=("ply",))
    assert [track.name for track in tracks] == ["pair_1", "pair_2"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"pair_1", "pair_2"}
    left, right = (track.camera_from_head[:, 0, 3].mean() for track in tracks)
    assert min(left, right) < 0 < max(left, right)
    np.testing.assert_array_equal(tracks[0].intrinsics.matrix, tracks[1].intrinsics.matrix)
    assert np.abs(tracks[0].identity - tracks[1].identity).max() > 0.1
    np.testing.assert_allclose(tracks[0].times, np.arange(10) / 10)


def test_a_face_that_is_hidden_for_some_frames(tmp_path):
    frames = list(nodding(24))
    for number in range(9, 13):
        frames[number][30:230, 60:270] = 120
    (track,) = face3d.track(write_clip(tmp_path / "hidden.mp4", frames))
    np.testing.assert_array_equal(track.frames[~track.valid], [9, 10, 11, 12])
    assert np.isnan(track.residual[~track.valid]).all()
    assert track.quality[~track.valid].max() < track.quality[track.valid].min()
    jumps = np.linalg.norm(np.diff(track.camera_from_head[:, :3, 3], axis=0), axis=1)
    assert jumps.max() < 0.03


def test_a_video_without_a_face(tmp_path):
    clip = write_clip(tmp_path / "coffee.mp4", [data.coffee()] * 6)
    with pytest.raises(NoFaceError, match="coffee.mp4") as raised:
        face3d.track(clip, out=tmp_path / "out")
    assert "\n" not in str(raised.value)


def test_a_truncated_video_is_tracked_as_far_as_it_goes(tmp_path):
    path = write_clip(tmp_path / "whole.avi", nodding(30))
    content = path.read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    (track,) = face3d.track(tmp_path / "cut.avi")
    assert 10 <= len(track.frames) < 20
    assert "truncated" in " ".join(track.warnings)


def test_a_camera_is_tracked_as_it_goes_and_ends_when_it_is_unplugged(clip, whole, tmp_path):
    """A file that is read by its address stands for a camera."""
    heads = []
    (track,) = face3d.track(f"file://{clip}", out=tmp_path, on_frame=heads.append)
    assert [head.frame.index for head in heads] == list(range(20))
    assert {head.person for head in heads} == {1}
    # Without lag, what is known by then is near what is known in the end.
    for head in heads[10:]:
        pose, final = head.motion.camera_from_head[0], whole.camera_from_head[head.frame.index]
        turn = np.degrees(np.arccos(np.clip((np.trace(pose[:3, :3].T @ final[:3, :3]) - 1) / 2, -1, 1)))
        assert turn < 5
    assert (track.folder / "track.npz").exists()
    assert not (track.folder / "overlay.mp4").exists()
    assert track.name == "stream"


def test_ctrl_c_ends_a_camera_and_keeps_what_it_showed(clip, tmp_path):
    def stop(head):
        if head.frame.index == 12:
            raise KeyboardInterrupt

    (track,) = face3d.track(f"file://{clip}", out=tmp_path, on_frame=stop)
    np.testing.assert_array_equal(track.frames, np.arange(13))
    assert [path.name for path in tmp_path.iterdir()] == ["stream"]


def test_a_given_camera_is_kept(clip):
    (track,) = face3d.track(clip, fov=40, end=0.3, pupillary_distance=0.06)
    assert track.intrinsics.source == "fov"
    assert track.intrinsics.matrix[0, 0] == pytest.approx(160 / np.tan(np.radians(20)))
    assert track.measurements["pupillary_distance"].value == pytest.approx(0.06, rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"expression": "spectre"},
        {"expression": "dance"},
        {"lip_loss": "loud"},
        {"refine": "harder"},
        {"formats": ("fbx",)},
        {"unit": "inch"},
        {"per_frame_meshes": "glb"},
        {"max_faces": 0},
        {"smoothing": -1.0},
        {"smoothing": float("nan")},
        {"pupillary_distance": 62.0},
        {"fov": 200.0},
        {"fov": 40.0, "intrinsics": (500, 500, 160, 160)},
        {"intrinsics": (500, 500)},
        {"every": 0},
        {"start": 2.0, "end": 1.0},
        {"detector": "crystal ball"},
        {"identity": "mica"},
        {"identity_weight": 1.0},
        {"device": "cuda:77"},
    ],
)
def test_unusable_arguments_before_anything_is_read(options, tmp_path):
    with pytest.raises(ArgumentError):
        face3d.track(tmp_path / "clip.mp4", **options)


def test_a_missing_video(tmp_path):
    with pytest.raises(InputError, match="gone.mp4"):
        face3d.track(tmp_path / "gone.mp4")

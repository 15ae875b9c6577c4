"""`face3d.align`: anything that holds faces in, landmarks out."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

import face3d
from face3d.align import VideoPart, align_to_folder
from face3d.errors import ArgumentError, InputError, OutputError
from face3d.media.video import open_video
from tests.media.clips import ffmpeg, write_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """12 frames of a face that moves to the right by 3 pixels a frame."""
    image = data.astronaut()[:320, 60:380]
    frames = [np.ascontiguousarray(np.roll(image, 3 * n, axis=1)) for n in range(12)]
    return write_clip(tmp_path_factory.mktemp("clip") / "nod.mp4", frames)


def collect(inputs, out, **options):
    failures = []
    done = list(align_to_folder(inputs, out, on_failure=failures.append, **options))
    return done, failures


def test_photos_arrays_folders_and_videos_together(astronaut_file, clip, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("b.png", "a.jpg"):
        Image.fromarray(data.astronaut()).save(tmp_path / "photos" / name)
    inputs = [astronaut_file, data.astronaut(), tmp_path / "photos", clip, data.coffee()]
    faces = face3d.align(inputs)
    sources = [face.sighting.source for face in faces]
    assert sources == [
        str(astronaut_file),
        "the given array",
        str(tmp_path / "photos" / "a.jpg"),
        str(tmp_path / "photos" / "b.png"),
        *[str(clip)] * 12,
    ]
    np.testing.assert_allclose(faces[1].points, faces[3].points)
    assert [face.sighting.frame for face in faces[4:]] == list(range(12))
    assert faces[0].sighting.frame is None
    middle = [face.points[:, 0].mean() for face in faces[4:]]
    np.testing.assert_allclose(np.diff(middle), 3, atol=0.7)
    assert faces[4].sighting.smoothed.shape == (478, 3)


def test_several_workers_find_the_same_as_one(clip, astronaut_file):
    inputs = [astronaut_file, clip, data.astronaut(), clip]
    one, three = face3d.align(inputs, workers=1), face3d.align(inputs, workers=3)
    for a, b in zip(one, three, strict=True):
        assert a.sighting.frame == b.sighting.frame
        np.testing.assert_allclose(a.points, b.points, atol=1e-3)


def test_the_group_and_the_landscape(package_photos):
    assert [face.sighting.person for face in face3d.align([package_photos["t1.jpg"]])] == [1, 2, 3, 4, 5, 6]
    assert face3d.align([package_photos["free-mountain-vector-01.jpg"]]) == []


def test_a_part_of_a_video(clip):
    faces = face3d.align([clip], video=VideoPart(start=0.16, end=0.4, every=2))
    assert [face.sighting.frame for face in faces] == [4, 6, 8]
    with pytest.raises(InputError, match="nod.mp4"):
        face3d.align([clip], video=VideoPart(start=60.0))


def test_without_a_listener_the_first_failure_is_raised(astronaut_file, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(InputError, match="text.jpg"):
        face3d.align([astronaut_file, tmp_path / "text.jpg"])
    failures = []
    faces = face3d.align([tmp_path / "text.jpg", astronaut_file], on_failure=failures.append)
    assert len(faces) == 1
    assert [Path(failure.source).name for failure in failures] == ["text.jpg"]


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        ([], {}),
        ("photo.jpg", {}),
        (["photo.jpg"], {"workers": 0}),
        (["photo.jpg"], {"detector": "crystal ball"}),
    ],
)
def test_unusable_arguments(inputs, options):
    with pytest.raises(ArgumentError):
        face3d.align(inputs, **options)


@pytest.mark.parametrize("part", [{"start": -1.0}, {"start": 2.0, "end": 1.0}, {"every": 0}, {"start": float("nan")}])
def test_unusable_parts_of_a_video(part):
    with pytest.raises(ArgumentError):
        VideoPart(**part)


def test_a_rotated_phone_video_is_upright(clip, tmp_path):
    """Turned on its side, with the flag that turns it back, the face is found where it is in the upright clip."""
    lying = []
    with open_video(clip) as video:
        lying = [np.ascontiguousarray(np.rot90(frame.pixels)) for frame in video]
    content = bytearray(write_clip(tmp_path / "lying.mp4", lying).read_bytes())
    start, one = content.index(b"tkhd") + 4 + 4 + 20 + 16, 1 << 16
    matrix = np.array([0, one, 0, -one, 0, 0, 320 * one, 0, 1 << 30], dtype=">i4")
    content[start : start + 36] = matrix.tobytes()
    (tmp_path / "phone.mp4").write_bytes(content)
    upright, turned = face3d.align([clip]), face3d.align([tmp_path / "phone.mp4"])
    assert len(turned) == len(upright)
    assert np.abs(turned[3].points[:, :2] - upright[3].points[:, :2]).mean() < 1.0
    assert face3d.align([tmp_path / "lying.mp4"], video=VideoPart(end=0.01)) != turned[:1]


def test_heic_is_read_or_refused(tmp_path):
    try:
        import pillow_heif
    except ImportError:
        (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100)
        with pytest.raises(InputError, match="HEIC"):
            face3d.align([tmp_path / "phone.heic"])
        return
    pillow_heif.from_pillow(Image.fromarray(data.astronaut())).save(tmp_path / "phone.heic", quality=90)
    assert len(face3d.align([tmp_path / "phone.heic"])) == 1


# Into a folder.


def test_what_a_folder_holds(clip, package_photos, tmp_path):
    out = tmp_path / "out"
    inputs = [package_photos["t1.jpg"], clip, package_photos["biden.jpg"]]
    done, failures = collect(inputs, out, formats=("json", "csv", "npz", "pts"), crops=("arcface112",))
    assert failures == []
    assert [(file.name, file.people, file.frames, file.already_done) for file in done] == [
        ("t1", 6, None, False),
        ("nod", 1, 12, False),
        ("biden", 1, None, False),
    ]
    files = {file.name: {str(p.relative_to(file.folder)) for p in file.folder.rglob("*.*")} for file in done}
    tables = {"alignment.json", "landmarks.json", "landmarks.csv", "landmarks.npz"}
    assert files["biden"] == tables | {"biden.pts", "arcface112.png"}
    numbers = range(1, 7)
    assert files["t1"] == tables | {f"t1_{n}.pts" for n in numbers} | {f"arcface112_{n}.png" for n in numbers}
    frames = [f"{n:06d}_1" for n in range(12)]
    assert files["nod"] == (
        tables
        | {"landmarks_smoothed.csv"}
        | {f"pts/{frame}.pts" for frame in frames}
        | {f"crops/arcface112_{frame}.png" for frame in frames}
    )
    with Image.open(done[1].folder / "crops" / "arcface112_000004_1.png") as crop:
        assert crop.size == (112, 112)
    marker = json.loads((done[1].folder / "alignment.json").read_text())
    assert marker["assets"][0]["name"] == "mediapipe"
    assert marker["assets"][0]["licence"] == "Apache-2.0"


def test_crops_are_aligned(clip, tmp_path):
    """The eyes lie where the template has them, in every frame."""
    (done,), _ = collect([clip], tmp_path, crops=("arcface112",))
    found = face3d.align(
        [cv2.imread(str(path))[..., ::-1] for path in sorted((done.folder / "crops").glob("*.png"))[::4]]
    )
    for face in found:
        eyes = face.points[[33, 133, 159, 145]].mean(axis=0), face.points[[263, 362, 386, 374]].mean(axis=0)
        np.testing.assert_allclose(eyes[0][:2], [38.8, 52.2], atol=3)
        np.testing.assert_allclose(eyes[1][:2], [74.0, 52.0], atol=3)


def test_a_second_run_does_only_what_is_left(clip, astronaut_file, tmp_path, monkeypatch):
    out = tmp_path / "out"
    collect([astronaut_file], out)
    before = (out / "astronaut" / "landmarks.json").stat().st_mtime_ns
    done, _ = collect([astronaut_file, clip], out)
    assert [file.already_done for file in done] == [True, False]
    assert (out / "astronaut" / "landmarks.json").stat().st_mtime_ns == before
    # Nothing is detected, not even opened, when all is there.
    module = sys.modules["face3d.align"]
    monkeypatch.setattr(module, "open_detector", lambda *arguments, **options: pytest.fail("opened a detector"))
    done, _ = collect([astronaut_file, clip], out)
    assert [(file.people, file.frames, file.already_done) for file in done] == [(1, None, True), (1, 12, True)]


def test_what_changed_is_done_again(tmp_path):
    photo, out = tmp_path / "face.png", tmp_path / "out"
    Image.fromarray(data.astronaut()).save(photo)
    collect([photo], out)
    done, _ = collect([photo], out, formats=("json", "npz"))
    assert not done[0].already_done
    assert (out / "face" / "landmarks.npz").exists()
    Image.fromarray(data.coffee()).save(photo)
    done, _ = collect([photo], out, formats=("json", "npz"))
    assert (done[0].already_done, done[0].people) == (False, 0)


def test_same_stems_keep_their_own_results_over_runs_in_any_order(tmp_path):
    images = {"one": data.astronaut(), "two": data.coffee()[:400, :400]}
    photos = []
    for name, image in images.items():
        (tmp_path / name).mkdir()
        photos.append(tmp_path / name / "face.png")
        Image.fromarray(np.ascontiguousarray(image)).save(photos[-1])
    out = tmp_path / "out"
    done, _ = collect(photos, out)
    assert [(file.name, file.people) for file in done] == [("face", 1), ("face-2", 0)]
    done, _ = collect(photos[::-1], out)
    assert [(file.name, file.people, file.already_done) for file in done] == [("face-2", 0, True), ("face", 1, True)]
    done, _ = collect(photos[1:], out)
    assert [(file.name, file.already_done) for file in done] == [("face-2", True)]


def test_results_within_the_input_folder_are_no_photos(tmp_path):
    Image.fromarray(data.astronaut()).save(tmp_path / "face.png")
    for _ in range(2):
        done, failures = collect([tmp_path], tmp_path / "out", crops=("arcface112",))
        assert [file.name for file in done] == ["face"]
        assert failures == []


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path, astronaut_file):
    out = tmp_path / "out"
    (out / "a.k2j3h4g5.partial").mkdir(parents=True)
    (out / "a.k2j3h4g5.partial" / "landmarks.json").write_text("{")
    (out / "b.k2j3h4g5.partial").mkdir()
    (out / "b.k2j3h4g5.partial" / "thesis.docx").write_text("mine")
    (out / "notes").mkdir()
    collect([astronaut_file], out)
    kept = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert kept == {"astronaut", "b.k2j3h4g5.partial", "notes"}


def test_something_else_in_the_way_is_not_replaced(tmp_path, astronaut_file):
    (tmp_path / "out" / "astronaut").mkdir(parents=True)
    (tmp_path / "out" / "astronaut" / "novel.txt").write_text("mine")
    done, failures = collect([astronaut_file], tmp_path / "out")
    assert done == []
    assert "in the way" in str(failures[0].error)
    assert (tmp_path / "out" / "astronaut" / "novel.txt").read_text() == "mine"


def test_two_runs_at_once_do_not_mix(tmp_path, astronaut_file):
    out = tmp_path / "out"
    first = align_to_folder([astronaut_file] * 3, out, on_failure=pytest.fail)
    next(first)
    with pytest.raises(OutputError, match="another"):
        collect([astronaut_file], out)
    list(first)
    collect([astronaut_file], out)


def test_leaving_half_way_leaves_whole_results_and_no_threads(tmp_path, astronaut_file):
    photos = []
    for n in range(6):
        photos.append(tmp_path / f"{n}.jpg")
        photos[-1].write_bytes(astronaut_file.read_bytes())
    before = {thread.name for thread in threading.enumerate()}
    run = align_to_folder(photos, tmp_path / "out", on_failure=pytest.fail)
    next(run)
    run.close()
    assert {thread.name for thread in threading.enumerate()} <= before
    folders = [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert folders
    assert all((folder / "alignment.json").exists() for folder in folders)


def test_a_video_of_variable_rate_keeps_its_times(clip, tmp_path):
    ffmpeg("-i", clip, "-vf", "select='not(mod(n,3))+lt(n,4)'", "-fps_mode", "vfr", tmp_path / "vfr.mp4")
    faces = face3d.align([tmp_path / "vfr.mp4"])
    np.testing.assert_allclose([face.sighting.time for face in faces], np.array([0, 1, 2, 3, 6, 9]) / 25, atol=2e-3)


def test_settings_that_differ_are_other_results(tmp_path, clip):
    part = VideoPart(end=0.2)
    collect([clip], tmp_path, video=part)
    done, _ = collect([clip], tmp_path, video=replace(part, every=2))
    assert (done[0].already_done, done[0].frames) == (False, 3)

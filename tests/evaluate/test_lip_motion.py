"""Evaluating talking heads: perfect tracks, lazy ones, several people, and broken files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from face3d.errors import InputError
from face3d.evaluate.lip_files import LandmarkClip, read_lip_clip
from face3d.evaluate.lip_motion import against_landmarks, against_truth, evaluate_lips, overall
from tests.evaluate.talking_heads import landmarks_of, open_head, talk


@pytest.fixture(scope="module")
def head():
    return open_head()


def clip_of(folder, head, arrays, name="track"):
    np.savez(folder / f"{name}.npz", **arrays)
    return read_lip_clip(folder / f"{name}.npz", head)


def test_a_perfect_track_agrees_with_everything(tmp_path, head):
    arrays = talk(head)
    clip = clip_of(tmp_path, head, arrays)
    person = LandmarkClip(arrays["frames"], landmarks_of(head, arrays))
    for comparison in (against_truth(clip, clip), against_landmarks(clip, [person])):
        assert comparison.frames == arrays["valid"].sum()
        for series in (comparison.aperture, comparison.width, comparison.protrusion):
            assert series.correlation == pytest.approx(1, abs=1e-4)
            # In the image depth counts by its share of the distance to the camera, as landmark detectors leave it out.
            assert series.rms < (0.005 if series is comparison.protrusion else 1e-4)
        assert comparison.closures.true > 20
        assert comparison.closures.precision == 1
        assert comparison.closures.recall == 1
    assert against_truth(clip, clip).worst_vertex_error < 1e-9


def test_lips_that_move_half_as_far_are_told(tmp_path, head):
    true = clip_of(tmp_path, head, talk(head), "true")
    lazy = clip_of(tmp_path, head, talk(head, opening=0.5), "lazy")
    comparison = against_truth(lazy, true)
    assert comparison.aperture.correlation > 0.98
    assert 0.001 < comparison.aperture.rms < 0.01
    assert 0 < comparison.vertex_error < comparison.worst_vertex_error < 0.02
    shut = clip_of(tmp_path, head, talk(head, opening=0.0), "shut")
    closed = against_truth(shut, true).closures
    assert closed.recall == 1
    assert closed.precision < 0.9
    never = replace(true, points=true.points + 0, closed=np.zeros(len(true.frames), dtype=bool))
    assert against_truth(true, never).closures.met == 0


def test_a_track_that_says_itself_when_lips_are_closed_is_believed(tmp_path, head):
    arrays = talk(head)
    closed = np.arange(len(arrays["valid"])) % 10 == 0
    truth = clip_of(tmp_path, head, arrays | {"closed": closed}, "truth")
    assert against_truth(clip_of(tmp_path, head, arrays), truth).closures.true == (closed & arrays["valid"]).sum()


def test_closures_that_a_track_tells_count_beside_those_of_its_opening(tmp_path, head):
    arrays = talk(head)
    shut = np.zeros(len(arrays["valid"]), bool)
    shut[np.flatnonzero(arrays["valid"])[::10]] = True
    truth = clip_of(tmp_path, head, arrays, "truth")
    told = against_truth(clip_of(tmp_path, head, arrays | {"lips_closed": shut}), truth)
    assert told.closures.predicted == shut.sum()
    assert told.closures.recall < 1
    assert told.opening_closures.recall == told.opening_closures.precision == 1
    assert told.labiodentals is None
    person = LandmarkClip(arrays["frames"], landmarks_of(head, arrays))
    seen = against_landmarks(clip_of(tmp_path, head, arrays | {"lips_closed": shut}), [person])
    assert seen.closures.predicted == shut.sum()
    assert seen.opening_closures.recall == 1


def test_labiodentals_are_counted_where_both_sides_tell_them(tmp_path, head):
    arrays = talk(head)
    spoken = np.zeros(len(arrays["valid"]), bool)
    spoken[[10, 11, 30, 31]] = True
    late, false = np.roll(spoken, 1), spoken.copy()
    false[45:47] = True
    truth = clip_of(tmp_path, head, arrays | {"labiodental": spoken}, "truth")
    found = against_truth(clip_of(tmp_path, head, arrays | {"labiodental": late}), truth).labiodentals
    assert found.precision == found.recall == 1
    comparison = against_truth(clip_of(tmp_path, head, arrays | {"labiodental": false}), truth)
    assert comparison.labiodentals.precision == pytest.approx(4 / 6)
    assert overall({"one": comparison})["labiodental_precision"].value == pytest.approx(4 / 6)
    exact = against_truth(clip_of(tmp_path, head, arrays | {"labiodental": late}), truth, tolerance=0).labiodentals
    assert exact.recall == 0.5


def test_of_several_people_the_nearest_counts(tmp_path, head):
    arrays = talk(head)
    clip = clip_of(tmp_path, head, arrays)
    landmarks = landmarks_of(head, arrays)
    other = LandmarkClip(arrays["frames"], landmarks + np.random.default_rng(0).normal(150, 1, size=(60, 68, 3)))
    found = against_landmarks(clip, [other, LandmarkClip(arrays["frames"], landmarks[..., :2])])
    assert found.aperture.rms < 1e-4
    assert found.protrusion is None


def test_what_cannot_be_compared(tmp_path, head):
    arrays = talk(head)
    clip = clip_of(tmp_path, head, arrays)
    with pytest.raises(InputError, match="only 0 frames are in both"):
        against_truth(clip, replace(clip, frames=clip.frames + 1000))
    with pytest.raises(InputError, match="fewer than 5 frames of the track have landmarks"):
        against_landmarks(clip, [LandmarkClip(np.arange(3) + 100, np.zeros((3, 68, 2)))])
    with pytest.raises(InputError, match="no `camera_from_head`"):
        against_landmarks(replace(clip, pixels=None), [])


def test_folders_are_evaluated_and_failures_told(tmp_path, head):
    for number, name in enumerate(("anna", "bert", "cleo")):
        arrays = talk(head, seed=number)
        for kind, opening in (("tracks", 0.8), ("truth", 1.0)):
            (tmp_path / kind / name).mkdir(parents=True)
            content = arrays | {"expression": talk(head, seed=number, opening=opening)["expression"]}
            np.savez(tmp_path / kind / name / "track.npz", **content)
        (tmp_path / "landmarks" / name).mkdir(parents=True)
        np.savez(
            tmp_path / "landmarks" / name / "landmarks.npz", points=landmarks_of(head, arrays), frame=arrays["frames"]
        )
    (tmp_path / "truth" / "bert" / "track.npz").write_bytes(b"broken")
    (tmp_path / "landmarks" / "cleo" / "landmarks.npz").unlink()
    told, steps = [], []
    report = evaluate_lips(
        tmp_path / "tracks",
        head,
        landmarks=tmp_path / "landmarks",
        truth=tmp_path / "truth",
        on_failure=told.append,
        on_progress=lambda done, total: steps.append((done, total)),
    )
    assert list(report.comparisons["truth"]) == ["anna", "cleo"]
    assert list(report.comparisons["landmarks"]) == ["anna", "bert"]
    assert [failure.clip for failure in told] == ["bert", "cleo"]
    assert report.failures == told
    assert steps == [(1, 3), (2, 3), (3, 3)]
    found = overall(report.comparisons["truth"])
    single = [comparison.vertex_error for comparison in report.comparisons["truth"].values()]
    assert found["vertex_error"].value == pytest.approx(np.mean(single))
    assert min(single) <= found["vertex_error"].low <= found["vertex_error"].high <= max(single)
    assert found["closure_recall"].value == 1
    assert "vertex_error" not in overall(report.comparisons["landmarks"])
    assert overall({}) == {}

"""The stage that moves a clip's lips: on a film of a head whose lips are known, in chunks that go on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from face3d.fit import visual_lips
from face3d.fit.lip_contacts import CLOSED_LIPS
from face3d.head import load_head
from face3d.tracking import clip_lips
from face3d.tracking.clip_lips import refine_lips
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.person_clip import PersonClip
from face3d.tracking.work_folder import WorkFolder
from tests.expression.glance import Glance
from tests.fit.known_lips import gap
from tests.tracking.given_faces import (
    INTRINSICS,
    SIDE,
    GivenFaces,
    film,
    landmarks_of,
    motion_of,
    stop_after,
    timeline_of,
)

FRAMES, CHUNK = 8, 3


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(visual_lips, "STEPS", 4)
        patch.setattr(clip_lips, "CONTEXT", 1)
        yield


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """The film, its landmarks with their errors, and half of the motion as what was fitted."""
    model = load_head()
    expression = np.zeros((FRAMES, model.expression_size))
    expression[:, model.expression_names.index("jawOpen")] = 0.3 + 0.3 * np.sin(np.arange(FRAMES))
    path = film(model, expression, tmp_path_factory.mktemp("film") / "talk.mp4")
    points = landmarks_of(model, expression) + np.random.default_rng(0).normal(0, 1, (FRAMES, 478, 3))
    return model, ClipPart(path), GivenFaces(points, np.arange(FRAMES)), 0.5 * expression


def lips_refined(talk, folder, timeline=None, advance=lambda frames: None, **changes):
    model, part, stored, fitted = talk
    timeline = timeline_of(FRAMES) if timeline is None else timeline
    folder.mkdir(exist_ok=True)
    motion = replace(motion_of(fitted, timeline.valid), **changes)
    return refine_lips(
        PersonClip(WorkFolder(folder), part, stored, timeline, 1),
        motion,
        Glance(),
        model=model,
        identity=np.zeros(model.identity_size),
        intrinsics=INTRINSICS,
        advance=advance,
        chunk=CHUNK,
    )


@pytest.fixture(scope="module")
def read(talk, tmp_path_factory):
    return lips_refined(talk, tmp_path_factory.mktemp("whole"))


def test_the_loss_falls_and_all_else_stays(talk, read):
    motion, losses = read
    assert losses.after.mean() < 0.9 * losses.before.mean()
    before = motion_of(talk[3])
    assert (motion.expression != before.expression).any()
    for name in ("camera_from_head", "eyes", "neck", "jaw", "valid", "quality"):
        np.testing.assert_array_equal(getattr(motion, name), getattr(before, name))


def test_what_the_lips_touch_is_told_of_where_they_are_now(talk, read):
    motion, _ = read
    shut = gap(talk[0], np.zeros(talk[0].identity_size), motion.expression) < CLOSED_LIPS
    np.testing.assert_array_equal(motion.lips_closed, shut)
    assert 0 < shut.sum() < FRAMES
    # What was handed in said otherwise.
    assert not motion_of(talk[3]).lips_closed.any()


def test_seams_of_chunks_are_not_seen(read, talk):
    """Where one chunk ends and the next begins, frames differ by no more than the film's do."""
    away = np.abs(np.diff(read[0].expression - talk[3], axis=0)).max(axis=1)
    seams = np.arange(CHUNK, FRAMES, CHUNK) - 1
    assert away[seams].max() < 3 * np.delete(away, seams).max()


def test_a_killed_run_goes_on_to_the_same_bits(talk, read, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        lips_refined(talk, tmp_path, advance=stop_after(2))
    done = []
    motion, losses = lips_refined(talk, tmp_path, advance=done.append)
    assert sum(done) == FRAMES
    for name in ("expression", "jaw", "residual"):
        np.testing.assert_array_equal(getattr(motion, name), getattr(read[0], name))
    np.testing.assert_array_equal(losses.after, read[1].after)


def test_frames_without_the_face_say_nothing(talk, tmp_path):
    hidden = (2, 3)
    motion, losses = lips_refined(talk, tmp_path, timeline_of(FRAMES, hidden=hidden))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(losses.before)), hidden)
    np.testing.assert_array_equal(motion.residual[list(hidden)], 0.03)
    assert np.isfinite(motion.expression).all()


def test_a_clip_of_two_frames(talk, tmp_path):
    model, part, stored, fitted = talk
    _, losses = lips_refined((model, part, stored, fitted[:2]), tmp_path, timeline_of(2))
    assert losses.after.shape == (2,)
    assert losses.after.mean() <= losses.before.mean()


def test_a_mouth_outside_of_the_picture_says_nothing(talk, tmp_path):
    model, part, stored, fitted = talk
    low = GivenFaces(stored.points + np.array([0, 70, 0]), stored.frames)
    assert (low.points[:, [13, 14], 1] > SIDE).all()
    motion, losses = lips_refined((model, part, low, fitted), tmp_path)
    assert np.isnan(losses.before).all()
    np.testing.assert_array_equal(motion.expression, fitted)

"""Every frame laid on its picture, in chunks, resumed or not."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from face3d.errors import InputError
from face3d.fit.clip_colours import fit_clip_colours, skin_evidence
from face3d.fit.landmark_fit import Observation
from face3d.fit.motion import MotionFitter
from face3d.head import load_head
from face3d.tracking.clip_motion import ClipMotion, fit_motion
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.clip_skin import lay_on_pictures, photos_at
from face3d.tracking.person_clip import PersonClip
from face3d.tracking.work_folder import WorkFolder
from tests.fit.talking_clips import face_landmarks
from tests.tracking.given_faces import INTRINSICS, SIDE, GivenFaces, film, landmarks_of, stop_after, timeline_of

FRAMES, CHUNK = 14, 5


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A filmed head that opens its mouth, fitted to landmarks; and what lays it on the pictures."""
    folder = tmp_path_factory.mktemp("skin")
    model = load_head()
    expression = np.zeros((FRAMES, model.expression_size))
    expression[:, model.expression_names.index("jawOpen")] = np.linspace(0, 0.6, FRAMES)
    part = ClipPart(film(model, expression, folder / "film.mp4"))
    points = landmarks_of(model, expression)
    stored, timeline = GivenFaces(points, np.arange(FRAMES)), timeline_of(FRAMES, hidden=(6,))
    chosen = [0, 4, 9]
    fit, colours = fit_clip_colours(
        model,
        [Observation(face_landmarks(points[place], (SIDE, SIDE)), INTRINSICS) for place in chosen],
        photos_at(part, timeline, chosen),
    )
    fitter = MotionFitter(model, fit.identity, fit.intrinsics, errors=fit.errors)
    motion = fit_motion(PersonClip(WorkFolder(folder), part, stored, timeline, 1), fitter, advance=lambda count: None)
    skin = skin_evidence(model, fit.identity, fit.intrinsics, colours, fitter.turning)

    def lay(work, *, part=part, chunk=CHUNK, advance=lambda count: None):
        person = PersonClip(work, part, stored, timeline, 1)
        return lay_on_pictures(person, motion, fitter, skin, advance=advance, chunk=chunk)

    return model, expression, motion, lay


def folder_at(path: Path) -> WorkFolder:
    path.mkdir()
    return WorkFolder(path)


def test_the_mouth_opens_as_it_did(stage, tmp_path):
    model, expression, motion, lay = stage
    laid = lay(WorkFolder(tmp_path))
    jaw = model.expression_names.index("jawOpen")
    assert np.corrcoef(laid.expression[:, jaw], expression[:, jaw])[0, 1] > 0.98
    np.testing.assert_array_equal(laid.valid, motion.valid)
    assert np.isnan(laid.residual[6])
    assert np.isfinite(np.delete(laid.residual, 6)).all()


def test_a_stopped_run_goes_on_to_the_same_bits(stage, tmp_path):
    *_, lay = stage
    whole = lay(folder_at(tmp_path / "whole"))
    work = folder_at(tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        lay(work, advance=stop_after(2))
    resumed = lay(work)
    for field in fields(ClipMotion):
        np.testing.assert_array_equal(getattr(resumed, field.name), getattr(whole, field.name))


def test_chunks_are_nearly_what_one_piece_would_be(stage, tmp_path):
    *_, lay = stage
    parts, whole = lay(folder_at(tmp_path / "parts")), lay(folder_at(tmp_path / "whole"), chunk=FRAMES)
    np.testing.assert_allclose(parts.expression, whole.expression, atol=0.02)


def test_a_video_that_is_gone_is_told(stage, tmp_path):
    *_, lay = stage
    with pytest.raises(InputError):
        lay(WorkFolder(tmp_path), part=ClipPart(tmp_path / "gone.mp4"))

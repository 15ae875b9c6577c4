"""How light a head is, from a film of it."""

from __future__ import annotations

import numpy as np
import pytest

from face3d.expression.mouth_crops import LUMA
from face3d.head import load_head
from face3d.landmarks.topologies import convert_points
from face3d.tracking import clip_greys as module
from face3d.tracking.clip_greys import clip_greys
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.person_clip import PersonClip
from face3d.tracking.work_folder import WorkFolder
from tests.tracking.given_faces import INTRINSICS, LIPS, SKIN, GivenFaces, film, landmarks_of, motion_of, timeline_of

FRAMES = 4


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Of a head that opens its mouth."""
    folder = tmp_path_factory.mktemp("greys")
    model, work = load_head(), WorkFolder(folder)
    expression = np.zeros((FRAMES, model.expression_size))
    expression[:, model.expression_names.index("jawOpen")] = np.linspace(0, 0.6, FRAMES)
    points = np.stack(
        [convert_points(face[:, :2], "mediapipe_478", "ibug_68") for face in landmarks_of(model, expression)]
    )
    clip = ClipPart(film(model, expression, folder / "film.mp4"))

    def again(part=clip):
        return clip_greys(
            PersonClip(work, part, GivenFaces(points, np.arange(FRAMES)), timeline_of(FRAMES), 1),
            motion_of(expression),
            points,
            model=model,
            identity=np.zeros(model.identity_size),
            intrinsics=INTRINSICS,
        )

    return model, again(), again


def test_lips_are_as_much_darker_than_the_skin_as_they_are_painted(found):
    """The film shows light times colour, and its light is even."""
    model, greys, _ = found
    lips, nose = (np.median(greys.greys[model.regions[name].numpy()]) for name in ("lips", "nose"))
    assert lips / nose == pytest.approx(np.dot(LIPS, LUMA) / np.dot(SKIN, LUMA), rel=0.3)
    assert 0 <= greys.hollow <= lips


def test_every_vertex_has_one(found):
    model, greys, _ = found
    assert greys.greys.shape == (len(model.template),)
    assert np.isfinite(greys.greys).all()
    assert greys.greys.min() >= 0
    assert greys.greys.max() <= 1


def test_they_are_found_once(found, monkeypatch):
    _, greys, again = found
    monkeypatch.setattr(module, "pictures", pytest.fail)
    np.testing.assert_array_equal(again().greys, greys.greys)


def test_what_was_never_seen_takes_what_lies_next_to_it():
    triangles = np.array([[0, 1, 2], [1, 2, 3], [3, 4, 2]])
    sums, weights = np.array([0.2, 0.8, 0, 0, 0, 0]), np.array([1.0, 2.0, 0, 0, 0, 0])
    filled = module._filled(sums, weights, triangles)
    np.testing.assert_allclose(filled[:3], [0.2, 0.4, 0.3333], atol=0.04)
    assert 0.2 < filled[4] <= 0.4
    assert filled[5] == pytest.approx(0.3)
    np.testing.assert_array_equal(module._filled(sums, 0 * weights, triangles), 0)

"""One head and one camera for a clip, kept for the next run."""

from __future__ import annotations

from dataclasses import fields
from functools import partial

import numpy as np
import pytest
from skimage import data

from face3d.camera import intrinsics_from_fov, intrinsics_prior
from face3d.errors import InputError
from face3d.fit import FitOptions, KnownIdentity
from face3d.head import load_head
from face3d.landmarks import MediaPipeDetector
from face3d.tracking import clip_head
from face3d.tracking.clip_head import find_heads
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.find_faces import find_faces
from face3d.tracking.segments import Segments
from face3d.tracking.stored_faces import timelines
from face3d.tracking.work_folder import WorkFolder
from tests.media.clips import write_clip

CAMERA = intrinsics_prior((320, 320))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The faces of a short clip, with pictures."""
    folder = tmp_path_factory.mktemp("clip")
    image = data.astronaut()[:320, 60:380]
    clip = write_clip(folder / "nod.mp4", [np.ascontiguousarray(np.roll(image, 3 * n, axis=1)) for n in range(10)])
    (folder / "work").mkdir()
    work = WorkFolder(folder / "work")
    opening = partial(MediaPipeDetector, max_faces=1)
    faces = find_faces(work, ClipPart(clip), opening, segments=Segments(length=4, warm_up=2), looks=True)
    return work, faces.stored, timelines(faces.stored, faces.same)


def heads(found, network=None, camera=CAMERA, options=FitOptions(max_iterations=4)):  # noqa: B008
    people, left_out = find_heads(*found, load_head(), camera, options, network)
    assert left_out == ()
    return [head for _, head in people]


def test_what_is_kept_is_what_was_found(found, monkeypatch):
    work = found[0]
    (first,) = heads(found)
    monkeypatch.setattr(clip_head, "fit_clip", pytest.fail)
    (again,) = heads(found)
    for field in fields(clip_head.ClipHead):
        one, other = getattr(first, field.name), getattr(again, field.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
        elif field.name == "intrinsics":
            np.testing.assert_array_equal(one.matrix, other.matrix)
            assert (one.image_size, one.focal_sigma, one.source) == (other.image_size, other.focal_sigma, other.source)
        else:
            assert one == other
    work.forget("head_000000")


def test_a_known_camera_stays(found):
    (head,) = heads(found, camera=intrinsics_from_fov(50.0, (320, 320)))
    np.testing.assert_array_equal(head.intrinsics.matrix, intrinsics_from_fov(50.0, (320, 320)).matrix)
    found[0].forget("head_000000")


class Network:
    """Sees the mean head in every face, and notes what it is shown."""

    def __init__(self, smallest_face=0.0):
        self.smallest_face, self.crops = smallest_face, None

    def look_at_crops(self, crops):
        self.crops = crops
        return KnownIdentity("mica", np.zeros(load_head().identity_size), 0.03)


def test_a_network_is_shown_the_best_pictures(found):
    network = Network()
    (head,) = heads(found, network)
    assert np.abs(head.identity).max() < 1e-6
    assert {source.name for source in head.scale.sources} == {"mica"}
    # Two of each of three segments.
    assert [crop.shape for crop in network.crops] == [(112, 112, 3)] * 6
    assert min(float(crop.std()) for crop in network.crops) > 20
    found[0].forget("head_000000")


def test_a_network_is_not_asked_about_faces_that_are_too_small_for_it(found):
    network = Network(smallest_face=1000.0)
    (head,) = heads(found, network)
    assert network.crops is None
    assert "too small for the identity's network (under 1000)" in head.warnings[0]
    assert "mica" not in {source.name for source in head.scale.sources}
    found[0].forget("head_000000")


def test_what_no_head_explains_is_left_out_beside_others_and_told(found, monkeypatch):
    work, stored, (person,) = found
    real, calls = clip_head.fit_clip, []

    def fit_clip(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise InputError("no head pose explains the landmarks; is this a face?")
        return real(*arguments)

    monkeypatch.setattr(clip_head, "fit_clip", fit_clip)
    people, (told,) = find_heads(work, stored, [person, person], load_head(), CAMERA, FitOptions(), None)
    assert len(people) == 1
    assert "frame 0" in told
    for index in range(2):
        work.forget(f"head_{index:06d}")
    calls.clear()
    with pytest.raises(InputError, match="frame 0"):
        find_heads(work, stored, [person], load_head(), CAMERA, FitOptions(), None)

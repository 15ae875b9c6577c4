"""Files of clips: tracks, true vertices and landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from face3d.errors import ArgumentError, InputError
from face3d.evaluate import lip_files
from face3d.evaluate.lip_files import clips_in, read_landmark_clips, read_lip_clip
from tests.evaluate.talking_heads import landmarks_of, open_head, talk


@pytest.fixture(scope="module")
def head():
    return open_head()


def test_a_track_and_its_vertices_are_the_same_lips(tmp_path, head, monkeypatch):
    arrays = talk(head, frames=23)
    np.savez(tmp_path / "track.npz", **arrays)
    vertices = head(identity=arrays["identity"], expression=arrays["expression"]).vertices.numpy()
    np.savez(tmp_path / "true.npz", vertices=vertices, frames=arrays["frames"], valid=arrays["valid"])
    track = read_lip_clip(tmp_path / "track.npz", head)
    monkeypatch.setattr(lip_files, "CHUNK", 7)
    true = read_lip_clip(tmp_path / "true.npz", head)
    np.testing.assert_allclose(track.lips, true.lips, atol=1e-6)
    np.testing.assert_allclose(track.points, true.points, atol=1e-6)
    np.testing.assert_array_equal(track.frames, arrays["frames"][arrays["valid"]])
    assert true.pixels is None
    np.testing.assert_allclose(track.pixels, landmarks_of(head, arrays)[arrays["valid"], :, :2], atol=1e-3)


def test_tracks_that_do_not_fit_are_refused(tmp_path, head):
    arrays = talk(head, frames=8)
    cases = {
        "neither `expression` nor `vertices`": {"points": np.zeros((3, 68, 2))},
        "is not a track of this head": arrays | {"expression": np.zeros((8, 300))},
        "is not a track of this head (geometry has vertices": {"vertices": np.zeros((4, 50, 3))},
    }
    for message, content in cases.items():
        np.savez(tmp_path / "track.npz", **content)
        with pytest.raises(InputError) as caught:
            read_lip_clip(tmp_path / "track.npz", head)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    (tmp_path / "track.npz").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"track.npz cannot be read as NumPy arrays"):
        read_lip_clip(tmp_path / "track.npz", head)


def test_landmarks_of_several_people(tmp_path):
    random = np.random.default_rng(0)
    points = random.uniform(0, 300, (10, 68, 3))
    arrays = {
        "points": points,
        "frame": np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
        "person": np.tile([1, 2], 5),
        "interpolated": np.arange(10) == 4,
        "topology": np.array("ibug_68"),
    }
    np.savez(tmp_path / "landmarks.npz", **arrays)
    first, second = read_landmark_clips(tmp_path / "landmarks.npz")
    np.testing.assert_array_equal(first.frames, [0, 1, 3, 4])
    np.testing.assert_array_equal(second.points, points[1::2])
    np.savez(tmp_path / "flat.npz", points=points * [1, 1, 0])
    (flat,) = read_landmark_clips(tmp_path / "flat.npz")
    assert flat.points.shape == (10, 68, 2)
    np.savez(tmp_path / "other.npz", points=points[:, :33])
    with pytest.raises(InputError, match="33 points, and no `topology`"):
        read_landmark_clips(tmp_path / "other.npz")
    np.savez(tmp_path / "none.npz", landmarks=points)
    with pytest.raises(InputError, match="has no `points`"):
        read_landmark_clips(tmp_path / "none.npz")


def test_clips_are_found_by_name(tmp_path):
    for name in ("a/track.npz", "b/track.npz", "c.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(clips_in(tmp_path, "track.npz")) == ["a", "b", "c"]
    assert clips_in(tmp_path / "a", "track.npz") == {"a": tmp_path / "a" / "track.npz"}
    assert clips_in(tmp_path / "c.npz", "track.npz") == {"c": tmp_path / "c.npz"}
    with pytest.raises(ArgumentError, match=r"neither <clip>/track.npz nor <clip>.npz"):
        clips_in(tmp_path / "nowhere", "track.npz")


def test_a_head_without_lips_is_refused(tmp_path, head):
    with pytest.raises(ArgumentError, match="no region `lips`"):
        read_lip_clip(tmp_path / "track.npz", replace_regions(head))


def replace_regions(head):
    """A stand-in that knows no regions."""
    from types import SimpleNamespace

    return SimpleNamespace(regions={})

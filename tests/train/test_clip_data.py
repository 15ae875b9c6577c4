"""Samples of clips: which frames, which crops, and where the landmarks lie in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from face3d.errors import InputError
from face3d.landmarks import FaceLandmarks, face_crop
from face3d.media import read_image
from face3d.media.listing import images_in
from face3d.media.video_writer import VideoWriter
from face3d.train.clip_data import Clip, ClipSamples, HeldOutClips
from face3d.train.clip_landmarks import seen_track
from face3d.train.task import Draw


def clip(root, name, frames) -> Clip:
    return Clip(name, root / "data" / name, root / "landmarks" / f"{name}.npz", frames)


def spectre_crop(file, points):
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    face = FaceLandmarks(points, np.ones(68), box, 1.0, "ibug_68", "none", "none", (224, 224))
    return face_crop(read_image(file).pixels, face, "spectre")


def test_held_out_crops_are_those_of_spectres_demo(small_clips):
    batch = HeldOutClips([clip(small_clips, "a/1", 9)], 5).batch([Draw(0, (1,))])
    files = images_in(small_clips / "data" / "a" / "1")
    _, points = seen_track(small_clips / "landmarks" / "a" / "1.npz")
    assert batch["images"].shape == (1, 5, 3, 224, 224)
    for place, frame in enumerate(range(2, 7)):
        crop = spectre_crop(files[frame], points[frame])
        image = batch["images"][0, place].permute(1, 2, 0).numpy() / 255
        np.testing.assert_allclose(image, crop.pixels, atol=0.5 / 255 + 1e-6)
        # SPECTRE: pixels from the first one's centre, over 224 though the corners go to 223.
        expected = (crop.to_crop(points[frame]) - 0.5) / 224 * 2 - 1
        np.testing.assert_allclose(batch["landmarks"][0, place], expected, atol=1e-5)


def test_draws_choose_the_stretch_and_the_crop_and_are_repeatable(small_clips):
    samples = ClipSamples([clip(small_clips, "a/1", 9)], 5)
    sizes, first = set(), samples.batch([Draw(0, (1,))])
    for number in range(12):
        drawn = samples.batch([Draw(0, (number,))])
        points = drawn["landmarks"][0]
        side = (points.amax(dim=1) - points.amin(dim=1)).mean(dim=1)
        # The face's size over the crop's, in units of half a crop.
        scale = 2 / side
        assert ((scale > 1.38) & (scale < 1.82)).all()
        assert scale.max() - scale.min() < 0.02
        sizes.add(round(float(scale.mean()), 2))
    assert len(sizes) > 6
    again = samples.batch([Draw(0, (1,))])
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_shorter_clips_are_used_whole_and_lengthened_by_their_last_frame(small_clips):
    samples = ClipSamples([clip(small_clips, "a/1", 9), clip(small_clips, "a/2", 7)], 20)
    batch = samples.batch([Draw(0, (1,)), Draw(1, (2,))])
    assert batch["lengths"].tolist() == [9, 7]
    assert batch["images"].shape == (2, 9, 3, 224, 224)
    for name in ("images", "landmarks"):
        assert torch.equal(batch[name][1, 7], batch[name][1, 6])
        assert torch.equal(batch[name][1, 8], batch[name][1, 6])
        assert not torch.equal(batch[name][0, 8], batch[name][0, 6])


def test_a_video_gives_what_its_frames_give(small_clips, tmp_path):
    files = images_in(small_clips / "data" / "a" / "1")
    path = tmp_path / "1.mp4"
    with VideoWriter(path, (224, 224), frame_rate=25.0) as writer:
        for number, image in enumerate(files):
            writer.write(read_image(image).pixels, number / 25)
    folder = clip(small_clips, "a/1", 9)
    video = Clip("a/1", path, folder.landmarks, 9)
    for draw in (Draw(0, (3,)), Draw(0, (4,))):
        ours, theirs = (ClipSamples([each], 5).batch([draw]) for each in (video, folder))
        assert torch.equal(ours["landmarks"], theirs["landmarks"])
        difference = (ours["images"].float() - theirs["images"].float()).abs().mean()
        assert difference < 3, "the same frames, but for what the encoder changed"


def test_a_clip_that_has_become_shorter_is_named(small_clips, tmp_path):
    kept = Clip("a/2", small_clips / "data" / "a" / "2", small_clips / "landmarks" / "a" / "1.npz", 9)
    with pytest.raises(InputError, match=r"a/2 ends before frame 8, in which .*1.npz has a face"):
        ClipSamples([kept], 20).batch([Draw(0, (1,))])

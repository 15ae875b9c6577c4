"""SPECTRE over a clip: what it says of the whole, in chunks that go on; short clips, gaps and cuts."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from face3d.expression import Spectre, estimate_clip
from face3d.expression import spectre as networks
from face3d.landmarks.crops_published import Square, square_crop
from face3d.tracking import clip_spectre
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.clip_spectre import foretell_expressions
from face3d.tracking.person_clip import PersonClip
from face3d.tracking.work_folder import WorkFolder
from tests.media.clips import write_clip
from tests.tracking.given_faces import GivenFaces, stop_after, timeline_of
from tests.train.small_spectre import ConstantCoarse, SmallBackbone

FRAMES, CHUNK = 17, 6


@pytest.fixture(scope="module")
def cheap() -> Spectre:
    """Stand-ins for the backbones that look at the picture all the same."""
    torch.manual_seed(3)
    with patch.object(networks, "mobilenet_v2", SmallBackbone):
        encoder = networks.ExpressionEncoder().eval().requires_grad_(False)
    encoder.get_parameter("layers.0.weight").mul_(3e3)
    encoder.get_parameter("temporal.0.weight").mul_(3)
    coarse: Any = ConstantCoarse(torch.linspace(-0.1, 0.1, 236))
    return Spectre(coarse, encoder)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A face that moves over the picture, in a light that flickers."""
    face = cv2.resize(data.astronaut()[:256, 96:352], (96, 96))
    wide = np.pad(face, ((20, 20), (20, 40), (0, 0)))
    frames = [(np.roll(wide, n, axis=1) * (0.6 + 0.4 * np.sin(n))).astype(np.uint8) for n in range(FRAMES)]
    return write_clip(tmp_path_factory.mktemp("clip") / "face.avi", frames)


@pytest.fixture(scope="module")
def stored():
    random = np.random.default_rng(0)
    points = random.uniform([35, 25, 0], [85, 85, 0], (68, 3)) + np.arange(FRAMES)[:, None, None] * [1, 0, 0]
    return GivenFaces(points, np.arange(FRAMES), "ibug_68")


def foretell(work, clip, stored, timeline, cheap, advance=lambda frames: None):
    return foretell_expressions(
        PersonClip(work, ClipPart(clip), stored, timeline, 1), cheap, advance=advance, chunk=CHUNK
    )


def crops_of(clip, stored, count=FRAMES):
    with ClipPart(clip).open() as video:
        return [
            square_crop(frame.pixels, Square.around(stored.points[frame.index, :, :2], "spectre")).pixels
            for frame in video
            if frame.index < count
        ]


def test_chunks_say_what_the_networks_say_of_the_whole_clip(clip, stored, cheap, tmp_path):
    done = []
    known = foretell(WorkFolder(tmp_path), clip, stored, timeline_of(FRAMES), cheap, done.append)
    whole = estimate_clip(cheap, crops_of(clip, stored), FRAMES)
    np.testing.assert_allclose(known.expression, whole.expression, atol=1e-5)
    np.testing.assert_allclose(known.jaw, whole.jaw, atol=1e-5)
    assert known.expression.std(axis=0).max() > 0.01
    assert done == [6, 6, 5]


def test_a_killed_run_goes_on_to_the_same_bits(clip, stored, cheap, tmp_path, monkeypatch):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = foretell(WorkFolder(tmp_path / "whole"), clip, stored, timeline_of(FRAMES), cheap)
    work = WorkFolder(tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        foretell(work, clip, stored, timeline_of(FRAMES), cheap, stop_after(1))
    read = []
    real = clip_spectre.pictures

    def pictures(part, timeline, places):
        read.extend(places)
        return real(part, timeline, places)

    monkeypatch.setattr(clip_spectre, "pictures", pictures)
    again = foretell(work, clip, stored, timeline_of(FRAMES), cheap)
    assert min(read) == CHUNK - 2
    np.testing.assert_array_equal(again.expression, whole.expression)
    np.testing.assert_array_equal(again.jaw, whole.jaw)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_clips_shorter_than_the_networks_window(clip, stored, cheap, tmp_path, count):
    known = foretell(WorkFolder(tmp_path), clip, stored, timeline_of(count), cheap)
    whole = estimate_clip(cheap, crops_of(clip, stored, count), count)
    np.testing.assert_allclose(known.expression, whole.expression, atol=1e-5)


def test_a_gap_is_looked_at_where_the_face_would_be(clip, stored, cheap, tmp_path):
    """The landmarks of the clip move evenly, so that the crops are those of a clip without a gap."""
    known = foretell(WorkFolder(tmp_path), clip, stored, timeline_of(FRAMES, hidden=(7, 8)), cheap)
    whole = estimate_clip(cheap, crops_of(clip, stored), FRAMES)
    np.testing.assert_allclose(known.expression, whole.expression, atol=1e-4)


def test_nothing_is_seen_over_a_cut(clip, stored, cheap, tmp_path):
    shots = np.repeat([1, 2], [9, FRAMES - 9])
    known = foretell(WorkFolder(tmp_path), clip, stored, timeline_of(FRAMES, shots=shots), cheap)
    crops = crops_of(clip, stored)
    for part in (slice(None, 9), slice(9, None)):
        own = estimate_clip(cheap, crops[part], len(crops[part]))
        np.testing.assert_allclose(known.expression[part], own.expression, atol=1e-5)

"""Which runs know people in videos by their features, and that results say so."""

from __future__ import annotations

import json

import numpy as np
import pytest
from skimage import data

from face3d import assets
from face3d.align import align_to_folder
from face3d.errors import CorruptAssetError
from face3d.recognition import recognition_at_hand
from tests.media.clips import write_clip


def test_without_the_file_nothing_is_fetched():
    assert recognition_at_hand() is None
    assert assets.stored("mobilefacenet") is None


def test_an_open_licence_does_without(stored_mobilefacenet):
    assert recognition_at_hand("open") is None
    found = recognition_at_hand()
    assert found is not None
    assert (found.use.name, found.use.commercial) == ("mobilefacenet", "unknown")
    assert found.open() is found.open()


def test_a_damaged_file_is_named_when_it_is_needed(stored_mobilefacenet):
    stored_mobilefacenet.write_bytes(stored_mobilefacenet.read_bytes()[:-100])
    found = recognition_at_hand()
    assert found is not None
    with pytest.raises(CorruptAssetError, match=r"MobileFaceNet.tflite .*face3d assets"):
        found.open()


def test_results_of_videos_name_it_and_are_kept_for_runs_that_have_it(
    stored_mobilefacenet, detector, astronaut_file, tmp_path
):
    image = data.astronaut()[:320, 60:380]
    clip = write_clip(tmp_path / "nod.mp4", [np.ascontiguousarray(np.roll(image, 3 * n, axis=1)) for n in range(5)])

    def run(licence):
        failures = []
        done = list(
            align_to_folder([clip, astronaut_file], tmp_path / "out", licence=licence, on_failure=failures.append)
        )
        assert not failures
        used = [
            [use["name"] for use in json.loads((file.folder / "alignment.json").read_text())["assets"]] for file in done
        ]
        return [file.already_done for file in done], used

    both, one = ["mediapipe", "mobilefacenet"], ["mediapipe"]
    assert run("any") == ([False, False], [both, one])
    assert run("any") == ([True, True], [both, one])
    assert run("open") == ([False, True], [one, one])
    assert run("open") == ([True, True], [one, one])

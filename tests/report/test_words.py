"""Records in words: nothing is left out, and numbers say what they mean."""

from __future__ import annotations

from typing import get_args

import pytest

from face3d.camera.intrinsics import Source
from face3d.measure import CALLIPER, TAPE
from face3d.report.words import (
    GROUPS,
    OTHER,
    camera_sentence,
    file_purpose,
    grouped,
    size_sentence,
    size_source,
    spoken,
)


def test_every_measurement_has_a_heading_and_only_one():
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) == len(set(names))
    assert set(names) == {*CALLIPER, *TAPE, "pupillary_distance"}


def test_measurements_are_grouped_without_losing_any():
    names = ["ear_length_left", "pupillary_distance", "span_of_wings", "biocular_width"]
    assert grouped(names) == {
        "Eyes": ["pupillary_distance", "biocular_width"],
        "Ears": ["ear_length_left"],
        OTHER: ["span_of_wings"],
    }
    assert grouped([]) == {}


@pytest.mark.parametrize(
    ("value", "sigma", "parts"),
    [
        (0.942, 0.037, ("5.8 % smaller", "± 3.7 %")),
        (1.1, 0.05, ("10.0 % larger", "± 5.0 %")),
        (1.0, 0.05, ("as large as",)),
        (1.05, 1e-6, ("5.0 % larger", "exactly as typed in")),
    ],
)
def test_the_size_in_words(value, sigma, parts):
    assert all(part in size_sentence(value, sigma) for part in parts)


def test_every_source_of_a_camera_is_explained():
    for source in get_args(Source):
        assert len(camera_sentence(source)) > len(source) + 5


def test_sources_of_size():
    assert "iris" in size_source("iris")
    assert size_source("biocular_width") == "the biocular width that you gave"
    assert spoken("face_width") == "Face width"


def test_every_file_that_is_written_is_explained(folder):
    for path in folder.iterdir():
        assert path.name == "report.html" or file_purpose(path.name), path.name
    assert file_purpose("notes.txt") == ""

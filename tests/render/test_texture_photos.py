"""Real photos: the textured head, drawn over its photo, looks like the photo."""

from __future__ import annotations

import numpy as np
import pytest

from face3d.head import load_head
from face3d.media import read_image
from face3d.render.texture import bake_texture
from tests.benchmarks.texture import face_difference, posed_photo

LARGEST_DIFFERENCE = 4.0
"""Percent of the range, mean absolute, inside the visible face."""


def difference(path, detector, head) -> float:
    photo = posed_photo(read_image(path), detector, head)
    return face_difference(head, photo, bake_texture(head, [photo]))


def test_the_astronaut(astronaut_file, detector):
    assert difference(astronaut_file, detector, load_head()) < LARGEST_DIFFERENCE


@pytest.mark.parametrize(
    "name", ["biden.jpg", "single_face.jpg", "45-m7-di-ph.jpg", "Tom_Hanks_54745.png", "obama_partial_face.jpg"]
)
def test_photos_of_packages(package_photos, detector, name):
    """From the front, three-quarter, small and grey, and cut by the border."""
    assert difference(package_photos[name], detector, load_head()) < LARGEST_DIFFERENCE


def test_the_measure_sees_a_wrong_texture(astronaut_file, detector):
    """Otherwise the limit above would say nothing: the mean colour all over is too far off."""
    head = load_head()
    photo = posed_photo(read_image(astronaut_file), detector, head)
    texture = bake_texture(head, [photo])
    plain = np.broadcast_to(texture.reshape(-1, 3).mean(0), texture.shape).astype(np.uint8)
    assert face_difference(head, photo, plain) > 2 * LARGEST_DIFFERENCE

"""Real photos: the fitted head must lie where the detector sees the face."""

import numpy as np
from skimage.data import astronaut

from face3d.camera import choose_intrinsics
from face3d.fit import Observation, fit_landmarks
from face3d.head import load_head
from face3d.media import Photo, read_image

FRONTAL = ("biden.jpg", "obama.jpg", "obama2.jpg", "single_face.jpg", "0-f1-su-ph.jpg", "0-f15-hao-ph.jpg")


def _miss(photo, detector, head):
    """Mean reprojection error as a share of the distance of the outer eye corners."""
    (face,) = detector.detect(photo.pixels)
    fit = fit_landmarks(head, [Observation(face, choose_intrinsics(photo))])
    return float(fit.reprojection_pixels.mean() / fit.interocular_pixels[0]), fit


def test_the_astronaut(detector):
    miss, fit = _miss(Photo.from_array(np.ascontiguousarray(astronaut())), detector, load_head())
    assert miss < 0.03
    assert fit.warnings == ()
    assert 0.02 < fit.scale.sigma < 0.05
    assert [source.name for source in fit.scale.sources] == ["identity", "iris"]


def test_frontal_photos_of_packages(package_photos, detector):
    """At most 3 % of the interocular distance in the middle, and none far beyond."""
    head = load_head()
    misses = {name: _miss(read_image(package_photos[name]), detector, head)[0] for name in FRONTAL}
    assert np.median(list(misses.values())) < 0.03, misses
    assert max(misses.values()) < 0.035, misses

"""Log light is looked up where it lies in the photo, with its true slope, at any scale of the cut-out."""

import numpy as np
import pytest

from face3d.fit.photometric_image import LOG_FLOOR, FaceImage
from face3d.media.colour import srgb_from_linear


def ramp(height: int = 240, width: int = 320) -> tuple[np.ndarray, np.ndarray]:
    """A photo whose linear light grows by exp(0.004 x + 0.002 y), and that exponent's slope."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    light = np.exp(0.004 * x + 0.002 * y) * 0.12 - LOG_FLOOR
    return np.repeat((srgb_from_linear(light) * 255).round().astype(np.uint8)[..., None], 3, 2), np.array([4e-3, 2e-3])


@pytest.mark.parametrize("size", [1000, 64])
@pytest.mark.parametrize("sigma", [0.0, 3.0])
def test_values_and_slopes_of_a_ramp(size, sigma):
    photo, slope = ramp()
    face = np.array([[60.0, 50.0], [250.0, 190.0]])
    log = FaceImage.of(photo, face, size=size).blurred(sigma)
    places = np.random.default_rng(0).uniform([90, 70], [220, 170], (200, 2))
    values, slopes, inside = log.sample(places)
    assert inside.all()
    np.testing.assert_allclose(values, (np.log(0.12) + places @ slope)[:, None].repeat(3, 1), atol=0.02)
    np.testing.assert_allclose(slopes.mean(axis=0), slope[None].repeat(3, 0), rtol=0.06)


def test_points_beyond_the_cut_out_are_told():
    photo, _ = ramp()
    image = FaceImage.of(photo, np.array([[100.0, 100.0], [150.0, 150.0]]), size=100)
    places = np.array([[125.0, 125.0], [20.0, 20.0], [1e6, -1e6]])
    assert image.blurred(1.0).sample(places)[2].tolist() == [True, False, False]
    assert image.usable_at(places).shape == (3,)


def test_a_face_mostly_outside_the_photo():
    photo, _ = ramp()
    image = FaceImage.of(photo, np.array([[-500.0, -500.0], [3.0, 3.0]]), size=100)
    assert min(image.linear.shape[:2]) >= 1
    assert np.isfinite(image.blurred(2.0).layers).all()


def test_burnt_out_pixels_are_not_usable():
    photo, _ = ramp()
    photo[:, 100:140] = 255
    image = FaceImage.of(photo, np.array([[0.0, 0.0], [320.0, 240.0]]), size=1000)
    assert image.usable_at(np.array([[120.0, 100.0], [50.0, 100.0]])).tolist() == [0.0, 1.0]

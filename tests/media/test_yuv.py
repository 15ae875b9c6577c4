from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.media.yuv import write_yuv

INVERSE = {
    # ITU-R BT.709 and BT.601: R, G, B of luma and chroma in -0.5 to 0.5.
    True: np.array([[1, 0, 1.5748], [1, -0.187324, -0.468124], [1, 1.8556, 0]]),
    False: np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]]),
}


def planes(height, width, stride=0):
    sizes = [(height, width), (height // 2, width // 2), (height // 2, width // 2)]
    return [np.full((rows, columns + stride), 7, np.uint8) for rows, columns in sizes]


@pytest.mark.parametrize("bt709", [True, False])
@settings(max_examples=30, deadline=None)
@given(colour=st.tuples(*[st.integers(0, 255)] * 3))
def test_even_colours_come_back(bt709, colour):
    luma, blue, red = planes(4, 6, stride=3)
    write_yuv(np.full((4, 6, 3), colour, np.uint8), [luma, blue, red], bt709=bt709)
    assert len(np.unique(luma[:, :6])) == len(np.unique(blue[:, :3])) == 1
    assert (luma[:, 6:] == 7).all(), "what lies behind a row is left alone"
    values = np.array([(luma[0, 0] - 16.0) / 219, (blue[0, 0] - 128.0) / 224, (red[0, 0] - 128.0) / 224])
    np.testing.assert_allclose(INVERSE[bt709] @ values * 255, colour, atol=2.0)


def test_chroma_is_the_mean_of_four_pixels():
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0] = (255, 0, 0)
    luma, blue, red = planes(2, 2)
    write_yuv(pixels, [luma, blue, red], bt709=False)
    assert luma.tolist() == [[81, 16], [16, 16]]
    assert abs(int(red[0, 0]) - (128 + 112 / 4)) <= 1


@pytest.mark.parametrize(("height", "width"), [(3, 4), (4, 5), (3, 5), (1, 1)])
def test_odd_sizes_repeat_their_edge(height, width):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    even = planes(height + height % 2, width + width % 2)
    write_yuv(pixels, even, bt709=True)
    luma = even[0]
    if height % 2:
        np.testing.assert_array_equal(luma[-1], luma[-2])
    if width % 2:
        np.testing.assert_array_equal(luma[:, -1], luma[:, -2])

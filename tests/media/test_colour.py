import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from face3d.media.colour import linear_from_srgb, srgb_from_linear


@given(st.floats(0, 1))
def test_round_trip(value):
    np.testing.assert_allclose(srgb_from_linear(linear_from_srgb(np.array(value))), value, atol=1e-7)


def test_known_values():
    """Half grey encodes a fifth of the light (IEC 61966-2-1)."""
    np.testing.assert_allclose(
        linear_from_srgb(np.array([0.0, 0.04045, 0.5, 1.0])), [0, 0.0031308, 0.2140411, 1], atol=1e-6
    )
    np.testing.assert_allclose(srgb_from_linear(np.array([0.18])), [0.4613561], atol=1e-6)

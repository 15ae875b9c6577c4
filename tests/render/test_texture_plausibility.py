from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.head import load_head
from face3d.media.colour import linear_from_srgb, srgb_from_linear
from face3d.render.texture_chart import texture_surface
from face3d.render.texture_plausibility import likeness, plain_skin, plausible

SKIN, HAIR, WALL = np.array([0.76, 0.57, 0.47]), np.array([0.16, 0.12, 0.10]), np.array([0.25, 0.45, 0.80])


@settings(max_examples=30)
@given(
    st.tuples(*[st.floats(0.25, 0.9)] * 3),
    st.floats(0.45, 1.3),
)
def test_a_colour_in_more_or_less_light_is_the_same_colour(colour, exposure):
    reference = np.array(colour)
    lit = srgb_from_linear(linear_from_srgb(reference) * exposure)
    assert likeness(lit[None], reference)[0] > 0.6


@pytest.mark.parametrize("other", [WALL, [0.95, 0.95, 0.97], [0.05, 0.05, 0.08], [0.2, 0.5, 0.2]])
def test_walls_shirts_and_jackets_are_no_skin(other):
    assert likeness(np.array([other]), SKIN)[0] == 0.0


def test_hair_is_believed_on_the_scalp_only():
    surface = texture_surface(load_head())
    scalp, ears = surface.region("scalp"), surface.region("left_ear", "right_ear")
    base = np.tile(SKIN, (surface.vertex_count, 1))
    base[scalp | ears] = HAIR
    result = plausible(surface, base, *[np.ones(surface.vertex_count)] * 2)
    assert result[plain_skin(surface)].min() > 0.9
    assert result[scalp].min() > 0.9
    assert result[ears].max() == 0.0


def test_background_beside_the_hair_is_not_taken_for_it():
    surface = texture_surface(load_head())
    scalp = np.flatnonzero(surface.region("scalp"))
    base = np.tile(SKIN, (surface.vertex_count, 1))
    base[scalp] = HAIR
    base[scalp[::3]] = WALL
    inner = np.ones(surface.vertex_count)
    inner[scalp[::3]] = 0.0
    result = plausible(surface, base, np.ones(surface.vertex_count), inner)
    assert result[scalp[::3]].max() == 0.0
    assert np.delete(result[scalp], np.s_[::3]).min() > 0.9


def test_too_little_to_tell_believes_everything():
    surface = texture_surface(load_head())
    base = np.random.default_rng(0).random((surface.vertex_count, 3))
    nothing = np.zeros(surface.vertex_count)
    assert (plausible(surface, base, nothing, nothing) == 1.0).all()

"""Skin and light against what is known about them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.render.shading import spherical_harmonics_shading
from face3d.train.synthetic.heads import open_head, vertex_normals
from face3d.train.synthetic.light import light_of_lamps, light_transfer, shading_basis
from face3d.train.synthetic.skin import individual_typology_angle, melanin_for, skin_colour, tone_of

MELANIN = st.floats(0.004, 0.5)
BLOOD = st.floats(0.004, 0.16)


@settings(max_examples=30, deadline=None)
@given(melanin=MELANIN, blood=BLOOD)
def test_pigments_only_take_light_away(melanin, blood):
    colour = skin_colour(np.array(melanin), np.array(blood))
    assert (colour >= 0).all()
    assert (colour <= 1).all()
    # Skin is never blue or green, and melanin darkens it whatever lies below.
    assert colour[0] > colour[1] > colour[2]
    assert (skin_colour(np.array(melanin * 1.2), np.array(blood)) < colour).all()


@settings(max_examples=20, deadline=None)
@given(melanin=st.floats(0.004, 0.05), blood=st.floats(0.004, 0.05))
def test_blood_makes_light_skin_redder(melanin, blood):
    pale, flushed = (skin_colour(np.array(melanin), np.array(share)) for share in (blood, 1.5 * blood))
    assert (flushed < pale).all()
    assert flushed[1] / pale[1] < flushed[0] / pale[0]


def test_the_typology_angle_of_known_colours():
    """By hand: L* = 70, b* = 20 is 45 degrees; the same below 50 is negative."""

    def linear_rgb(lightness, yellow):
        y = (lightness + 16) / 116
        f = np.array([y, y, y - yellow / 200])
        xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.95047, 1.0, 1.08883]
        return (
            np.array(
                [
                    [3.2404542, -1.5371385, -0.4985314],
                    [-0.9692660, 1.8760108, 0.0415560],
                    [0.0556434, -0.2040259, 1.0572252],
                ]
            )
            @ xyz
        )

    assert individual_typology_angle(linear_rgb(70, 20)) == pytest.approx(45.0, abs=0.1)
    assert individual_typology_angle(linear_rgb(40, 10)) == pytest.approx(-45.0, abs=0.1)


@settings(max_examples=20, deadline=None)
@given(angle=st.floats(-60, 60), blood=st.floats(0.01, 0.05))
def test_melanin_gives_the_asked_typology_angle(angle, blood):
    melanin = melanin_for(angle, blood)
    assert individual_typology_angle(skin_colour(np.array(melanin), np.array(blood))) == pytest.approx(angle, abs=1.0)


def test_tone_classes_have_their_published_edges():
    names = [tone_of(angle) for angle in (60, 50, 35, 20, 0, -40)]
    assert names == ["very light", "light", "intermediate", "tan", "brown", "dark"]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_light_is_read_as_the_renderer_of_face3d_reads_it(seed):
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    coefficients = rng.normal(size=(9, 3))
    expected = spherical_harmonics_shading(torch.from_numpy(normals)[None], torch.from_numpy(coefficients)[None])[0]
    assert np.abs(shading_basis(normals) @ coefficients - expected.numpy()).max() < 1e-9


def test_a_lamp_lights_as_the_clamped_cosine_does():
    """The second-order series is within 0.094 of the lamp's strength everywhere (Ramamoorthi and Hanrahan 2001)."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(500, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    lamp = np.array([0.6, 0.0, -0.8])
    light = light_of_lamps(np.array([[*lamp, 2.0, 1.0, 0.5]]), np.zeros((2, 3)), np.array([0.0, -1.0, 0.0]))
    expected = np.clip(normals @ lamp, 0, None)[:, None] * [2.0, 1.0, 0.5]
    assert np.abs(shading_basis(normals) @ light.coefficients - expected).max() < 2 * 0.095


def test_the_head_shades_itself_where_it_must():
    head = open_head()
    transfer, share = light_transfer()
    anatomy = {
        name: np.linalg.norm(head.template - place, axis=1).argmin()
        for name, place in head.anatomy(head.template).items()
    }
    # The forehead sees nearly the whole half space; under the chin and the inside of the mouth see less.
    assert share[anatomy["glabella"]] > 0.75
    assert share[anatomy["pronasale"]] > 0.85
    inside = share[head.region("mouth_interior")]
    assert np.median(inside) < 0.1
    # Where nothing is in the way the transfer is that of an open surface.
    tip = anatomy["pronasale"]
    normals = vertex_normals(head.template, head.triangles)
    assert np.abs(transfer[tip] - shading_basis(normals[tip])).max() < 0.12

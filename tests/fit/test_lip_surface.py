from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from face3d.fit.lip_surface import lip_surface
from face3d.head import load_head
from tests.fit.known_lips import gap, lip_points, surface_of


@pytest.fixture(scope="module")
def head():
    return load_head()


def test_profiles_are_cut_at_one_width_each_and_the_upper_lip_is_above(head):
    surface, points = surface_of(head), lip_points(head, np.zeros(head.identity_size), np.zeros((1, 52)))[0]
    assert len(surface.upper) == len(surface.lower) == 9
    widths = []
    for upper, lower in zip(surface.upper, surface.lower, strict=True):
        assert len(upper) > 8
        assert len(lower) > 8
        x = np.concatenate([points[upper, 0], points[lower, 0]])
        assert np.ptp(x) < 1e-6
        widths.append(x.mean())
        assert points[upper, 1].max() > points[lower, 1].max()
        assert points[upper, 1].min() > points[lower, 1].min()
    assert (np.diff(widths) > 0.002).all()
    np.testing.assert_allclose(widths, -np.array(widths)[::-1], atol=5e-4)


def test_lips_at_rest_touch_and_a_jaw_that_opens_parts_them(head):
    expression = np.zeros((3, 52))
    expression[1, head.expression_names.index("jawOpen")] = 0.3
    expression[2, head.expression_names.index("jawOpen")] = 0.3
    expression[2, head.expression_names.index("mouthClose")] = 0.3
    at_rest, opened, closed = gap(head, np.zeros(head.identity_size), expression)
    assert abs(at_rest) < 0.001
    assert opened > 0.008
    assert closed < 0.25 * opened


def test_the_border_is_the_landmarks_one(head):
    surface = surface_of(head)
    points = lip_points(head, np.zeros(head.identity_size), np.zeros((1, 52)))[0]
    outer = points[surface.outer]
    right, left = points[surface.corners]
    assert outer[:, 0].argmin() == 0
    assert outer[:, 0].argmax() == 10
    assert (outer[1:10, 1] < outer[11:, 1][::-1]).all()
    assert right[0] > outer[0, 0]
    assert left[0] < outer[10, 0]


def test_a_head_that_does_not_name_its_lips_has_none(head):
    nameless = SimpleNamespace(regions={"nose": head.regions["nose"]}, point_sets=head.point_sets)
    assert lip_surface(nameless) is None

from __future__ import annotations

import numpy as np
import pytest

from face3d.fit.incisors import ARCH, BEHIND_LIP, STATIONS, Incisors, toothed_lip
from face3d.head import load_head
from tests.fit.talking_clips import teeth_distance


@pytest.fixture(scope="module")
def head():
    return load_head()


def incisors(count: int) -> Incisors:
    return Incisors(np.array([0.0, -0.07, 0.03]), np.zeros(count, int))


def test_teeth_are_all_that_lies_above_their_edge_and_behind_their_front():
    away = np.array([[0, 0, 0.002], [0, -0.003, 0], [0, -0.003, 0.004], [0, 0.001, -0.002], [0, 0.005, -0.002]])
    distances = [incisors(1).clearance(point + incisors(1).edge[None, None]).distance.item() for point in away]
    np.testing.assert_allclose(distances, [0.002, 0.003, 0.005, -0.001, -0.002], atol=1e-12)


def test_the_arch_falls_back_to_the_sides():
    point = incisors(1).edge + np.array([0.01, 0.002, 0.0])
    assert incisors(1).clearance(point[None, None]).distance.item() == pytest.approx(ARCH * 1e-4)


def test_of_each_profile_the_nearest_point_counts():
    points = incisors(1).edge + np.array([[0, 0.001, 0.004], [0, 0.001, 0.002], [0, 0.001, 0.003]])
    found = Incisors(incisors(1).edge, np.array([0, 0, 1])).clearance(points[None])
    assert found.point.tolist() == [[1, 2]]
    np.testing.assert_allclose(found.distance, [[0.002, 0.003]])


def test_directions_are_the_slopes_of_distances():
    rng = np.random.default_rng(0)
    points = incisors(40).edge + rng.normal(0, 0.003, (40, 1, 1, 3))
    way, step = rng.normal(size=points.shape), 1e-7
    one = incisors(1)
    for point, away in zip(points, way, strict=True):
        here = one.clearance(point)
        ahead, behind = (one.clearance(point + sign * step * away).distance for sign in (1, -1))
        slope = np.einsum("tsc,tsc->ts", here.direction, away)
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_they_stand_behind_the_lips_of_everybody(head, seed):
    identity = np.random.default_rng(seed).normal(size=head.identity_size)
    poses = np.zeros((3, head.expression_size))
    poses[1, head.expression_names.index("mouthRollLower")] = 0.6
    poses[2, head.expression_names.index("jawOpen")] = 0.4
    rest, rolled, opened = teeth_distance(head, identity, poses)
    assert rest == pytest.approx(BEHIND_LIP, abs=1e-5)
    assert rolled < rest - 0.0004
    assert opened > rest + 0.001


def test_profiles_lie_on_the_lower_lip_across_the_incisors(head):
    lip = toothed_lip(head)
    assert lip is not None
    corners = head.template.double().numpy()[head.triangles.numpy()[lip.triangles]]
    points = np.einsum("nk,nkx->nx", lip.barycentric, corners)
    assert (np.diff(lip.profile) >= 0).all()
    for number, station in enumerate(STATIONS):
        x = points[lip.profile == number, 0]
        assert len(x) > 50
        np.testing.assert_allclose(x, x[0], atol=1e-6)
        assert x[0] == pytest.approx(station, abs=0.0005)


def test_a_head_that_does_not_know_its_mouth_has_none(head):
    from types import SimpleNamespace

    assert toothed_lip(SimpleNamespace(regions={"lips": None}, point_sets={})) is None

"""The arithmetic of metric scale."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from face3d.fit.scale import HeadSize, ScaleSource, fuse, iris_source
from face3d.head import HeadModel
from tests.head.random_heads import random_arrays

sources = st.lists(st.tuples(st.floats(0.5, 2), st.floats(1e-3, 0.2)), min_size=1, max_size=5)


@given(sources)
def test_fused_lies_between_and_is_surer_than_each(pairs):
    scale = fuse([ScaleSource(f"s{k}", *pair) for k, pair in enumerate(pairs)])
    values = [value for value, _ in pairs]
    assert min(values) * (1 - 1e-9) <= scale.value <= max(values) * (1 + 1e-9)
    assert scale.sigma <= min(sigma for _, sigma in pairs) * (1 + 1e-9)


def test_two_equal_sources_meet_half_way():
    scale = fuse([ScaleSource("a", 1.0, 0.1), ScaleSource("b", 1.21, 0.1)])
    assert scale.value == pytest.approx(1.1)
    assert scale.sigma == pytest.approx(0.1 / math.sqrt(2))


def test_iris_that_looks_too_large_makes_the_head_smaller():
    source = iris_source(0.0, [0.0117 * 1.05])
    assert source is not None
    assert source.value == pytest.approx(1 / 1.05)
    assert source.sigma == pytest.approx(math.hypot(0.5 / 11.7, 0.05))


def test_more_photos_do_not_shrink_the_spread_between_people():
    source = iris_source(0.0, [0.0117] * 1000)
    assert source is not None
    assert source.sigma > 0.5 / 11.7


def test_size_gradient_equals_finite_differences():
    model = HeadModel(random_arrays(), dtype=torch.float64)
    size = HeadSize(model)
    identity = np.random.default_rng(0).normal(size=model.identity_size)
    _, gradient = size.log_ratio(identity)
    for k in range(model.identity_size):
        delta = np.zeros(model.identity_size)
        delta[k] = 1e-6
        numeric = (size.log_ratio(identity + delta)[0] - size.log_ratio(identity - delta)[0]) / 2e-6
        assert gradient[k] == pytest.approx(numeric, abs=1e-7)

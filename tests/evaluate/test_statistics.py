from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import InputError
from face3d.evaluate.statistics import PooledInterval, bootstrap_mean, bootstrap_ratio, cumulative_share, gap, summarise
from tests.evaluate.golden import golden


def test_golden_pool():
    given_ = golden("aggregate")
    arrays = [given_[f"distances_{n}"] for n in range(5)]
    found = summarise(arrays)
    assert found.median == pytest.approx(float(given_["median"]), abs=1e-12)
    assert found.mean == pytest.approx(float(given_["mean"]), abs=1e-12)
    assert found.std == pytest.approx(float(given_["std"]), abs=1e-12)
    assert found.mean != pytest.approx(float(given_["mean_of_image_means"]), abs=1e-4)
    assert found == summarise(np.concatenate(arrays))


def test_nothing_has_no_summary():
    with pytest.raises(InputError):
        summarise([])


@given(st.lists(st.floats(0, 1) | st.sampled_from([np.nan, np.inf]), min_size=1, max_size=50), st.floats(0, 1))
def test_cumulative_share_is_a_count(values, limit):
    values = np.array(values)
    assert cumulative_share(values, np.array([limit]))[0] == (values <= limit).sum() / len(values)


def test_interval_has_the_width_that_theory_gives():
    values = np.random.default_rng(0).normal(3, 2, 400)
    found = bootstrap_mean(values)
    assert found.value == values.mean()
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)
    assert bootstrap_mean(values) == found


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_gap_of_two_samples(seed):
    random = np.random.default_rng(seed)
    a, b = random.normal(5, 1, 200), random.normal(4, 1, 100)
    found = gap(a, b)
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(a.var() / 200 + b.var() / 100), rel=0.12)


def test_pooled_medians_are_those_of_the_pool():
    """Against resampling the arrays themselves."""
    random = np.random.default_rng(0)
    clusters = {f"s{n}": [random.gamma(2, 0.3 + 0.05 * n, 300 + 50 * n)] for n in range(6)}
    names = list(clusters)
    found = PooledInterval(clusters).medians(names, seed=4)
    medians = []
    for _ in range(500):
        picked = random.choice(names, len(names))
        medians.append(np.median(np.concatenate([clusters[name][0] for name in picked])))
    for quantile in (0.025, 0.5, 0.975):
        assert np.quantile(found, quantile) == pytest.approx(np.quantile(medians, quantile), abs=0.03)
    pooled = np.concatenate([arrays[0] for arrays in clusters.values()])
    one = PooledInterval({"all": [pooled]}).medians(["all"])
    np.testing.assert_allclose(one, np.median(pooled), atol=2 * pooled.max() / 8000)


def test_distances_that_are_all_zero():
    found = PooledInterval({"a": [np.zeros(5)], "b": [np.zeros(3)]}).median(["a", "b"], 0.0)
    assert found.low == pytest.approx(0)
    assert found.high == pytest.approx(0)


def test_a_pooled_ratio_and_its_interval():
    errors, words = np.array([1.0, 0.0, 4.0, 3.0]), np.array([10.0, 2.0, 8.0, 5.0])
    found = bootstrap_ratio(errors, words)
    assert found.value == pytest.approx(8 / 25)
    assert 0 <= found.low < found.value < found.high <= 0.6
    same = bootstrap_ratio(words / 4, words)
    assert same.low == pytest.approx(0.25)
    assert same.high == pytest.approx(0.25)

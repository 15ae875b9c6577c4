from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from face3d.errors import InputError
from face3d.evaluate.similarity import Similarity, procrustes
from tests.evaluate.golden import golden


def golden_cases():
    return range(len(golden("procrustes")["case_names"]))


@pytest.mark.parametrize("case", golden_cases())
def test_golden_with_reflection(case):
    expected = {key: value[case] for key, value in golden("procrustes").items() if value.shape[:1] == (6,)}
    found = procrustes(expected["pred_landmarks"], expected["gt_landmarks"], reflection=True)
    aligned = found.apply(expected["pred_landmarks"])
    np.testing.assert_allclose(aligned, expected["aligned"], rtol=0, atol=1e-9)
    if expected["case_names"] != "planar":  # which mirror image of a plane is meant cannot be told
        # The golden rotation multiplies rows from the right.
        np.testing.assert_allclose(found.rotation.T, expected["rotation"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.translation, expected["translation"], rtol=0, atol=1e-9)
        assert np.linalg.det(found.rotation) == pytest.approx(expected["det"], abs=1e-9)
    assert found.scale == pytest.approx(expected["scale"], abs=1e-9)
    centred = expected["gt_landmarks"] - expected["gt_landmarks"].mean(axis=0)
    residual = ((aligned - expected["gt_landmarks"]) ** 2).sum() / (centred**2).sum()
    assert residual == pytest.approx(expected["d"], abs=1e-9)


@pytest.mark.parametrize("case", golden_cases())
def test_golden_without_reflection_and_without_scale(case):
    expected = {key: value[case] for key, value in golden("procrustes").items() if value.shape[:1] == (6,)}
    if expected["case_names"] == "planar":
        return
    found = procrustes(expected["pred_landmarks"], expected["gt_landmarks"])
    np.testing.assert_allclose(found.rotation.T, expected["rotation_noreflect"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.translation, expected["translation_noreflect"], rtol=0, atol=1e-9)
    assert found.scale == pytest.approx(expected["scale_noreflect"], abs=1e-9)
    rigid = procrustes(expected["pred_landmarks"], expected["gt_landmarks"], scale=1.0, reflection=True)
    np.testing.assert_allclose(rigid.rotation.T, expected["rotation_noscale"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(rigid.translation, expected["translation_noscale"], rtol=0, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(4, 30), fixed=st.booleans())
def test_a_known_transform_comes_back(seed, count, fixed):
    random = np.random.default_rng(seed)
    points = random.normal(size=(count, 3))
    true = Similarity(np.exp(random.normal()), Rotation.random(random_state=seed).as_matrix(), random.normal(size=3))
    found = procrustes(points, true.apply(points), scale=true.scale if fixed else None)
    np.testing.assert_allclose(found.matrix(), true.matrix(), atol=1e-8)
    np.testing.assert_allclose(found.inverse().apply(true.apply(points)), points, atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), reflection=st.booleans(), fixed=st.booleans())
def test_no_other_transform_is_closer(seed, reflection, fixed):
    random = np.random.default_rng(seed)
    source, target = random.normal(size=(7, 3)), random.normal(size=(7, 3))
    try:
        found = procrustes(source, target, scale=0.7 if fixed else None, reflection=reflection)
    except InputError:  # pure noise may have no positive scale
        return
    error = ((found.apply(source) - target) ** 2).sum()
    for _ in range(20):
        turn = Rotation.from_rotvec(random.normal(size=3) * 0.1).as_matrix()
        scale = found.scale if fixed else found.scale * np.exp(random.normal() * 0.05)
        other = Similarity(scale, turn @ found.rotation, found.translation + random.normal(size=3) * 0.05)
        assert ((other.apply(source) - target) ** 2).sum() >= error - 1e-12


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3))),
        (np.eye(3), np.eye(4)[:, :3]),
        (np.ones((7, 3)), np.random.default_rng(0).normal(size=(7, 3))),
        (np.arange(7.0)[:, None] * [1, 2, 3], np.random.default_rng(0).normal(size=(7, 3))),
        (np.full((7, 3), np.nan), np.random.default_rng(0).normal(size=(7, 3))),
    ],
)
def test_points_that_fix_no_transform_are_refused(source, target):
    with pytest.raises(InputError):
        procrustes(source, target)

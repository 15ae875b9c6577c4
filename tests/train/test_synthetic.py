"""One sample: that it is the same whoever draws it, and that its labels say what the picture shows."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d import load_head
from face3d.errors import ArgumentError
from face3d.measure import head_dimensions
from face3d.train.synthetic import (
    CLASSES,
    SyntheticOptions,
    open_head,
    render_sample,
    vertices_of,
)
from face3d.train.synthetic.samples import render_encoded

OPTIONS = SyntheticOptions(size=128, seed=3)


@pytest.fixture(scope="module")
def samples():
    return [render_sample(index, OPTIONS) for index in range(8)]


def test_other_seeds_and_indices_draw_others():
    drawn = {render_encoded(index, SyntheticOptions(size=64, seed=seed))[0] for seed in (0, 1) for index in (0, 1)}
    assert len(drawn) == 4


def test_vertices_are_those_of_the_head_model(samples):
    model = load_head().double()
    for sample in samples[:3]:
        state = sample.label.state
        expected = model(identity=state.identity, expression=state.expression, jaw=state.jaw, eyes=state.eyes).vertices
        assert np.abs(vertices_of(sample.label) - expected[0].numpy()).max() < 1e-7


def test_landmarks_are_the_models_points_seen_by_the_camera(samples):
    model = load_head().double()
    for sample in samples[:4]:
        label = sample.label
        state = label.state
        geometry = model(identity=state.identity, expression=state.expression, jaw=state.jaw, eyes=state.eyes)
        pose = torch.from_numpy(label.camera_from_head)[None]
        for name, truth in label.landmarks.items():
            points = model.points(name, geometry, camera_from_head=pose)[0].numpy()
            camera = points @ label.camera_from_head[:3, :3].T + label.camera_from_head[:3, 3]
            pixels = (camera @ label.intrinsics.T)[:, :2] / camera[:, 2:]
            assert np.abs(pixels - truth.pixels).max() < 1e-3


def test_measurements_are_those_of_the_neutral_head(samples):
    model = load_head().double()
    for sample in samples[:2]:
        expected = head_dimensions(model, torch.from_numpy(sample.label.state.identity)[None])
        assert set(expected) == set(sample.label.measurements)
        for name, value in expected.items():
            assert float(value) == pytest.approx(sample.label.measurements[name], abs=1e-7)


def test_the_segmentation_has_parts_where_the_landmarks_are(samples):
    """Visible pupils lie on eyes (or glasses), the lips' middles on lips, the nose's tip on skin."""
    wanted = {468: ("eye", "glasses"), 473: ("eye", "glasses"), 4: ("skin",), 0: ("lips", "skin"), 17: ("lips", "skin")}
    right, total = 0, 0
    for sample in samples:
        truth = sample.label.landmarks["mediapipe_478"]
        for point, names in wanted.items():
            if truth.visible[point]:
                column, row = truth.pixels[point].astype(int)
                near = sample.segmentation[row - 1 : row + 2, column - 1 : column + 2]
                right += bool(np.isin(near, [CLASSES.index(name) for name in names]).any())
                total += 1
    assert total > 15
    assert right >= 0.9 * total


def test_landmarks_of_the_far_cheek_are_hidden_in_a_turned_head(samples):
    turned = max(samples, key=lambda sample: abs(sample.label.properties["camera"]["yaw"]))
    yaw = turned.label.properties["camera"]["yaw"]
    assert abs(yaw) > 25
    visible = turned.label.landmarks["mediapipe_478"].visible
    points = open_head().points("mediapipe_478", open_head().template)
    left, right = visible[points[:, 0] > 0.05], visible[points[:, 0] < -0.05]
    # A positive yaw turns the face to the subject's left, which shows its right side.
    assert (right.mean() - left.mean()) * np.sign(yaw) > 0.3


def test_properties_can_be_written_as_json(samples):
    for sample in samples:
        json.dumps(sample.label.properties, allow_nan=False)


@settings(max_examples=6, deadline=None)
@given(index=st.integers(0, 10**7), seed=st.integers(0, 2**31))
def test_any_sample_is_a_face_in_the_picture(index, seed):
    sample = render_sample(index, SyntheticOptions(size=96, seed=seed))
    assert sample.image.shape == (96, 96, 3)
    assert sample.image.std() > 4
    assert 0.02 < (sample.segmentation == CLASSES.index("skin")).mean() < 0.9
    assert np.isfinite(vertices_of(sample.label)).all()
    assert (sample.label.state.expression >= 0).all()
    assert (sample.label.state.expression <= 1).all()
    assert sample.label.landmarks["mediapipe_478"].visible.any()


def test_without_occluders_nothing_hides_the_face():
    for index in range(12):
        facts = render_encoded(index, SyntheticOptions(size=64, seed=1, occluders=False))[2].properties
        assert facts["glasses"] is None
        assert facts["mask"] is False
        assert facts["occluder"] is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SyntheticOptions(size=8), "size is 64 to 1024"),
        (lambda: SyntheticOptions(seed=-1), "seed is 0 or more"),
        (lambda: render_sample(-1), "numbered from 0"),
    ],
)
def test_unusable_numbers_are_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()

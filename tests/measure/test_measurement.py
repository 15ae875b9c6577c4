import dataclasses

import numpy as np
import pytest
import torch

from face3d.assets import open_head_path
from face3d.errors import ArgumentError
from face3d.head import HeadModel, load_open_head
from face3d.head.head_file import read_head
from face3d.measure import CALLIPER, TAPE, head_dimensions, measure_head


@pytest.fixture(scope="module")
def model():
    return load_open_head().double()


def random_identity(model, seed, count=1):
    generator = torch.Generator().manual_seed(seed)
    return 0.7 * torch.randn(count, model.identity_size, dtype=torch.float64, generator=generator)


def test_every_dimension_is_measured_and_names_its_standard(model):
    measured = measure_head(model, torch.zeros(model.identity_size, dtype=torch.float64))
    assert set(measured) == {*CALLIPER, *TAPE, "pupillary_distance"}
    assert all(measurement.standard and measurement.sigma is None for measurement in measured.values())


def test_callipers_read_the_distance_between_their_points(model):
    identity = random_identity(model, 3)
    labels = model.point_sets["anatomy"].labels
    places = model.points("anatomy", model(identity=identity))[0]
    lengths = head_dimensions(model, identity)
    for name in ("face_width", "head_breadth", "nose_breadth"):
        first, second = (places[labels.index(label)] for label in (CALLIPER[name].first, CALLIPER[name].second))
        assert float(lengths[name][0]) == pytest.approx(float((first - second).norm()))


def test_pupillary_distance_is_that_of_the_eye_joints_since_far_gaze_is_parallel(model):
    identity = random_identity(model, 5, 4)
    joints = model(identity=identity).joints
    expected = (joints[:, 3] - joints[:, 4]).norm(dim=-1)
    assert torch.allclose(head_dimensions(model, identity)["pupillary_distance"], expected, atol=1e-6)


def test_left_and_right_swap_with_the_mirrored_head(model):
    mean = head_dimensions(model, torch.zeros(1, model.identity_size, dtype=torch.float64))
    for name in mean:
        if name.endswith("_left"):
            assert float(mean[name][0]) == pytest.approx(float(mean[name.replace("_left", "_right")][0]), abs=2e-5)


def test_sigma_is_the_spread_of_posterior_draws(model):
    size = model.identity_size
    generator = torch.Generator().manual_seed(0)
    root = 0.1 * torch.randn(size, size, dtype=torch.float64, generator=generator) / size**0.5
    covariance = root @ root.T + 0.01 * torch.eye(size, dtype=torch.float64)
    identity = random_identity(model, 1)[0]
    measured = measure_head(model, identity, covariance=covariance)
    steps = torch.randn(1500, size, dtype=torch.float64, generator=generator) @ torch.linalg.cholesky(covariance).T
    drawn = head_dimensions(model, identity + steps)
    for name in ("face_width", "pupillary_distance", "head_circumference", "bitragion_chin_arc"):
        assert measured[name].sigma == pytest.approx(float(drawn[name].std()), rel=0.1)


def test_scale_and_its_doubt_carry_over(model):
    identity = torch.zeros(model.identity_size, dtype=torch.float64)
    plain = measure_head(model, identity)["face_width"]
    scaled = measure_head(model, identity, scale=1.1, scale_sigma=0.03)["face_width"]
    assert scaled.value == pytest.approx(1.1 * plain.value)
    assert scaled.sigma == pytest.approx(0.03 * scaled.value)


def test_a_head_without_anatomical_points_is_refused():
    arrays = read_head(open_head_path())
    bare = HeadModel(dataclasses.replace(arrays, point_sets={"now_7": arrays.point_sets["now_7"]}))
    with pytest.raises(ArgumentError, match="anatomy"):
        measure_head(bare, torch.zeros(bare.identity_size))


def test_a_covariance_of_the_wrong_size_is_refused(model):
    with pytest.raises(ArgumentError, match="covariance"):
        measure_head(model, torch.zeros(model.identity_size), covariance=torch.eye(3))


def test_units_are_metres(model):
    mean = head_dimensions(model, torch.zeros(1, model.identity_size, dtype=torch.float64))
    assert 0.12 < float(mean["face_width"][0]) < 0.16
    assert np.isfinite([float(value[0]) for value in mean.values()]).all()

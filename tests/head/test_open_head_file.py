"""The head that ships: what its geometry promises, and that its people measure as real ones do."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from face3d.assets import open_head_path
from face3d.head import load_open_head
from face3d.head.head_file import read_head
from face3d.measure import head_dimensions

BUILD = Path(__file__).resolve().parents[2] / "flame_assets" / "build"
ARKIT_COUNT = 52
ANCESTRY_MIX = {"white": 0.50, "black": 0.15, "hispanic": 0.15, "other": 0.20}


@pytest.fixture(scope="module")
def arrays():
    return read_head(open_head_path())


@pytest.fixture(scope="module")
def model():
    return load_open_head().double()


@pytest.fixture(scope="module")
def drawn(model):
    """Two thousand heads' dimensions in mm."""
    generator = torch.Generator().manual_seed(11)
    identity = torch.randn(2000, model.identity_size, dtype=torch.float64, generator=generator)
    parts = [head_dimensions(model, chunk) for chunk in identity.split(100)]
    return {name: 1000 * torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}


def survey():
    """Mean, standard deviation and correlation of an even mix of the sexes, from NIOSH's groups."""
    stored = json.loads((BUILD / "niosh_2003_groups.json").read_text())
    names = stored["dimensions"]
    mean, second = np.zeros(len(names)), np.zeros((len(names), len(names)))
    for sex in ("male", "female"):
        correlation = np.array(stored["groups"][sex]["correlation_within_ancestry"])
        for ancestry, share in ANCESTRY_MIX.items():
            group = stored["groups"][f"{sex}/{ancestry}"]
            own, sd = np.array(group["mean"]), np.array(group["sd"])
            mean += 0.5 * share * own
            second += 0.5 * share * (correlation * np.outer(sd, sd) + np.outer(own, own))
    covariance = second - np.outer(mean, mean)
    sd = np.sqrt(np.diag(covariance))
    return names, mean, sd, covariance / np.outer(sd, sd)


def eyeball(arrays, side):
    return arrays.regions[f"{side}_eyeball"]


def test_it_is_small_and_open(arrays):
    assert open_head_path().stat().st_size <= 12_000_000
    assert arrays.licence == "CC0-1.0"
    assert arrays.provenance["components"]["variance"] >= 0.995
    assert len(arrays.expression_names) == ARKIT_COUNT
    assert arrays.expression_bounds.tolist() == [[0.0, 1.0]] * ARKIT_COUNT


def test_origin_is_midway_between_the_eyes_and_axes_point_left_up_and_forward(arrays, model):
    left, right = model().joints[0, 3], model().joints[0, 4]
    assert (left + right).abs().max() < 2e-6
    assert left[0] > 0.028
    vertices = arrays.template
    assert vertices[:, 2].argmax() in arrays.regions["nose"]
    assert vertices[arrays.regions["scalp"], 1].max() > 0.09
    assert vertices[arrays.regions["boundary"], 1].max() < -0.05


def test_the_mean_head_is_symmetric(arrays):
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(arrays.template).query(arrays.template * [-1, 1, 1])
    assert distance.max() < 2e-5


def test_triangles_face_outwards_and_eyeballs_are_closed(arrays):
    corner = arrays.template[arrays.triangles].astype(np.float64)
    for side in ("left", "right"):
        inside = np.isin(arrays.triangles, eyeball(arrays, side)).all(axis=1)
        a, b, c = (corner[inside, k] - corner[inside].mean(axis=(0, 1)) for k in range(3))
        volume = np.einsum("fc,fc->", a, np.cross(b, c)) / 6
        edges = np.sort(arrays.triangles[inside][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        _, uses = np.unique(edges, axis=0, return_counts=True)
        assert (uses == 2).all()
        assert 4e-6 < volume < 9e-6


@pytest.mark.parametrize("seed", range(3))
def test_eyeballs_keep_their_size_in_everybody(arrays, model, seed):
    identity = torch.randn(1, model.identity_size, generator=torch.Generator().manual_seed(seed)).double()
    vertices = model(identity=identity).vertices[0].numpy()
    for side in ("left", "right"):
        ball = vertices[eyeball(arrays, side)]
        mean = arrays.template[eyeball(arrays, side)]
        assert np.abs((ball - ball.mean(axis=0)) - (mean - mean.mean(axis=0))).max() < 2e-5
        assert np.ptp(ball[:, 0]) == pytest.approx(0.0242, abs=1e-4)


def test_eyes_turn_about_the_centre_of_the_eyeball(arrays, model):
    gaze = torch.zeros(1, 6, dtype=torch.float64)
    gaze[0, 1] = gaze[0, 4] = 0.4
    still, turned = model().vertices[0], model(eyes=gaze).vertices[0]
    for side, joint in (("left", 3), ("right", 4)):
        ids = torch.from_numpy(eyeball(arrays, side))
        centre = model().joints[0, joint]
        assert torch.allclose((still[ids] - centre).norm(dim=1), (turned[ids] - centre).norm(dim=1), atol=1e-7)
        assert (turned[ids] - still[ids]).norm(dim=1).max() > 0.003
    others = np.setdiff1d(np.arange(len(still)), np.concatenate([eyeball(arrays, "left"), eyeball(arrays, "right")]))
    assert torch.allclose(still[others], turned[others], atol=1e-9)


def test_expressions_leave_the_eyeballs_alone(arrays):
    for side in ("left", "right"):
        assert not arrays.expression_basis[:, eyeball(arrays, side)].any()


@pytest.mark.parametrize("names", [(), ("eyeBlinkLeft", "eyeBlinkRight"), ("eyeSquintLeft", "eyeSquintRight")])
def test_lids_stay_in_front_of_the_eyeballs(arrays, model, names):
    expression = torch.zeros(1, ARKIT_COUNT, dtype=torch.float64)
    for name in names:
        expression[0, arrays.expression_names.index(name)] = 1.0
    geometry = model(expression=expression)
    lids = model.points("anatomy", geometry)[0]
    labels = model.point_sets["anatomy"].labels
    for side, joint in (("left", 3), ("right", 4)):
        for edge in ("palpebrale_superius", "palpebrale_inferius"):
            place = lids[labels.index(f"{edge}_{side}")]
            assert (place - geometry.joints[0, joint]).norm() > 0.0121


def test_the_jaw_takes_the_chin_and_leaves_the_nose(arrays, model):
    jaw = torch.tensor([[0.25, 0.0, 0.0]], dtype=torch.float64)
    moved = model.points("anatomy", model(jaw=jaw))[0] - model.points("anatomy", model())[0]
    labels = model.point_sets["anatomy"].labels
    assert moved[labels.index("menton")].norm() > 0.01
    assert moved[labels.index("menton"), 1] < 0
    assert moved[labels.index("labiale_inferius")].norm() > 0.005
    for still in ("pronasale", "labiale_superius", "exocanthion_left"):
        assert moved[labels.index(still)].norm() < 0.002


def test_people_of_the_model_have_real_means(drawn):
    names, mean, _, _ = survey()
    off = {name: drawn[name].mean() / mean[k] - 1 for k, name in enumerate(names)}
    assert {name: value for name, value in off.items() if abs(value) > 0.02} == {}


def test_people_of_the_model_differ_as_real_ones_do(drawn):
    names, _, sd, correlation = survey()
    off = {name: drawn[name].std() / sd[k] - 1 for k, name in enumerate(names)}
    assert {name: value for name, value in off.items() if abs(value) > 0.2} == {}
    difference = np.abs(np.corrcoef(np.stack([drawn[name] for name in names])) - correlation)
    assert difference.max() < 0.2


def test_arcface_and_now_points_are_where_they_belong(arrays, model):
    geometry = model()
    arcface = model.points("arcface_5", geometry)[0]
    assert arcface[0, 0] < 0 < arcface[1, 0]
    assert arcface[2, 2] == arcface[:, 2].max()
    assert arcface[3, 0] < 0 < arcface[4, 0]
    now = model.points("now_7", geometry)[0]
    assert now[:4, 0].tolist() == sorted(now[:4, 0].tolist())
    assert now[5, 0] < now[4, 0].abs() + 1e-3 < now[6, 0]


def test_the_contour_slides_inwards_on_the_far_side_only(arrays):
    points = arrays.point_sets["ibug_68"]
    corners = arrays.template[arrays.triangles[points.contour_triangles]]
    places = np.einsum("bnk,bnkc->bnc", points.contour_barycentric, corners)
    assert places[0, 0, 0] < 0 < places[0, 16, 0]
    assert np.allclose(places[0], places[0][::-1] * [-1, 1, 1], atol=3e-4)
    # Bins 1..39: the head turns to its left, whose side slides; 40..78 mirror them.
    assert np.abs(places[30, :8] - places[0, :8]).max() < 1e-5
    assert np.linalg.norm(places[30, 9:] - places[0, 9:], axis=1).max() > 0.01
    assert np.allclose(places[40:], places[1:40][:, ::-1] * [-1, 1, 1], atol=3e-4)


def test_texture_coordinates_are_in_the_square_and_keep_their_side(arrays):
    assert arrays.uv.min() >= 0
    assert arrays.uv.max() <= 1
    a, b, c = (arrays.uv[arrays.uv_triangles[:, k]] for k in range(3))
    first, second = b - a, c - a
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    # Seen from outside: a texture is not mirrored.
    assert (area > 0).mean() > 0.98


def test_the_file_holds_the_eyeballs_that_the_build_makes(arrays, monkeypatch):
    pytest.importorskip("scipy")
    if not BUILD.is_dir():
        pytest.skip("no checkout")
    monkeypatch.setattr(sys, "path", [str(BUILD), *sys.path])
    from eyeballs import IRIS_RADIUS, LIMBUS_RING
    from eyeballs import eyeball as build_eyeball

    ball, triangles = build_eyeball()
    for side in ("left", "right"):
        ids = eyeball(arrays, side)
        own = arrays.template[ids].astype(np.float64)
        assert np.abs(own - own.mean(axis=0) - (ball - ball.mean(axis=0))).max() < 1e-6
        limbus = own[LIMBUS_RING]
        assert np.ptp(limbus[:, 0]) == pytest.approx(2 * IRIS_RADIUS, abs=1e-6)
        assert np.ptp(limbus[:, 0]) == pytest.approx(0.0117, abs=1e-6)
        stored = arrays.triangles[np.isin(arrays.triangles, ids).all(axis=1)]
        assert np.array_equal(stored - ids[0], triangles)

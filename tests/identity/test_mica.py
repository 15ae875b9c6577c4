"""MICA: golden mapping and loss, its checkpoint read strictly, and the FLAME inside of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError, CorruptAssetError
from face3d.head import HeadModel, load_head
from face3d.head.flame_checkpoint import read_flame_of_mica
from face3d.identity import MICA_SCALE_SIGMA, MappingNetwork, mica_loss, mica_weights, read_mica
from face3d.identity.mica import flame_difference
from tests.golden.recipe import recipe_weights
from tests.head.golden import golden, largest_error
from tests.identity.checkpoints import mica_content, synthetic_flame
from tests.identity.test_arcface import CROPS

MAPPING = golden("mica/mapping")
LOSS = golden("mica/loss")
REGIONS = {name[4:]: torch.from_numpy(ids) for name, ids in LOSS.items() if name.startswith("ids_")}


@pytest.fixture(scope="module")
def mica(mica_tar):
    return read_mica(mica_tar)


def loss_pair(dtype=torch.float64):
    return (torch.from_numpy(LOSS[name]).to(dtype) for name in ("pred", "gt"))


def test_the_mapping_is_the_golden_one():
    network = MappingNetwork()
    network.load_state_dict(recipe_weights(network.state_dict()))
    features = torch.from_numpy(MAPPING["identity_unit"])
    assert largest_error(network(features), MAPPING["shape_code"]) < 5e-6
    assert largest_error(network.double()(features.double()), MAPPING["shape_code"]) < 1e-12


def test_the_mapping_has_the_published_names_and_starts_near_the_mean_head():
    network = MappingNetwork()
    assert sum(parameter.numel() for parameter in network.parameters()) == 515_100
    assert list(network.state_dict())[-3:] == ["network.3.bias", "output.weight", "output.bias"]
    # Kaiming's gain for a slope of 0.2, and a uniform draw of bound 1/sqrt(300), times a quarter.
    assert network.network[0].weight.std().item() == pytest.approx((2 / 1.04 / 512) ** 0.5, rel=0.02)
    assert network.output.weight.abs().max() <= 0.25 / 300**0.5


def test_the_mask_is_the_golden_one_and_later_regions_win():
    weights = mica_weights(REGIONS, 5023)
    np.testing.assert_array_equal(weights, LOSS["vertex_weight"])
    both = {name: torch.tensor([4]) for name in REGIONS}
    assert mica_weights(both, 6).tolist() == [1, 1, 1, 1, 150, 1]


def test_the_loss_is_the_golden_one():
    predicted, target = loss_pair()
    predicted.requires_grad_()
    loss = mica_loss(predicted, target, REGIONS)
    assert loss.item() == pytest.approx(LOSS["loss_masked"], rel=1e-12)
    assert mica_loss(predicted, target).item() == pytest.approx(LOSS["loss_unmasked"], rel=1e-12)
    loss.backward()
    np.testing.assert_allclose(predicted.grad[:, :64], LOSS["grad_pred_first64"], rtol=1e-12)


def test_the_loss_in_single_precision():
    predicted, target = loss_pair(torch.float32)
    assert mica_loss(predicted, target, REGIONS).item() == pytest.approx(LOSS["loss_masked"], rel=1e-5)


@settings(max_examples=10, deadline=None)
@given(shift=st.floats(-0.1, 0.1), seed=st.integers(0, 99))
def test_a_shift_of_everything_costs_its_length_times_the_mean_weight(shift, seed):
    heads = torch.rand(2, 5023, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    mean_weight = LOSS["vertex_weight"].mean()
    cost = mica_loss(heads + shift, heads, REGIONS).item()
    assert cost == pytest.approx(1000 * abs(shift) * mean_weight, rel=1e-9, abs=1e-9)


def test_loss_arguments_that_do_not_fit_are_refused():
    heads = torch.zeros(1, 10, 3)
    with pytest.raises(ArgumentError, match=r"predicted is \(1, 10, 3\), target \(2, 10, 3\)"):
        mica_loss(heads, heads.expand(2, -1, -1))
    with pytest.raises(ArgumentError, match="left_eyeball, right_eyeball; put FLAME_masks.pkl"):
        mica_loss(heads, heads, {name: torch.tensor([1]) for name in ("face", "left_ear", "right_ear")})


def test_a_checkpoint_comes_back_as_it_was_saved(mica):
    content = mica_content()
    for name, value in content["arcface"].items():
        assert torch.equal(mica.arcface.state_dict()[name], value), name
    for name, value in mica.mapping.state_dict().items():
        assert torch.equal(content["flameModel"][f"regressor.{name}"], value), name
    assert not mica.mapping.training


def test_crops_become_identities_as_the_parts_make_them(mica):
    codes = mica.identities(CROPS)
    features = torch.from_numpy(golden("mica/arcface")["features_unit"])
    expected = mica.mapping.double()(features)
    mica.mapping.float()
    assert codes.shape == (2, 300)
    assert codes.dtype == np.float32
    assert largest_error(torch.from_numpy(codes), expected.detach().numpy()) < 1e-5 * expected.abs().max()


def test_the_flame_inside_is_the_users(mica, mica_tar):
    mine = synthetic_flame()
    assert flame_difference(mica.flame, mine) is None
    inside = HeadModel(read_flame_of_mica(mica_tar))
    assert set(inside.point_sets) == {"ibug_68", "ibug_68_fixed", "now_7"}
    pose = {
        "identity": torch.randn(2, 300),
        "expression": torch.randn(2, 20),
        "jaw": torch.tensor([[0.3, 0, 0.0]]),
        "neck": torch.tensor([[0, 0.4, 0.0]]),
    }
    ours, theirs = inside(**pose), mine(**pose)
    torch.testing.assert_close(ours.vertices, theirs.vertices, atol=1e-6, rtol=0)
    for name in inside.point_sets:
        torch.testing.assert_close(inside.points(name, ours), mine.points(name, theirs), atol=1e-6, rtol=0)


def test_a_checkpoints_path_is_a_heads_path(mica, mica_tar):
    head = load_head(mica_tar)
    assert torch.equal(head.template, HeadModel(mica.flame).template)
    with pytest.raises(ArgumentError, match="has its own landmarks"):
        load_head(mica_tar, landmarks="landmark_embedding.npy")


def test_another_flame_is_told_from_it(mica):
    arrays = synthetic_flame().arrays()
    moved = arrays.identity_basis.copy()
    moved[17, 3, 1] += 2e-5
    assert "another release" in flame_difference(mica.flame, HeadModel(replace(arrays, identity_basis=moved)))
    fewer = HeadModel(replace(arrays, identity_basis=moved[:100]))
    assert "100 identity components" in flame_difference(mica.flame, fewer)


def without(content, part, name):
    return content | {part: {key: value for key, value in content[part].items() if key != name}}


def test_other_checkpoints_and_holes_get_one_clear_line(tmp_path):
    whole = mica_content()
    cases = [
        ({"E_flame": {}, "E_detail": {}, "D_detail": {}}, "is DECA's checkpoint, not MICA's"),
        ({"E_flame": {}, "E_expression": {}}, "is SPECTRE's checkpoint, not MICA's"),
        (whole["arcface"], "one network's weights"),
        ({"arcface": whole["arcface"]}, "lacks flameModel and holds arcface"),
        (without(whole, "arcface", "layer2.0.bn1.weight"), "1 weights are missing"),
        (without(whole, "flameModel", "regressor.output.bias"), "does not hold MICA's mapping network"),
        (without(whole, "flameModel", "generator.v_template"), "lacks generator.v_template"),
        (without(whole, "flameModel", "generator.full_lmk_bary_coords"), "lacks generator.full_lmk_bary_coords"),
    ]
    path = tmp_path / "mica.tar"
    for content, message in cases:
        torch.save(content, path)
        with pytest.raises(CorruptAssetError, match=message) as caught:
            read_mica(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_checkpoint_without_flame_still_maps(tmp_path):
    content = mica_content()
    content["flameModel"] = {k: v for k, v in content["flameModel"].items() if k.startswith("regressor.")}
    path = tmp_path / "mica.tar"
    torch.save(content, path)
    assert read_mica(path).flame is None
    with pytest.raises(CorruptAssetError, match="holds no FLAME model"):
        read_flame_of_mica(path)


def test_a_truncated_checkpoint_is_refused(tmp_path, mica_tar):
    path = tmp_path / "mica.tar"
    path.write_bytes(mica_tar.read_bytes()[: 50 << 20])
    with pytest.raises(CorruptAssetError, match=r"mica.tar cannot be read safely"):
        read_mica(path)


def test_the_deviation_of_its_size_is_what_the_published_errors_say():
    """The reckoning of its docstring, from the reported errors and the open head's face."""
    head = load_head()
    template, triangles = head.template.double().numpy(), head.triangles.numpy()
    corners = template[triangles]
    normals = np.zeros_like(template)
    for corner in range(3):
        of_triangles = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        np.add.at(normals, triangles[:, corner], of_triangles)
    face = head.regions["face"].numpy()
    points, normals = template[face] - template[face].mean(axis=0), normals[face]
    area = np.linalg.norm(normals, axis=1)
    normals /= area[:, None]
    larger = 0.01 * (points * normals).sum(axis=1)
    motions = np.column_stack([normals, np.cross(points, normals)])
    root = np.sqrt(area)
    best, *_ = np.linalg.lstsq(motions * root[:, None], larger * root, rcond=None)
    millimetres = 1000 * np.sqrt(np.average((larger - motions @ best) ** 2, weights=area))
    assert millimetres == pytest.approx(0.34, abs=0.005)

    rms_over_mean = np.hypot(1.11, 0.92) / 1.11
    of_size = rms_over_mean * np.sqrt((0.76 * 1.92) ** 2 - 1.11**2)
    assert of_size / millimetres / 100 == pytest.approx(MICA_SCALE_SIGMA, abs=5e-4)

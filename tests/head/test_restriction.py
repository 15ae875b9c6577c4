import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.head import HeadModel
from tests.head.random_heads import random_arrays, random_parameters


@settings(deadline=None)
@given(st.sets(st.sampled_from(["five", "turning", "face", "nose"]), min_size=1), st.integers(1, 3))
def test_a_restricted_head_gives_the_same_points_joints_and_regions(names, batch):
    model = HeadModel(random_arrays(vertices=200, triangles=300), dtype=torch.float64)
    small = model.restricted_to(sorted(names))
    assert len(small.template) < len(model.template)
    parameters = random_parameters(model, batch)
    whole, part = model(**parameters), small(**parameters)
    assert torch.allclose(part.joints, whole.joints, atol=1e-12)
    assert torch.allclose(part.rotations, whole.rotations, atol=1e-12)
    for name in names:
        if name in model.point_sets:
            assert torch.allclose(small.points(name, part), model.points(name, whole), atol=1e-12)
            assert small.point_sets[name].labels == model.point_sets[name].labels
        else:
            kept, original = part.vertices[:, small.regions[name]], whole.vertices[:, model.regions[name]]
            assert torch.allclose(kept, original, atol=1e-12)


def test_triangles_and_texture_coordinates_stay_with_whole_triangles():
    arrays = random_arrays()
    model = HeadModel(arrays, dtype=torch.float64)
    part = model.restricted_to(["face"])
    inside = torch.tensor(np.isin(arrays.triangles, arrays.regions["face"]).all(axis=1))
    assert len(part.triangles) == inside.sum()
    assert torch.equal(part.template[part.triangles], model.template[model.triangles[inside]])
    assert part.uv_triangles is not None
    assert model.uv_triangles is not None
    assert torch.equal(part.uv_triangles, model.uv_triangles[inside])


def test_float32_and_the_published_model_survive_too(flame):
    single = HeadModel(flame.arrays(), dtype=torch.float32)
    small = single.restricted_to(["ibug_68"])
    parameters = random_parameters(single, 2)
    assert torch.allclose(
        small.points("ibug_68", small(**parameters)), single.points("ibug_68", single(**parameters)), atol=1e-6
    )
    assert small.contour == single.contour


def test_unknown_names_are_named(head):
    with pytest.raises(ArgumentError, match="no point set or region 'chin'; it has: face, five, nose, turning"):
        head.restricted_to(["five", "chin"])
    with pytest.raises(ArgumentError, match="list of names"):
        head.restricted_to("five")

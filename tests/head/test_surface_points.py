import numpy as np
import torch

from face3d.head import HeadModel
from face3d.head.contour import contour_bins
from tests.head.random_heads import random_arrays, random_parameters


def test_points_are_barycentric_means_of_their_corners():
    arrays = random_arrays()
    model = HeadModel(arrays, dtype=torch.float64)
    geometry = model(**random_parameters(model, 2))
    made = model.points("five", geometry).numpy()
    points = arrays.point_sets["five"]
    for head in range(2):
        for row, (triangle, weights) in enumerate(zip(points.triangles, points.barycentric, strict=True)):
            corners = geometry.vertices[head].numpy()[arrays.triangles[triangle]]
            np.testing.assert_allclose(made[head, row], weights @ corners, atol=1e-14)


def test_each_head_of_a_batch_gets_the_contour_of_its_own_yaw():
    arrays = random_arrays()
    model = HeadModel(arrays, dtype=torch.float64)
    yaws = torch.deg2rad(torch.tensor([-60.0, -20, 0, 5, 39, 80], dtype=torch.float64))
    geometry = model(root=yaws[:, None] * torch.tensor([0.0, 1, 0], dtype=torch.float64))
    bins = contour_bins(geometry.rotations[:, 1])
    assert bins.tolist() == [78, 59, 0, 5, 39, 39]
    made = model.points("turning", geometry).numpy()
    points = arrays.point_sets["turning"]
    for head, chosen in enumerate(bins.tolist()):
        corners = geometry.vertices[head].numpy()[arrays.triangles[points.contour_triangles[chosen]]]
        expected = np.einsum("nk,nkx->nx", points.contour_barycentric[chosen], corners)
        np.testing.assert_allclose(made[head, :2], expected, atol=1e-14)
    fixed = model.points("turning_fixed", geometry)
    np.testing.assert_array_equal(made[:, 2:], fixed[:, 2:].numpy())


def test_sets_tell_whether_they_depend_on_the_view():
    sets = HeadModel(random_arrays()).point_sets
    contour = sets["turning"].contour_triangles
    assert contour is not None
    assert contour.shape == (79, 2)
    assert sets["turning_fixed"].contour_triangles is None
    assert len(sets["turning"]) == len(sets["turning_fixed"]) == 6

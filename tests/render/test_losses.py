"""Losses: PyTorch3D's where a definition coincides, values by hand, gradients, and what is empty or broken."""

from __future__ import annotations

import math

import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.render import (
    edge_length_loss,
    laplacian_loss,
    mesh_topology,
    normal_consistency_loss,
    photometric_loss,
    silhouette_iou_loss,
    silhouette_l1_loss,
)
from face3d.render.losses import laplacian, robust
from tests.render.meshes import octahedron, pytorch3d_or_skip, random_mesh, sphere

MESH_LOSSES = [laplacian_loss, edge_length_loss, normal_consistency_loss]


def bumpy_sphere(seed: int, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    vertices, triangles = sphere(8)
    noise = torch.randn(batch, *vertices.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return vertices + 0.03 * noise, triangles


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), tangled=st.booleans())
def test_mesh_losses_are_pytorch3ds(seed, tangled):
    pytorch3d_or_skip()
    from pytorch3d.loss import mesh_edge_loss, mesh_laplacian_smoothing, mesh_normal_consistency
    from pytorch3d.structures import Meshes

    # PyTorch3D gives vertices without neighbours a Laplacian towards the origin; none are in either mesh.
    vertices, triangles = random_mesh(seed, 8, 20) if tangled else bumpy_sphere(seed)
    topology = mesh_topology(triangles)
    meshes = Meshes(list(vertices.float()), [triangles] * 2)
    expected = [
        (laplacian_loss(vertices, topology), mesh_laplacian_smoothing(meshes)),
        (edge_length_loss(vertices, topology), mesh_edge_loss(meshes)),
        (normal_consistency_loss(vertices, topology), mesh_normal_consistency(meshes)),
    ]
    if not tangled:
        cotangent = laplacian_loss(vertices, topology, weights="cotangent")
        expected.append((cotangent, mesh_laplacian_smoothing(meshes, method="cot")))
    for ours, theirs in expected:
        assert float(ours) == pytest.approx(float(theirs), rel=2e-5)


def test_cotangent_laplacian_of_a_plane_is_zero_where_the_uniform_one_is_not():
    """Linear precision: in a plane every inner vertex is the cotangent mean of its neighbours, however irregular."""
    vertices = torch.tensor([[0.1, 0.07, 0], [1, 0, 0], [0.4, 1, 0], [-0.9, 0.6, 0], [-0.7, -0.8, 0], [0.5, -1, 0]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5], [0, 5, 1]])
    topology = mesh_topology(triangles)
    found = laplacian(vertices.double()[None], topology, weights="cotangent")[0, 0]
    torch.testing.assert_close(found, torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)
    assert laplacian(vertices.double()[None], topology)[0, 0].norm() > 0.1


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_losses_against_a_reference_ignore_what_they_should(seed):
    vertices, triangles = bumpy_sphere(seed)
    topology = mesh_topology(triangles)
    turn = roma.rotvec_to_rotmat(torch.randn(3, generator=torch.Generator().manual_seed(seed)).double())
    moved = vertices + torch.tensor([3.0, 1, 2])
    for weights in ("uniform", "cotangent"):
        assert float(laplacian_loss(moved, topology, reference=vertices, weights=weights)) < 1e-12
    assert float(edge_length_loss(moved @ turn.T, topology, reference=vertices)) < 1e-24
    assert float(edge_length_loss(1.1 * vertices, topology, reference=vertices)) == pytest.approx(0.01)
    assert float(edge_length_loss(1.1 * vertices[:1], topology, reference=vertices[0])) == pytest.approx(0.01)
    assert float(laplacian_loss(2 * vertices, topology, reference=vertices)) == pytest.approx(
        float(laplacian_loss(vertices, topology))
    )


def test_normal_consistency_of_known_folds():
    """Two faces at 90 degrees give 1, a fold onto itself 2, a plane 0, whichever way they are wound."""
    for corner, expected in (([0.0, -1, 0], 0.0), ([0.0, 0, 1], 1.0), ([0.0, 0.5, 0], 2.0)):
        vertices = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], corner]], dtype=torch.float64)
        for triangles in ([[0, 1, 2], [1, 0, 3]], [[0, 1, 2], [0, 1, 3]]):
            found = normal_consistency_loss(vertices, mesh_topology(torch.tensor(triangles)))
            assert float(found) == pytest.approx(expected, abs=1e-12)


def test_mesh_losses_at_metric_scale_are_those_of_the_same_mesh_larger():
    """Heads are metres: triangles of a square millimetre must not drown in an epsilon."""
    vertices, triangles = bumpy_sphere(0)
    topology = mesh_topology(triangles)
    small = 1e-3 * vertices
    assert float(normal_consistency_loss(small, topology)) == pytest.approx(
        float(normal_consistency_loss(vertices, topology))
    )
    assert float(laplacian_loss(small, topology, weights="cotangent")) == pytest.approx(
        1e-3 * float(laplacian_loss(vertices, topology, weights="cotangent"))
    )


@pytest.mark.parametrize("loss", MESH_LOSSES)
def test_mesh_loss_gradients(loss):
    vertices, triangles = octahedron()
    vertices = (vertices + 0.2 * torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))).requires_grad_()
    topology = mesh_topology(triangles)
    for reduction in ("mean", "none"):
        assert torch.autograd.gradcheck(lambda v, r=reduction: loss(v, topology, reduction=r), (vertices,))
    if loss is not normal_consistency_loss:
        reference = octahedron()[0]
        assert torch.autograd.gradcheck(lambda v: loss(v, topology, reference=reference), (vertices,))
    if loss is laplacian_loss:
        shape = octahedron()[0]
        assert torch.autograd.gradcheck(lambda v: loss(v, topology, reference=shape, weights="cotangent"), (vertices,))


def test_picture_loss_gradients():
    generator = torch.Generator().manual_seed(1)
    one, other = (torch.rand(2, 3, 4, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    mask = torch.rand(2, 1, 4, 5, generator=generator, dtype=torch.float64)
    mask[0, 0, :2] = 0
    one.requires_grad_()
    assert torch.autograd.gradcheck(lambda a: photometric_loss(a, other, mask), (one,))
    assert torch.autograd.gradcheck(lambda a: photometric_loss(a, other, mask, reduction="none"), (one,))
    soft = one[:, :1].detach().requires_grad_()
    for loss in (silhouette_iou_loss, silhouette_l1_loss):
        assert torch.autograd.gradcheck(lambda a, f=loss: f(a, other[:, :1]), (soft,))
    assert torch.autograd.gradcheck(lambda a: silhouette_l1_loss(a, other[:, :1], mask=mask), (soft,))


def test_robust_kernel_is_quadratic_below_its_scale_and_linear_above():
    assert float(robust(torch.tensor(1e-8, dtype=torch.float64), 0.1)) == pytest.approx(1e-8 / 0.2, rel=1e-6)
    assert float(robust(torch.tensor(4.0, dtype=torch.float64), 1e-3)) == pytest.approx(2.0 - 1e-3, abs=1e-6)


def test_photometric_loss_by_hand():
    """Channel differences 0.3, 0, 0: root mean square 0.3 / sqrt 3; weights 2 and 1 of two pixels, the other exact."""
    photo = torch.zeros(1, 3, 1, 3, dtype=torch.float64)
    rendered = photo.clone()
    rendered[0, 0, 0, 0] = 0.3
    photo[..., 2] = math.nan
    mask = torch.tensor([2.0, 1.0, 0.0]).reshape(1, 1, 1, 3)
    expected = 2 / 3 * (math.hypot(0.3 / math.sqrt(3), 0.02) - 0.02)
    assert float(photometric_loss(rendered, photo, mask)) == pytest.approx(expected)


def test_silhouette_losses_by_hand():
    predicted = torch.tensor([1.0, 1, 0, 0]).reshape(1, 1, 1, 4)
    target = torch.tensor([0.0, 1, 1, 0]).reshape(1, 1, 1, 4)
    assert float(silhouette_iou_loss(predicted, target)) == pytest.approx(2 / 3)
    assert float(silhouette_iou_loss(predicted, predicted)) == 0
    assert float(silhouette_l1_loss(predicted, target)) == pytest.approx(0.5)
    counted = torch.tensor([1.0, 1, 0, 0]).reshape(1, 1, 1, 4)
    assert float(silhouette_l1_loss(predicted, target, mask=counted)) == pytest.approx(0.5)
    both = silhouette_l1_loss(torch.cat((predicted, target)), torch.cat((target, target)), reduction="none")
    torch.testing.assert_close(both, torch.tensor([0.5, 0.0]))


def test_empty_masks_and_meshes_give_zero_and_a_zero_gradient():
    image = torch.rand(2, 3, 4, 4, requires_grad=True)
    mask = torch.zeros(2, 1, 4, 4)
    mask[1] = 1
    per_item = photometric_loss(image, torch.rand(2, 3, 4, 4), mask, reduction="none")
    assert per_item[0] == 0 < per_item[1]
    per_item.sum().backward()
    assert (image.grad[0] == 0).all()
    assert torch.isfinite(image.grad).all()

    empty = torch.zeros(1, 1, 3, 3, requires_grad=True)
    (silhouette_iou_loss(empty, torch.zeros(1, 1, 3, 3)) + silhouette_l1_loss(empty, empty, mask=empty)).backward()
    assert (empty.grad == 0).all()
    missed = torch.zeros(1, 1, 3, 3, requires_grad=True)
    silhouette_iou_loss(missed, torch.ones(1, 1, 3, 3)).backward()
    assert (missed.grad < 0).all()

    no_faces = mesh_topology(torch.zeros(0, 3, dtype=torch.int64))
    for loss in MESH_LOSSES:
        for shape in ((2, 4, 3), (2, 0, 3), (0, 4, 3)):
            vertices = torch.rand(shape, requires_grad=True)
            value = loss(vertices, no_faces)
            value.backward()
            assert value.detach() == 0
            assert (vertices.grad == 0).all()
            assert loss(vertices, no_faces, reduction="none").shape == shape[:1]


def test_degenerate_triangles_keep_gradients_finite():
    triangles = torch.tensor([[0, 1, 2], [2, 1, 3], [3, 3, 1]])
    vertices = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [1, 0, 0], [2, 0, 0]]], requires_grad=True)
    topology = mesh_topology(triangles)
    total = sum(loss(vertices, topology) for loss in MESH_LOSSES)
    total = total + laplacian_loss(vertices, topology, weights="cotangent")
    total = total + edge_length_loss(vertices, topology, reference=vertices)
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(vertices.grad).all()


def test_what_does_not_fit_is_named():
    vertices, triangles = octahedron()
    topology = mesh_topology(triangles)
    broken = vertices[None].clone()
    broken[0, 0, 0] = math.nan
    for loss in MESH_LOSSES:
        for bad, match in ((broken, "NaN"), (vertices, "shape"), (vertices[None, :4], "vertex 5")):
            with pytest.raises(ArgumentError, match=match):
                loss(bad, topology)
        with pytest.raises(ArgumentError, match="reduction"):
            loss(vertices[None], topology, reduction="sum")
    with pytest.raises(ArgumentError, match="weights"):
        laplacian_loss(vertices[None], topology, weights="area")
    with pytest.raises(ArgumentError, match="reference"):
        edge_length_loss(vertices[None], topology, reference=vertices[:5])
    image, mask = torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 4, 4)
    with pytest.raises(ArgumentError, match="scale"):
        photometric_loss(image, image, mask, scale=0.0)
    with pytest.raises(ArgumentError, match="NaN"):
        photometric_loss(image * math.nan, image, mask)
    with pytest.raises(ArgumentError, match="mask"):
        photometric_loss(image, image, -mask)
    with pytest.raises(ArgumentError, match="mask"):
        photometric_loss(image, image, mask[:, 0])
    with pytest.raises(ArgumentError, match="photo"):
        photometric_loss(image, image[..., :3], mask)
    for loss in (silhouette_iou_loss, silhouette_l1_loss):
        with pytest.raises(ArgumentError, match="silhouettes"):
            loss(mask, image)
        with pytest.raises(ArgumentError, match="NaN"):
            loss(mask * math.nan, mask)

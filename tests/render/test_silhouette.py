"""Soft silhouettes against PyTorch3D's; antialiased ones against exact areas, supersampling and finite differences."""

from __future__ import annotations

import math

import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d import load_head
from face3d.camera import PinholeCamera, pixels_from_pytorch3d_ndc
from face3d.errors import ArgumentError
from face3d.render import (
    Fragments,
    antialias,
    antialiased_silhouette,
    mesh_topology,
    rasterize,
    silhouette_l1_loss,
    soft_silhouette,
)
from face3d.render.silhouette import blur_radius
from tests.render.meshes import octahedron, random_mesh, rasterize_by_pytorch3d, sphere


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), layers=st.sampled_from([1, 8]), sigma=st.sampled_from([1e-4, 1e-2]))
def test_soft_silhouette_is_pytorch3ds(seed, layers, sigma):
    vertices, triangles = random_mesh(seed)
    fragments = rasterize_by_pytorch3d(
        vertices, triangles, (9, 12), faces_per_pixel=layers, blur_radius=blur_radius(sigma)
    )
    from pytorch3d.renderer.blending import BlendParams, sigmoid_alpha_blend

    expected = sigmoid_alpha_blend(torch.zeros(2, 9, 12, layers, 3), fragments, BlendParams(sigma=sigma))[..., 3]
    torch.testing.assert_close(soft_silhouette(fragments, sigma=sigma)[:, 0], expected, atol=1e-6, rtol=1e-5)


def test_soft_silhouette_gradient_and_bad_sigma():
    vertices, triangles = random_mesh(1)
    fragments = rasterize(vertices, triangles, (4, 5))
    distances = torch.where(fragments.pix_to_face >= 0, fragments.dists, -1.0).requires_grad_()

    def soft(values):
        return soft_silhouette(
            Fragments(fragments.pix_to_face, fragments.zbuf, fragments.bary_coords, values), sigma=0.05
        )

    assert torch.autograd.gradcheck(soft, (distances,))
    for sigma in (0.0, -1.0, math.nan):
        with pytest.raises(ArgumentError, match="sigma"):
            soft_silhouette(fragments, sigma=sigma)


def polygon_area(corners: torch.Tensor) -> torch.Tensor:
    x, y = corners.unbind(-1)
    return ((x * y.roll(-1) - y * x.roll(-1)).sum() / 2).abs()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_gradient_of_the_covered_area_is_the_polygons(seed):
    """Moving each corner of a large triangle changes the sum of the silhouette as it changes the exact area."""
    generator = torch.Generator().manual_seed(seed)
    angles = torch.tensor([0.0, 2.1, 4.2], dtype=torch.float64) + torch.rand(3, generator=generator) * 0.8
    radius = 0.6 + 0.3 * torch.rand(3, generator=generator).double()
    plane = torch.stack((radius * torch.cos(angles), radius * torch.sin(angles)), -1)
    vertices = torch.cat((plane, torch.full((3, 1), 2.0)), -1)[None].requires_grad_()
    triangles = torch.tensor([[0, 1, 2]])
    size = (96, 80)
    covered = antialiased_silhouette(rasterize(vertices, triangles, size), vertices, mesh_topology(triangles))
    exact = polygon_area(pixels_from_pytorch3d_ndc(vertices[0, :, :2], (80, 96)))
    assert float(covered.detach().sum()) == pytest.approx(float(exact.detach()), abs=2.0)
    (found,) = torch.autograd.grad(covered.sum(), vertices)
    (wanted,) = torch.autograd.grad(exact, vertices)
    # Each corner's share of an edge is uncertain by a pixel, out of a side of 30 to 70 pixels.
    assert float((found - wanted).norm()) < 0.05 * float(wanted.norm())


def test_an_upright_edge_gives_each_pixel_its_exact_coverage():
    """A band from 2.3 to 5.8 pixels: 0.7 of pixel 2, 0.8 of pixel 5."""
    left, right = (4 - 2.3) / 4, (4 - 5.8) / 4
    vertices = torch.tensor([[[left, 3, 1.0], [right, 3, 1], [right, -3, 1], [left, -3, 1]]], dtype=torch.float64)
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    found = antialiased_silhouette(rasterize(vertices, triangles, 8), vertices, mesh_topology(triangles))
    expected = torch.tensor([0, 0, 0.7, 1, 1, 0.8, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(found[0, 0, 2], expected, atol=1e-9, rtol=0)
    turned = vertices[..., [1, 0, 2]]
    found = antialiased_silhouette(rasterize(turned, triangles, 8), turned, mesh_topology(triangles))
    torch.testing.assert_close(found[0, 0, :, 2], expected, atol=1e-9, rtol=0)


def test_a_surface_in_front_of_another_blends_with_it_and_a_hidden_edge_does_not():
    def square(left, right, depth):
        return [[left, 2.0, depth], [right, 2.0, depth], [right, -2.0, depth], [left, -2.0, depth]]

    behind = [[0, 1, 2], [0, 2, 3]]
    triangles = torch.tensor([*behind, *[[corner + 4 for corner in face] for face in behind]])
    vertices = torch.tensor([[*square(1.5, -1.5, 2.0), *square(0.5, -0.3, 1.0)]], dtype=torch.float64)
    for order in (1, -1):
        # The near square's edges at pixels 2 and 5.2 of 8; swapped in depth they are hidden.
        vertices[0, :4, 2], vertices[0, 4:, 2] = (2.0, 1.0) if order == 1 else (1.0, 2.0)
        fragments = rasterize(vertices, triangles, 8)
        colour = torch.where(fragments.pix_to_face[..., 0] % 4 >= 2, 1.0, 0.25)[:, None].double()
        found = antialias(colour, fragments, vertices, mesh_topology(triangles))[0, 0, 3]
        if order == 1:
            expected = torch.tensor([0.25, 0.25, 1, 1, 1, 0.25 + 0.2 * 0.75, 0.25, 0.25], dtype=torch.float64)
            torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
        else:
            assert (found == 0.25).all()


def head_view(seed: int, side: int) -> PinholeCamera:
    turn = roma.rotvec_to_rotmat(torch.randn(3, generator=torch.Generator().manual_seed(seed)).double() * 0.4)
    pose = torch.eye(4, dtype=torch.float64)[None].clone()
    pose[0, :3, :3] = turn @ torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64))
    pose[0, 2, 3] = 0.6
    focal = 2.2 * side
    matrix = torch.tensor([[[focal, 0.0, side / 2], [0.0, focal, side / 2], [0.0, 0.0, 1.0]]], dtype=torch.float64)
    return PinholeCamera(pose, matrix, (side, side))


@pytest.fixture(scope="module")
def head():
    model = load_head("open")
    return model.template.double()[None], model.triangles, mesh_topology(model.triangles)


def covered_by(vertices, triangles, topology, view):
    vertices_ndc = view.ndc(vertices)
    fragments = rasterize(vertices_ndc, triangles, view.image_size[::-1])
    return antialiased_silhouette(fragments, vertices_ndc, topology), (fragments.pix_to_face[..., 0] >= 0).double()


@pytest.mark.parametrize("seed", range(3))
def test_a_heads_contour_is_near_supersampling_though_its_triangles_are_smaller_than_pixels(head, seed):
    vertices, triangles, topology = head
    smooth, hard = covered_by(vertices, triangles, topology, head_view(seed, 112))
    fine = covered_by(vertices, triangles, topology, head_view(seed, 896))[1]
    exact = torch.nn.functional.avg_pool2d(fine[:, None], 8)
    border = (exact > 0) & (exact < 1)
    error = (smooth - exact)[border].abs().mean()
    assert error < 0.04
    assert error < 0.2 * (hard[:, None] - exact)[border].abs().mean()
    assert float(smooth.sum()) == pytest.approx(float(exact.sum()), rel=5e-4)
    assert 0 <= float(smooth.min()) <= float(smooth.max()) <= 1


@pytest.mark.parametrize("direction", ["right", "up", "larger"])
def test_a_heads_silhouette_has_the_gradient_of_the_exact_one(head, direction):
    """Against finite differences of an 8 times finer picture, of a weighted sum of the covered area."""
    vertices, triangles, topology = head
    ways = {"right": torch.tensor([1.0, 0, 0]), "up": torch.tensor([0.0, 1, 0]), "larger": 10 * vertices}
    way = 1e-3 * ways[direction].double()
    rows, columns = torch.meshgrid(torch.arange(112), torch.arange(112), indexing="ij")
    weight = (torch.sin(columns / 9.0) * torch.cos(rows / 7.0) + 0.02 * columns + 0.03 * rows).double()
    step = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    coarse = covered_by(vertices + step * way, triangles, topology, head_view(1, 112))[0]
    (found,) = torch.autograd.grad((coarse * weight).sum(), step)

    def fine(amount: float) -> float:
        smooth = covered_by(vertices + amount * way, triangles, topology, head_view(1, 896))[0]
        return float((torch.nn.functional.avg_pool2d(smooth, 8) * weight).sum())

    assert float(found) == pytest.approx((fine(1.0) - fine(-1.0)) / 2, rel=0.05)


def test_antialias_gradcheck():
    vertices, triangles = octahedron()
    turn = roma.rotvec_to_rotmat(torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64))
    vertices = (0.7 * vertices @ turn.T + torch.tensor([0.0, 0, 3]))[None].requires_grad_()
    fragments, topology = rasterize(vertices.detach(), triangles, (9, 12)), mesh_topology(triangles)
    image = torch.rand(1, 2, 9, 12, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i, v: antialias(i, fragments, v, topology), (image, vertices))


def test_a_silhouette_finds_its_way_to_a_target():
    """A shifted and too small sphere, moved by its contour's gradient alone, comes within a hundredth of the target."""
    unit, triangles = sphere(12)
    topology = mesh_topology(triangles)

    def covered(place):
        vertices = (unit * place[3] + place[:3] + torch.tensor([0.0, 0, 3.0], dtype=torch.float64))[None]
        return antialiased_silhouette(rasterize(vertices, triangles, 48), vertices, topology)

    wanted = torch.tensor([0.2, -0.1, 0.0, 0.6], dtype=torch.float64)
    target = covered(wanted).detach()
    place = torch.tensor([0.0, 0.1, 0.0, 0.45], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([place], lr=0.02)
    for iteration in range(80):
        optimiser.param_groups[0]["lr"] = 0.02 * (1 - iteration / 80)
        optimiser.zero_grad()
        silhouette_l1_loss(covered(place), target).backward()
        optimiser.step()
    torch.testing.assert_close(place.detach()[[0, 1, 3]], wanted[[0, 1, 3]], atol=0.01, rtol=0)


def test_pytorch3ds_fragments_serve_as_well():
    vertices, triangles = sphere(8)
    vertices = (0.6 * vertices + torch.tensor([0.1, 0.0, 3]))[None].float()
    topology = mesh_topology(triangles)
    theirs = antialiased_silhouette(rasterize_by_pytorch3d(vertices, triangles, (20, 30)), vertices, topology)
    ours = antialiased_silhouette(rasterize(vertices, triangles, (20, 30)), vertices, topology)
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=0)


def test_unusable_vertices_and_empty_meshes_leave_the_picture_alone():
    vertices, triangles = random_mesh(1)
    vertices = vertices.clone()
    vertices[0, 0], vertices[1, 1, 2] = math.nan, -1.0
    vertices.requires_grad_()
    found = antialiased_silhouette(rasterize(vertices, triangles, 9), vertices, mesh_topology(triangles))
    assert torch.isfinite(found).all()
    found.sum().backward()
    assert torch.isfinite(vertices.grad).all()
    none = torch.zeros(0, 3, dtype=torch.int64)
    nothing = antialiased_silhouette(rasterize(vertices, none, 9), vertices, mesh_topology(none))
    assert (nothing == 0).all()


def test_what_does_not_fit_is_named():
    vertices, triangles = random_mesh(1)
    fragments, topology = rasterize(vertices, triangles, 8), mesh_topology(triangles)
    with pytest.raises(ArgumentError, match="image"):
        antialias(torch.zeros(2, 3, 8, 9), fragments, vertices, topology)
    with pytest.raises(ArgumentError, match="vertices_ndc"):
        antialias(torch.zeros(2, 3, 8, 8), fragments, vertices[:1], topology)
    with pytest.raises(ArgumentError, match="vertex"):
        antialias(torch.zeros(2, 3, 8, 8), fragments, vertices[:, :3], topology)

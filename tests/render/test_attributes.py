"""Attributes and textures over pixels, against PyTorch3D's own and against plain arithmetic, from either backend."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.render import Fragments, UvTexture, interpolate_vertices, rasterize, sample_texture
from tests.render.meshes import pytorch3d_or_skip, random_mesh, rasterize_by_pytorch3d


def facing_square() -> tuple[torch.Tensor, torch.Tensor]:
    """Fills the NDC square [-1, 1], at depth 1; its image is the whole picture."""
    vertices = torch.tensor([[[1.0, 1, 1], [-1, 1, 1], [-1, -1, 1], [1, -1, 1]]], dtype=torch.float64)
    return vertices, torch.tensor([[0, 1, 2], [0, 2, 3]])


def test_vertex_places_interpolate_to_the_pixel_seen():
    """With uncorrected barycentrics, NDC places interpolate to the pixel's own centre."""
    vertices, triangles = random_mesh(1)
    fragments = rasterize(vertices, triangles, (11, 16), perspective_correct=False)
    seen = fragments.pix_to_face[..., 0] >= 0
    found = interpolate_vertices(fragments, triangles, vertices)[..., 0, :]
    x = (8 - (torch.arange(16) + 0.5)) / 5.5
    y = (5.5 - (torch.arange(11) + 0.5)) / 5.5
    expected = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).double().expand(2, -1, -1, -1)
    assert seen.sum() > 50
    torch.testing.assert_close(found[seen][:, :2], expected[seen], atol=1e-6, rtol=0)
    torch.testing.assert_close(found[..., 2][seen], fragments.zbuf[..., 0][seen])
    assert (found[~seen] == 0).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), layers=st.sampled_from([1, 3]), shared=st.booleans())
def test_interpolation_is_pytorch3ds(seed, layers, shared):
    vertices, triangles = random_mesh(seed)
    fragments = rasterize_by_pytorch3d(vertices, triangles, (10, 7), faces_per_pixel=layers, blur_radius=0.01)
    from pytorch3d.ops import interpolate_face_attributes

    attributes = torch.randn(*(() if shared else (2,)), 12, 5)
    corners = attributes.expand(2, 12, 5)[:, triangles].reshape(-1, 3, 5)
    expected = interpolate_face_attributes(fragments.pix_to_face, fragments.bary_coords, corners)
    torch.testing.assert_close(interpolate_vertices(fragments, triangles, attributes), expected)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), layers=st.sampled_from([1, 2]))
def test_textures_are_pytorch3ds(seed, layers):
    vertices, triangles = random_mesh(seed)
    fragments = rasterize_by_pytorch3d(vertices, triangles, (10, 7), faces_per_pixel=layers)
    from pytorch3d.renderer import TexturesUV

    uv = torch.rand(9, 2) * 1.2 - 0.1
    uv_triangles = torch.randint(0, 9, (14, 3))
    image = torch.rand(2, 3, 6, 5)
    theirs = TexturesUV(image.permute(0, 2, 3, 1), [uv_triangles] * 2, [uv] * 2, align_corners=False)
    expected = theirs.sample_textures(fragments)
    seen = fragments.pix_to_face >= 0
    found = sample_texture(fragments, UvTexture(image, uv, uv_triangles))
    torch.testing.assert_close(found[seen], expected[seen], atol=1e-5, rtol=1e-5)
    assert (found[~seen] == 0).all()


def test_a_texture_on_a_square_that_fills_the_picture_is_the_picture():
    """Texel by texel: u from the left edge to the right one, v from the bottom to the top, centres on centres."""
    vertices, triangles = facing_square()
    uv = torch.tensor([[0.0, 1], [1, 1], [1, 0], [0, 0]], dtype=torch.float64)
    image = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    # Exactly on the diagonal both triangles decline the pixel, by PyTorch3D's rule; tilt it off the centres.
    texels = sample_texture(rasterize(vertices * 1.000001, triangles, 8), UvTexture(image, uv, triangles))
    seen = texels.abs().sum(-1)[..., 0] > 0
    assert seen.sum() >= 56
    torch.testing.assert_close(texels[..., 0, :][seen], image.permute(0, 2, 3, 1)[seen], atol=1e-4, rtol=0)


def test_gradients():
    vertices, triangles = random_mesh(2)
    vertices = vertices[:1].clone().requires_grad_()
    attributes = torch.randn(1, 12, 2, dtype=torch.float64, requires_grad=True)
    image = torch.rand(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    uv = torch.rand(12, 2, dtype=torch.float64).requires_grad_()

    def both(corners, values, texels, coordinates):
        fragments = rasterize(corners, triangles, (5, 6))
        texture = UvTexture(texels, coordinates, triangles)
        return interpolate_vertices(fragments, triangles, values), sample_texture(fragments, texture)

    assert torch.autograd.gradcheck(both, (vertices, attributes, image, uv), eps=1e-7, atol=1e-5)


def test_nothing_seen_gives_zeros_and_zero_gradients():
    vertices, triangles = random_mesh(3)
    attributes = torch.rand(12, 3, requires_grad=True)
    behind = rasterize(vertices.float() - torch.tensor([0.0, 0, 9]), triangles, 6)
    found = interpolate_vertices(behind, triangles, attributes)
    found.sum().backward()
    assert (found == 0).all()
    assert (attributes.grad == 0).all()
    empty = Fragments(behind.pix_to_face, behind.zbuf, behind.bary_coords, behind.dists)
    assert interpolate_vertices(empty, torch.zeros(0, 3, dtype=torch.int64), attributes).shape == (2, 6, 6, 1, 3)


def test_what_does_not_fit_is_named():
    vertices, triangles = random_mesh(4)
    fragments = rasterize(vertices, triangles, 8)
    texture = UvTexture(torch.rand(1, 3, 4, 4), torch.rand(12, 2), triangles)
    for bad, match in (
        (lambda: interpolate_vertices(fragments, triangles, torch.rand(12)), "attributes"),
        (lambda: interpolate_vertices(fragments, triangles, torch.rand(5, 12, 3)), "attributes"),
        (lambda: interpolate_vertices(fragments, triangles, torch.rand(2, 3)), "vertex"),
        (lambda: interpolate_vertices(fragments, triangles.double(), torch.rand(12, 3)), "triangles"),
        (lambda: interpolate_vertices(fragments, triangles[:2], torch.rand(12, 3)), "face"),
        (lambda: sample_texture(fragments, UvTexture(torch.rand(3, 4, 4), texture.uv, triangles)), "image"),
        (lambda: sample_texture(fragments, UvTexture(texture.image, torch.rand(12, 3), triangles)), "coordinates"),
    ):
        with pytest.raises(ArgumentError, match=match):
            bad()


def test_both_backends_give_the_same_attributes():
    pytorch3d_or_skip()
    vertices, triangles = random_mesh(5)
    attributes = torch.randn(12, 3)
    ours = rasterize(vertices.float(), triangles, (9, 12))
    theirs = rasterize_by_pytorch3d(vertices, triangles, (9, 12))
    same = ours.pix_to_face == theirs.pix_to_face
    assert same.float().mean() > 0.99
    torch.testing.assert_close(
        interpolate_vertices(ours, triangles, attributes)[same],
        interpolate_vertices(theirs, triangles, attributes)[same],
        atol=1e-4,
        rtol=1e-4,
    )

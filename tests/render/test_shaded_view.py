"""Lit pictures: against a render put together from its definition, PyTorch3D's fragments, and finite differences."""

from __future__ import annotations

import functools

import pytest
import roma
import torch

from face3d.camera import PinholeCamera, WeakPerspectiveCamera
from face3d.errors import ArgumentError
from face3d.render import (
    UvTexture,
    mesh_topology,
    rasterize,
    render_sh,
    shape_view,
    spherical_harmonics_shading,
    vertex_normals,
)
from tests.render.meshes import octahedron, rasterize_by_pytorch3d, sphere

SIDE = 48


def frontal(distance: float = 3.0, focal: float = 60.0, batch: int = 1) -> PinholeCamera:
    """Looks at the origin from +z, the head frame's front."""
    pose = torch.diag(torch.tensor([1.0, -1, -1, 1], dtype=torch.float64)).repeat(batch, 1, 1)
    pose[:, 2, 3] = distance
    matrix = torch.tensor([[focal, 0, SIDE / 2], [0, focal, SIDE / 2], [0, 0, 1]], dtype=torch.float64)
    return PinholeCamera(pose, matrix.repeat(batch, 1, 1), (SIDE, SIDE))


def some_light(seed: int = 0, batch: int = 1) -> torch.Tensor:
    light = 0.2 * torch.randn(batch, 9, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    light[:, 0] += 2.5
    return light


def test_a_sphere_shows_the_light_of_its_own_normals():
    """On the unit sphere seen from afar, the normal of a pixel follows from its place alone."""
    vertices, triangles = sphere(48)
    # Turned a little about the view's axis, where its open poles are, so that no edge passes through a pixel's centre.
    vertices = vertices @ roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, 0.01], dtype=torch.float64))
    light = some_light()
    image, mask = render_sh(vertices[None], triangles, frontal(3000.0, 60_000.0), torch.full_like(vertices, 0.5), light)
    centre = (torch.arange(SIDE) + 0.5 - SIDE / 2) / 20
    y, x = torch.meshgrid(-centre, centre, indexing="ij")
    inside = (x * x + y * y < 0.8).double()
    z = torch.sqrt((1 - x * x - y * y).clamp_min(0.0))
    expected = 0.5 * spherical_harmonics_shading(torch.stack((x, y, z)).double()[None], light)
    pole = (x * x + y * y < 0.02).double()
    check = (inside * (1 - pole)) > 0
    assert (mask[0, 0][check] == 1).all()
    torch.testing.assert_close(image[0][:, check], expected[0][:, check], atol=5e-3, rtol=0)
    assert (image[:, :, 0, 0] == 0).all()


def test_light_stays_with_the_viewer_when_head_and_camera_turn_together():
    vertices, triangles = octahedron()
    vertices = vertices @ roma.rotvec_to_rotmat(torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64))
    topology = mesh_topology(triangles)
    albedo = torch.rand(6, 3, dtype=torch.float64)
    view = frontal()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double())[0]
    turn = turn * torch.linalg.det(turn)
    pose = view.camera_from_head.clone()
    pose[:, :3, :3] = pose[:, :3, :3] @ turn.T
    turned = PinholeCamera(pose, view.intrinsics, view.image_size)
    first = render_sh(vertices[None], triangles, view, albedo, some_light(), topology=topology)
    second = render_sh((vertices @ turn.T)[None], triangles, turned, albedo, some_light(), topology=topology)
    torch.testing.assert_close(first, second, atol=1e-6, rtol=0)


def test_vertex_and_uv_albedo_agree_where_the_texture_is_smooth():
    """A texture that is linear in u and v is the same albedo as the vertices' own colours."""
    vertices, triangles = sphere(16)
    uv = (vertices[:, :2] + 1) / 2
    texels = (torch.arange(64, dtype=torch.float64) + 0.5) / 64
    image = torch.stack(torch.meshgrid(1 - texels, texels, indexing="ij")[::-1])
    image = torch.cat((image, torch.ones(1, 64, 64)))[None]
    albedo = torch.cat((uv, torch.ones_like(uv[:, :1])), -1)
    by_vertex, mask = render_sh(vertices[None], triangles, frontal(), albedo, some_light())
    by_texture, _ = render_sh(vertices[None], triangles, frontal(), UvTexture(image, uv, triangles), some_light())
    assert mask.sum() > 800
    torch.testing.assert_close(by_texture, by_vertex, atol=2e-3, rtol=0)


def test_gradients_of_everything():
    vertices, triangles = octahedron()
    vertices = (vertices + 0.1 * torch.randn(6, 3, generator=torch.Generator().manual_seed(3)))[None]
    topology = mesh_topology(triangles)
    view = frontal(focal=10.0)
    view = PinholeCamera(
        view.camera_from_head, view.intrinsics * torch.tensor([[1, 1, 0.2]] * 2 + [[1, 1, 1.0]]), (9, 10)
    )
    albedo = torch.rand(6, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    inputs = (vertices, view.camera_from_head, view.intrinsics, albedo, some_light())

    def picture(corners, pose, intrinsics, colours, light):
        view = PinholeCamera(pose, intrinsics, (9, 10))
        return render_sh(corners, triangles, view, colours, light, topology=topology)

    assert picture(*inputs)[1].sum() > 10
    assert torch.autograd.gradcheck(
        picture, tuple(values.double().requires_grad_() for values in inputs), eps=1e-7, atol=1e-5
    )


def test_a_batch_is_its_items_and_one_camera_and_light_serve_all():
    vertices, triangles = octahedron()
    both = torch.stack((vertices, 0.8 * vertices))
    albedo = torch.rand(2, 6, 3, dtype=torch.float64)
    image, mask = render_sh(both, triangles, frontal(), albedo, some_light(), topology=mesh_topology(triangles))
    for item in range(2):
        alone = render_sh(
            both[item : item + 1],
            triangles,
            frontal(),
            albedo[item],
            some_light(),
            topology=mesh_topology(triangles),
        )
        torch.testing.assert_close((image[item : item + 1], mask[item : item + 1]), alone)


def test_pytorch3ds_fragments_give_the_same_picture():
    vertices, triangles = sphere(12)
    vertices = vertices.float()[None]
    view = frontal()
    view = PinholeCamera(view.camera_from_head.float(), view.intrinsics.float(), view.image_size)
    albedo, light = torch.rand(vertices.shape[1], 3), some_light().float()
    topology = mesh_topology(triangles)

    def theirs(vertices_ndc, faces, image_size, *, cull_backfaces, perspective_correct):
        assert perspective_correct
        return rasterize_by_pytorch3d(vertices_ndc, faces, image_size, cull_backfaces=cull_backfaces)

    one = render_sh(vertices, triangles, view, albedo, light, topology=topology, rasterizer=theirs)
    other = render_sh(
        vertices, triangles, view, albedo, light, topology=topology, rasterizer=functools.partial(rasterize)
    )
    torch.testing.assert_close(one, other, atol=2e-4, rtol=0)


def test_shape_view_is_its_published_definition():
    """Grey 180 / 255 times the mean over five lamps of 1.7 max(n . l, 0), from vertex normals, weak perspective."""
    vertices, triangles = sphere(24)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)).double())[0]
    vertices = (vertices @ (turn * torch.linalg.det(turn)).T)[None]
    view = WeakPerspectiveCamera(torch.tensor([[0.8, 0.05, -0.1]], dtype=torch.float64), size=64)
    background = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    found = shape_view(vertices, triangles, view, background=background)
    fragments = rasterize(view.ndc(vertices), triangles, 64, perspective_correct=False)
    normals = vertex_normals(vertices, triangles)[0]
    lamps = torch.tensor([[-1.0, 1, 1], [1, 1, 1], [-1, -1, 1], [1, -1, 1], [0, 0, 1]]).double()
    lamps = lamps / lamps.norm(dim=1, keepdim=True)
    shown = 0
    for row, column in torch.cartesian_prod(torch.arange(0, 64, 3), torch.arange(0, 64, 3)).tolist():
        face = int(fragments.pix_to_face[0, row, column, 0])
        pixel = background[0, :, row, column]
        if face >= 0:
            normal = fragments.bary_coords[0, row, column, 0] @ normals[triangles[face]]
            if -normal[2] < 0.15:
                grey = 180 / 255 * sum(1.7 * max(0.0, min(1.0, float(normal @ lamp))) for lamp in lamps) / 5
                pixel, shown = torch.full((3,), grey, dtype=torch.float64), shown + 1
        torch.testing.assert_close(found[0, :, row, column], pixel)
    assert shown > 100
    bare = shape_view(vertices, triangles, view)
    assert (bare[:, :, 0, 0] == 0).all()


def test_nothing_before_the_camera_is_an_empty_picture_with_zero_gradients():
    vertices, triangles = octahedron()
    for faces, distance in ((triangles, -3.0), (triangles[:0], 3.0)):
        corners = vertices[None].clone().requires_grad_()
        image, mask = render_sh(
            corners,
            faces,
            frontal(distance),
            torch.ones(6, 3, dtype=torch.float64),
            some_light(),
            topology=mesh_topology(faces),
        )
        assert (image == 0).all()
        assert (mask == 0).all()
        (image.sum() + mask.sum()).backward()
        assert (corners.grad == 0).all()


def test_what_does_not_fit_is_named():
    vertices, triangles = octahedron()
    albedo, light, view = torch.ones(6, 3), some_light(), frontal()
    broken = vertices.clone()
    broken[2, 1] = float("nan")
    with pytest.raises(ArgumentError, match="NaN"):
        render_sh(broken[None], triangles, view, albedo, light)
    with pytest.raises(ArgumentError, match="NaN"):
        shape_view(broken[None], triangles, view)
    with pytest.raises(ArgumentError, match="vertices"):
        render_sh(vertices, triangles, view, albedo, light)
    with pytest.raises(ArgumentError, match="light"):
        render_sh(vertices[None], triangles, view, albedo, light[0])
    with pytest.raises(ArgumentError, match="attributes"):
        render_sh(vertices[None], triangles, view, albedo[:, 0], light)
    with pytest.raises(ArgumentError, match="camera"):
        render_sh(vertices[None], triangles, frontal(batch=2), albedo, light)
    with pytest.raises(ArgumentError, match="background"):
        shape_view(vertices[None], triangles, view, background=torch.zeros(3, SIDE, SIDE))

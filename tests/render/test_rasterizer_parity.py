"""The numba backend against the real PyTorch3D, called directly.

PyTorch3D rounds each operation to float32, and the numba backend does the same operations in the same order: with the
x86-64 build from the package index the two give the same bits, and so no pixel is exempt from the tolerances, not at
exact ties, on slivers, on the image border, near the eye plane or on the near plane.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.head import load_head
from face3d.render import Fragments, rasterize
from face3d.render.rasterize_pytorch3d import load_pytorch3d
from tests.render.backends import needs_pytorch3d

pytestmark = needs_pytorch3d

SIZES = [(9, 9), (7, 13), (14, 8), (1, 5)]


def rasterize_with_the_real_one(vertices: Sequence[torch.Tensor], triangles: Sequence[torch.Tensor], size, **options):
    from pytorch3d.structures import Meshes

    return Fragments(*load_pytorch3d().rasterize_meshes(Meshes(list(vertices), list(triangles)), size, **options))


def assert_parity(vertices, triangles, size, *, seed=0, **options):
    """Fragments and the gradients of each output and of all together agree to the stated tolerances."""
    options = {"blur_radius": 0.0, "faces_per_pixel": 1, "clip_barycentric_coords": False, **options}
    options.setdefault("perspective_correct", True)
    mine = [part.clone().requires_grad_() for part in vertices]
    theirs = [part.clone().requires_grad_() for part in vertices]
    found = rasterize(mine, triangles, size, backend="numba", **options)
    expected = rasterize_with_the_real_one(theirs, triangles, size, **options)
    torch.testing.assert_close(found.pix_to_face, expected.pix_to_face, rtol=0, atol=0)
    torch.testing.assert_close(found.zbuf, expected.zbuf, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.bary_coords, expected.bary_coords, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.dists, expected.dists, rtol=0, atol=1e-8)

    random = torch.Generator().manual_seed(seed)
    pairs = [
        (output, reference, torch.randn(output.shape, generator=random))
        for output, reference in (
            (found.zbuf, expected.zbuf),
            (found.bary_coords, expected.bary_coords),
            (found.dists, expected.dists),
        )
    ]
    for chosen in ([0], [1], [2], [0, 1, 2]):
        upstream = [pairs[which][2] for which in chosen]
        gradient = torch.autograd.grad([pairs[which][0] for which in chosen], mine, upstream, retain_graph=True)
        reference = torch.autograd.grad([pairs[which][1] for which in chosen], theirs, upstream, retain_graph=True)
        for one, other in zip(gradient, reference, strict=True):
            scale = float(other.abs().max()) if other.numel() else 0.0
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * scale)
    return found


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from(SIZES),
    spread=st.sampled_from([0.02, 0.3, 1.0, 4.0]),
    distance=st.sampled_from([0.0, 0.3, 1.0, 3.0]),
    projected=st.booleans(),
    cull=st.booleans(),
    perspective=st.booleans(),
    near=st.sampled_from([None, 0.05, 0.5, 1.2]),
    blur=st.sampled_from([0.0, 1e-4, 0.05]),
    clip=st.booleans(),
    faces_per_pixel=st.sampled_from([1, 2, 4, 20]),
)
def test_random_meshes(seed, size, spread, distance, projected, cull, perspective, near, blur, clip, faces_per_pixel):
    """Random triangles around the eye, the near plane and the image border, some twice, some degenerate."""
    random = np.random.default_rng(seed)
    meshes, triangles = [], []
    for _ in range(2):
        vertices = random.normal((0.0, 0.0, distance), spread, (random.integers(4, 10), 3))
        if seed % 2:
            # Edges too short to have a direction, PyTorch3D's rule, of triangles that are large enough all the same.
            vertices[1] = vertices[0] + random.normal(0.0, 2e-5, 3)
        if projected:
            vertices[:, :2] /= np.where(np.abs(vertices[:, 2:]) < 1e-3, 1e-3, vertices[:, 2:])
        meshes.append(torch.from_numpy(vertices.astype(np.float32)))
        faces = random.integers(0, len(vertices), (random.integers(1, 12), 3))
        triangles.append(torch.from_numpy(np.concatenate((faces, faces[:2]))))
    assert_parity(
        meshes,
        triangles,
        size,
        seed=seed % 1000,
        cull_backfaces=cull,
        perspective_correct=perspective,
        z_clip_value=near,
        blur_radius=blur,
        clip_barycentric_coords=clip,
        faces_per_pixel=faces_per_pixel,
    )


@pytest.fixture(scope="module")
def head():
    model = load_head()
    return model.template.float(), model.triangles


def portrait(vertices, yaw=0.0, pitch=0.0, distance=0.6, zoom=3.2):
    """NDC of a head that turns about its middle, before a camera that looks at it."""
    centred = vertices - vertices.mean(0)
    across = torch.tensor([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    nod = torch.tensor([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    turned = centred @ (nod @ across).T
    depth = distance - turned[:, 2]
    return torch.stack((-zoom * turned[:, 0] / depth, zoom * turned[:, 1] / depth, depth), -1)


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((40, 40), {}),
        ((32, 48), {"cull_backfaces": True}),
        ((48, 30), {"perspective_correct": False}),
        ((30, 30), {"blur_radius": 3e-3, "faces_per_pixel": 6, "clip_barycentric_coords": True}),
        ((30, 30), {"z_clip_value": 0.6, "faces_per_pixel": 2}),
    ],
)
def test_the_open_head(head, size, options):
    vertices, triangles = head
    poses = [portrait(vertices), portrait(vertices, yaw=0.9, pitch=-0.3, zoom=6.0)]
    found = assert_parity(poses, [triangles, triangles], size, **options)
    assert (found.pix_to_face[..., 0] >= 0).float().mean() > 0.3


def test_a_camera_inside_the_head(head):
    vertices, triangles = head
    found = assert_parity([portrait(vertices, distance=0.02, zoom=1.0)], [triangles], (24, 24), z_clip_value=0.01)
    assert (found.pix_to_face >= 0).all()


def test_exact_ties():
    """Of coinciding triangles, and on an edge that two share, both choose the same one."""
    grid = torch.tensor([[x, y, 1.0] for y in (1.0, 0.0, -1.0) for x in (1.0, 0.0, -1.0)])
    cells = [(0, 1, 4), (0, 4, 3), (1, 2, 5), (1, 5, 4), (3, 4, 7), (3, 7, 6), (4, 5, 8), (4, 8, 7)]
    triangles = torch.tensor([*cells, *reversed(cells), *((c, a, b) for a, b, c in cells)])
    for size in ((8, 8), (9, 9), (4, 10)):
        for faces_per_pixel in (1, 2, 5):
            assert_parity([grid], [triangles], size, faces_per_pixel=faces_per_pixel)
            assert_parity([grid], [triangles], size, faces_per_pixel=faces_per_pixel, blur_radius=1e-3)


@pytest.mark.parametrize("near", [None, 0.58])
def test_meshes_of_different_sizes(head, near):
    vertices, triangles = head
    few = triangles[:: len(triangles) // 300]
    tetrahedron = torch.tensor([[0.9, -0.8, 1.0], [-0.7, -0.9, 0.5], [0.0, 0.8, 0.4], [0.1, 0.0, 0.9]])
    sides = torch.tensor([[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]])
    found = assert_parity([tetrahedron, portrait(vertices)], [sides, few], (16, 20), z_clip_value=near)
    assert set(found.pix_to_face[0].unique().tolist()) <= {-1, 0, 1, 2, 3}
    assert found.pix_to_face[1].max() > len(sides), "indices are into the batch's packed faces"


def test_shaders_written_for_pytorch3d_accept_either(head):
    from pytorch3d.ops import interpolate_face_attributes
    from pytorch3d.renderer import BlendParams
    from pytorch3d.renderer.blending import sigmoid_alpha_blend

    vertices, triangles = head
    pictures, normals = [], torch.nn.functional.normalize(vertices, dim=-1)[triangles]
    for backend in ("numba", "pytorch3d"):
        ndc = portrait(vertices)[None].requires_grad_()
        fragments = rasterize(ndc, triangles, 24, backend=backend, blur_radius=2e-3, faces_per_pixel=8)
        colours = interpolate_face_attributes(fragments.pix_to_face, fragments.bary_coords, normals)
        picture = sigmoid_alpha_blend(colours, fragments, BlendParams(sigma=5e-4))
        (gradient,) = torch.autograd.grad(picture.square().sum(), ndc)
        pictures.append((picture.detach(), gradient))
    torch.testing.assert_close(pictures[0], pictures[1], rtol=1e-5, atol=1e-6)
    assert (pictures[0][1] != 0).any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("options", [{}, {"blur_radius": 2e-3, "faces_per_pixel": 4}, {"z_clip_value": 0.6}])
def test_cuda_shows_what_the_cpu_shows(head, options):
    """Through PyTorch3D's CUDA kernels, which fuse operations: pixels on an edge may fall to the neighbour."""
    vertices, triangles = head
    results = []
    for device in ("cpu", "cuda"):
        ndc = portrait(vertices, yaw=0.5)[None].to(device).requires_grad_()
        found = rasterize(ndc, triangles.to(device), 64, backend="pytorch3d", **options)
        assert found.zbuf.device.type == device
        (gradient,) = torch.autograd.grad(torch.where(found.pix_to_face >= 0, found.zbuf, 0.0).sum(), ndc)
        results.append((found.pix_to_face.cpu(), found.zbuf.detach().cpu(), gradient.cpu()))
    (face, depth, gradient), (face_cuda, depth_cuda, gradient_cuda) = results
    same = face == face_cuda
    assert same.float().mean() > 0.999
    torch.testing.assert_close(depth_cuda[same], depth[same], rtol=0, atol=1e-6)
    assert (gradient_cuda - gradient).norm() < 0.02 * gradient.norm()

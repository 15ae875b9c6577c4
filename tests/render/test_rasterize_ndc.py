"""Derivatives of the compiled rasteriser, its threads, and its machine code on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import face3d
from face3d.render import rasterize, rasterize_ndc
from face3d.render.compiled import run_interleaved

SOFT = {"blur_radius": 0.02, "faces_per_pixel": 3}


def scene():
    """Two triangles that cross the near plane at 1.4 and each other's image, in float64."""
    vertices = torch.tensor(
        [[1.1, -0.9, 1.0], [-1.3, -1.0, 1.7], [0.1, 1.2, 2.3], [0.7, 0.6, 1.5], [-0.9, 0.5, 1.2], [0.0, -1.1, 2.1]],
        dtype=torch.float64,
    )
    return vertices[None], torch.tensor([[0, 1, 2], [3, 5, 4]])


def outputs(vertices, triangles, size, **options):
    found = rasterize(vertices, triangles, size, backend="numba", **options)
    return found.zbuf, found.bary_coords, found.dists


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("options", [{}, SOFT, {**SOFT, "clip_barycentric_coords": False}])
def test_first_and_second_derivatives(perspective, options):
    vertices, triangles = scene()
    vertices.requires_grad_()

    def differentiable_part(corners):
        return outputs(corners, triangles, (4, 5), perspective_correct=perspective, **options)

    assert (differentiable_part(vertices)[0] > 0).any()
    assert torch.autograd.gradcheck(differentiable_part, (vertices,), eps=1e-7, atol=1e-6)
    assert torch.autograd.gradgradcheck(differentiable_part, (vertices,), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("options", [{}, {"faces_per_pixel": 2}])
def test_derivatives_in_x_and_y_at_a_near_plane(perspective, options):
    """In z, and with blur, only parity can be tested: there PyTorch3D's result is not smooth.

    With blur a pixel may lie as near to one half of a cut face as to the other, and rounding decides which half it is.
    """
    vertices, triangles = scene()
    across, depth = vertices[..., :2].clone().requires_grad_(), vertices[..., 2:]

    def differentiable_part(xy):
        corners = torch.cat((xy, depth), -1)
        return outputs(corners, triangles, (4, 5), perspective_correct=perspective, z_clip_value=1.4, **options)

    assert (differentiable_part(across)[0] > 0).any()
    assert torch.autograd.gradcheck(differentiable_part, (across,), eps=1e-7, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    perspective=st.booleans(),
    clip=st.booleans(),
    blur=st.sampled_from([0.0, 0.01]),
    chosen=st.sampled_from([(0,), (1,), (2,), (0, 1, 2)]),
)
def test_the_compiled_gradient_is_that_of_torch_operations(seed, perspective, clip, blur, chosen):
    random = np.random.default_rng(seed)
    vertices = torch.from_numpy(random.normal((0.0, 0.0, 2.0), 0.6, (2, 8, 3))).requires_grad_()
    triangles = torch.from_numpy(random.integers(0, 8, (6, 3)))
    found = outputs(
        vertices,
        triangles,
        (6, 8),
        perspective_correct=perspective,
        clip_barycentric_coords=clip,
        blur_radius=blur,
        faces_per_pixel=2,
    )
    wanted = [found[which] for which in chosen]
    upstream = [torch.from_numpy(random.normal(size=output.shape)) for output in wanted]
    (compiled,) = torch.autograd.grad(wanted, vertices, upstream, retain_graph=True)
    (through_torch,) = torch.autograd.grad(wanted, vertices, upstream, create_graph=True)
    # A blurred pixel beyond the horizon of its triangle's plane has weights near 1e8, and their gradients cancel.
    tolerance = 1e-9 if blur == 0.0 else 1e-5
    scale = max(float(through_torch.detach().abs().max()), 1.0)
    torch.testing.assert_close(compiled, through_torch.detach(), rtol=1e-7, atol=tolerance * scale)


@pytest.mark.parametrize("options", [{}, SOFT, {"z_clip_value": 1.4, **SOFT}])
def test_threads_change_nothing(monkeypatch, options):
    vertices, triangles = scene()
    vertices = vertices.float().repeat(3, 1, 1).requires_grad_()

    def everything():
        found = outputs(vertices, triangles, (11, 7), **options)
        (gradient,) = torch.autograd.grad([output.square().sum() for output in found], vertices)
        return [*found, gradient]

    alone = everything()
    monkeypatch.setattr(rasterize_ndc, "run_interleaved", lambda kernel, h, w, _: run_interleaved(kernel, h, w, 3))
    for one, other in zip(alone, everything(), strict=True):
        assert torch.equal(one, other)


def test_gradients_that_are_views_or_absent():
    vertices, triangles = scene()
    vertices.requires_grad_()
    depth, weights, _ = outputs(vertices, triangles, 6)
    (of_sum,) = torch.autograd.grad(depth.sum() + weights[..., 1].sum(), vertices, retain_graph=True)
    ones = torch.ones(6, 6, dtype=torch.float64)
    upstream = torch.zeros_like(weights)
    upstream[..., 1] = 1.0
    (of_ones,) = torch.autograd.grad([depth, weights], vertices, [ones.T[None, ..., None], upstream])
    torch.testing.assert_close(of_sum, of_ones)


def test_vertices_of_any_memory_layout():
    vertices, triangles = scene()
    strided = vertices.transpose(1, 2).contiguous().transpose(1, 2)
    assert not strided.is_contiguous()
    for one, other in zip(outputs(vertices, triangles, 5), outputs(strided, triangles.flip(1).flip(1), 5), strict=True):
        assert torch.equal(one, other)


RASTERIZE_AND_COUNT = """
import json, torch
from face3d.render import ndc_kernels, rasterize
vertices = torch.rand(2, 9, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
for options in ({}, {"blur_radius": 0.01, "faces_per_pixel": 2, "z_clip_value": 0.5}):
    found = rasterize(vertices, torch.arange(9).reshape(3, 3), 8, backend="numba", **options)
    (found.zbuf.sum() + found.bary_coords.sum() + found.dists.sum()).backward()
kernels = [getattr(ndc_kernels, name) for name in ndc_kernels.__all__]
count = lambda which: sum(sum(getattr(kernel.stats, which).values()) for kernel in kernels)
print(json.dumps({"compiled": count("cache_misses"), "loaded": count("cache_hits"), "loops": len(kernels)}))
"""


def test_another_process_loads_what_this_one_compiled():
    vertices, triangles = scene()
    vertices = vertices.float().requires_grad_()
    sum(output.sum() for output in outputs(vertices, triangles, 4)).backward()
    folder = Path(face3d.__file__).parents[1]
    command = [sys.executable, "-c", RASTERIZE_AND_COUNT]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    counted = json.loads(done.stdout)
    assert counted["compiled"] == 0
    assert counted["loaded"] == counted["loops"]

"""The NumPy harmonics against the differentiable ones, values and derivatives."""

import numpy as np
import torch

from face3d.fit.harmonics import harmonics, harmonics_slope
from face3d.render import spherical_harmonics_shading


def unit_normals():
    normals = np.random.default_rng(0).normal(size=(40, 3))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_values_and_slopes_are_those_of_the_renderer():
    normals, light = unit_normals(), np.random.default_rng(1).normal(size=(9, 3))
    variable = torch.tensor(normals, requires_grad=True)
    shading = spherical_harmonics_shading(variable[None], torch.tensor(light)[None])[0]
    np.testing.assert_allclose(harmonics(normals) @ light, shading.detach().numpy(), atol=1e-12)
    slope = np.einsum("nkx,kc->ncx", harmonics_slope(normals), light)
    for channel in range(3):
        (expected,) = torch.autograd.grad(shading[:, channel].sum(), variable, retain_graph=True)
        np.testing.assert_allclose(slope[:, channel], expected.numpy(), atol=1e-12)

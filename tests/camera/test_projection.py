"""Projection against plain arithmetic, behind the camera, and its gradients."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d import camera
from tests.camera.random_cameras import random_pose, some_intrinsics


@given(seed=st.integers(0, 1000), batch=st.sampled_from([(), (1,), (3,), (2, 3)]))
@settings(max_examples=20, deadline=None)
def test_projection_agrees_with_plain_arithmetic_for_any_batch(seed: int, batch: tuple[int, ...]) -> None:
    pose, matrix = random_pose(seed, batch), some_intrinsics(batch)
    points = torch.randn(*batch, 5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 0.1
    pixels = camera.project(points, pose, matrix)
    for index in np.ndindex(*batch, 5):
        x, y, z = pose[index[:-1]][:3, :3].numpy() @ points[index].numpy() + pose[index[:-1]][:3, 3].numpy()
        np.testing.assert_allclose(pixels[index], [700 * x / z + 300, 650 * y / z + 250], rtol=1e-12)


def test_points_behind_the_camera_are_nan_and_leave_the_gradients_of_the_others_alone() -> None:
    points = torch.tensor([[0.0, 0.1, 1.0], [0.0, 0.1, 0.0], [0.0, 0.1, -1.0]], dtype=torch.float64, requires_grad=True)
    pixels = camera.project(points, torch.eye(4, dtype=torch.float64), some_intrinsics())
    assert torch.isnan(pixels).tolist() == [[False] * 2, [True] * 2, [True] * 2]
    pixels[0].sum().backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()
    assert points.grad[0].abs().sum() > 0


def test_projection_has_the_gradients_of_finite_differences() -> None:
    points = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.1
    inputs = (points.requires_grad_(), random_pose(1).requires_grad_(), some_intrinsics().requires_grad_())
    assert torch.autograd.gradcheck(camera.project, inputs)

"""sRGB and compositing."""

from __future__ import annotations

import pytest
import torch

from face3d.errors import ArgumentError
from face3d.render import composite_over, linear_from_srgb, srgb_from_linear


def test_srgb_is_the_standards():
    """IEC 61966-2-1: middle grey 0.5 encodes 0.2140, the two branches meet at 0.04045."""
    torch.testing.assert_close(linear_from_srgb(torch.tensor([0.0, 0.5, 1.0])), torch.tensor([0.0, 0.21404114, 1.0]))
    assert float(linear_from_srgb(torch.tensor(0.04045))) == pytest.approx(0.0031308, abs=1e-7)
    values = torch.linspace(0, 1, 256, dtype=torch.float64)
    torch.testing.assert_close(srgb_from_linear(linear_from_srgb(values)), values, atol=1e-7, rtol=0)


def test_colour_gradients_are_right_and_finite_at_black():
    values = torch.tensor([0.01, 0.2, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(srgb_from_linear, (values,))
    assert torch.autograd.gradcheck(linear_from_srgb, (values,))
    black = torch.zeros(2, requires_grad=True)
    srgb_from_linear(black).sum().backward()
    torch.testing.assert_close(black.grad, torch.full((2,), 12.92))


def test_composite_shows_the_background_where_nothing_covers_it():
    alpha = torch.tensor([0.0, 0.25, 1.0]).reshape(1, 1, 1, 3)
    image = torch.full((1, 3, 1, 3), 0.8) * alpha
    over = composite_over(image, alpha, torch.tensor([0.0, 0.4, 1.0]))
    torch.testing.assert_close(over[0, 1, 0], torch.tensor([0.4, 0.5, 0.8]))
    torch.testing.assert_close(over, composite_over(image, alpha, torch.tensor([0.0, 0.4, 1.0])[None, :, None, None]))
    torch.testing.assert_close(composite_over(image, alpha, 0.0), image)
    inputs = (image.double().requires_grad_(), alpha.double().requires_grad_(), torch.rand(1, 3, 1, 3).double())
    assert torch.autograd.gradcheck(composite_over, inputs)


def test_what_does_not_fit_is_named():
    with pytest.raises(ArgumentError, match="alpha"):
        composite_over(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), 0.0)
    with pytest.raises(ArgumentError, match="background"):
        composite_over(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4), torch.zeros(1, 3, 5, 4))

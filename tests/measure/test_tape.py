import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.measure import tape_around, tape_over


def circle(radius, count=64, start=0.0, stop=2 * math.pi, closed=True):
    angle = torch.linspace(start, stop, count + 1, dtype=torch.float64)
    angle = angle[:-1] if closed else angle
    return radius * torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], dim=-1)


def rotation(seed):
    matrix = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))[0]
    return matrix * torch.linalg.det(matrix)


def polygon_length(points, closed):
    ends = torch.cat([points[1:], points[:1]]) if closed else points[1:]
    return float((ends - (points if closed else points[:-1])).norm(dim=-1).sum())


def test_around_a_circle_the_tape_reads_the_polygon():
    points = circle(0.09)
    assert float(tape_around(points)) == pytest.approx(polygon_length(points, closed=True), rel=2e-5)


def test_over_half_a_circle_the_tape_reads_the_arc():
    points = circle(0.09, stop=math.pi, closed=False)
    assert float(tape_over(points)) == pytest.approx(polygon_length(points, closed=False), rel=2e-5)


def test_a_tape_bridges_hollows():
    points = circle(0.09)
    dented = points.clone()
    dented[10:14] *= 0.7
    without = torch.cat([points[:10], points[14:]])
    assert float(tape_around(dented)) == pytest.approx(polygon_length(without, closed=True), rel=2e-5)


def test_a_bump_lengthens_the_tape():
    bumped = circle(0.09)
    bumped[5] *= 1.1
    assert float(tape_around(bumped)) > float(tape_around(circle(0.09))) + 0.001


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.5, 2.0))
def test_reading_moves_with_scale_and_not_with_pose(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    wavy = circle(0.09) * (1 + 0.03 * torch.randn(64, 1, dtype=torch.float64, generator=generator))
    placed = scale * wavy @ rotation(seed).T + torch.randn(3, dtype=torch.float64, generator=generator)
    assert float(tape_around(placed)) == pytest.approx(scale * float(tape_around(wavy)), rel=1e-4)


def test_a_batch_reads_as_its_members_and_has_gradients():
    batch = torch.stack([circle(0.08), circle(0.1)]).requires_grad_()
    lengths = tape_around(batch)
    assert lengths.detach().tolist() == pytest.approx([float(tape_around(one)) for one in batch.detach()])
    lengths.sum().backward()
    # A circle's length grows by 2 pi per unit of radius: the gradient along the radius says so.
    radial = (batch.grad * torch.nn.functional.normalize(batch.detach(), dim=-1)).sum(dim=(1, 2))
    assert radial.tolist() == pytest.approx([2 * math.pi] * 2, rel=1e-2)

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from face3d.head.skinning import (
    blend_displacements,
    pose_feature,
    regress_joints,
    rigid_chain,
    rotations_from_axis_angles,
    skin,
)
from tests.head.golden import golden, largest_error

PARENTS = (-1, 0, 1, 1, 2, 4)


def rotations(generator, *shape):
    return rotations_from_axis_angles(torch.randn(*shape, 3, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize(("dtype", "small", "large"), [(torch.float64, 5e-8, 5e-8), (torch.float32, 2e-6, 5e-6)])
def test_rotations_are_the_published_ones(dtype, small, large):
    vectors = golden("rotation/rotation")
    made = rotations_from_axis_angles(torch.tensor(vectors["axis_angle"], dtype=dtype))
    near = vectors["angle"] < 7
    assert largest_error(made[near], vectors["matrix"][near]) < small
    assert largest_error(made[~near], vectors["matrix"][~near]) < large


def test_rotations_are_scipys():
    vectors = np.random.default_rng(0).normal(0, 2, (50, 3))
    made = rotations_from_axis_angles(torch.tensor(vectors))
    assert largest_error(made, Rotation.from_rotvec(vectors).as_matrix()) < 1e-12


def test_no_rotation_is_exactly_none():
    made = rotations_from_axis_angles(torch.zeros(2, 3))
    assert torch.equal(made, torch.eye(3).expand(2, 3, 3))


def test_gradient_at_zero_is_the_generator_of_rotations():
    jacobian = torch.func.jacrev(rotations_from_axis_angles)(torch.zeros(3, dtype=torch.float64))
    for axis, row, column in ((0, 2, 1), (1, 0, 2), (2, 1, 0)):
        expected = torch.zeros(3, 3, dtype=torch.float64)
        expected[row, column], expected[column, row] = 1, -1
        assert torch.allclose(jacobian[..., axis], expected)


@given(st.integers(0, 3), st.integers(1, 5), st.integers(1, 6))
def test_blend_shapes_are_a_weighted_sum(batch, components, given_components):
    generator = torch.Generator().manual_seed(components)
    basis = torch.randn(components, 4, 3, generator=generator, dtype=torch.float64)
    coefficients = torch.randn(batch, min(given_components, components), generator=generator, dtype=torch.float64)
    made = blend_displacements(coefficients, basis)
    expected = np.zeros((batch, 4, 3))
    for head in range(batch):
        for component in range(coefficients.shape[1]):
            expected[head] += coefficients[head, component].item() * basis[component].numpy()
    assert made.shape == expected.shape
    np.testing.assert_allclose(made.numpy(), expected, atol=1e-12)


def test_pose_feature_leaves_the_root_out_and_is_row_major():
    generator = torch.Generator().manual_seed(0)
    local = rotations(generator, 2, 3)
    feature = pose_feature(local)
    assert feature.shape == (2, 18)
    assert feature[1, 1] == local[1, 1, 0, 1]
    assert feature[1, 9 + 8] == local[1, 2, 2, 2] - 1


def test_chain_is_a_product_of_homogeneous_transforms():
    generator = torch.Generator().manual_seed(1)
    local = rotations(generator, 1, len(PARENTS))
    rest = torch.randn(1, len(PARENTS), 3, generator=generator, dtype=torch.float64)
    world, posed = rigid_chain(local, rest, PARENTS)
    for joint in range(len(PARENTS)):
        transform, link = np.eye(4), joint
        while link >= 0:
            step = np.eye(4)
            step[:3, :3] = local[0, link]
            step[:3, 3] = rest[0, link] - (rest[0, PARENTS[link]] if link else 0)
            transform, link = step @ transform, PARENTS[link]
        np.testing.assert_allclose(world[0, joint].numpy(), transform[:3, :3], atol=1e-12)
        np.testing.assert_allclose(posed[0, joint].numpy(), transform[:3, 3], atol=1e-12)


def test_a_vertex_of_one_joint_moves_rigidly_with_it():
    generator = torch.Generator().manual_seed(2)
    rest = torch.randn(1, len(PARENTS), 3, generator=generator, dtype=torch.float64)
    vertices = torch.randn(1, len(PARENTS), 3, generator=generator, dtype=torch.float64)
    world, posed = rigid_chain(rotations(generator, 1, len(PARENTS)), rest, PARENTS)
    moved = skin(vertices, torch.eye(len(PARENTS), dtype=torch.float64), world, rest, posed)
    arms = vertices - rest
    expected = posed + torch.einsum("bjxy,bjy->bjx", world, arms)
    assert torch.allclose(moved, expected, atol=1e-12)


def test_regressed_joints_are_weighted_vertices():
    vertices = torch.tensor([[[0.0, 0, 0], [2, 4, 6]]])
    assert torch.equal(regress_joints(torch.tensor([[0.5, 0.5]]), vertices), torch.tensor([[[1.0, 2, 3]]]))


def test_gradients_are_right_also_at_no_rotation():
    generator = torch.Generator().manual_seed(3)
    weights = torch.rand(4, 3, generator=generator, dtype=torch.float64).softmax(dim=1)

    def posed(axis_angles, joints, vertices):
        world, posed_joints = rigid_chain(rotations_from_axis_angles(axis_angles), joints, PARENTS[:3])
        return skin(vertices, weights, world, joints, posed_joints)

    for scale in (0.0, 1.0):
        axis_angles = scale * torch.randn(2, 3, 3, generator=generator, dtype=torch.float64)
        joints = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64)
        vertices = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
        inputs = [value.requires_grad_() for value in (axis_angles, joints, vertices)]
        assert torch.autograd.gradcheck(posed, inputs, atol=1e-5)

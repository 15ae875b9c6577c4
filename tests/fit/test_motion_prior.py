"""Rotation vectors of compiled loops are SciPy's."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from face3d.fit.motion_prior import turn_vectors


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-5, 0.3, 2.0, 3.1, np.pi - 1e-7])
def test_rotation_vectors_are_scipys(angle):
    vectors = np.random.default_rng(0).normal(size=(40, 3))
    vectors = np.concatenate([vectors, np.eye(3), -np.eye(3)])
    vectors *= angle / np.linalg.norm(vectors, axis=1, keepdims=True)
    matrices = Rotation.from_rotvec(vectors).as_matrix()
    np.testing.assert_allclose(turn_vectors(matrices), vectors, rtol=1e-9, atol=1e-15)


def test_half_a_turn_has_an_axis_of_either_sign():
    axes = np.random.default_rng(1).normal(size=(20, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    matrices = 2 * axes[:, :, None] * axes[:, None] - np.eye(3)
    found = turn_vectors(matrices)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.pi)
    np.testing.assert_allclose(Rotation.from_rotvec(found).as_matrix(), matrices, atol=1e-12)


def test_stacks_of_rotations_keep_their_shape():
    assert turn_vectors(np.zeros((0, 2, 3, 3))).shape == (0, 2, 3)
    assert turn_vectors(np.tile(np.eye(3), (4, 2, 1, 1))[::2]).shape == (2, 2, 3)

"""Costs of frames are quadratics about where each was asked last."""

import numpy as np

from face3d.fit.frame_costs import FrameCosts


def test_slopes_are_those_of_the_quadratic_wherever_a_frame_has_gone():
    rng = np.random.default_rng(0)
    costs = FrameCosts.nothing(3, np.array([1.0, 4.0]))
    root = rng.normal(size=(2, 2, 2))
    hessian, gradient = root @ root.transpose(0, 2, 1), rng.normal(size=(2, 2))
    costs.since[:] = 5.0
    costs.tell(np.array([0, 2]), hessian, gradient)
    np.testing.assert_array_equal(costs.slopes()[[0, 2]], gradient)
    np.testing.assert_array_equal(costs.slopes()[1], [5.0, 20.0])
    first, second = rng.normal(size=(2, 3, 2))
    costs.since[:] += first
    for t, k in ((0, 0), (2, 1)):
        np.testing.assert_allclose(costs.slopes(second)[t], gradient[k] + hessian[k] @ (first[t] + second[t]))


def test_how_far_a_frame_has_moved_is_told_in_standard_deviations():
    costs = FrameCosts.nothing(2, np.array([1.0, 4.0]))
    costs.since[:] = [[0.0, 0.0], [0.3, -0.2]]
    np.testing.assert_allclose(costs.scale, [[1.0, 2.0], [1.0, 2.0]])
    np.testing.assert_allclose(costs.moved(), [0.0, 0.4])

import re
from dataclasses import replace

import numpy as np
import pytest

from face3d.errors import InputError
from face3d.head import PointArrays
from tests.head.random_heads import random_arrays

POINTS = PointArrays(np.array([0, 1]), np.full((2, 3), 1 / 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"template": np.zeros((40, 2))}, "template has shape (40, 2), expected (any, 3)"),
        ({"template": np.full((40, 3), np.nan)}, "template holds values that are not finite"),
        ({"triangles": np.full((60, 3), 40)}, "triangles refers to entry 40..40 of 40"),
        ({"triangles": np.zeros((60, 3))}, "triangles must hold integers, not float64"),
        ({"identity_basis": np.zeros((7, 39, 3))}, "identity_basis has shape (7, 39, 3), expected (any, 40, 3)"),
        ({"expression_names": ("jawOpen",)}, "expression_names has 1 entries for 4 components"),
        ({"expression_bounds": np.zeros((3, 2))}, "expression_bounds has shape (3, 2), expected (4, 2)"),
        ({"parents": (-1, 0, 3, 1, 1)}, "parents are [-1, 0, 3, 1, 1]: expected -1 first"),
        ({"parents": (0, 0, 1, 1, 1)}, "parents are [0, 0, 1, 1, 1]: expected -1 first"),
        ({"parents": (-1, 0)}, "joint_names has 5 entries, parents 2"),
        ({"joint_regressor": np.zeros((4, 40))}, "joint_regressor has shape (4, 40), expected (5, 40)"),
        ({"skinning_weights": np.zeros((40, 5))}, "skinning_weights has rows that do not sum to one"),
        ({"pose_basis": np.zeros((35, 40, 3))}, "pose_basis has shape (35, 40, 3), expected (36, 40, 3)"),
        ({"uv": None}, "uv and uv_triangles must come together"),
        ({"uv_triangles": np.full((60, 3), 99)}, "uv_triangles refers to entry 99..99 of 42"),
        ({"regions": {"nose": np.array([-1])}}, "region 'nose' refers to entry -1..-1 of 40"),
        (
            {"point_sets": {"p": replace(POINTS, triangles=np.array([0, 60]))}},
            "point set 'p': triangles refers to entry 0..60 of 60",
        ),
        (
            {"point_sets": {"p": replace(POINTS, barycentric=np.full((2, 3), 0.5))}},
            "point set 'p': barycentric has rows that are no barycentric coordinates",
        ),
        ({"point_sets": {"p": replace(POINTS, labels=("a",))}}, "point set 'p': has 1 labels for 2 points"),
        (
            {"point_sets": {"p": replace(POINTS, sigma=np.zeros(3))}},
            "point set 'p': sigma has shape (3,), expected (2,)",
        ),
        (
            {"point_sets": {"p": replace(POINTS, contour_triangles=np.zeros((79, 1), int))}},
            "point set 'p': contour_triangles and contour_barycentric must come together",
        ),
        (
            {
                "point_sets": {
                    "p": replace(
                        POINTS,
                        contour_triangles=np.zeros((79, 3), int),
                        contour_barycentric=np.full((79, 3, 3), 1 / 3),
                    )
                }
            },
            "point set 'p': the contour has 3 points, the whole set only 2",
        ),
    ],
)
def test_contradictions_are_named(change, message):
    with pytest.raises(InputError, match=re.escape(message)):
        replace(random_arrays(), **change)


def test_flames_own_rounding_of_barycentric_coordinates_is_accepted():
    slightly_outside = np.array([[-1e-13, 0.5, 0.5 + 1e-13], [1, 0, 0]])
    replace(random_arrays(), point_sets={"p": replace(POINTS, barycentric=slightly_outside)})

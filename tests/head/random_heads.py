"""Heads without meaning that have every part a head can have, and parameters for them."""

import numpy as np
import torch

from face3d.head import HeadArrays, PointArrays


def random_arrays(seed=0, *, vertices=40, triangles=60, identity=7, expression=4, dtype=np.float64):
    """A head without meaning that has every part a head can have."""
    rng = np.random.default_rng(seed)
    joints = 5
    weights = rng.random((vertices, joints)) ** 4
    regressor = rng.random((joints, vertices)) ** 8

    def bary(*shape):
        return rng.dirichlet([1, 1, 1], shape).astype(dtype)

    return HeadArrays(
        name="random",
        licence="CC0-1.0",
        template=rng.normal(0, 0.1, (vertices, 3)).astype(dtype),
        triangles=rng.integers(0, vertices, (triangles, 3)),
        identity_basis=rng.normal(0, 0.01, (identity, vertices, 3)).astype(dtype),
        expression_basis=rng.normal(0, 0.01, (expression, vertices, 3)).astype(dtype),
        pose_basis=rng.normal(0, 0.003, (9 * (joints - 1), vertices, 3)).astype(dtype),
        joint_regressor=(regressor / regressor.sum(axis=1, keepdims=True)).astype(dtype),
        skinning_weights=(weights / weights.sum(axis=1, keepdims=True)).astype(dtype),
        joint_names=("root", "neck", "jaw", "left_eye", "right_eye"),
        parents=(-1, 0, 1, 1, 1),
        expression_names=tuple(f"shape_{index}" for index in range(expression)),
        expression_bounds=np.tile([0.0, 1.0], (expression, 1)).astype(dtype),
        point_sets={
            "five": PointArrays(
                rng.integers(0, triangles, 5), bary(5), tuple("abcde"), rng.random(5).astype(dtype) * 1e-3
            ),
            "turning": PointArrays(
                rng.integers(0, triangles, 6),
                bary(6),
                contour_triangles=rng.integers(0, triangles, (79, 2)),
                contour_barycentric=bary(79, 2),
            ),
        },
        regions={"face": np.unique(rng.integers(0, vertices, 12)), "nose": np.array([3, 1, 2])},
        uv=rng.random((vertices + 2, 2)).astype(dtype),
        uv_triangles=rng.integers(0, vertices + 2, (triangles, 3)),
        provenance={"seed": seed},
    )


def random_parameters(model, batch, seed=0):
    """Parameters of every kind in the model's dtype."""
    generator = torch.Generator().manual_seed(seed)

    def draw(size, scale):
        return scale * torch.randn(batch, size, generator=generator, dtype=torch.float64).to(model.template.dtype)

    return {
        "identity": draw(model.identity_size, 1.0),
        "expression": draw(model.expression_size, 0.5),
        "root": draw(3, 1.0),
        "neck": draw(3, 0.5),
        "jaw": draw(3, 0.3),
        "eyes": draw(6, 0.3),
        "translation": draw(3, 0.2),
    }

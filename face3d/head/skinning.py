"""Linear blend skinning as small pure functions; any number of joints, batched, differentiable everywhere.

The order of steps is that of SMPL (Loper et al. 2015, section 3) and FLAME (Li et al. 2017, equations 1 to 5).
Dimension letters: B batch, V vertices, K components of a basis, J joints. Lengths are metres, head frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import roma
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "blend_displacements",
    "pose_feature",
    "regress_joints",
    "rigid_chain",
    "rotations_from_axis_angles",
    "skin",
]


def rotations_from_axis_angles(axis_angles: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """Return the rotation matrices of axis-angle vectors (radians); the zero vector has a finite gradient."""
    return roma.rotvec_to_rotmat(axis_angles)


def blend_displacements(coefficients: Float[Tensor, "B k"], basis: Float[Tensor, "K V 3"]) -> Float[Tensor, "B V 3"]:
    """Return the basis' displacements, weighted and summed; missing trailing coefficients count as zero."""
    used = basis[: coefficients.shape[1]].flatten(1)
    return (coefficients @ used).unflatten(1, (basis.shape[1], 3))


def regress_joints(regressor: Float[Tensor, "J V"], vertices: Float[Tensor, "B V 3"]) -> Float[Tensor, "B J 3"]:
    """Return the joints of unposed heads."""
    return regressor @ vertices


def pose_feature(rotations: Float[Tensor, "B J 3 3"]) -> Float[Tensor, "B 9*(J-1)"]:
    """Return the coefficients of the pose correctives: the non-root rotations minus identity, row-major."""
    identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    return (rotations[:, 1:] - identity).flatten(1)


def rigid_chain(
    rotations: Float[Tensor, "B J 3 3"], joints: Float[Tensor, "B J 3"], parents: Sequence[int]
) -> tuple[Float[Tensor, "B J 3 3"], Float[Tensor, "B J 3"]]:
    """Carry local joint rotations down the skeleton.

    Args:
        rotations: of each joint relative to its parent.
        joints: at rest.
        parents: -1 for the root; parents come before children.

    Returns:
        Of each joint, its rotation relative to rest, and its posed position. The root turns about itself.
    """
    world = [rotations[:, 0]]
    posed = [joints[:, 0]]
    for joint, parent in enumerate(parents):
        if joint == 0:
            continue
        bone = joints[:, joint] - joints[:, parent]
        posed.append(posed[parent] + _rotate(world[parent], bone))
        world.append(world[parent] @ rotations[:, joint])
    return torch.stack(world, dim=1), torch.stack(posed, dim=1)


def skin(
    vertices: Float[Tensor, "B V 3"],
    weights: Float[Tensor, "V J"],
    rotations: Float[Tensor, "B J 3 3"],
    joints: Float[Tensor, "B J 3"],
    posed_joints: Float[Tensor, "B J 3"],
) -> Float[Tensor, "B V 3"]:
    """Move unposed vertices with the weighted mean of their joints' rigid motions.

    Args:
        vertices: unposed, pose correctives included.
        weights: rows sum to one.
        rotations: of each joint relative to rest.
        joints: at rest.
        posed_joints: as `rigid_chain` gives them.
    """
    translations = posed_joints - _rotate(rotations, joints)
    blended_rotations = (weights @ rotations.flatten(2)).unflatten(2, (3, 3))
    return _rotate(blended_rotations, vertices) + weights @ translations


def _rotate(rotations: Float[Tensor, "*B 3 3"], vectors: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
    return (rotations @ vectors.unsqueeze(-1)).squeeze(-1)

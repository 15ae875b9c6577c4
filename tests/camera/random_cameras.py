"""Poses and intrinsics for the tests of this room."""

from __future__ import annotations

import roma
import torch

from face3d.camera import intrinsics_from_values

SIZE = (640, 480)


def random_pose(seed: int, batch: tuple[int, ...] = ()) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    quaternion = torch.randn(*batch, 4, generator=generator, dtype=torch.float64)
    pose = torch.eye(4, dtype=torch.float64).repeat(*batch, 1, 1)
    pose[..., :3, :3] = roma.unitquat_to_rotmat(quaternion / quaternion.norm(dim=-1, keepdim=True))
    pose[..., :3, 3] = torch.randn(*batch, 3, generator=generator, dtype=torch.float64) * 0.1
    pose[..., 2, 3] += 1.0
    return pose


def some_intrinsics(batch: tuple[int, ...] = ()) -> torch.Tensor:
    matrix = intrinsics_from_values(700, 650, 300, 250, SIZE).matrix
    return torch.tensor(matrix).repeat(*batch, 1, 1)

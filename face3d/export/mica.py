"""The files of MICA's demo, in millimetres: programs that go on from them, as metrical-tracker, take our heads."""

from __future__ import annotations

import io

import numpy as np
import torch
from jaxtyping import Float

from face3d.errors import ArgumentError
from face3d.export.mesh import Mesh
from face3d.export.obj import export_obj
from face3d.export.ply import export_ply
from face3d.head import HeadModel
from face3d.head.flame import require_flame

__all__ = ["check_mica_head", "export_mica"]

MILLIMETRES = 1000.0
POINT_SETS = ("ibug_68_fixed", "now_7")


def check_mica_head(model: HeadModel) -> None:
    """Raise `ArgumentError` unless a head has what MICA's files are made of: FLAME's identity and its landmarks."""
    require_flame(model, "MICA's files hold")
    if missing := [name for name in POINT_SETS if name not in model.point_sets]:
        raise ArgumentError(
            f"MICA's files need the points {', '.join(missing)}; put landmark_embedding.npy beside the FLAME model"
        )


@torch.inference_mode()
def export_mica(model: HeadModel, identity: Float[np.ndarray, " 300"]) -> dict[str, bytes]:
    """Write a person as MICA's demo does.

    Args:
        model: a FLAME head.
        identity: its coefficients.

    Returns:
        File names and contents: `identity.npy` (300,) float32; `kpt7.npy` (7, 3), NoW's points, and `kpt68.npy`
        (1, 68, 3), the 68 fixed to the skin, float32; `mesh.ply` and `mesh.obj`, the head without expression.
        Lengths are millimetres.

    Raises:
        ArgumentError: the head is not FLAME, or has no landmark embedding.
    """
    check_mica_head(model)
    geometry = model(identity=identity)
    points68, points7 = (
        (MILLIMETRES * model.points(name, geometry)).cpu().numpy().astype(np.float32) for name in POINT_SETS
    )
    mesh = Mesh(geometry.vertices[0].cpu().numpy(), model.triangles.cpu().numpy())
    return {
        "identity.npy": _npy(np.asarray(identity, dtype=np.float32)),
        "kpt7.npy": _npy(points7[0]),
        "kpt68.npy": _npy(points68),
        "mesh.ply": export_ply(mesh, unit="mm"),
        "mesh.obj": export_obj(mesh, unit="mm"),
    }


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()

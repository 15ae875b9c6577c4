"""Writing heads and landmarks to the files that other programs read, one module per format.

The mesh formats are loaded when first used: whoever writes landmarks has no need of PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from face3d.export.gltf import export_gltf
    from face3d.export.mesh import Mesh
    from face3d.export.obj import export_mtl, export_obj
    from face3d.export.ply import export_ply
    from face3d.export.stl import export_stl

__all__ = ["Mesh", "export_gltf", "export_mtl", "export_obj", "export_ply", "export_stl"]

_HOME_OF = {
    "Mesh": "mesh",
    "export_gltf": "gltf",
    "export_mtl": "obj",
    "export_obj": "obj",
    "export_ply": "ply",
    "export_stl": "stl",
}


def __getattr__(name: str) -> Any:
    """Import a format from its module (PEP 562)."""
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"face3d.export.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'face3d.export' has no attribute {name!r}")

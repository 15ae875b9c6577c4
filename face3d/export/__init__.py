"""Writing heads to the files that other programs read, one module per format."""

from face3d.export.gltf import export_gltf
from face3d.export.mesh import Mesh
from face3d.export.mica import export_mica
from face3d.export.obj import export_mtl, export_obj
from face3d.export.ply import export_ply
from face3d.export.stl import export_stl

__all__ = ["Mesh", "export_gltf", "export_mica", "export_mtl", "export_obj", "export_ply", "export_stl"]

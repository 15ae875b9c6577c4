"""Pictures of meshes: rasterisers, shading, overlays."""

from face3d.render.rasterizer import Fragments, Rasterizer, rasterize
from face3d.render.shading import directional_shading, spherical_harmonics_shading, vertex_normals

__all__ = [
    "Fragments",
    "Rasterizer",
    "directional_shading",
    "rasterize",
    "spherical_harmonics_shading",
    "vertex_normals",
]

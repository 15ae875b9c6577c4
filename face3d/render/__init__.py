"""Pictures of meshes: rasterisers, shading, overlays."""

from face3d.render.attributes import UvTexture, interpolate_vertices, sample_texture
from face3d.render.colour import composite_over, linear_from_srgb, srgb_from_linear
from face3d.render.losses import (
    edge_length_loss,
    laplacian_loss,
    normal_consistency_loss,
    photometric_loss,
    silhouette_iou_loss,
    silhouette_l1_loss,
)
from face3d.render.rasterizer import Fragments, Rasterizer, rasterize
from face3d.render.shaded_view import render_sh, shape_view
from face3d.render.shading import directional_shading, spherical_harmonics_shading, vertex_normals
from face3d.render.silhouette import antialias, antialiased_silhouette, soft_silhouette
from face3d.render.topology import MeshTopology, mesh_topology

__all__ = [
    "Fragments",
    "MeshTopology",
    "Rasterizer",
    "UvTexture",
    "antialias",
    "antialiased_silhouette",
    "composite_over",
    "directional_shading",
    "edge_length_loss",
    "interpolate_vertices",
    "laplacian_loss",
    "linear_from_srgb",
    "mesh_topology",
    "normal_consistency_loss",
    "photometric_loss",
    "rasterize",
    "render_sh",
    "sample_texture",
    "shape_view",
    "silhouette_iou_loss",
    "silhouette_l1_loss",
    "soft_silhouette",
    "spherical_harmonics_shading",
    "srgb_from_linear",
    "vertex_normals",
]

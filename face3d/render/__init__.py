"""Pictures of meshes: rasterisers, shading, overlays."""

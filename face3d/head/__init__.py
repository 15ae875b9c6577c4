"""The morphable head: one layer for every model, its files, and the points on its surface."""

from face3d.head.arrays import HeadArrays, PointArrays
from face3d.head.flame import load_flame
from face3d.head.head_file import read_head, save_head
from face3d.head.load import load_head, load_open_head
from face3d.head.model import HeadGeometry, HeadModel
from face3d.head.surface_points import SurfacePoints

__all__ = [
    "HeadArrays",
    "HeadGeometry",
    "HeadModel",
    "PointArrays",
    "SurfacePoints",
    "load_flame",
    "load_head",
    "load_open_head",
    "read_head",
    "save_head",
]

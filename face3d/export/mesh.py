"""The mesh that the file formats take, checked once.

Dimension letters: V vertices, F faces, U texture coordinates, H, W texture height and width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int, UInt8

from face3d import __version__
from face3d.errors import ArgumentError

__all__ = ["GENERATOR", "TEXTURE_FILE", "Mesh", "Unit", "in_unit"]

Unit: TypeAlias = Literal["m", "mm"]
"""Length unit of a file."""

GENERATOR = f"face3d {__version__}"
"""Who wrote the file, for the formats that have a place for it."""

TEXTURE_FILE = "texture.png"
"""The picture that formats without room for one name; it belongs beside them."""


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A triangle mesh in the head frame (+x the subject's left, +y up, +z out of the face).

    Attributes:
        vertices: (V, 3) metres.
        triangles: (F, 3) corner indices, counter-clockwise seen from outside. Every format keeps the order of both.
        uv: (U, 2) texture coordinates, u to the right and v up, or None.
        uv_triangles: (F, 3) indices into `uv`; None where `uv` has one row per vertex.
        vertex_colours: (V, 3) sRGB, or None.
        texture: (H, W, 3) RGB, the first row at v = 1, or None. OBJ and GLB then carry it instead of `vertex_colours`.
        name: of the object in formats that name things.

    Raises:
        ArgumentError: no triangle, an index out of range, a coordinate that is not finite, or shapes that do not fit.
    """

    vertices: Float[np.ndarray, "V 3"]
    triangles: Int[np.ndarray, "F 3"]
    uv: Float[np.ndarray, "U 2"] | None = None
    uv_triangles: Int[np.ndarray, "F 3"] | None = None
    vertex_colours: UInt8[np.ndarray, "V 3"] | None = None
    texture: UInt8[np.ndarray, "H W 3"] | None = None
    name: str = "head"

    def __post_init__(self) -> None:
        count = _check_numbers("vertices", self.vertices, 3)
        _check_indices("triangles", self.triangles, count)
        if self.uv is None and self.uv_triangles is not None:
            raise ArgumentError("uv_triangles needs uv, the coordinates that it indexes")
        if self.uv is not None:
            uv_count = _check_numbers("uv", self.uv, 2)
            if self.uv_triangles is None and uv_count != count:
                raise ArgumentError(f"uv has {uv_count} rows for {count} vertices; give uv_triangles as well")
            if self.uv_triangles is not None:
                _check_indices("uv_triangles", self.uv_triangles, uv_count)
                if len(self.uv_triangles) != len(self.triangles):
                    raise ArgumentError(f"uv_triangles has {len(self.uv_triangles)} rows, not {len(self.triangles)}")
        colours = self.vertex_colours
        if colours is not None and (colours.shape != (count, 3) or colours.dtype != np.uint8):
            raise ArgumentError(f"vertex_colours must be uint8 {(count, 3)}, not {colours.dtype} {colours.shape}")
        texture = self.texture
        if texture is not None and (texture.dtype != np.uint8 or texture.ndim != 3 or texture.shape[2] != 3):
            raise ArgumentError(f"texture must be uint8 (H, W, 3), not {texture.dtype} {texture.shape}")
        if texture is not None and (self.uv is None or not texture.size):
            raise ArgumentError("a texture needs uv, the coordinates that say what of it goes where, and pixels")
        if not self.name.isprintable() or not self.name or set(self.name) & set(" \t"):
            raise ArgumentError(f"name must be one printable word, not {self.name!r}")

    @property
    def corner_uv(self) -> Int[np.ndarray, "F 3"] | None:
        """Row of `uv` for each corner of each triangle."""
        if self.uv is None:
            return None
        return self.triangles if self.uv_triangles is None else self.uv_triangles


def in_unit(vertices: Float[np.ndarray, "V 3"], unit: Unit) -> Float[np.ndarray, "V 3"]:
    """Return float64 vertices in the unit of the file, from metres."""
    if unit not in ("m", "mm"):
        raise ArgumentError(f"unit must be 'm' or 'mm', not {unit!r}")
    return np.asarray(vertices, dtype=np.float64) * (1000.0 if unit == "mm" else 1.0)


def _check_numbers(name: str, values: np.ndarray, columns: int) -> int:
    if values.ndim != 2 or values.shape[1] != columns or not np.issubdtype(values.dtype, np.floating):
        raise ArgumentError(f"{name} must be floats of shape (N, {columns}), not {values.dtype} {tuple(values.shape)}")
    broken = ~np.isfinite(values.astype(np.float64).sum(axis=1))
    if broken.any():
        raise ArgumentError(f"{name} has {broken.sum()} rows that are not finite, the first is {broken.argmax()}")
    return len(values)


def _check_indices(name: str, indices: np.ndarray, count: int) -> None:
    if indices.ndim != 2 or indices.shape[1] != 3 or not np.issubdtype(indices.dtype, np.integer):
        raise ArgumentError(f"{name} must be integers of shape (F, 3), not {indices.dtype} {tuple(indices.shape)}")
    if not len(indices):
        raise ArgumentError(f"{name} is empty: there is nothing to write")
    low, high = int(indices.min()), int(indices.max())
    if low < 0 or high >= count:
        raise ArgumentError(f"{name} names rows {low} to {high}, but there are {count}")

"""Meshes, scans and points on them, read from files that nobody vouches for.

Vertices keep their number and order, whatever texture coordinates, colours or materials are beside them: an error that
is averaged over vertices must not count one twice because a texture seam runs through it.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import trimesh
from jaxtyping import Float, Int

from face3d.errors import ArgumentError, InputError

__all__ = ["METRES", "LengthUnit", "Scan", "guess_unit", "read_landmarks3d", "read_scan"]

LengthUnit: TypeAlias = Literal["m", "cm", "mm"]

METRES: dict[LengthUnit, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001}
"""Metres per unit."""

SUFFIXES = (".obj", ".ply", ".stl", ".off")


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A mesh, or a cloud of points when it has no triangles, in the unit of its file.

    Attributes:
        vertices: (V, 3) float64, finite.
        triangles: (F, 3) corner indices; F is 0 for a cloud of points.
    """

    vertices: Float[np.ndarray, "V 3"]
    triangles: Int[np.ndarray, "F 3"]


def read_scan(path: Path) -> Scan:
    """Read an OBJ, PLY, STL or OFF file; polygons become triangles, colours and materials are passed over.

    Raises:
        InputError: the file is missing, is no such file, holds no vertex, or numbers in it are broken.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: meshes are read from {', '.join(SUFFIXES)} files, not {suffix or 'this'}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check the path") from error
    try:
        # Whatever a reader stumbles over in a broken file is the file's fault.
        vertices, triangles = _parse_obj(content) if suffix == ".obj" else _parse_with_trimesh(content, suffix[1:])
    except Exception as error:
        raise InputError(
            f"{path} is not a usable {suffix[1:].upper()} file: {error or type(error).__name__}"
        ) from error
    if not len(vertices):
        raise InputError(f"{path} holds no vertices; export the mesh again")
    if not np.isfinite(vertices).all():
        raise InputError(f"{path} has vertices that are not finite; clean the mesh first")
    if len(triangles) and (triangles.min() < 0 or triangles.max() >= len(vertices)):
        raise InputError(f"{path} has faces that name vertices which it does not hold; export the mesh again")
    return Scan(vertices, triangles)


def _parse_obj(content: bytes) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """Coordinates and faces of Wavefront OBJ. Read here since readers that make one vertex per texture corner, or stop
    at colours behind the coordinates, are the trouble that the NoW evaluation's own loader has."""
    coordinates: list[list[bytes]] = []
    faces: list[tuple[int, int, int]] = []
    for line in content.replace(b"\\\n", b" ").splitlines():
        if line.startswith((b"v ", b"v\t")):
            coordinates.append(line.split(None, 4)[1:4])
        elif line.startswith((b"f ", b"f\t")):
            corners = [int(corner.partition(b"/")[0]) for corner in line.split()[1:]]
            # Counted from 1; negative ones back from the latest vertex.
            corners = [corner - 1 if corner > 0 else len(coordinates) + corner for corner in corners]
            faces += [(corners[0], corners[at], corners[at + 1]) for at in range(1, len(corners) - 1)]
    vertices = np.array(coordinates, dtype=np.float64).reshape(-1, 3)
    return vertices, np.array(faces, dtype=np.int64).reshape(-1, 3)


def _parse_with_trimesh(content: bytes, kind: str) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    # From memory and so without a folder in which textures named by the file would be looked for.
    loaded: Any = trimesh.load(io.BytesIO(content), file_type=kind, process=False)
    if isinstance(loaded, trimesh.Scene):
        loaded = loaded.to_mesh()
    vertices = np.asarray(loaded.vertices, dtype=np.float64)
    triangles = np.asarray(getattr(loaded, "faces", np.zeros((0, 3))), dtype=np.int64).reshape(-1, 3)
    if kind == "stl":  # has no vertices but three corners per triangle
        vertices, index = np.unique(vertices, axis=0, return_inverse=True)
        triangles = index.reshape(-1)[triangles]
    return vertices, triangles


def read_landmarks3d(path: Path, count: int | None = None) -> Float[np.ndarray, "N 3"]:
    """Read points on a mesh: MeshLab's picked points (.pp), .npy (N, 3) or (1, N, 3), or .txt with x y z per line.

    Args:
        path: the file.
        count: how many there must be; a .pp file may hold more, of which the first ones are taken, as the NoW
            evaluation does.

    Raises:
        InputError: the file is missing or holds something else.
    """
    try:
        if path.suffix.lower() == ".pp":
            points = _parse_picked_points(path.read_bytes())[:count]
        elif path.suffix.lower() == ".npy":
            points = np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
            points = points[0] if points.ndim == 3 and len(points) == 1 else points
        else:
            points = np.array(
                [line.replace(",", " ").split() for line in path.read_text().splitlines() if line.strip()]
            )
            points = points.astype(np.float64)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}; check the path") from error
    except Exception as error:
        # zipfile, NumPy and the XML parser each raise something else at a broken file.
        raise InputError(f"{path} holds no landmarks that can be read ({error})") from error
    wanted = f"({count or 'N'}, 3)"
    if points.ndim != 2 or points.shape[1] != 3 or (count is not None and len(points) != count):
        raise InputError(f"{path} must hold landmarks {wanted}, got {tuple(points.shape)}")
    if not np.isfinite(points).all():
        raise InputError(f"{path} has landmarks that are not finite")
    return points


def _parse_picked_points(content: bytes) -> Float[np.ndarray, "N 3"]:
    """Points of a MeshLab .pp file, in its order; the attributes x, y and z may stand in any order."""
    if b"<!ENTITY" in content:  # nothing that MeshLab writes, and the way to make a small file unfold to gigabytes
        raise ValueError("it declares entities")
    # MeshLab's declaration is <!DOCTYPE PickedPoints>, which names nothing outside.
    picked = list(ElementTree.fromstring(content).iter("point"))
    return np.array([[float(point.attrib[axis]) for axis in "xyz"] for point in picked]).reshape(-1, 3)


def guess_unit(vertices: Float[np.ndarray, "V 3"], name: str) -> LengthUnit:
    """The unit in which a face or a head has a plausible size: its box has a diagonal of 0.1 to 1 metre.

    Raises:
        ArgumentError: in no unit.
    """
    diagonal = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    for unit, metres in METRES.items():
        if 0.1 <= diagonal * metres < 1.0:
            return unit
    raise ArgumentError(f"{name} is {diagonal:.3g} units across, which is no head in m, cm or mm; state its unit")

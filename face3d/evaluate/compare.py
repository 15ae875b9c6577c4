"""Any two meshes or scans compared, in the way of the NoW evaluation, from both sides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int, UInt8

from face3d.errors import ArgumentError, InputError, OutputError
from face3d.evaluate.now.crop import crop_scan
from face3d.evaluate.registration import Registration, refine
from face3d.evaluate.scan_file import METRES, LengthUnit, Scan
from face3d.evaluate.similarity import Similarity, procrustes
from face3d.evaluate.statistics import Summary, cumulative_share, summarise
from face3d.evaluate.surface import SurfaceTree
from face3d.export.mesh import Mesh
from face3d.export.ply import export_ply

__all__ = ["Alignment", "MeshComparison", "OneSided", "compare_meshes", "comparison_document", "write_error_mesh"]

Alignment: TypeAlias = Literal["search", "nearby", "none"]
"""How the second mesh comes onto the first: from anywhere, from where it is, or not at all."""

RECALL = (0.001, 0.002, 0.003)
"""Metres within which recall is stated."""

_SEARCH_POINTS = 1500
_MOST_POINTS = 100_000
_SEARCH_HUBER = 0.05
_KEPT = 0.8

_COLOURS = np.array(
    [(48, 18, 120), (40, 100, 200), (50, 180, 160), (190, 215, 70), (250, 150, 40), (170, 20, 20)], dtype=np.float64
)
"""From no error to the largest."""


@dataclass(frozen=True, slots=True, eq=False)
class OneSided:
    """Distances from the points of one mesh to the surface of the other.

    Attributes:
        distances: (N,) metres.
        summary: of them, metres.
        recall: the share of points within each distance, by metres.
    """

    distances: Float[np.ndarray, " N"]
    summary: Summary
    recall: Mapping[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class MeshComparison:
    """What the comparison found; lengths in metres.

    Attributes:
        a_to_b: from A's vertices to B's surface; None where B is a cloud of points.
        b_to_a: from B's vertices to A's surface; None where A is.
        a_vertices: the vertices of A that are measured.
        a_triangles: and the faces between them.
        b_vertices: B's vertices, moved onto A.
        b_triangles: and its faces.
        registration: of B (metres) on A (metres), or None when it stayed where it was.
    """

    a_to_b: OneSided | None
    b_to_a: OneSided | None
    a_vertices: Float[np.ndarray, "V 3"]
    a_triangles: Int[np.ndarray, "F 3"]
    b_vertices: Float[np.ndarray, "W 3"]
    b_triangles: Int[np.ndarray, "G 3"]
    registration: Registration | None


def compare_meshes(
    a: Scan,
    b: Scan,
    *,
    unit_a: LengthUnit = "m",
    unit_b: LengthUnit = "m",
    align: Alignment = "search",
    landmarks: tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]] | None = None,
    crop: bool = False,
    scaled: bool = False,
    huber: float = math.inf,
    threads: int | None = None,
) -> MeshComparison:
    """Lay B on A and measure the distances between them, both ways.

    Args:
        a: the reference, such as a scan; it stays where it is.
        b: what is compared with it.
        unit_a: of A.
        unit_b: of B.
        align: `search` tries B where it is, its centre on A's, and its principal axes on A's (four rotations), and
            goes on from the best; `nearby` starts from where it is; `none` leaves it there.
        landmarks: the same points on A and on B, in their units; they give the start instead.
        crop: measure only the part of A that the NoW evaluation does (by A's landmarks, which must be its seven).
        scaled: also find B's scale.
        huber: metres beyond which a distance pulls linearly and not squared, for a B that lacks parts of A.
        threads: None takes as many as pay off.

    Raises:
        ArgumentError: the options do not go together.
        InputError: the meshes or landmarks cannot be used, or both are clouds of points.
    """
    if crop and landmarks is None:
        raise ArgumentError("the crop needs the seven landmarks of the first mesh: give both --landmarks")
    if align == "none" and (scaled or landmarks is not None):
        raise ArgumentError("without alignment there is no scale to find and no use for landmarks")
    if align != "none" and not len(b.triangles):
        raise InputError("the second mesh has no triangles to lay points on: give the cloud of points first")
    a_vertices, a_triangles = a.vertices * METRES[unit_a], a.triangles
    b_vertices = b.vertices * METRES[unit_b]
    marks = None if landmarks is None else (landmarks[0] * METRES[unit_a], landmarks[1] * METRES[unit_b])
    if crop and marks is not None:
        kept = crop_scan(a_vertices, marks[0], a_triangles)
        a_vertices, a_triangles = kept.vertices, kept.triangles
    registration = None
    if align != "none":
        surface = SurfaceTree.build(b_vertices, b.triangles)
        if marks is not None:
            start = procrustes(marks[1], marks[0], scale=None if scaled else 1.0)
        elif align == "nearby":
            start = Similarity(1.0, np.eye(3), np.zeros(3))
        else:
            start = _search(Scan(a_vertices, a_triangles), Scan(b_vertices, b.triangles), surface, scaled, threads)
        points = _thinned(a_vertices, _MOST_POINTS)
        registration = refine(points, surface, start=start, scaled=scaled, huber=huber, threads=threads)
        b_vertices = registration.transform.apply(b_vertices)
    return MeshComparison(
        a_to_b=_one_sided(a_vertices, b_vertices, b.triangles, threads),
        b_to_a=_one_sided(b_vertices, a_vertices, a_triangles, threads),
        a_vertices=a_vertices,
        a_triangles=a_triangles,
        b_vertices=b_vertices,
        b_triangles=b.triangles,
        registration=registration,
    )


def _one_sided(
    points: Float[np.ndarray, "N 3"],
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    threads: int | None,
) -> OneSided | None:
    if not len(triangles):
        return None
    distances = SurfaceTree.build(vertices, triangles).closest(points, threads=threads)[1]
    shares = cumulative_share(distances, np.array(RECALL))
    return OneSided(distances, summarise(distances), dict(zip(RECALL, shares.tolist(), strict=True)))


def _search(a: Scan, b: Scan, surface: SurfaceTree, scaled: bool, threads: int | None) -> Similarity:
    """The best of six starts, each refined on some points with little weight on those far away."""
    points = _thinned(a.vertices, _SEARCH_POINTS)
    a_centre, a_axes, a_spread = _moments(a)
    b_centre, b_axes, b_spread = _moments(b)
    scale = a_spread / b_spread if scaled else 1.0
    starts = [Similarity(1.0, np.eye(3), np.zeros(3)), Similarity(scale, np.eye(3), a_centre - scale * b_centre)]
    for signs in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)):
        rotation = (a_axes * signs) @ b_axes.T
        starts.append(Similarity(scale, rotation, a_centre - scale * rotation @ b_centre))
    best, best_error = starts[0], math.inf
    for start in starts:
        huber = _SEARCH_HUBER * a_spread
        found = refine(points, surface, start=start, scaled=scaled, huber=huber, max_iterations=40, threads=threads)
        there = found.transform
        distances = np.sort(there.scale * surface.closest(there.inverse().apply(points), threads=threads)[1])
        error = float(distances[: max(1, int(_KEPT * len(distances)))].mean())
        # A mesh that shrinks to nothing is near to few points; one that grows without end, to all.
        if error < best_error and 0.2 * scale < there.scale < 5 * scale:
            best, best_error = there, error
    return best


def _moments(scan: Scan) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, "3 3"], float]:
    """Centre, right-handed principal axes (columns, longest first) and spread of a surface, or of a cloud's points."""
    points, weights = scan.vertices, np.ones(len(scan.vertices))
    if len(scan.triangles):
        corners = scan.vertices[scan.triangles]
        points = corners.mean(axis=1)
        weights = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    if not weights.sum() > 0:
        raise InputError("a mesh to align has no area")
    weights = weights / weights.sum()
    centre = weights @ points
    spread, axes = np.linalg.eigh((points - centre).T @ ((points - centre) * weights[:, None]))
    axes = axes[:, ::-1].copy()
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    return centre, axes, math.sqrt(max(float(spread.sum()), np.finfo(float).tiny))


def _thinned(points: Float[np.ndarray, "N 3"], most: int) -> Float[np.ndarray, "M 3"]:
    """Points drawn evenly from all, the same ones each time."""
    if len(points) <= most:
        return points
    return points[np.sort(np.random.default_rng(0).permutation(len(points))[:most])]


def comparison_document(comparison: MeshComparison) -> dict[str, Any]:
    """The comparison as a JSON document; lengths in metres."""
    sides = {"a_to_b": comparison.a_to_b, "b_to_a": comparison.b_to_a}
    document: dict[str, Any] = {
        name: None if side is None else asdict(side.summary) | {"recall": dict(side.recall)}
        for name, side in sides.items()
    }
    document["two_sided"] = None
    if comparison.a_to_b is not None and comparison.b_to_a is not None:
        both = np.concatenate([comparison.a_to_b.distances, comparison.b_to_a.distances])
        document["two_sided"] = asdict(summarise(both)) | {
            # Mean of both sides' means, the symmetric Chamfer distance.
            "chamfer": (comparison.a_to_b.summary.mean + comparison.b_to_a.summary.mean) / 2,
            "f_score": {
                limit: _harmonic(comparison.a_to_b.recall[limit], comparison.b_to_a.recall[limit]) for limit in RECALL
            },
        }
    found = comparison.registration
    document["alignment"] = found and {
        "a_from_b": found.transform.matrix().tolist(),
        "scale": found.transform.scale,
        "iterations": found.iterations,
        "converged": found.converged,
    }
    return document


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def write_error_mesh(
    path: Path,
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    distances: Float[np.ndarray, " V"],
    *,
    limit: float = 0.003,
) -> None:
    """Write a PLY whose vertex colours say how far each vertex is off: dark blue 0, dark red `limit` metres or more.

    Raises:
        ArgumentError: there are no triangles.
        OutputError: the file cannot be written.
    """
    content = export_ply(Mesh(vertices, triangles, vertex_colours=_coloured(distances, limit), name="error"))
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; choose another folder for --out") from error


def _coloured(distances: Float[np.ndarray, " V"], limit: float) -> UInt8[np.ndarray, "V 3"]:
    at = np.clip(distances / limit, 0, 1)
    stops = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(at, stops, channel) for channel in _COLOURS.T], axis=1).round().astype(np.uint8)

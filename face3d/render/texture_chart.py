"""Which point of a head's surface each texel of its texture shows, and how that surface hangs together.

Dimension letters: V vertices, F faces, U texture coordinates, N covered texels, E edges, S side of the texture.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from face3d.errors import ArgumentError
from face3d.head import HeadModel
from face3d.render.compiled import compiled
from face3d.render.portrait import model_appearance
from face3d.render.rasterize_numba import rasterize_camera

__all__ = ["TextureChart", "TextureSurface", "interpolated", "texture_chart", "texture_surface", "vertex_means"]

MIRROR_TOLERANCE = 0.003
"""Metres. How far from a vertex's mirror image its partner may lie."""

SMALLEST_COTANGENT = 0.05
"""Weights of edges between obtuse triangles are raised to this, so that diffusion cannot overshoot."""


@dataclass(frozen=True, slots=True, eq=False)
class TextureSurface:
    """What painting needs to know of a head model, whatever the size of the texture.

    Attributes:
        triangles: (F, 3) corners, int64.
        uv: (U, 2) texture coordinates, u to the right, v up.
        uv_triangles: (F, 3) rows of `uv`.
        mirror_uv: (F, 3, 2) texture coordinates of each corner's mirror image on the head's other side; NaN where the
            mesh is not symmetric.
        edges: (E, 2) pairs of neighbouring vertices.
        edge_weights: (E,) cotangent weights of the Laplacian on the mean head.
        regions: (V,) masks by name.
        eye_position: (V, 2) metres across the eye's optical axis, NaN for what is no eye.
        face_density: square root of the texture's area per area of the face, 1/m; times S it is texels per metre.
    """

    triangles: Int[np.ndarray, "F 3"]
    uv: Float[np.ndarray, "U 2"]
    uv_triangles: Int[np.ndarray, "F 3"]
    mirror_uv: Float[np.ndarray, "F 3 2"]
    edges: Int[np.ndarray, "E 2"]
    edge_weights: Float[np.ndarray, " E"]
    regions: Mapping[str, Bool[np.ndarray, " V"]]
    eye_position: Float[np.ndarray, "V 2"]
    face_density: float

    @property
    def vertex_count(self) -> int:
        """V."""
        return len(self.eye_position)

    def region(self, *names: str) -> Bool[np.ndarray, " V"]:
        """Vertices of any of the regions; regions that the model lacks are empty."""
        mask = np.zeros(self.vertex_count, dtype=bool)
        for name in names:
            if name in self.regions:
                mask |= self.regions[name]
        return mask


@dataclass(frozen=True, slots=True, eq=False)
class TextureChart:
    """The texels whose centre lies in a triangle of the texture's layout.

    Attributes:
        surface: of the model.
        size: S, texels along each side.
        texels: (N,) place in the flattened texture, row by row from the top.
        faces: (N,) triangle that each shows.
        barycentric: (N, 3) where in it.
        mirror: (N, 2) where the mirror image is, in texels from the texture's top left corner; NaN where there is none.
        nearest: (S * S,) for every texel of the texture the row of the nearest covered one.
    """

    surface: TextureSurface
    size: int
    texels: Int[np.ndarray, " N"]
    faces: Int[np.ndarray, " N"]
    barycentric: Float[np.ndarray, "N 3"]
    mirror: Float[np.ndarray, "N 2"]
    nearest: Int[np.ndarray, " S*S"]


_surfaces: weakref.WeakKeyDictionary[HeadModel, TextureSurface] = weakref.WeakKeyDictionary()
_charts: weakref.WeakKeyDictionary[HeadModel, dict[int, TextureChart]] = weakref.WeakKeyDictionary()


def texture_surface(model: HeadModel) -> TextureSurface:
    """Read a model once; later calls give the same object.

    Raises:
        ArgumentError: the model has no texture coordinates.
    """
    if model not in _surfaces:
        _surfaces[model] = _read_surface(model)
    return _surfaces[model]


def texture_chart(model: HeadModel, size: int) -> TextureChart:
    """Lay a model's surface out in a texture of `size` texels a side; later calls give the same object.

    Raises:
        ArgumentError: the model has no texture coordinates, or the size is below one texel.
    """
    charts = _charts.setdefault(model, {})
    if size not in charts:
        charts[size] = _lay_out(texture_surface(model), size)
    return charts[size]


def interpolated(chart: TextureChart, values: Float[np.ndarray, "V C"]) -> Float[np.ndarray, "N C"]:
    """Values of vertices at each covered texel, float32."""
    result = np.empty((len(chart.texels), values.shape[1]), dtype=np.float32)
    rows = np.ascontiguousarray(values, dtype=np.float32)
    _interpolate(chart.faces, chart.barycentric, chart.surface.triangles, rows, result)
    return result


def vertex_means(
    chart: TextureChart, values: Float[np.ndarray, "N C"], weights: Float[np.ndarray, " N"]
) -> tuple[Float[np.ndarray, "V C"], Float[np.ndarray, " V"]]:
    """Weighted mean of the texels around each vertex (0 where there is no weight), and the mean weight around it."""
    count, channels = chart.surface.vertex_count, values.shape[1]
    totals = np.zeros((count, channels + 2))
    _gather(chart.faces, chart.barycentric, chart.surface.triangles, values, weights, totals)
    mean = totals[:, :channels] / np.maximum(totals[:, channels:-1], 1e-12)
    return mean, totals[:, channels] / np.maximum(totals[:, -1], 1e-12)


def _read_surface(model: HeadModel) -> TextureSurface:
    if model.uv is None:
        raise ArgumentError(f"the head {model.name!r} has no texture coordinates; take a head file that has")
    vertices = model.template.double().cpu().numpy()
    triangles = np.ascontiguousarray(model.triangles.cpu().numpy())
    uv = model.uv.double().cpu().numpy()
    uv_triangles = triangles if model.uv_triangles is None else model.uv_triangles.cpu().numpy()
    edges, weights = _cotangent_edges(vertices, triangles)
    regions = {}
    for name, ids in model.regions.items():
        regions[name] = np.zeros(len(vertices), dtype=bool)
        regions[name][ids.cpu().numpy()] = True
    in_face = regions["face"][triangles].all(1) if "face" in regions else np.ones(len(triangles), dtype=bool)
    area = np.linalg.norm(_doubled_area(vertices[triangles]), axis=-1)
    uv_corners = np.concatenate((uv[uv_triangles], np.zeros((*uv_triangles.shape, 1))), -1)
    uv_area = np.linalg.norm(_doubled_area(uv_corners), axis=-1)
    usable = in_face & (area > 0) & (uv_area > 0)
    density = float(np.median(np.sqrt(uv_area[usable] / area[usable]))) if usable.any() else 1.0
    return TextureSurface(
        triangles,
        uv,
        np.ascontiguousarray(uv_triangles),
        _mirror_uv(vertices, triangles, uv, uv_triangles),
        edges,
        weights,
        regions,
        model_appearance(model).eye_position,
        density,
    )


def _doubled_area(corners: Float[np.ndarray, "F 3 3"]) -> Float[np.ndarray, "F 3"]:
    product: Float[np.ndarray, "F 3"] = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return product


def _mirror_uv(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    uv: Float[np.ndarray, "U 2"],
    uv_triangles: Int[np.ndarray, "F 3"],
) -> Float[np.ndarray, "F 3 2"]:
    """Find each triangle's mirror image: by the three partners of its vertices, whatever their order."""
    distance, partner = cKDTree(vertices).query(vertices * [-1.0, 1.0, 1.0])
    images = partner[triangles]
    images[(distance[triangles] > MIRROR_TOLERANCE).any(1)] = -1
    place = {frozenset(corners): face for face, corners in enumerate(triangles.tolist())}
    twin = np.array([place.get(frozenset(corners), -1) for corners in images.tolist()])
    found = np.full((len(triangles), 3, 2), np.nan)
    known = twin >= 0
    # Which corner of the twin each partner is.
    order = (triangles[twin[known]][:, None, :] == images[known][:, :, None]).argmax(-1)
    found[known] = uv[np.take_along_axis(uv_triangles[twin[known]], order, 1)]
    # Where a quadrilateral is cut along its other diagonal there is no twin, but vertices off the seams have one place.
    places = np.full((len(vertices), 2), np.nan)
    first = np.full(len(vertices), -1)
    first[triangles] = uv_triangles
    places[first >= 0] = uv[first[first >= 0]]
    on_seam = np.zeros(len(vertices), dtype=bool)
    on_seam[triangles[first[triangles] != uv_triangles]] = True
    places[on_seam] = np.nan
    rest = ~known & (images >= 0).all(1)
    found[rest] = places[images[rest]]
    return found


def _cotangent_edges(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]
) -> tuple[Int[np.ndarray, "E 2"], Float[np.ndarray, " E"]]:
    pairs, weights = [], []
    for corner in range(3):
        a, b, c = (triangles[:, (corner + k) % 3] for k in range(3))
        u, w = vertices[b] - vertices[a], vertices[c] - vertices[a]
        sine = np.linalg.norm(np.cross(u, w), axis=-1)
        weights.append(0.5 * (u * w).sum(-1) / np.maximum(sine, 1e-12))
        pairs.append(np.sort(np.stack((b, c), -1), -1))
    edges, inverse = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    total = np.bincount(inverse.reshape(-1), np.concatenate(weights).clip(-2.0, 5.0), minlength=len(edges))
    return edges, total.clip(SMALLEST_COTANGENT, 5.0)


def _lay_out(surface: TextureSurface, size: int) -> TextureChart:
    if size < 1:
        raise ArgumentError(f"a texture needs at least one texel a side, not {size}")
    flat = np.stack((surface.uv[:, 0] * size, (1.0 - surface.uv[:, 1]) * size, np.ones(len(surface.uv))), -1)
    seen = rasterize_camera(flat, surface.uv_triangles, np.eye(3), (size, size))
    covered = seen.face_id >= 0
    if not covered.any():
        raise ArgumentError("the texture coordinates cover no texel; they should lie in [0, 1]")
    texels = np.flatnonzero(covered)
    faces = seen.face_id.reshape(-1)[texels]
    barycentric = np.ascontiguousarray(seen.barycentric.reshape(-1, 3)[texels])
    mirror_texel = (surface.mirror_uv * [1.0, -1.0] + [0.0, 1.0]) * size
    mirror = np.einsum("nk,nkc->nc", barycentric, mirror_texel[faces].astype(np.float32))
    _, label = cv2.distanceTransformWithLabels(
        (~covered).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    row_of_label = np.zeros(int(label.max()) + 1, dtype=np.int64)
    row_of_label[label[covered]] = np.arange(len(texels))
    return TextureChart(
        surface, size, texels, np.ascontiguousarray(faces), barycentric, mirror, row_of_label[label.reshape(-1)]
    )


@compiled
def _interpolate(faces, barycentric, triangles, values, result):  # type: ignore[no-untyped-def]
    for row in range(faces.shape[0]):
        a, b, c = triangles[faces[row], 0], triangles[faces[row], 1], triangles[faces[row], 2]
        u, v, w = barycentric[row, 0], barycentric[row, 1], barycentric[row, 2]
        for k in range(values.shape[1]):
            result[row, k] = u * values[a, k] + v * values[b, k] + w * values[c, k]


@compiled
def _gather(faces, barycentric, triangles, values, weights, totals):  # type: ignore[no-untyped-def]
    """Add each texel to its triangle's corners: weighted values, weights, and how much surface there is."""
    channels = values.shape[1]
    for row in range(faces.shape[0]):
        for corner in range(3):
            vertex, share = triangles[faces[row], corner], barycentric[row, corner]
            for k in range(channels):
                totals[vertex, k] += share * weights[row] * values[row, k]
            totals[vertex, channels] += share * weights[row]
            totals[vertex, channels + 1] += share

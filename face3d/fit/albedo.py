"""What colour a face may have: a low-rank model of the skin's albedo, in the logarithm of linear RGB.

In the logarithm light and albedo add up, so the albedo's part of a photometric fit is linear. The open head ships with
components that were painted (`flame_assets/build/build_albedo.py`); any other head gets smooth fields over its face.

Dimension letters: N sample vertices, K components.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int
from numpy import ndarray

from face3d import assets
from face3d.errors import AssetError
from face3d.render.portrait import ambient_visibility

if TYPE_CHECKING:
    from face3d.head import HeadModel

__all__ = [
    "FIELD_LENGTHS",
    "AlbedoBasis",
    "albedo_of",
    "load_albedo",
    "sample_vertices",
    "save_albedo",
    "smooth_fields",
]

SAMPLED_REGIONS = ("face", "forehead", "nose", "lips", "eye_region")
LEFT_OUT_REGIONS = (
    *("left_eyeball", "right_eyeball", "left_ear", "right_ear"),
    *("mouth_interior", "tongue", "teeth", "scalp"),
)
OPEN_TO_LIGHT = 0.2
"""Share of the surrounding light that a vertex must see: less is the inside of nostrils, sockets and mouth."""

FIELD_LENGTHS = (0.06, 0.035)
"""Metres: correlation lengths of the smooth fields."""
FIELDS_PER_LENGTH = 12

PLAIN_SKIN = (0.42, 0.26, 0.19)
"""Linear RGB albedo of skin in the middle between light and dark; the mean where nothing is painted."""
PLAIN_SIGMA = np.array([[0.55, 0.65, 0.7], [0.06, -0.03, -0.03], [0.0, 0.05, -0.05]])
"""Of the logarithm, for such a head: darkness of the skin as a whole (blue varies most), and its hue."""
UNEVEN_SIGMA = np.array([[0.15] * 3, [0.05, -0.025, -0.025], [0.0, 0.05, -0.05]])


@dataclass(frozen=True, slots=True, eq=False)
class AlbedoBasis:
    """log albedo = mean + coefficients @ basis, coefficients standard normal.

    Attributes:
        vertices: (N,) which vertices of the head it speaks of.
        mean: (N, 3) logarithm of linear RGB.
        basis: (K, N, 3) one standard deviation each.
    """

    vertices: Int[ndarray, " N"]
    mean: Float[ndarray, "N 3"]
    basis: Float[ndarray, "K N 3"]

    def log(self, coefficients: Float[ndarray, " K"]) -> Float[ndarray, "N 3"]:
        """Logarithm of linear RGB albedo."""
        return self.mean + np.tensordot(coefficients, self.basis, axes=1)


def albedo_of(model: HeadModel) -> AlbedoBasis:
    """The albedo components of a head: the painted ones for the open head, smooth fields for any other."""
    vertices = sample_vertices(model)
    path = assets.open_head_path().with_name("open_albedo.npz")
    if model.name == "open" and path.is_file():
        painted = load_albedo(path)
        if np.array_equal(painted.vertices, vertices):
            return painted
    points = model.template.double().cpu().numpy()[vertices]
    fields = smooth_fields(points, FIELD_LENGTHS)
    uniform = np.ones((len(points), 1))
    parts = [np.einsum("nf,cx->fcnx", uniform, PLAIN_SIGMA), np.einsum("nf,cx->fcnx", fields, UNEVEN_SIGMA)]
    basis = np.concatenate([part.reshape(-1, len(points), 3) for part in parts])
    return AlbedoBasis(vertices, np.tile(np.log(PLAIN_SKIN), (len(points), 1)), basis)


@lru_cache(maxsize=4)
def sample_vertices(model: HeadModel) -> Int[ndarray, " N"]:
    """Vertices of the face's outer skin, ascending, where a photo is compared with the model.

    A head without regions gives the front of the whole surface.
    """
    template = model.template.double().cpu().numpy()
    named = [model.regions[name].cpu().numpy() for name in SAMPLED_REGIONS if name in model.regions]
    chosen = np.zeros(len(template), dtype=bool)
    if named:
        chosen[np.concatenate(named)] = True
    else:
        chosen[:] = template[:, 2] > np.median(template[:, 2])
    for name in LEFT_OUT_REGIONS:
        if name in model.regions:
            chosen[model.regions[name].cpu().numpy()] = False
    chosen &= ambient_visibility(template, model.triangles.cpu().numpy()) > OPEN_TO_LIGHT
    return np.flatnonzero(chosen)


def smooth_fields(points: Float[ndarray, "N 3"], lengths: tuple[float, ...]) -> Float[ndarray, "N F"]:
    """Smooth functions over the points whose random sums are Gaussian processes of unit variance in all.

    For each correlation length, in metres, the first principal functions of the squared-exponential kernel.
    """
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    fields = []
    for length in lengths:
        kernel = np.exp(-squared / (2 * length**2))
        count = min(FIELDS_PER_LENGTH, len(points))
        values, vectors = scipy.linalg.eigh(kernel, subset_by_index=(len(points) - count, len(points) - 1))
        fields.append((vectors * np.sqrt(values.clip(0) / len(lengths)))[:, ::-1])
    return np.concatenate(fields, axis=1)


def save_albedo(albedo: AlbedoBasis) -> bytes:
    """Serialise, the arrays as 16-bit floats (better than a thousandth of the colour)."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        vertices=albedo.vertices.astype(np.int32),
        mean=albedo.mean.astype(np.float16),
        basis=albedo.basis.astype(np.float16),
    )
    return buffer.getvalue()


@lru_cache(maxsize=2)
def load_albedo(path: Path) -> AlbedoBasis:
    """Read what `save_albedo` wrote.

    Raises:
        AssetError: the file is missing or not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return AlbedoBasis(
                file["vertices"].astype(np.int64), file["mean"].astype(np.float64), file["basis"].astype(np.float64)
            )
    except (OSError, EOFError, BadZipFile, KeyError, ValueError) as error:
        raise AssetError(f"{path}: not an albedo of face3d ({error}); reinstall face3d") from error

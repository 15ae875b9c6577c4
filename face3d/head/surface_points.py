"""Named points on the surface of a head, some of which move over it as the head turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from face3d.head.arrays import PointArrays

__all__ = ["PointEmbedding", "SurfacePoints"]


@dataclass(frozen=True, slots=True, eq=False)
class SurfacePoints:
    """A named set of points, as tensors on the model's device.

    Attributes:
        triangles: triangle of each point.
        barycentric: weights of the triangle's three vertices.
        labels: name of each point, or None.
        sigma: standard deviation of each point's place on real heads in metres, or None.
        contour_triangles: per yaw bin, what replaces the triangles of the first C points, or None.
        contour_barycentric: likewise.
    """

    triangles: Int64[Tensor, " N"]
    barycentric: Float[Tensor, "N 3"]
    labels: tuple[str, ...] | None = None
    sigma: Float[Tensor, " N"] | None = None
    contour_triangles: Int64[Tensor, "79 C"] | None = None
    contour_barycentric: Float[Tensor, "79 C 3"] | None = None

    def __len__(self) -> int:
        return len(self.triangles)


class PointEmbedding(nn.Module):
    """Evaluates one set of surface points on posed vertices; buffers only."""

    triangles: Tensor
    barycentric: Tensor
    corners: Tensor
    sigma: Tensor | None
    contour_triangles: Tensor | None
    contour_barycentric: Tensor | None
    contour_corners: Tensor | None

    def __init__(self, points: PointArrays, mesh_triangles: Int64[np.ndarray, "F 3"], dtype: torch.dtype) -> None:
        super().__init__()
        self.labels = points.labels
        self._hold("triangles", points.triangles, torch.int64)
        self._hold("barycentric", points.barycentric, dtype)
        self._hold("sigma", points.sigma, dtype)
        self._hold("contour_triangles", points.contour_triangles, torch.int64)
        self._hold("contour_barycentric", points.contour_barycentric, dtype)
        # Vertex ids looked up once: evaluating points is the inner loop of every fit.
        self._hold("corners", mesh_triangles[points.triangles], torch.int64)
        contour = points.contour_triangles
        self._hold("contour_corners", None if contour is None else mesh_triangles[contour], torch.int64)

    def _hold(self, name: str, array: np.ndarray | None, dtype: torch.dtype) -> None:
        tensor = None if array is None else torch.tensor(array, dtype=dtype)
        self.register_buffer(name, tensor, persistent=False)

    @property
    def depends_on_view(self) -> bool:
        """Whether `forward` needs contour bins."""
        return self.contour_corners is not None

    def description(self) -> SurfacePoints:
        """Return the set as data."""
        return SurfacePoints(
            triangles=self.triangles,
            barycentric=self.barycentric,
            labels=self.labels,
            sigma=self.sigma,
            contour_triangles=self.contour_triangles,
            contour_barycentric=self.contour_barycentric,
        )

    def forward(self, vertices: Float[Tensor, "B V 3"], bins: Int64[Tensor, " B"] | None) -> Float[Tensor, "B N 3"]:
        """Return the points of posed heads; `bins` chooses the contour of each and may be None without one."""
        if bins is None or self.contour_corners is None or self.contour_barycentric is None:
            return _interpolate(vertices[:, self.corners], self.barycentric)
        contour_corners = self.contour_corners[bins]
        batch = torch.arange(len(vertices), device=vertices.device)[:, None, None]
        contour = _interpolate(vertices[batch, contour_corners], self.contour_barycentric[bins])
        size = contour_corners.shape[1]
        fixed = _interpolate(vertices[:, self.corners[size:]], self.barycentric[size:])
        return torch.cat([contour, fixed], dim=1)


def _interpolate(corners: Float[Tensor, "B N 3 3"], barycentric: Float[Tensor, "*B N 3"]) -> Float[Tensor, "B N 3"]:
    return (corners * barycentric.unsqueeze(-1)).sum(dim=-2)

"""Losses on pictures and on meshes: photometric, silhouette, Laplacian, edge length, normal consistency.

All take batches and give one number: the mean over the items, each item counting equally; with `reduction="none"` one
number per item. An item without anything to compare (an empty mask, no edges, no vertices) gives 0 and a zero gradient.
Picture losses take pictures from whatever renderer; mesh losses see no renderer at all.

Dimension letters: B batch, V vertices, F faces, E edges, P pairs of faces that share an edge, C channels, H, W image
height and width.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from face3d.errors import ArgumentError
from face3d.render.topology import MeshTopology

__all__ = [
    "edge_length_loss",
    "laplacian",
    "laplacian_loss",
    "normal_consistency_loss",
    "photometric_loss",
    "robust",
    "silhouette_iou_loss",
    "silhouette_l1_loss",
]

Reduction = Literal["mean", "none"]
LaplacianWeights = Literal["uniform", "cotangent"]


def robust(squared_residual: Float[Tensor, "*B"], scale: float) -> Float[Tensor, "*B"]:
    """Return Charbonnier's robust L1, sqrt(r^2 + scale^2) - scale (Charbonnier et al., 1994).

    Quadratic, r^2 / (2 scale), well below the scale, and |r| - scale well above; smooth everywhere.

    Raises:
        ArgumentError: a scale that is not positive.
    """
    if not scale > 0:
        raise ArgumentError(f"the scale of a robust loss must be positive, got {scale}")
    return torch.sqrt(squared_residual + scale * scale) - scale


def photometric_loss(
    rendered: Float[Tensor, "B C H W"],
    photo: Float[Tensor, "B C H W"],
    mask: Float[Tensor, "B 1 H W"],
    *,
    scale: float = 0.02,
    reduction: Reduction = "mean",
) -> Float[Tensor, " *B"]:
    """Return the mean robust colour difference over a face mask.

    The residual of a pixel is the root mean square over its channels, so that the loss reads in units of colour.

    Args:
        rendered: colours, as the photo's: sRGB in [0, 1] weighs errors roughly as eyes do (`srgb_from_linear`).
        photo: may hold anything, NaN included, where the mask is 0.
        mask: weight of each pixel, 0 or more. It is not differentiated: a fit must not win by shrinking it.
        scale: colour difference at which the loss turns from quadratic to linear; 0.02 is five grey levels.
        reduction: "mean" over the items or "none".

    Raises:
        ArgumentError: shapes that do not fit each other, or values under the mask that are not finite.
    """
    if rendered.ndim != 4 or photo.shape != rendered.shape:
        raise ArgumentError(f"rendered and photo must both be (B, C, H, W), not {_shapes(rendered, photo)}")
    weight = mask.detach().to(rendered.dtype)
    if mask.shape != (rendered.shape[0], 1, *rendered.shape[2:]) or bool((weight < 0).any()):
        raise ArgumentError(f"mask must be (B, 1, H, W) weights of 0 or more for {_shapes(rendered)}")
    difference = torch.where(weight > 0, rendered - photo.to(rendered.dtype), 0.0)
    _check_finite("the pictures under the mask", difference, weight)
    value = robust((difference * difference).sum(1, keepdim=True) / max(rendered.shape[1], 1), scale)
    total = weight.flatten(1).sum(1)
    return _reduce((weight * value).flatten(1).sum(1) / torch.where(total > 0, total, 1.0), reduction)


def silhouette_iou_loss(
    predicted: Float[Tensor, "B 1 H W"], target: Float[Tensor, "B 1 H W"], *, reduction: Reduction = "mean"
) -> Float[Tensor, " *B"]:
    """Return 1 - intersection over union of two silhouettes with values in [0, 1], products as intersections.

    As in SoftRas (Liu et al., 2019, eq. 8). Two empty silhouettes agree and give 0. A soft silhouette compared with
    itself gives more than 0, as its products are smaller than its values; `silhouette_l1_loss` does not.

    Raises:
        ArgumentError: shapes that differ, or values that are not finite.
    """
    _check_pair("silhouettes", predicted, target)
    target = target.to(predicted.dtype)
    common = (predicted * target).flatten(1).sum(1)
    union = (predicted + target).flatten(1).sum(1) - common
    # An empty prediction still wants a gradient towards a target; only where both are empty is there none.
    filled = union > 0
    return _reduce(torch.where(filled, 1 - common / torch.where(filled, union, 1.0), 0.0), reduction)


def silhouette_l1_loss(
    predicted: Float[Tensor, "B 1 H W"],
    target: Float[Tensor, "B 1 H W"],
    *,
    mask: Float[Tensor, "B 1 H W"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, " *B"]:
    """Return the mean absolute difference of two silhouettes, over the whole image or a mask of pixels that count.

    Raises:
        ArgumentError: shapes that differ, or values that are not finite.
    """
    _check_pair("silhouettes", predicted, target)
    weight = torch.ones_like(predicted) if mask is None else mask.detach().to(predicted.dtype)
    if weight.shape != predicted.shape:
        raise ArgumentError(f"mask must have the silhouettes' shape, not {_shapes(weight, predicted)}")
    total = weight.flatten(1).sum(1)
    difference = (weight * (predicted - target.to(predicted.dtype)).abs()).flatten(1).sum(1)
    return _reduce(difference / torch.where(total > 0, total, 1.0), reduction)


def laplacian(
    vertices: Float[Tensor, "B V 3"],
    topology: MeshTopology,
    *,
    weights: LaplacianWeights = "uniform",
    shape: Float[Tensor, "B V 3"] | None = None,
) -> Float[Tensor, "B V 3"]:
    """Return, per vertex, the way to the weighted mean of its neighbours; 0 for a vertex without neighbours.

    Args:
        vertices: any unit.
        topology: the mesh's edges.
        weights: "uniform", or "cotangent" (Desbrun et al., 1999): the sum of the cotangents of the angles opposite each
            edge, normalised per vertex; a vertex whose sum is not positive (obtuse surroundings) gets 0.
        shape: the mesh that the cotangents are taken from; the vertices themselves without. They are constants: no
            gradient runs through them.

    Raises:
        ArgumentError: wrong shapes, a vertex that is not there, values that are not finite, unknown weights.
    """
    _check_mesh(vertices, topology)
    batch, vertex_count = vertices.shape[:2]
    start, end = topology.edges.unbind(1)
    if weights == "uniform":
        edge_weights = torch.ones(batch, len(start), 1, dtype=vertices.dtype, device=vertices.device)
    elif weights == "cotangent":
        edge_weights = _cotangents(_broadcast(vertices if shape is None else shape, vertices, topology), topology)
    else:
        raise ArgumentError(f"weights must be 'uniform' or 'cotangent', not {weights!r}")
    total = _at_both_ends(topology, edge_weights, edge_weights, vertex_count)
    way = (vertices[:, end] - vertices[:, start]) * edge_weights
    summed = _at_both_ends(topology, way, -way, vertex_count)
    usable = total > 0
    return torch.where(usable, summed / torch.where(usable, total, 1.0), 0.0)


def laplacian_loss(
    vertices: Float[Tensor, "B V 3"],
    topology: MeshTopology,
    *,
    reference: Float[Tensor, "B V 3"] | Float[Tensor, "V 3"] | None = None,
    weights: LaplacianWeights = "uniform",
    reduction: Reduction = "mean",
) -> Float[Tensor, " *B"]:
    """Return the mean length of the vertices' Laplacian vectors, metres for metres.

    Without a reference it is `pytorch3d.loss.mesh_laplacian_smoothing` and pulls towards flatness; with one it is the
    mean change of the Laplacian vectors, and 0 for a mesh that moved as a whole.

    Args:
        vertices: the mesh.
        topology: its edges.
        reference: a mesh with the wanted details. Cotangent weights are then taken from it.
        weights: as for `laplacian`.
        reduction: "mean" over the items or "none".

    Raises:
        ArgumentError: as `laplacian`.
    """
    _check_mesh(vertices, topology)
    if reference is None:
        change = laplacian(vertices, topology, weights=weights)
    else:
        shape = _broadcast(reference, vertices, topology)
        change = laplacian(vertices - shape, topology, weights=weights, shape=shape)
    return _mean_per_item(_length(change), vertices, reduction)


def edge_length_loss(
    vertices: Float[Tensor, "B V 3"],
    topology: MeshTopology,
    *,
    reference: Float[Tensor, "B V 3"] | Float[Tensor, "V 3"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, " *B"]:
    """Return the mean squared relative change of the edges' lengths against a reference mesh.

    Edges without length in the reference do not count. Without a reference: the mean squared length, as
    `pytorch3d.loss.mesh_edge_loss` with its target 0.

    Raises:
        ArgumentError: wrong shapes, a vertex that is not there, values that are not finite.
    """
    _check_mesh(vertices, topology)
    start, end = topology.edges.unbind(1)
    along = vertices[:, end] - vertices[:, start]
    if reference is None:
        return _mean_per_item((along * along).sum(-1), vertices, reduction)
    fixed = _broadcast(reference, vertices, topology)
    wanted = _length(fixed[:, end] - fixed[:, start])
    counts = wanted > 0
    change = torch.where(counts, _length(along) / torch.where(counts, wanted, 1.0) - 1, 0.0)
    number = counts.sum(1).clamp_min(1)
    return _reduce((change * change).sum(1) / number + _zero(vertices), reduction)


def normal_consistency_loss(
    vertices: Float[Tensor, "B V 3"], topology: MeshTopology, *, reduction: Reduction = "mean"
) -> Float[Tensor, " *B"]:
    """Return the mean of 1 - cos of the angle between the normals of faces that share an edge.

    As `pytorch3d.loss.mesh_normal_consistency`: 0 for a plane, 2 for a fold onto itself, whatever the winding of the
    two faces. A face without area makes its pairs count 1, without gradient.

    Raises:
        ArgumentError: wrong shapes, a vertex that is not there, values that are not finite.
    """
    _check_mesh(vertices, topology)
    start, end, one, other = vertices[:, topology.hinges].unbind(2)
    along = end - start
    normal = _direction(torch.linalg.cross(along, one - start))
    opposed = _direction(torch.linalg.cross(along, other - start))
    return _mean_per_item(1 + (normal * opposed).sum(-1), vertices, reduction)


def _at_both_ends(
    topology: MeshTopology, at_start: Float[Tensor, "B E C"], at_end: Float[Tensor, "B E C"], vertex_count: int
) -> Float[Tensor, "B V C"]:
    """Sum values of edges in the vertices at their ends."""
    total = at_start.new_zeros(at_start.shape[0], vertex_count, at_start.shape[2])
    for index, values in zip(topology.edges.unbind(1), (at_start, at_end), strict=True):
        total = total.scatter_add(1, index[None, :, None].expand_as(values), values)
    return total


def _cotangents(vertices: Float[Tensor, "B V 3"], topology: MeshTopology) -> Float[Tensor, "B E 1"]:
    corners = vertices.detach()[:, topology.triangles]
    after, before = corners.roll(-1, 2) - corners, corners.roll(1, 2) - corners
    double_area = _length(torch.linalg.cross(after, before))
    has_area = double_area > 0
    cotangent = torch.where(has_area, (after * before).sum(-1) / torch.where(has_area, double_area, 1.0), 0.0)
    usable = topology.opposite_edge >= 0
    return torch.zeros(len(vertices), len(topology.edges), dtype=vertices.dtype, device=vertices.device).index_add(
        1, topology.opposite_edge[usable], cotangent[:, usable]
    )[..., None]


def _length(vectors: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B"]:
    """Length, with a zero gradient at zero."""
    squared = (vectors * vectors).sum(-1)
    usable = squared > 0
    return torch.where(usable, torch.sqrt(torch.where(usable, squared, 1.0)), 0.0)


def _direction(vectors: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
    length = _length(vectors)[..., None]
    return torch.where(length > 0, vectors / torch.where(length > 0, length, 1.0), 0.0)


def _mean_per_item(
    values: Float[Tensor, "B N"], vertices: Float[Tensor, "B V 3"], reduction: Reduction
) -> Float[Tensor, " *B"]:
    return _reduce(values.sum(1) / max(values.shape[1], 1) + _zero(vertices), reduction)


def _zero(vertices: Float[Tensor, "B V 3"]) -> Float[Tensor, " B"]:
    """Zeros that hang on the vertices, so that a loss over nothing still has a gradient (of zero)."""
    return 0.0 * vertices.flatten(1).sum(1)


def _reduce(per_item: Float[Tensor, " B"], reduction: Reduction) -> Float[Tensor, " *B"]:
    if reduction == "none":
        return per_item
    if reduction == "mean":
        return per_item.sum() / max(len(per_item), 1)
    raise ArgumentError(f"reduction must be 'mean' or 'none', not {reduction!r}")


def _broadcast(
    reference: Float[Tensor, "*B V 3"], vertices: Float[Tensor, "B V 3"], topology: MeshTopology
) -> Float[Tensor, "B V 3"]:
    try:
        fixed = reference.detach().to(vertices).expand_as(vertices)
    except RuntimeError:
        raise ArgumentError(f"the reference mesh does not fit the vertices: {_shapes(reference, vertices)}") from None
    _check_mesh(fixed, topology)
    return fixed


def _check_mesh(vertices: Float[Tensor, "B V 3"], topology: MeshTopology) -> None:
    if vertices.ndim != 3 or vertices.shape[2] != 3:
        raise ArgumentError(f"vertices must have the shape (B, V, 3), not {tuple(vertices.shape)}")
    if topology.highest_vertex >= vertices.shape[1]:
        raise ArgumentError(
            f"triangles name vertex {topology.highest_vertex}, but the mesh has {vertices.shape[1]} vertices"
        )
    _check_finite("vertices", vertices)


def _check_pair(name: str, predicted: Tensor, target: Tensor) -> None:
    if predicted.ndim != 4 or predicted.shape[1] != 1 or target.shape != predicted.shape:
        raise ArgumentError(f"{name} must both be (B, 1, H, W), not {_shapes(predicted, target)}")
    _check_finite(name, predicted, target)


def _check_finite(name: str, *tensors: Tensor) -> None:
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise ArgumentError(f"{name} hold NaN or infinity")


def _shapes(*tensors: Tensor) -> str:
    return " and ".join(str(tuple(tensor.shape)) for tensor in tensors)

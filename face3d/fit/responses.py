"""Which response a detector has on a head: the measured one where there is one, else plain noise on matching points."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from face3d import assets
from face3d.errors import ArgumentError
from face3d.fit.evidence import DetectorResponse, load_response, plain_response
from face3d.landmarks.mediapipe_topology import IBUG_68_FROM_478

if TYPE_CHECKING:
    from face3d.head import HeadModel

CONTOUR = 17
"""The first points of the 68-point markup lie on the outline; MediaPipe's oval, fixed to the skin, does not."""

CONTOUR_DOUBT = 2.0
"""Factor on the standard deviation of outline points: the markup says that they lie on the outline, hardly where."""

CONTOUR_YAWS = np.deg2rad(np.arange(-50.0, 51.0, 5.0))
"""Where the sliding of the outline over the skin is sampled, radians; the range in which a response's bias is used."""


def identity_fingerprint(model: HeadModel) -> int:
    """A number that tells one identity basis from another: a response belongs to the basis it was measured with."""
    return zlib.crc32(np.ascontiguousarray(model.identity_basis.detach().cpu().float().numpy()).tobytes())


@lru_cache(maxsize=4)
def response_of(model: HeadModel, topology: str) -> DetectorResponse:
    """The response of the detector that makes `topology` landmarks, on `model`.

    Raises:
        ArgumentError: the model has no point set that such landmarks can be compared with.
    """
    if topology in model.point_sets:
        measured = _measured(assets.open_head_path().with_name(f"{topology.split('_')[0]}_response.npz"))
        if measured is not None and measured.fingerprint == identity_fingerprint(model):
            return measured
        if model.point_sets[topology].contour_triangles is not None:
            return _contour_response(model, topology)
        return plain_response(model, topology)
    if topology == "mediapipe_478":
        if (points := model.point_sets.get("mediapipe_105")) is not None and points.labels:
            return plain_response(model, "mediapipe_105", np.array([int(label) for label in points.labels]))
        inner = np.array(IBUG_68_FROM_478[CONTOUR:])
    elif topology in ("ibug_68", "ibug_68_fixed"):
        inner = np.arange(CONTOUR, 68)
    else:
        inner = np.arange(0)
    for name in ("ibug_51", "ibug_68", "ibug_68_fixed"):
        if name in model.point_sets and len(inner):
            return plain_response(model, name, inner, last=len(inner))
    raise ArgumentError(
        f"head {model.name!r} has no points for {topology} landmarks (it has: "
        f"{', '.join(sorted(model.point_sets)) or 'none'}); give its landmark embedding, as with "
        "`face3d.load_head('flame', landmarks=PATH)`"
    )


@lru_cache(maxsize=2)
def _measured(path: Path) -> DetectorResponse | None:
    return load_response(path) if path.is_file() else None


def _contour_response(model: HeadModel, name: str) -> DetectorResponse:
    """A plain response for a set whose outline slides over the skin: the sliding becomes a bias that depends on yaw.

    The fit holds surface points fixed. How far the outline lies from them, seen in the image, is what the model's own
    contour says of the mean head at each yaw; a parabola in yaw carries most of it, and what it leaves is noise.
    """
    plain = plain_response(model, name)
    size = model.point_sets[name].contour_triangles.shape[1]  # type: ignore[union-attr]
    slides = np.stack([_outline_slide(model, name, yaw)[:size] for yaw in CONTOUR_YAWS])
    # In a response yaw is the camera's, seen from the head, which is opposite to the head's own.
    yaws = -CONTOUR_YAWS
    terms = np.stack([np.ones_like(yaws), yaws, yaws**2], axis=1)
    coefficients, *_ = np.linalg.lstsq(terms, slides.reshape(len(yaws), -1), rcond=None)
    left = slides - (terms @ coefficients).reshape(slides.shape)
    view_bias = plain.view_bias.copy()
    view_bias[:size, :2, [0, 1, 3]] = coefficients.reshape(3, size, 2).transpose(1, 2, 0)
    sigma = np.repeat(plain.sigma, len(yaws), axis=0)
    sigma[:, :size, :2] = np.hypot(CONTOUR_DOUBT * sigma[:, :size, :2], left)
    order = np.argsort(yaws)
    return replace(plain, view_bias=view_bias, yaw_bins=yaws[order], sigma=sigma[order], outline=size)


def _outline_slide(model: HeadModel, name: str, yaw: float) -> Float[np.ndarray, "N 2"]:
    """Image offset in metres, of the mean head turned by `yaw`, from each point fixed to the skin to the set's own."""
    import torch

    turn = Rotation.from_rotvec([0.0, yaw, 0.0]).as_matrix()
    camera_from_head = np.eye(4)
    camera_from_head[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ turn
    geometry = model()
    seen = model.points(name, geometry, camera_from_head=torch.as_tensor(camera_from_head)[None].to(geometry.vertices))
    slide = (seen - model.points(f"{name}_fixed", geometry))[0].detach().cpu().numpy().astype(np.float64)
    return slide @ camera_from_head[:2, :3].T

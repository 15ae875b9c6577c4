"""Which response a detector has on a head: the measured one where there is one, else plain noise on matching points."""

from __future__ import annotations

import zlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from face3d import assets
from face3d.errors import ArgumentError
from face3d.fit.evidence import DetectorResponse, load_response, plain_response
from face3d.landmarks.mediapipe_topology import IBUG_68_FROM_478

if TYPE_CHECKING:
    from face3d.head import HeadModel

CONTOUR = 17
"""The first points of the 68-point markup lie on the outline; MediaPipe's oval, fixed to the skin, does not."""


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
        return plain_response(model, topology)
    if topology == "mediapipe_478":
        if (points := model.point_sets.get("mediapipe_105")) is not None and points.labels:
            return plain_response(model, "mediapipe_105", np.array([int(label) for label in points.labels]))
        numbers = np.array(IBUG_68_FROM_478[CONTOUR:])
        for name in ("ibug_51", "ibug_68", "ibug_68_fixed"):
            if name in model.point_sets:
                return plain_response(model, name, numbers, last=len(numbers))
    raise ArgumentError(
        f"head {model.name!r} has no points for {topology} landmarks (it has: "
        f"{', '.join(sorted(model.point_sets)) or 'none'}); give its landmark embedding, as with "
        "`face3d.load_head('flame', landmarks=PATH)`"
    )


@lru_cache(maxsize=2)
def _measured(path: Path) -> DetectorResponse | None:
    return load_response(path) if path.is_file() else None

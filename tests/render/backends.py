"""The rasteriser's backends as test parameters; PyTorch3D is left out, with the reason, only where it cannot load."""

from __future__ import annotations

import pytest

from face3d.errors import DependencyError
from face3d.render.rasterize_pytorch3d import load_pytorch3d


def _why_not() -> str:
    try:
        load_pytorch3d()
    except DependencyError as error:
        return str(error)
    return ""


REASON = _why_not()
needs_pytorch3d = pytest.mark.skipif(bool(REASON), reason=REASON)
BACKENDS = ["numba", pytest.param("pytorch3d", marks=needs_pytorch3d)]

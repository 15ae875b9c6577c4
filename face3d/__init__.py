"""face3d turns photos and talking-head videos of a person into a metric, animatable 3D head.

Lengths are metres, the head frame is FLAME's (+x the subject's left, +y up, +z out of the face), the camera frame is
OpenCV's, pixels count from the top-left corner of the top-left pixel.

The names below are loaded when first used, so that `import face3d` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from face3d.errors import Face3DError

if TYPE_CHECKING:
    from face3d.head import HeadModel, load_head

__version__ = "0.1.0"

_HOME_OF = {
    "HeadModel": "face3d.head",
    "load_head": "face3d.head",
}

__all__ = ["Face3DError", "HeadModel", "__version__", "load_head"]


def __getattr__(name: str) -> Any:
    """Import a public name from the room it lives in (PEP 562)."""
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'face3d' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

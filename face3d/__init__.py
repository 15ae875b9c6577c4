"""face3d turns photos and talking-head videos of a person into a metric, animatable 3D head.

Lengths are metres, the head frame is FLAME's (+x the subject's left, +y up, +z out of the face), the camera frame is
OpenCV's, pixels count from the top-left corner of the top-left pixel.

The names below are loaded when first used, so that `import face3d` costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from face3d.errors import Face3DError

if TYPE_CHECKING:
    from face3d.align import align
    from face3d.failures import Failure
    from face3d.head import HeadGeometry, HeadModel, load_head
    from face3d.landmarks import FaceLandmarks
    from face3d.media import Photo
    from face3d.reconstruct import reconstruct
    from face3d.reconstruction import Reconstruction
    from face3d.track import track
    from face3d.track_result import Track

__version__ = "0.1.0"

_HOME_OF = {
    "FaceLandmarks": "face3d.landmarks",
    "Failure": "face3d.failures",
    "HeadGeometry": "face3d.head",
    "HeadModel": "face3d.head",
    "Photo": "face3d.media",
    "Reconstruction": "face3d.reconstruction",
    "Track": "face3d.track_result",
    "align": "face3d.align",
    "load_head": "face3d.head",
    "reconstruct": "face3d.reconstruct",
    "track": "face3d.track",
}

__all__ = [
    "Face3DError",
    "FaceLandmarks",
    "Failure",
    "HeadGeometry",
    "HeadModel",
    "Photo",
    "Reconstruction",
    "Track",
    "__version__",
    "align",
    "load_head",
    "reconstruct",
    "track",
]


class _Package(ModuleType):
    """Keeps `face3d.reconstruct` the function: importing its module would put the module in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Import a public name from the room it lives in (PEP 562)."""
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'face3d' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""What a video's container says of the camera that took it."""

from __future__ import annotations

import math
from pathlib import Path

__all__ = ["video_focal_35mm"]

_KEYS = ("com.apple.quicktime.camera.focal_length.35mm_equivalent",)
"""QuickTime metadata keys that phones write a 35 mm-equivalent focal length under, whole millimetres."""


def video_focal_35mm(path: Path) -> float | None:
    """The 35 mm-equivalent focal length of a video file in millimetres; None where it does not tell, as most do not."""
    import av

    try:
        with av.open(str(path)) as container:
            written = [container.metadata, *(stream.metadata for stream in container.streams)]
    except (av.FFmpegError, OSError, ValueError):
        return None
    for key in _KEYS:
        for metadata in written:
            try:
                focal = float(metadata.get(key, "nan"))
            except ValueError:
                continue
            if math.isfinite(focal) and focal > 0:
                return focal
    return None

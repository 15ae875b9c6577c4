"""When each frame of a video file is shown, told by its packets without decoding one."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from jaxtyping import Float

__all__ = ["MATCHING", "frame_times"]

MATCHING = 1e-4
"""Seconds by which two accounts of a frame's time may differ."""


def frame_times(path: Path) -> Float[np.ndarray, " N"] | None:
    """Seconds of all frames since the first, in order; some 20 microseconds a frame.

    Of a damaged file some of them may never be seen. None where packets tell no times, or two the same.
    """
    try:
        with av.open(str(path)) as container:
            stream = container.streams.best("video")
            if stream is None or stream.time_base is None:
                return None
            packets = (packet for packet in container.demux(stream) if packet.size and not packet.is_discard)
            stamps = [packet.pts for packet in packets]
            unit = float(stream.time_base)
    except (av.FFmpegError, OSError, ValueError):
        return None
    if len(stamps) < 2 or any(stamp is None for stamp in stamps):
        return None
    times = np.sort(np.array(stamps, dtype=np.float64)) * unit
    return times - times[0] if (np.diff(times) > 2 * MATCHING).all() else None

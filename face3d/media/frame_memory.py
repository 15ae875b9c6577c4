"""Memory for one picture after the other, used again once nobody looks at the one before."""

from __future__ import annotations

import math
import weakref
from collections import deque

import numpy as np
from jaxtyping import UInt8

__all__ = ["FrameMemory"]


class FrameMemory:
    """Gives arrays whose memory comes back by itself when they and all views of them are gone.

    To get memory from the system takes longer than to fill it: of each frame of a video it was up to 4 ms in 720p, more
    than to decode it. There are never more arrays than were in use at once.
    """

    def __init__(self) -> None:
        self._free: deque[bytearray] = deque()

    def array(self, shape: tuple[int, ...]) -> UInt8[np.ndarray, "*S"]:
        """A writable, contiguous array of arbitrary content."""
        size = math.prod(shape)
        memory = self._free.pop() if self._free else bytearray(size)
        if len(memory) != size:
            self._free.clear()
            memory = bytearray(size)
        # Views of it are views of this array, as NumPy passes over no owner that is not an array.
        array = np.frombuffer(memory, dtype=np.uint8)
        weakref.finalize(array, self._free.append, memory).atexit = False
        return array.reshape(shape)

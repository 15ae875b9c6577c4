"""Long clips in overlapping chunks, as SPECTRE's demo and evaluation cut them."""

from __future__ import annotations

from dataclasses import dataclass

from face3d.errors import ArgumentError, InputError

__all__ = ["CONTEXT", "Chunk", "chunk_plan"]

CONTEXT = 2
"""Frames on either side that a frame's values depend on: the temporal convolution is five wide."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of frames that goes through the network at once; ends are one past the last frame, as Python's are.

    Attributes:
        start, end: the frames that go in.
        keep_start, keep_end: those whose results are kept.
    """

    start: int
    end: int
    keep_start: int
    keep_end: int


def chunk_plan(n_frames: int, length: int = 50, overlap: int = 4) -> list[Chunk]:
    """Chunks that cover a clip; what they keep is every frame once, in order.

    Where two chunks meet, each gives up half of the overlap, which covers a frame's context when the overlap is 4 or
    more: every frame's result is then what the whole clip in one piece would give. A last chunk that the one before
    covers is left out, which with SPECTRE's numbers is its rule that a rest of fewer than five frames is merged.

    Args:
        n_frames: of the clip.
        length: frames per chunk.
        overlap: frames that neighbours share; SPECTRE's stride is length - overlap.

    Raises:
        InputError: the clip is shorter than five frames, the width of the temporal convolution.
        ArgumentError: the overlap is odd or too small for a frame's context, or the length leaves no stride.
    """
    if overlap % 2 or overlap < 2 * CONTEXT or length <= overlap:
        raise ArgumentError(
            f"chunks of {length} frames that share {overlap} cannot be made: the overlap is even, {2 * CONTEXT} or "
            "more, and less than the length"
        )
    if n_frames <= 2 * CONTEXT:
        raise InputError(
            f"a clip of {n_frames} frames is too short: SPECTRE looks at {2 * CONTEXT + 1} at a time; "
            "repeat its first and last frame twice, as SPECTRE's demo does"
        )
    starts = range(0, max(n_frames - overlap, 1), length - overlap)
    return [
        Chunk(
            start=start,
            end=min(start + length, n_frames),
            keep_start=start + (overlap // 2 if start else 0),
            keep_end=n_frames if start == starts[-1] else start + length - overlap // 2,
        )
        for start in starts
    ]

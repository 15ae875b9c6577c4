"""A second reading of a clip: the pictures of the frames in which a person is, for stages that look at pixels.

Pictures are not kept, so that such a stage reads the video again: once from its first frame that is wanted to its last,
in order, holding a few frames at a time. Frames are dealt out in chunks, each of which is stored when it is done; a
run that goes on begins to read where the first chunk misses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int

from face3d.errors import InputError
from face3d.expression.chunks import Chunk
from face3d.expression.mouth_crops import fill_missing
from face3d.landmarks.topologies import convert_points
from face3d.media.video import VideoFrame
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.person_clip import PersonClip
from face3d.tracking.stored_faces import PersonTimeline, StoredFaces

__all__ = ["by_chunks", "chunks_of", "in_chunks", "pictures", "places_in", "points_68", "stretches"]

Seen = TypeVar("Seen")

ROWS_AT_ONCE = 512
"""Frames whose landmarks are in memory together."""


def pictures(
    part: ClipPart, timeline: PersonTimeline, places: Iterable[int]
) -> Generator[tuple[VideoFrame, int], None, None]:
    """Read frames of a person's timeline again, as they come: each, with its place in the timeline.

    Close the generator, or use it up: the video is open in between.

    Args:
        part: the clip.
        timeline: the person's.
        places: in it, increasing.

    Raises:
        InputError: a frame is not there any more.
    """
    wanted = deque(places)
    if not wanted:
        return
    with part.open(start=float(timeline.times[wanted[0]])) as video:
        for frame in video:
            if frame.index < timeline.frames[wanted[0]]:
                continue
            if frame.index > timeline.frames[wanted[0]]:
                break
            yield frame, wanted.popleft()
            if not wanted:
                return
    raise InputError(
        f"{part.source}: frame {timeline.frames[wanted[0]]} is not there when the video is read again; "
        "do not change it while it is tracked"
    )


def stretches(timeline: PersonTimeline, frames: Int[np.ndarray, " F"]) -> list[range]:
    """Places of a timeline between which no frame of the clip lacks and no shot begins.

    Args:
        timeline: of a person.
        frames: numbers of all of the clip's frames, `StoredFaces.frames`.
    """
    steps = np.searchsorted(frames, timeline.frames)
    cuts = np.flatnonzero((np.diff(steps) != 1) | (np.diff(timeline.shots) != 0)) + 1
    ends = [0, *cuts.tolist(), len(steps)]
    return [range(first, last) for first, last in pairwise(ends)]


def chunks_of(runs: Sequence[range], length: int, context: int) -> list[Chunk]:
    """Stretches in chunks of a fixed length, which look at `context` frames before and after, within their stretch."""
    return [
        Chunk(
            start=max(run.start, first - context),
            end=min(run.stop, first + length + context),
            keep_start=first,
            keep_end=min(run.stop, first + length),
        )
        for run in runs
        for first in range(run.start, run.stop, length)
    ]


def in_chunks(seen: Iterator[tuple[Seen, int]], chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, list[Seen]]]:
    """What is seen in the frames of each chunk, holding no more than one chunk.

    Args:
        seen: at each place that is in a chunk, in order.
        chunks: in order; neighbours may share frames.
    """
    window: deque[tuple[Seen, int]] = deque()
    for chunk in chunks:
        while window and window[0][1] < chunk.start:
            window.popleft()
        while not window or window[-1][1] < chunk.end - 1:
            window.append(next(seen))
        yield chunk, [item for item, _ in window]


def by_chunks(
    person: PersonClip,
    stage: str,
    chunks: Sequence[Chunk],
    keys: Sequence[str],
    *,
    see: Callable[[Sequence[int]], Iterator[tuple[Seen, int]]],
    make: Callable[[Chunk, Sequence[Seen]], dict[str, np.ndarray]],
    take: Callable[[Chunk, dict[str, np.ndarray]], None],
    advance: Callable[[int], None],
) -> None:
    """Go through a stage's chunks: those that an earlier run has kept first, then the others, reading the clip once.

    Args:
        person: whom the chunks are about.
        stage: for the names of what is kept.
        chunks: in order.
        keys: of the arrays of each.
        see: what is seen at the places given, each with its place; read only as chunks need it.
        make: of a chunk, what is kept of it.
        take: gets every chunk's arrays.
        advance: called with the number of frames done, chunk by chunk.
    """
    missing = []
    for chunk in chunks:
        arrays = person.work.arrays(person.name(stage, chunk.keep_start), *keys)
        if arrays is None:
            missing.append(chunk)
        else:
            take(chunk, arrays)
            advance(chunk.keep_end - chunk.keep_start)
    if not missing:
        return
    for chunk, seen in in_chunks(see(places_in(missing)), missing):
        arrays = make(chunk, seen)
        person.work.keep(person.name(stage, chunk.keep_start), arrays)
        take(chunk, arrays)
        advance(chunk.keep_end - chunk.keep_start)


def places_in(chunks: Sequence[Chunk]) -> list[int]:
    """Places that are in any of the chunks, once each, in order."""
    return sorted({place for chunk in chunks for place in range(chunk.start, chunk.end)})


def points_68(stored: StoredFaces, timeline: PersonTimeline, runs: Sequence[range]) -> Float[np.ndarray, "T 68 2"]:
    """The 68 landmarks of every frame, pixels; where the face is not seen, what lies between those before and after.

    As SPECTRE does it, linear in time, here within each of the `runs`. Single precision, half a kilobyte a frame.

    Raises:
        ArgumentError: the clip's landmarks have no way to those 68.
    """
    topology = stored.face(int(timeline.rows[timeline.valid][0]))[0].topology
    points = np.full((len(timeline.rows), 68, 2), np.nan, dtype=np.float32)
    for first in range(0, len(points), ROWS_AT_ONCE):
        rows = stored.part(timeline, first, first + ROWS_AT_ONCE).points[..., :2]
        # Frames side by side are columns of one set of points.
        columns = rows.transpose(1, 0, 2).reshape(rows.shape[1], -1)
        if topology != "ibug_68_fixed":
            columns = convert_points(columns, topology, "ibug_68")
        points[first : first + len(rows)] = columns.reshape(68, -1, 2).transpose(1, 0, 2)
    points[~timeline.valid] = np.nan
    for run in runs:
        # A timeline begins and ends with a sighting, and so does each of its stretches.
        part = slice(run.start, run.stop)
        points[part] = fill_missing(points[part])
    return points

"""The stage "pictures and faces -> expressions", by SPECTRE's networks: what a face does in every frame of a person.

SPECTRE says more than is taken here. Its shape is DECA's, learnt from pictures without a scale and different in every
frame: the clip's one metric head stands in its place. Its camera is a weak-perspective one of each crop: where the head
is, in metres, the landmark fit says, which holds expression and jaw (`face3d.fit.known_expression`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Float, Float32

from face3d.expression.chunks import CONTEXT, Chunk
from face3d.expression.spectre import EXPRESSION, JAW, Spectre, estimate_clip
from face3d.fit.known_expression import KnownExpression
from face3d.landmarks.crops_published import Square, square_crop
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.clip_pictures import by_chunks, chunks_of, pictures, points_68, stretches
from face3d.tracking.person_clip import PersonClip
from face3d.tracking.stored_faces import PersonTimeline

__all__ = ["foretell_expressions"]

CHUNK = 96
"""Frames whose crops, 0.6 MB each, are in memory together, and which a killed run loses."""


def foretell_expressions(
    person: PersonClip,
    spectre: Spectre,
    *,
    advance: Callable[[int], None],
    chunk: int = CHUNK,
) -> KnownExpression:
    """Show SPECTRE every frame of a person, or the rest of them where an earlier run has begun.

    Each stretch without a cut is a clip of its own, however short: beyond its ends stand copies of its first and last
    frames, as in SPECTRE's demo. In a frame in which the face was not found, the crop is where it lies between those
    before and after, as with SPECTRE; what the networks say of such a frame means nothing.

    Args:
        person: whom; the clip is read again.
        spectre: the networks.
        advance: called with the number of frames done, chunk by chunk.
        chunk: frames that are kept together.

    Returns:
        The first 50 of FLAME's expression components and the jaw, of every frame of the timeline.

    Raises:
        InputError: the video is not what it was.
    """
    timeline = person.timeline
    runs = stretches(timeline, person.stored.frames)
    expression, jaw = np.zeros((len(timeline.rows), EXPRESSION)), np.zeros((len(timeline.rows), JAW))

    def see(places: Sequence[int]) -> Iterator[tuple[Float32[np.ndarray, "224 224 3"], int]]:
        return spectre_crops(person.part, timeline, points_68(person.stored, timeline, runs), places)

    def make(one: Chunk, seen: Sequence[Float32[np.ndarray, "224 224 3"]]) -> dict[str, np.ndarray]:
        estimate = estimate_clip(spectre, seen, len(seen))
        inside = slice(one.keep_start - one.start, one.keep_end - one.start)
        found = {"expression": estimate.expression[inside].numpy(), "jaw": estimate.jaw[inside].numpy()}
        return {name: values.astype(np.float64) for name, values in found.items()}

    def take(one: Chunk, arrays: dict[str, np.ndarray]) -> None:
        kept = slice(one.keep_start, one.keep_end)
        expression[kept], jaw[kept] = arrays["expression"], arrays["jaw"]

    chunks = chunks_of(runs, chunk, CONTEXT)
    by_chunks(person, "spectre", chunks, ("expression", "jaw"), see=see, make=make, take=take, advance=advance)
    return KnownExpression(expression, jaw)


def spectre_crops(
    part: ClipPart, timeline: PersonTimeline, points: Float[np.ndarray, "T 68 2"], places: Sequence[int]
) -> Iterator[tuple[Float32[np.ndarray, "224 224 3"], int]]:
    """Crops of frames read again, each with its place in the timeline.

    Args:
        part: the clip.
        timeline: the person's.
        points: the 68 landmarks of every place.
        places: which are wanted.
    """
    for frame, place in pictures(part, timeline, places):
        yield square_crop(frame.pixels, Square.around(points[place], "spectre")).pixels, place

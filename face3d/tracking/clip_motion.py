"""The stage "head and faces -> motion": what a person's head does in every frame, in chunks that go on exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from face3d.fit.known_expression import KnownExpression
from face3d.fit.motion import Motion, MotionFitter, MotionState
from face3d.fit.motion_pixels import FilmedFrames
from face3d.tracking.person_clip import PersonClip
from face3d.tracking.stored_faces import PersonTimeline

__all__ = ["ClipMotion", "fit_motion", "fit_stretch", "in_turn", "of_person", "stretch_end"]

CHUNK = 256
"""Frames that are solved together, beside those after them that have a say."""

PERSON_FRAMES = 32
"""Frames, evenly over the clip, by which a person's eyes are placed in the head and the level of expressions told."""

_STATE = "state_"


@dataclass(frozen=True, slots=True, eq=False)
class ClipMotion:
    """All T frames of a person, as `Motion` tells them."""

    expression: Float[np.ndarray, "T E"]
    jaw: Float[np.ndarray, "T 3"]
    neck: Float[np.ndarray, "T 3"]
    eyes: Float[np.ndarray, "T 6"]
    camera_from_head: Float[np.ndarray, "T 4 4"]
    residual: Float[np.ndarray, " T"]
    quality: Float[np.ndarray, " T"]
    valid: Bool[np.ndarray, " T"]
    lips_closed: Bool[np.ndarray, " T"]
    labiodental: Bool[np.ndarray, " T"]


def fit_motion(
    person: PersonClip,
    fitter: MotionFitter,
    *,
    known: KnownExpression | None = None,
    advance: Callable[[int], None],
    chunk: int = CHUNK,
) -> ClipMotion:
    """Fit every frame of a person, or the rest of them where an earlier run has begun.

    Args:
        person: whom.
        fitter: of the person's head and the clip's camera.
        known: expression and jaw of every frame where something else than the landmarks tells them.
        advance: called with the number of frames done, chunk by chunk.
        chunk: frames that are solved together.
    """

    def fit(first: int, last: int, state: MotionState | None) -> Motion:
        end = stretch_end(person.timeline, last, fitter.lookahead)
        return fit_stretch(person, fitter, slice(first, end), state, keep=last - first, known=known)

    return in_turn(person, "motion", chunk, fit, advance=advance)


def in_turn(
    person: PersonClip,
    stage: str,
    chunk: int,
    fit: Callable[[int, int, MotionState | None], Motion],
    *,
    advance: Callable[[int], None],
) -> ClipMotion:
    """Chunks of frames, each fitted from where the one before it ended, or read where an earlier run has kept them.

    Args:
        person: whom the frames show.
        stage: for the names of what is kept.
        chunk: frames in each.
        fit: of the frames from the first to before the second number, given what those before have left.
        advance: called with the number of frames done, chunk by chunk.
    """
    state: MotionState | None = None
    chunks = []
    count = len(person.timeline.rows)
    for first in range(0, count, chunk):
        last = min(first + chunk, count)
        name = person.name(stage, first // chunk)
        arrays = person.work.arrays(name)
        if arrays is None:
            motion = fit(first, last, state)
            arrays = {field.name: getattr(motion, field.name) for field in fields(ClipMotion)}
            kept = {_STATE + field.name: getattr(motion.state, field.name) for field in fields(MotionState)}
            person.work.keep(name, arrays | {key: np.asarray(value) for key, value in kept.items()})
            state = motion.state
        else:
            state = _state_of(arrays)
        chunks.append({field.name: arrays[field.name] for field in fields(ClipMotion)})
        advance(last - first)
    return ClipMotion(
        **{field.name: np.concatenate([arrays[field.name] for arrays in chunks]) for field in fields(ClipMotion)}
    )


def stretch_end(timeline: PersonTimeline, last: int, lookahead: float) -> int:
    """Before which place the frames end that have a say in those before `last`; `lookahead` is seconds."""
    return max(last, int(np.searchsorted(timeline.times, timeline.times[last - 1] + lookahead, side="right")))


def of_person(person: PersonClip, fitter: MotionFitter) -> MotionFitter:
    """The fitter with what frames from all over the clip say of the person; see `MotionFitter.of_person`."""
    stored, timeline = person.stored, person.timeline
    places = np.flatnonzero(timeline.valid)
    places = places[np.linspace(0, len(places) - 1, min(PERSON_FRAMES, len(places))).astype(int)]
    parts = [stored.part(timeline, int(place), int(place) + 1) for place in places]
    irises = [part.irises for part in parts if part.irises is not None]
    if not parts:
        return fitter
    return fitter.of_person(
        np.concatenate([part.points for part in parts]),
        curves=np.concatenate([part.curves for part in parts]) if parts[0].curves.shape[1] else None,
        irises=np.concatenate(irises) if len(irises) == len(parts) else None,
        confidence=np.concatenate([part.confidence for part in parts]),
    )


def fit_stretch(
    person: PersonClip,
    fitter: MotionFitter,
    part: slice,
    state: MotionState | None,
    *,
    keep: int,
    known: KnownExpression | None = None,
    filmed: FilmedFrames | None = None,
) -> Motion:
    """Fit the frames of a part of a timeline to their stored faces; see `MotionFitter.fit`.

    Args:
        person: whom.
        fitter: of the person's head and the clip's camera.
        part: places in the timeline.
        state: what the frames before have left.
        keep: so many frames are wanted.
        known: of the whole timeline.
        filmed: of the part.
    """
    timeline = person.timeline
    rows = person.stored.part(timeline, part.start, part.stop)
    return fitter.fit(
        timeline.times[part],
        rows.points,
        curves=rows.curves if rows.curves.shape[1] else None,
        valid=timeline.valid[part],
        shots=timeline.shots[part],
        confidence=rows.confidence,
        known=None if known is None else known[part],
        filmed=filmed,
        lips=rows.lips,
        irises=rows.irises,
        start=state,
        keep=keep,
    )


def _state_of(arrays: dict[str, np.ndarray]) -> MotionState:
    values: dict[str, Any] = {field.name: arrays[_STATE + field.name] for field in fields(MotionState)}
    return MotionState(**{name: value if value.ndim else value.item() for name, value in values.items()})

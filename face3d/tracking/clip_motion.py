"""The stage "head and faces -> motion": what a person's head does in every frame, in chunks that go on exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from face3d.fit.motion import Motion, MotionFitter, MotionState
from face3d.tracking.stored_faces import PersonTimeline, StoredFaces
from face3d.tracking.work_folder import WorkFolder

__all__ = ["ClipMotion", "fit_motion"]

CHUNK = 256
"""Frames that are solved together, beside those after them that have a say."""

EYE_FRAMES = 32
"""Frames, evenly over the clip, by which a person's eyes are placed in the head."""

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


def fit_motion(
    work: WorkFolder,
    stored: StoredFaces,
    timeline: PersonTimeline,
    number: int,
    fitter: MotionFitter,
    *,
    advance: Callable[[int], None],
    chunk: int = CHUNK,
) -> ClipMotion:
    """Fit every frame of a person, or the rest of them where an earlier run has begun.

    Args:
        work: keeps each chunk.
        stored: the clip's faces.
        timeline: in which frames the person is.
        number: of the person, for the names of what is kept.
        fitter: of the person's head and the clip's camera.
        advance: called with the number of frames done, chunk by chunk.
        chunk: frames that are solved together.
    """
    state: MotionState | None = None
    fitter = _with_eyes(stored, timeline, fitter)
    chunks = []
    for first in range(0, len(timeline.rows), chunk):
        last = min(first + chunk, len(timeline.rows))
        name = f"motion_{number:06d}_{first // chunk:06d}"
        arrays = work.arrays(name)
        if arrays is None:
            motion = _fit_chunk(stored, timeline, fitter, first, last, state)
            arrays = {field.name: getattr(motion, field.name) for field in fields(ClipMotion)}
            kept = {_STATE + field.name: getattr(motion.state, field.name) for field in fields(MotionState)}
            work.keep(name, arrays | {key: np.asarray(value) for key, value in kept.items()})
            state = motion.state
        else:
            state = _state_of(arrays)
        chunks.append({field.name: arrays[field.name] for field in fields(ClipMotion)})
        advance(last - first)
    return ClipMotion(
        **{field.name: np.concatenate([arrays[field.name] for arrays in chunks]) for field in fields(ClipMotion)}
    )


def _with_eyes(stored: StoredFaces, timeline: PersonTimeline, fitter: MotionFitter) -> MotionFitter:
    """The fitter with the person's eyes where their irises say, by frames from all over the clip."""
    places = np.flatnonzero(timeline.valid)
    places = places[np.linspace(0, len(places) - 1, min(EYE_FRAMES, len(places))).astype(int)]
    parts = [stored.part(timeline, int(place), int(place) + 1) for place in places]
    irises = [part.irises for part in parts if part.irises is not None]
    if len(irises) < len(parts) or not parts:
        return fitter
    return fitter.with_eyes_of(
        np.concatenate([part.points for part in parts]),
        np.concatenate(irises),
        curves=np.concatenate([part.curves for part in parts]) if parts[0].curves.shape[1] else None,
        confidence=np.concatenate([part.confidence for part in parts]),
    )


def _fit_chunk(
    stored: StoredFaces,
    timeline: PersonTimeline,
    fitter: MotionFitter,
    first: int,
    last: int,
    state: MotionState | None,
) -> Motion:
    end = int(np.searchsorted(timeline.times, timeline.times[last - 1] + fitter.lookahead, side="right"))
    part = slice(first, max(last, end))
    rows = stored.part(timeline, part.start, part.stop)
    return fitter.fit(
        timeline.times[part],
        rows.points,
        curves=rows.curves if rows.curves.shape[1] else None,
        valid=timeline.valid[part],
        shots=timeline.shots[part],
        confidence=rows.confidence,
        irises=rows.irises,
        start=state,
        keep=last - first,
    )


def _state_of(arrays: dict[str, np.ndarray]) -> MotionState:
    values: dict[str, Any] = {field.name: arrays[_STATE + field.name] for field in fields(MotionState)}
    return MotionState(**{name: value if value.ndim else value.item() for name, value in values.items()})

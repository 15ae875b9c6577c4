"""The stage "motion and pictures -> lips that say the same", chunk by chunk, by a network that reads lips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from face3d.camera import Intrinsics
from face3d.expression.chunks import Chunk
from face3d.expression.coarse_encoder import CROP_SIZE
from face3d.expression.mouth_crops import MOUTH_INPUT, MOUTH_WINDOW, mouth_crops, mouth_windows
from face3d.fit.lip_contacts import lip_contacts
from face3d.fit.visual_lips import MouthClip, VisualLips
from face3d.head import HeadModel
from face3d.landmarks.crops_published import Crop, Square, square_crop
from face3d.tracking.clip_greys import clip_greys
from face3d.tracking.clip_motion import ClipMotion
from face3d.tracking.clip_pictures import by_chunks, chunks_of, pictures, points_68, stretches
from face3d.tracking.person_clip import PersonClip
from face3d.tracking.stored_faces import PersonTimeline, StoredFaces

__all__ = ["LipLosses", "refine_lips"]

CHUNK = 32
"""Frames that are moved together: about 0.5 GB of the network's memory of them."""

CONTEXT = 4
"""Frames before, which are done, and after, which are looked at, that a chunk sees; the network sees two."""

MOUTH = slice(48, 68)
"""Of the 68 landmarks."""


@dataclass(frozen=True, slots=True, eq=False)
class LipLosses:
    """1 less the cosine of rendered and filmed mouth in every frame, (T,), before and after; NaN where none is told."""

    before: Float[np.ndarray, " T"]
    after: Float[np.ndarray, " T"]


def refine_lips(
    person: PersonClip,
    motion: ClipMotion,
    front_end: nn.Module,
    *,
    model: HeadModel,
    identity: Float[np.ndarray, " I"],
    intrinsics: Intrinsics,
    advance: Callable[[int], None],
    chunk: int = CHUNK,
) -> tuple[ClipMotion, LipLosses]:
    """Move a person's mouth until the network sees the film in it, or go on where an earlier run was stopped.

    Frames without the face, and those whose mouth lies beyond the picture's edge, say nothing and go with those around
    them.

    Args:
        person: whose; the clip is read again: some frames for the head's greys, then all.
        motion: of the person so far.
        front_end: of a network that reads lips.
        model: the head.
        identity: of the person.
        intrinsics: of the clip.
        advance: called with the number of frames done, chunk by chunk.
        chunk: frames that are moved together.

    Raises:
        InputError: the video is not what it was.
    """
    stored, timeline = person.stored, person.timeline
    runs = stretches(timeline, stored.frames)
    points = points_68(stored, timeline, runs)
    greys = clip_greys(person, motion, points, model=model, identity=identity, intrinsics=intrinsics)
    lips = VisualLips(
        model,
        identity,
        intrinsics,
        front_end,
        greys=greys.greys,
        hollow=greys.hollow,
        topology=stored.face(int(timeline.rows[timeline.valid][0]))[0].topology,
    )
    result = replace(motion, **{name: getattr(motion, name).copy() for name in ("expression", "jaw", "residual")})
    losses = LipLosses(np.full(len(points), np.nan), np.full(len(points), np.nan))

    def see(places: Sequence[int]) -> Iterator[tuple[Crop, int]]:
        for frame, place in pictures(person.part, timeline, places):
            yield square_crop(frame.pixels, Square.around(points[place], "spectre")), place

    def make(one: Chunk, crops: Sequence[Crop]) -> dict[str, np.ndarray]:
        clip = _mouth_clip(one, crops, stored, timeline, points, result, motion, intrinsics.image_size)
        refined = lips.refine(clip)
        inside = slice(one.keep_start - one.start, one.keep_end - one.start)
        moved = (refined.expression != clip.expression).any(axis=1) | (refined.jaw != clip.jaw).any(axis=1)
        residual = np.where(
            moved & motion.valid[one.start : one.end], refined.residual, motion.residual[one.start : one.end]
        )
        found = (refined.expression, refined.jaw, residual, refined.before, refined.after)
        return {name: values[inside] for name, values in zip(_KEPT, found, strict=True)}

    def take(one: Chunk, arrays: dict[str, np.ndarray]) -> None:
        kept = slice(one.keep_start, one.keep_end)
        for name in _KEPT:
            values = getattr(losses if name in ("before", "after") else result, name)
            values[kept] = arrays[name]

    chunks = chunks_of(runs, chunk, CONTEXT)
    by_chunks(person, "lips", chunks, _KEPT, see=see, make=make, take=take, advance=advance)
    touching = lip_contacts(model, identity, result.expression, result.jaw)
    if touching is not None:
        result = replace(result, lips_closed=touching[0], labiodental=touching[1])
    return result, losses


_KEPT = ("expression", "jaw", "residual", "before", "after")


def _mouth_clip(
    chunk: Chunk,
    crops: Sequence[Crop],
    stored: StoredFaces,
    timeline: PersonTimeline,
    points: Float[np.ndarray, "T 68 2"],
    result: ClipMotion,
    motion: ClipMotion,
    image_size: tuple[int, int],
) -> MouthClip:
    part = slice(chunk.start, chunk.end)
    count = chunk.end - chunk.start
    settled = np.arange(chunk.start, chunk.end) < chunk.keep_start
    rows = stored.part(timeline, chunk.start, chunk.end)
    landmarks = np.stack([crop.to_crop(face) for crop, face in zip(crops, points[part], strict=True)])
    corners = mouth_windows(landmarks, CROP_SIZE)
    images = torch.from_numpy(np.stack([crop.pixels for crop in crops])).permute(0, 3, 1, 2)
    filmed: Tensor = mouth_crops(images, corners)
    window = np.tile(np.eye(3), (count, 1, 1))
    window[:, :2] = np.stack([crop.matrix for crop in crops])
    window[:, :2, 2] -= corners + (MOUTH_WINDOW - MOUTH_INPUT) // 2
    valid = motion.valid[part]
    return MouthClip(
        filmed=filmed,
        window_from_image=window,
        points=rows.points[..., :2],
        confidence=np.where(valid[:, None], rows.confidence, 0.0),
        seen=valid & _inside(points[part], image_size),
        settled=settled,
        # Frames before are where the chunk before has put them; those after are where they were.
        expression=np.where(settled[:, None], result.expression[part], motion.expression[part]),
        jaw=np.where(settled[:, None], result.jaw[part], motion.jaw[part]),
        neck=motion.neck[part],
        eyes=motion.eyes[part],
        camera_from_head=motion.camera_from_head[part],
    )


def _inside(points: Float[np.ndarray, "T 68 2"], image_size: tuple[int, int]) -> Bool[np.ndarray, " T"]:
    """Whether the picture shows the whole mouth."""
    mouth = points[:, MOUTH]
    return np.asarray(((mouth >= 0) & (mouth <= np.array(image_size))).all(axis=(1, 2)), dtype=bool)

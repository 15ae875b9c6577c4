"""The stage "motion and pictures -> motion that explains the pictures", chunk by chunk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import UInt8
from scipy.spatial.transform import Rotation

from face3d.fit.known_expression import KnownExpression
from face3d.fit.motion import Motion, MotionFitter, MotionState
from face3d.fit.motion_evidence import Frames
from face3d.fit.motion_pixels import FilmedFrames, SkinEvidence
from face3d.fit.photometric_image import FaceImage
from face3d.fit.point_model import MOVING_JOINTS
from face3d.tracking.clip_motion import ClipMotion, fit_stretch, in_turn, stretch_end
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.clip_pictures import pictures
from face3d.tracking.person_clip import PersonClip
from face3d.tracking.stored_faces import PersonTimeline

__all__ = ["lay_on_pictures", "photos_at"]

CHUNK = 48
"""Frames that are solved together, beside those after them that have a say: some 3 MB of pictures each."""

LOOKAHEAD = 0.4
"""Of the seconds that frames after a frame have a say in it without pictures: with them each frame says more itself."""


def photos_at(part: ClipPart, timeline: PersonTimeline, places: Sequence[int]) -> list[UInt8[np.ndarray, "H W 3"]]:
    """The whole pictures at some places of a person's timeline, which increase.

    Raises:
        InputError: the video is not what it was.
    """
    return [frame.pixels.copy() for frame, _ in pictures(part, timeline, places)]


def lay_on_pictures(
    person: PersonClip,
    motion: ClipMotion,
    fitter: MotionFitter,
    skin: SkinEvidence,
    *,
    known: KnownExpression | None = None,
    advance: Callable[[int], None],
    chunk: int = CHUNK,
) -> ClipMotion:
    """Fit every frame of a person to its picture too, or the rest of them where an earlier run has begun.

    Args:
        person: whom; the clip is read again.
        motion: of the person so far.
        fitter: of the person's head and the clip's camera.
        skin: of the person.
        known: as for `fit_motion`.
        advance: called with the number of frames done, chunk by chunk.
        chunk: frames that are solved together.

    Raises:
        InputError: the video is not what it was.
    """
    held: deque[tuple[int, FaceImage]] = deque()
    faces: Iterator[tuple[int, FaceImage]] | None = None

    def fit(first: int, last: int, state: MotionState | None) -> Motion:
        nonlocal faces
        if faces is None:
            faces = _faces(person, motion, skin, first)
        end = stretch_end(person.timeline, last, LOOKAHEAD * fitter.lookahead)
        _hold(held, faces, first, end)
        at = dict(held)
        filmed = FilmedFrames(skin, [at.get(place) for place in range(first, end)], _frames(motion, slice(first, end)))
        stretch = slice(first, end)
        return fit_stretch(person, fitter, stretch, state, keep=last - first, known=known, filmed=filmed)

    return in_turn(person, "skin", chunk, fit, advance=advance)


def _faces(person: PersonClip, motion: ClipMotion, skin: SkinEvidence, first: int) -> Iterator[tuple[int, FaceImage]]:
    """The faces of the valid frames from a place on, each with its place."""
    places = first + np.flatnonzero(motion.valid[first:])
    for frame, place in pictures(person.part, person.timeline, places.tolist()):
        yield place, skin.cut_out(frame.pixels, _frames(motion, slice(place, place + 1)))


def _hold(held: deque[tuple[int, FaceImage]], faces: Iterator[tuple[int, FaceImage]], first: int, end: int) -> None:
    """Let go of the faces before a chunk and take in those up to its end, and one more at most."""
    while held and held[0][0] < first:
        held.popleft()
    while not held or held[-1][0] < end:
        following = next(faces, None)
        if following is None:
            return
        held.append(following)


def _frames(motion: ClipMotion, part: slice) -> Frames:
    """Frames of a motion as the fit holds them."""
    vectors = np.concatenate([motion.jaw[part], motion.eyes[part]], axis=1).reshape(-1, 3)
    pose = motion.camera_from_head[part]
    turns = Rotation.from_rotvec(vectors).as_matrix().reshape(-1, len(MOVING_JOINTS), 3, 3)
    return Frames(motion.expression[part], turns, pose[:, :3, :3], pose[:, :3, 3])

"""Heads as the frames come in, without lag: what a camera's pictures are tracked for while they are shown."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, UInt8

from face3d.camera import Intrinsics
from face3d.errors import InputError
from face3d.fit import FitOptions, Observation
from face3d.fit.clip_identity import ChosenFrame, ClipFit, FrameChooser, fit_clip
from face3d.fit.motion import Motion, MotionFitter, MotionOptions, MotionState
from face3d.head import HeadModel
from face3d.identity.person import IdentityNetwork
from face3d.landmarks.crops_published import face_crop
from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.video import LONGEST_GAP
from face3d.media.video import VideoFrame
from face3d.tracking.find_faces import NumberedFrame
from face3d.tracking.frame_faces import face_sharpness
from face3d.tracking.looks import usual_side

__all__ = ["LiveHead", "live_heads"]

FIRST_RENEWAL = 0.5
"""Seconds after which an identity is fitted again, if more informative frames have come; then twice as many each time:
what later frames add grows as slowly."""


@dataclass(frozen=True, slots=True, eq=False)
class LiveHead:
    """One person's head in the newest frame.

    Attributes:
        frame: the frame.
        person: number, from 1; a newcomer may turn out later to be somebody known.
        identity: (I,) as far as it is known by now.
        intrinsics: the camera, as far as it is known by now.
        motion: of this one frame, T = 1.
    """

    frame: VideoFrame
    person: int
    identity: Float[np.ndarray, " I"]
    intrinsics: Intrinsics
    motion: Motion


@dataclass(slots=True, eq=False)
class _Person:
    """What is known of a person; the identity is renewed by another thread."""

    chooser: FrameChooser
    crops: dict[int, UInt8[np.ndarray, "112 112 3"]] = field(default_factory=dict)
    fit: ClipFit | None = None
    fitter: MotionFitter | None = None
    state: MotionState | None = None
    renewal: Future[ClipFit] | None = None
    renewed: float = 0.0
    pause: float = FIRST_RENEWAL
    news: bool = False
    seen: float = 0.0


@contextlib.contextmanager
def live_heads(
    show: Callable[[LiveHead], None] | None,
    model: HeadModel,
    camera: Callable[[tuple[int, int]], Intrinsics],
    options: FitOptions,
    motion: MotionOptions,
    network: IdentityNetwork | None,
) -> Iterator[Callable[[NumberedFrame], None] | None]:
    """What is to be given every frame, so that `show` gets every head in it; None if nobody wants them.

    Args:
        show: gets the heads.
        model: the head model.
        camera: tells what is known of the camera from a frame's (width, height).
        options: of the identity's fit.
        motion: how strongly frames are tied together.
        network: sees the identity; None finds it by the landmarks.
    """
    if show is None:
        yield None
        return
    beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="face3d-identity")
    try:
        yield _LiveHeads(model, camera, options, motion, network, show, beside).watch
    finally:
        beside.shutdown(cancel_futures=True)


class _LiveHeads:
    """Fits every frame with what is known by then."""

    def __init__(
        self,
        model: HeadModel,
        camera: Callable[[tuple[int, int]], Intrinsics],
        options: FitOptions,
        motion: MotionOptions,
        network: IdentityNetwork | None,
        show: Callable[[LiveHead], None],
        beside: ThreadPoolExecutor,
    ) -> None:
        self._model, self._camera, self._options, self._motion = model, camera, options, motion
        self._network, self._show = network, show
        self._people: dict[int, _Person] = {}
        self._beside = beside

    def watch(self, seen: NumberedFrame) -> None:
        """Take the next frame and show the heads in it."""
        time = seen.frame.time
        for number, face in seen.faces.items():
            person = self._people.setdefault(number, _Person(FrameChooser(self._model)))
            self._learn(person, seen.frame, face)
            person.seen = time
        for number, person in list(self._people.items()):
            if time - person.seen > LONGEST_GAP:
                person.state = None
            elif (head := self._head(person, number, seen)) is not None:
                self._show(head)

    def _learn(self, person: _Person, frame: VideoFrame, face: FaceLandmarks) -> None:
        """Keep the frame if it tells more about the head, and renew the identity now and then."""
        if person.chooser.add(frame.index, face, sharpness=face_sharpness(frame.pixels, face)):
            person.news = True
            if self._network is not None:
                person.crops[frame.index] = face_crop(frame.pixels, face, "arcface").pixels
        due = person.fit is None or frame.time - person.renewed > person.pause
        if due and person.news and person.renewal is None:
            chosen = person.chooser.chosen
            numbers = {known.number for known in chosen}
            person.crops = {number: crop for number, crop in person.crops.items() if number in numbers}
            person.renewal = self._beside.submit(self._fit, chosen, face.image_size, list(person.crops.values()))
            person.news, person.renewed, person.pause = False, frame.time, person.pause * 2
        if person.renewal is not None and (person.fit is None or person.renewal.done()):
            try:
                person.fit = person.renewal.result()
            except InputError:  # landmarks that no head can have made; better ones will come
                person.news = True
            else:
                person.fitter, person.state = self._fitter(person.fit, face), None
            person.renewal = None

    def _fit(
        self,
        chosen: Sequence[ChosenFrame],
        image_size: tuple[int, int],
        crops: Sequence[UInt8[np.ndarray, "112 112 3"]],
    ) -> ClipFit:
        camera, options = self._camera(image_size), self._options
        side = usual_side(frame.landmarks for frame in chosen)
        if self._network is not None and side >= self._network.smallest_face:
            options = replace(options, known_identity=self._network.look_at_crops(crops))
        return fit_clip(self._model, [Observation(frame.landmarks, camera) for frame in chosen], options)

    def _fitter(self, fit: ClipFit, face: FaceLandmarks) -> MotionFitter:
        return MotionFitter(
            self._model,
            fit.identity,
            fit.intrinsics,
            topology=face.topology,
            curve_names=tuple(face.blendshapes or ()),
            errors=fit.errors,
            options=self._motion,
        )

    def _head(self, person: _Person, number: int, seen: NumberedFrame) -> LiveHead | None:
        face = seen.faces.get(number)
        if person.fitter is None or person.fit is None or (person.state is None and face is None):
            return None
        motion = person.fitter.fit_next(
            seen.frame.time,
            None if face is None else face.points,
            curves=None if face is None or face.blendshapes is None else np.array(list(face.blendshapes.values())),
            shot=seen.shot,
            confidence=None if face is None else face.confidence,
            lips=None if face is None else face.lips,
            irises=None if face is None else face.irises,
            start=person.state,
        )
        person.state = motion.state
        return LiveHead(seen.frame, number, person.fit.identity, person.fit.intrinsics, motion)

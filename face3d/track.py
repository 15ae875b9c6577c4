"""The job "video -> metric head over time", as the stages that it is.

    video -> faces -> one head and one camera -> motion -> files

Each stage keeps what it has done in a work folder beside the results, `OUT/<stem>.partial`: memory does not grow with
the video, and the same call goes on where a killed one stopped, to the same result.
"""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

import face3d
from face3d import assets
from face3d.assets import AssetUse, LicencePolicy
from face3d.camera import Intrinsics
from face3d.errors import ArgumentError, NoFaceError
from face3d.export.mesh import Unit
from face3d.export.result_folder import PARTIAL, ResultFolders, ResultNames, remove_left_over
from face3d.expression.arkit import arkit_curves
from face3d.fit import FitOptions
from face3d.fit.blas_threads import one_blas_thread
from face3d.fit.motion import MotionFitter, MotionOptions
from face3d.head import HeadModel, load_head
from face3d.identity.person import IdentitySource, check_identity, identity_of_clips, open_identity
from face3d.job import check_device, check_meshes, check_pupillary_distance, head_use, measured
from face3d.landmarks import DetectorName, detector_assets, open_detector
from face3d.media.video import VideoSource
from face3d.progress import bar
from face3d.recognition import recognition_at_hand
from face3d.render.portrait import HeadAppearance, model_appearance
from face3d.result_files import MESH_FORMATS, vertices_of
from face3d.track_files import FrameMeshes, write_track
from face3d.track_result import Track
from face3d.tracking.clip_camera import check_intrinsics, clip_camera
from face3d.tracking.clip_expression import ExpressionNetworks, ExpressionSource, LipLoss, open_expression_networks
from face3d.tracking.clip_head import ClipHead, find_heads
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.clip_skin import photos_at
from face3d.tracking.find_faces import ClipFaces, find_faces
from face3d.tracking.live import LiveHead, live_heads
from face3d.tracking.person_clip import PersonClip
from face3d.tracking.stored_faces import PersonTimeline, timelines
from face3d.tracking.work_folder import WorkFolder, open_work_folder

__all__ = ["LipLoss", "LiveHead", "track"]

MARKER = "track.json"
"""In every result folder."""

OWN_FILES = re.compile(
    r"track\.(npz|json)|head(_neutral)?\.(obj|ply|glb|stl)|arkit\.csv|measurements\.json|curves\.png"
    r"|overlay\.mp4(\.partial)?|report\.html|meshes|\..*\.partial"
)
"""All that a result folder may hold."""


def track(
    video: VideoSource,
    *,
    head: str | Path = "open",
    identity: IdentitySource = "auto",
    identity_weight: float | None = None,
    detector: DetectorName = "mediapipe",
    expression: ExpressionSource = "fit",
    lip_loss: LipLoss = "geometric",
    refine: Literal["none", "photometric"] = "none",
    start: float = 0.0,
    end: float | None = None,
    every: int = 1,
    frames_per_second: float | None = None,
    max_faces: int | None = None,
    smoothing: float = 1.0,
    pupillary_distance: float | None = None,
    intrinsics: Intrinsics | Sequence[float] | Float[np.ndarray, "3 3"] | None = None,
    fov: float | None = None,
    licence: LicencePolicy = "any",
    device: str = "cpu",
    out: str | Path | None = None,
    formats: Sequence[str] = ("obj", "ply", "glb"),
    unit: Unit = "m",
    overlay: bool = True,
    side_by_side: bool = False,
    per_frame_meshes: FrameMeshes | None = None,
    on_frame: Callable[[LiveHead], None] | None = None,
    progress: bool = False,
) -> list[Track]:
    """Turn a video into metric heads over time.

    A camera is tracked until it ends or somebody presses Ctrl-C; what it showed until then is the result.

    Args:
        video: a video file, a folder of images that are the frames of one clip, or a camera: its number, its device or
            its address.
        head: "open", "flame", "mica" (the FLAME inside of your mica.tar), or the path of a head file.
        identity: "fit" finds the person by fitting the head to the most informative frames; "regressor" and "mica" as
            for `reconstruct`; "auto" is "regressor" for the open head where its encoder's file is stored already and
            `licence` allows it, else, and for cameras, "fit".
        identity_weight: with "mica", lets landmarks change the person, as for `reconstruct`.
        detector: what finds the landmarks: "mediapipe" (478 points), "fan" or "dlib" (68, with your own weights).
        expression: "fit" finds expressions by landmarks; "spectre" takes expression and jaw from SPECTRE's networks
            (FLAME heads, with your spectre_model.tar) and fits pose and gaze around them. SPECTRE's own shape is not
            metric: the clip's head stays.
        lip_loss: what the mouth is fitted to beside the landmarks: "geometric" the lips' contours and contact as the
            pictures show them; "visual" then moves it until a network that reads lips (your LRS3_V_WER32.3) sees in
            the rendered mouth what it sees in the filmed one; "none" nothing more.
        refine: "photometric" fits the head to the colours of its most informative frames, and then every frame to its
            picture: slower and closer. Not for cameras, whose pictures are not kept.
        start: seconds; frames before are passed over.
        end: seconds; None for the whole video.
        every: take every n-th frame.
        frames_per_second: of a folder of images; of any other video at most so many frames are taken.
        max_faces: of a frame that are followed, the largest; all by default.
        smoothing: factor on the time constants that tie frames together; 0 fits every frame alone.
        pupillary_distance: far pupillary distance in metres, if known; every head gets exactly that size.
        intrinsics: (fx, fy, cx, cy) or K in pixels, if known.
        fov: field of view in degrees along the image's longer side, if known.
        licence: "open" refuses every model file that is not known to allow commercial use.
        device: PyTorch device of the head model and of FAN.
        out: folder to write result folders in; None writes nothing. What a killed call has left there is taken up by
            one with the same video and options.
        formats: of the neutral head's meshes: obj, ply, glb, stl.
        unit: of mesh files whose format does not fix it.
        overlay: draw the head over the video; not for cameras, whose pictures are not kept.
        side_by_side: draw it beside the video as well.
        per_frame_meshes: write every frame's head as a mesh of this format.
        on_frame: gets every head in every frame as the frames come in, fitted without lag to what is known by then.
            The result is fitted to the whole video and smoother.
        progress: draw a progress bar on stderr.

    Returns:
        One track per person, in the order in which they appear.

    Raises:
        ArgumentError: an argument is unusable whatever the video is.
        InputError: the video cannot be used, or shows no face (`NoFaceError`).
        OutputError: `out` cannot be written; what is done stays there for the next call.
        AssetError: a model file is missing or damaged.
        LicenceError: `licence` rules out a model file that is needed.
    """
    part = ClipPart(video, start, end, every, frames_per_second)
    check_meshes(formats, tuple(MESH_FORMATS), unit)
    _check_choices(expression, lip_loss, refine, per_frame_meshes, max_faces, smoothing)
    if refine == "photometric" and part.is_live:
        raise ArgumentError(
            "refine photometric looks at every picture again, and a camera's are gone; record it and give the file"
        )
    check_pupillary_distance(pupillary_distance)
    check_device(device)
    check_identity(identity, identity_weight)
    check_intrinsics(intrinsics, fov)
    folders = None if out is None else ResultFolders(Path(out), marker=MARKER)
    model = load_head(head).to(device)
    networks = open_expression_networks(expression, lip_loss, model, live=part.is_live, licence=licence, device=device)
    uses = (head_use(head, model), *detector_assets(detector, progress=progress), *networks.assets)
    assets.require_licence(uses, licence)
    if not part.is_live:
        identity = identity_of_clips(identity, model, licence)
    network = open_identity(identity, identity_weight, model, licence=licence, device=device)
    recognition = recognition_at_hand(licence, device=device)
    uses += () if recognition is None else (recognition.use,)
    uses = tuple(dict.fromkeys(uses if network is None else (*uses, *network.assets)))
    camera = partial(clip_camera, part, intrinsics=intrinsics, fov=fov)
    options, motion = FitOptions(pupillary_distance=pupillary_distance), MotionOptions(smoothness=smoothing)
    settings = {
        "version": face3d.__version__,
        "clip": part.fingerprint(),
        "assets": [asdict(use) for use in uses],
        "device": device,
        "identity": [identity, identity_weight],
        "max_faces": max_faces,
        "expression": expression,
        "lip_loss": lip_loss,
        "refine": refine,
        "smoothing": smoothing,
        "pupillary_distance": pupillary_distance,
        "camera": repr((intrinsics, fov)),
        # What a camera has shown it never shows again.
        "session": time.time_ns() if part.is_live else None,
    }
    stem = ResultNames().claim(part.stem)
    with open_work_folder(None if out is None else Path(out) / f"{stem}{PARTIAL}", settings) as work:
        if out is not None:
            remove_left_over(Path(out), OWN_FILES, stem=stem)
        with live_heads(on_frame, model, camera, options, motion, network) as watch:
            faces = find_faces(
                work,
                part,
                partial(open_detector, detector, device=device),
                max_faces=max_faces,
                looks=network is not None,
                lips=lip_loss != "none" and expression == "fit",
                recognition=None if recognition is None else recognition.open,
                watch=watch,
                progress=progress,
            )
        people = timelines(faces.stored, faces.same)
        if not people:
            raise NoFaceError(
                f"{video}: no face found in {len(faces.stored.frames)} frames; give a video that shows a face from the "
                "front or side"
            )
        started = time.perf_counter()
        size = faces.stored.face(int(people[0].rows[0]))[0].image_size
        photos = partial(photos_at, part) if refine == "photometric" else None
        heads, left_out = find_heads(work, faces.stored, people, model, camera(size), options, network, photos)
        seconds = {"landmarks": faces.seconds, "identity": time.perf_counter() - started}
        warnings = (*faces.warnings, *left_out, *(network.warnings if network else ()))
        clip = _Clip(part, model, faces, uses, motion, networks, seconds, warnings)
        tracks = _fit_people(work, clip, heads, progress=progress)
        if folders is None:
            return [one for one, _ in tracks]
        write = partial(
            write_track,
            formats=tuple(formats),
            unit=unit,
            side_by_side=side_by_side,
            per_frame_meshes=per_frame_meshes,
            people=len(tracks),
        )
        return [_written(one, part if overlay else None, folders, partial(write, look=look)) for one, look in tracks]


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    """What all people of a clip have in common."""

    part: ClipPart
    model: HeadModel
    faces: ClipFaces
    uses: tuple[AssetUse, ...]
    options: MotionOptions
    networks: ExpressionNetworks
    seconds: Mapping[str, float]
    warnings: tuple[str, ...]


def _fit_people(
    work: WorkFolder, clip: _Clip, people: Sequence[tuple[PersonTimeline, ClipHead]], *, progress: bool
) -> list[tuple[Track, HeadAppearance]]:
    """Fit every person's motion; what each looks like is found beside."""
    names = ResultNames()
    tracks = []
    frames = _stages(clip, people) * sum(len(person.rows) for person, _ in people)
    with bar(progress, "fitting heads", frames) as advance:
        for number, (person, head) in enumerate(people, start=1):
            name = names.claim(clip.part.stem, number if len(people) > 1 else None)
            fitted, look = _fit_person(work, clip, person, head, number, advance)
            tracks.append((replace(fitted, name=name), look))
    return tracks


def _stages(clip: _Clip, people: Sequence[tuple[PersonTimeline, ClipHead]]) -> int:
    """How many times a motion's frames are gone through."""
    return clip.networks.stages + any(head.colours is not None for _, head in people)


def _fit_person(
    work: WorkFolder, clip: _Clip, person: PersonTimeline, head: ClipHead, number: int, advance: Callable[[int], None]
) -> tuple[Track, HeadAppearance]:
    started = time.perf_counter()
    model, example = clip.model, clip.faces.stored.face(int(person.rows[0]))[0]
    fitter = MotionFitter(
        model,
        head.identity,
        head.intrinsics,
        topology=example.topology,
        curve_names=tuple(example.blendshapes or ()),
        errors=head.errors,
        options=clip.options,
    )
    # Held from before the thread begins: BLAS must not change its threads while another thread is in it.
    with one_blas_thread(), ThreadPoolExecutor(max_workers=1, thread_name_prefix="face3d-measure") as beside:
        measuring = beside.submit(measured, model, head.identity, head.identity_covariance)
        looking = beside.submit(_look_of, model, head.identity)
        whole = PersonClip(work, clip.part, clip.faces.stored, person, number)
        motion = clip.networks.motion(whole, head, fitter, model=model, advance=advance)
        fitted = time.perf_counter()
        measurements, look = measuring.result(), looking.result()
    seconds = {**clip.seconds, "motion": fitted - started, "measure": time.perf_counter() - fitted}
    track = Track(
        name=clip.part.stem,
        source=str(clip.part.source),
        person=number,
        model=model,
        identity=head.identity,
        intrinsics=head.intrinsics,
        frames=person.frames,
        times=person.times,
        expression=motion.expression,
        jaw=motion.jaw,
        neck=motion.neck,
        eyes=motion.eyes,
        camera_from_head=motion.camera_from_head,
        valid=motion.valid,
        lips_closed=motion.lips_closed,
        labiodental=motion.labiodental,
        quality=motion.quality,
        residual=motion.residual,
        shots=person.shots,
        arkit=arkit_curves(
            model.expression_names,
            motion.expression,
            camera_from_head=motion.camera_from_head,
            neck=motion.neck,
            eyes=motion.eyes,
        ),
        scale=head.scale,
        measurements=measurements,
        frame_rate=clip.faces.frame_rate,
        assets=clip.uses,
        timings={**seconds, "frames_per_second": len(clip.faces.stored.frames) / sum(seconds.values())},
        warnings=(*clip.warnings, *head.warnings),
    )
    return track, look


def _look_of(model: HeadModel, identity: Float[np.ndarray, " I"]) -> HeadAppearance:
    return model_appearance(model, vertices_of(model(identity=identity)))


def _written(result: Track, overlaid: ClipPart | None, folders: ResultFolders, write: Callable[..., None]) -> Track:
    """Write a person's folder, with an overlay over a part that can be read again."""
    with contextlib.ExitStack() as opened, folders.writing(result.name) as folder:
        video = None if overlaid is None or overlaid.is_live else opened.enter_context(overlaid.open())
        write(result, folder, video=video)
    return replace(result, folder=folders.path_of(result.name))


def _check_choices(
    expression: str, lip_loss: str, refine: str, per_frame_meshes: str | None, max_faces: int | None, smoothing: float
) -> None:
    if expression not in get_args(ExpressionSource):
        raise ArgumentError(f"expression is fit or spectre, not {expression!r}")
    if lip_loss not in get_args(LipLoss):
        raise ArgumentError(f"lip_loss is {', '.join(get_args(LipLoss)[:-1])} or none, not {lip_loss!r}")
    if refine not in ("none", "photometric"):
        raise ArgumentError(f"refine is none or photometric, not {refine!r}")
    if per_frame_meshes not in (None, *get_args(FrameMeshes)):
        known = " or ".join(get_args(FrameMeshes))
        raise ArgumentError(f"meshes of frames are {known}, not {per_frame_meshes!r}")
    if max_faces is not None and max_faces < 1:
        raise ArgumentError(f"max_faces must be at least 1, got {max_faces}")
    if not 0 <= smoothing < math.inf:
        raise ArgumentError(f"smoothing is a factor of 0 or more, got {smoothing:g}")

"""How well the mouth is tracked: `python -m tests.benchmarks.lips FOLDER [--clips 4] [--first 104]` prints all figures.

Over drawn clips of people who talk (those of `tests.benchmarks.track_truth`, kept in FOLDER), with the plain landmark
fit (`none`) and with the lips read from the picture (`geometric`); both once on the head that the track itself finds,
and once on the true head, which leaves the motion alone to be judged:

lips       median distance of the lips' vertices from the truth, mm, each frame rigidly aligned by the face
shape      the same, aligned by the lips themselves
motion     the same, aligned by the face, the clip's mean error taken off
opening    root mean square error of the inner lips' opening, mm, and its correlation
mouth      median correlation of those of the 20 most used curves that move the mouth; all: of all 20
closures   precision and recall of frames whose true lips are less than 1 mm apart, to within a frame
jitter     root mean square of the face's vertices while nothing moves, mm
lag        by how much the lips come late, frames
miss       median distance of the head from the landmarks, % of the distance between the eyes

With --labiodentals clips are drawn in which the lower lip is laid on the upper teeth every second, and of those frames
is told, by the head that the tracker finds and by the true one:

precision  of the frames that are found, and recall, to within a frame
off        median distance of the lower lip from the teeth in them, mm
lips       median distance of the lips' vertices from the truth in them, mm, each frame rigidly aligned by the face
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from face3d.evaluate.lips import closures
from face3d.fit import FitOptions
from face3d.fit.motion import Motion, MotionFitter
from face3d.fit.motion_teeth import AT_TEETH
from face3d.head import HeadModel, load_head
from face3d.landmarks import open_detector
from face3d.tracking.clip_camera import clip_camera
from face3d.tracking.clip_head import ClipHead, find_heads
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.find_faces import find_faces
from face3d.tracking.stored_faces import FaceRows, PersonTimeline, timelines
from face3d.tracking.work_folder import open_work_folder
from tests.benchmarks.track_truth import drawn
from tests.fit.known_lips import gap
from tests.fit.talking_clips import TalkingClip, aligned, teeth_distance, vertices, with_labiodentals
from tests.tracking.rendered_clips import SETTLED, STILL, USED, draw_clip, lag_of, lip_opening, rendered_clip

CLOSED = 0.001
"""Metres between true lips below which they are closed."""

SHORT = 110
"""Frames of a clip with f and v."""

OF_TEETH = ("precision", "recall", "said", "told", "off", "lips")

NAMES = (
    *("lips", "shape", "motion", "opening", "corr", "mouth"),
    *("all", "precision", "recall", "jitter", "lag", "miss"),
)


def followed(path: Path, model: HeadModel, *, lips: bool) -> tuple[ClipHead, FaceRows, PersonTimeline, tuple[str, ...]]:
    """The first stages of a track: the head, and the faces that it is to follow."""
    part = ClipPart(path, 0.0, None, 1, None)
    with open_work_folder(None, {}) as work:
        stored = find_faces(work, part, partial(open_detector, "mediapipe"), lips=lips).stored
        (person, *_) = timelines(stored, {})
        face = stored.face(int(person.rows[0]))[0]
        camera = clip_camera(part, face.image_size, intrinsics=None, fov=None)
        (((_, head), *_), _) = find_heads(work, stored, [person], model, camera, FitOptions(), None)
        return head, stored.part(person, 0, len(person.rows)), person, tuple(face.blendshapes or ())


def measure(model: HeadModel, clip: TalkingClip, identity: np.ndarray, motion: Motion) -> np.ndarray:
    """The figures in the order of NAMES."""
    face, lips = model.regions["face"].numpy(), model.regions["lips"].numpy()
    found = vertices(model, identity, motion.expression, motion.eyes)
    true = vertices(model, clip.identity, clip.expression, clip.eyes)
    on_lips = np.isin(face, lips)
    misses = (aligned(found[:, face], true[:, face]) - true[:, face])[:, on_lips]
    shape = aligned(found[:, lips], true[:, lips]) - true[:, lips]
    opened, truly = lip_opening(model, found), lip_opening(model, true)
    used = np.argsort(-clip.expression.std(axis=0))[:USED]
    curves = np.array([np.corrcoef(motion.expression[:, k], clip.expression[:, k])[0, 1] for k in used])
    of_mouth = [model.expression_names[k].startswith(("mouth", "jaw")) for k in used]
    closed = closures(motion.lips_closed, gap(model, clip.identity, clip.expression) < CLOSED)
    rest = found[STILL.start + SETTLED : STILL.stop, face]
    return np.array(
        [
            1e3 * np.median(np.linalg.norm(misses, axis=2)),
            1e3 * np.median(np.linalg.norm(shape, axis=2)),
            1e3 * np.median(np.linalg.norm(misses - misses.mean(axis=0), axis=2)),
            1e3 * np.sqrt(np.mean((opened - truly) ** 2)),
            np.corrcoef(opened, truly)[0, 1],
            np.median(curves[of_mouth]),
            np.median(curves),
            closed.precision,
            closed.recall,
            1e3 * np.sqrt(np.mean(np.sum((rest - rest.mean(axis=0)) ** 2, axis=2))) if len(rest) else np.nan,
            lag_of(opened, truly),
            100 * np.nanmedian(motion.residual),
        ]
    )


def labiodental_clip(model: HeadModel, folder: Path, seed: int) -> tuple[Path, TalkingClip]:
    """The clip of a seed with lips on teeth, drawn unless it is there."""
    path = folder / f"labiodental_{seed:04d}_{SHORT}.mp4"
    clip = with_labiodentals(rendered_clip(model, seed, frames=SHORT), model, seed)
    if not path.is_file():
        draw_clip(clip, seed, path)
    return path, clip


def measure_labiodentals(model: HeadModel, clip: TalkingClip, identity: np.ndarray, motion: Motion) -> np.ndarray:
    """The figures in the order of OF_TEETH."""
    said = teeth_distance(model, clip.identity, clip.expression) < AT_TEETH
    said &= gap(model, clip.identity, clip.expression) > CLOSED
    count = closures(motion.labiodental, said)
    face = model.regions["face"].numpy()
    found = vertices(model, identity, motion.expression, motion.eyes)[said][:, face]
    true = vertices(model, clip.identity, clip.expression, clip.eyes)[said][:, face]
    misses = (aligned(found, true) - true)[:, np.isin(face, model.regions["lips"].numpy())]
    off = np.abs(teeth_distance(model, identity, motion.expression))[said]
    return np.array(
        [
            *(count.precision, count.recall, said.sum(), motion.labiodental.sum()),
            *(1e3 * np.median(off), 1e3 * np.median(np.linalg.norm(misses, axis=2))),
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--first", type=int, default=104, help="seed of the first clip")
    parser.add_argument("--labiodentals", action="store_true", help="clips with f and v instead")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    model = load_head()
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    names_of: tuple[str, ...] = OF_TEETH if arguments.labiodentals else NAMES
    film: Callable[[HeadModel, Path, int], tuple[Path, TalkingClip]] = (
        labiodental_clip if arguments.labiodentals else drawn
    )
    judge = measure_labiodentals if arguments.labiodentals else measure
    print(f"{'clip':>5} {'head':>6} {'lips from':>10}  " + " ".join(f"{name:>9}" for name in names_of))
    for seed in range(arguments.first, arguments.first + arguments.clips):
        path, clip = film(model, arguments.folder, seed)
        for kind in ("none", "geometric"):
            head, rows, person, names = followed(path, model, lips=kind == "geometric")
            for whose, identity in (("found", head.identity), ("true", clip.identity)):
                fitter = MotionFitter(model, identity, head.intrinsics, curve_names=names, errors=head.errors)
                motion = fitter.fit(
                    person.times,
                    rows.points,
                    curves=rows.curves,
                    valid=person.valid,
                    confidence=rows.confidence,
                    lips=rows.lips,
                )
                values = judge(model, clip, identity, motion)
                found.setdefault((whose, kind), []).append(values)
                print(f"{seed:5d} {whose:>6} {kind:>10}  " + " ".join(f"{v:9.3f}" for v in values), flush=True)
    for (whose, kind), of_clips in found.items():
        print(f" mean {whose:>6} {kind:>10}  " + " ".join(f"{v:9.3f}" for v in np.nanmean(of_clips, axis=0)))
    if arguments.labiodentals:
        return
    for whose in ("found", "true"):
        ratio = np.mean(found[whose, "geometric"], axis=0) / np.mean(found[whose, "none"], axis=0)
        told = ", ".join(f"{name} {value:.2f}" for name, value in zip(NAMES[:4], ratio[:4], strict=True))
        print(f"ratio {whose:>6} geometric to none: {told}")


if __name__ == "__main__":
    main()

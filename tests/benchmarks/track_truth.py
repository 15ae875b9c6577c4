"""How true a track is: `python -m tests.benchmarks.track_truth FOLDER [--clips 4] [--first 100]` prints every figure.

Draws clips of people who talk, each a person of the population with a look of their own (kept in FOLDER, so that the
next run need not draw them), runs the whole of `face3d.track` over each, and compares with the truth:

vertex     median distance of the face's vertices, each frame rigidly aligned, from the same vertex of the truth, and
           from the true surface; free: the scale aligned too
rotation   median angle off, of the head's own axes, with the clip's mean taken off, and of the face's vertices
curves     correlation of the 20 expression curves that the clip moves most: their median, and how many reach 0.9
lips       root mean square error of the inner lips' opening, and its correlation
jitter     root mean square of the face's vertices while nothing moves
lag        by how much the lips come late, frames
gaze       median angle off of an eye in its head, degrees; correlation of left yaw and pitch, and of the right eye's
looks      correlation of the eight eyeLook curves, their median; others: of the most used curves besides them
"""

from __future__ import annotations

import argparse
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch

import face3d
from face3d.head import HeadModel, load_head
from face3d.measure import head_dimensions
from tests.fit.talking_clips import TalkingClip
from tests.tracking.rendered_clips import Figures, draw_clip, figures, rendered_clip


def drawn(model: HeadModel, folder: Path, seed: int, frames: int = 190) -> tuple[Path, TalkingClip]:
    """The clip of a seed, drawn unless it is there."""
    clip, path = rendered_clip(model, seed, frames=frames), folder / f"talk_{seed:04d}_{frames}.mp4"
    if not path.is_file():
        draw_clip(clip, seed, path)
    return path, clip


def pupillary_distance(model: HeadModel, clip: TalkingClip) -> float:
    """Of the person of a clip, metres, as an optician would measure it."""
    return head_dimensions(model, torch.as_tensor(clip.identity)[None].to(model.template))["pupillary_distance"].item()


def line(name: str, one: Figures) -> str:
    """A row of the table."""
    reached = int((one.curves >= 0.9).sum())
    return (
        f"{name:>8}  {one.vertex:5.2f} {one.surface:5.2f} {one.free_vertex:5.2f} {one.free_surface:5.2f}"
        f"  {one.neutral:5.2f} {one.size:6.3f}  {one.turn:5.2f} {one.turn_about_mean:5.2f}"
        f" ({', '.join(f'{value:+.1f}' for value in one.turn_offset)}) {one.face_turn:5.2f}"
        f"  {np.median(one.curves):5.2f} {one.curves.min():5.2f} {reached:3d}"
        f"  {one.lips:5.2f} {one.lips_match:5.3f}  {one.jitter:6.3f} {one.lag:+5.2f}"
        f"  {one.gaze:5.2f} ({' '.join(f'{value:5.2f}' for value in one.gaze_match)})"
        f"  {np.nanmedian(one.looks):5.2f} {np.nanmedian(one.others):6.2f}"
    )


HEADER = (
    f"{'clip':>8}  {'vert':>5} {'surf':>5} {'v.fr':>5} {'s.fr':>5}  {'neutr':>5} {'size':>6}  {'rot':>5} {'mean':>5}"
    f" {'(mean turn x, y, z)':>18} {'face':>5}  {'curve':>5} {'least':>5} {'>.9':>3}"
    f"  {'lips':>5} {'corr':>5}  {'jitter':>6} {'lag':>5}"
    f"  {'gaze':>5} ({'left yaw, pitch; right':>23})  {'looks':>5} {'others':>6}"
)


def mean(all_of: list[Figures]) -> Figures:
    """Of several clips."""
    return Figures(*(np.nanmean(np.stack(values), axis=0) for values in zip(*map(astuple, all_of), strict=True)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--first", type=int, default=100, help="seed of the first clip")
    parser.add_argument("--identity", default="auto")
    parser.add_argument("--refine", default="none")
    parser.add_argument("--distance", action="store_true", help="the person's true pupillary distance is typed in")
    parser.add_argument("--smoothing", type=float, default=1.0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    model = load_head()
    print(HEADER)
    found = []
    for seed in range(arguments.first, arguments.first + arguments.clips):
        path, clip = drawn(model, arguments.folder, seed)
        distance = pupillary_distance(model, clip) if arguments.distance else None
        (track,) = face3d.track(
            path,
            identity=arguments.identity,
            refine=arguments.refine,
            smoothing=arguments.smoothing,
            pupillary_distance=distance,
        )
        found.append(figures(model, track, clip))
        print(line(str(seed), found[-1]), flush=True)
    print(line("mean", mean(found)))


if __name__ == "__main__":
    main()

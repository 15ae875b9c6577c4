"""Tracks of real clips, whose truth nobody knows: `python -m tests.benchmarks.real_clips CLIP...` prints every figure.

below      share of the frames with a face whose landmarks are missed by less than 3.5 % of the interocular distance
miss       median of that
opening    correlation of the tracked mesh's lip opening with the detected one
width      and of the mouth's width
halves     median distance of the neutral heads fitted to the clip's first half and to its second, mm
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import face3d
from face3d.landmarks import open_detector
from face3d.landmarks.video import track_landmarks
from face3d.media.video import open_video
from face3d.track_result import Track
from tests.fit.talking_clips import aligned, vertices

CORNERS, OPENING, WIDTH = (33, 263), (13, 14), (61, 291)
"""MediaPipe's landmarks: the eyes' outer corners, the inner lips' middles and the mouth's corners."""

BELOW = 0.035


def relative(pixels: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    """(T,) distance of two landmarks in interocular distances."""
    lengths = [np.linalg.norm(pixels[:, one] - pixels[:, other], axis=1) for one, other in (pair, CORNERS)]
    return lengths[0] / lengths[1]


def mesh_landmarks(track: Track) -> np.ndarray:
    """(T, 478, 2) pixels."""
    points = track.model.point_sets["mediapipe_478"]
    posed = vertices(track.model, track.identity, track.expression, track.eyes)
    surface = np.einsum("nk,tnkx->tnx", points.barycentric.double(), posed[:, track.model.triangles[points.triangles]])
    pose, matrix = track.camera_from_head, track.intrinsics.matrix
    camera = surface @ pose[:, :3, :3].transpose(0, 2, 1) + pose[:, None, :3, 3]
    pixels: np.ndarray = camera[..., :2] / camera[..., 2:] * np.diag(matrix)[:2] + matrix[:2, 2]
    return pixels


def neutral_face(track: Track) -> np.ndarray:
    """(1, V, 3) the face's vertices at rest."""
    still = np.zeros((1, track.model.expression_size))
    face: np.ndarray = vertices(track.model, track.identity, still, np.zeros((1, 6)))[:, track.model.regions["face"]]
    return face


def longest(tracks: list[Track]) -> Track:
    """Of whom most was seen."""
    return max(tracks, key=lambda track: track.valid.sum())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--refine", choices=("none", "photometric"), default="none")
    parser.add_argument("--lip-loss", choices=("geometric", "none"), default="geometric")
    arguments = parser.parse_args()
    print(f"{'clip':>22} frames  below   miss  opening  width  halves")
    for clip in arguments.clips:
        track = longest(face3d.track(clip, refine=arguments.refine, lip_loss=arguments.lip_loss))
        with open_video(clip) as video, open_detector("mediapipe") as detector:
            seen = max(track_landmarks(video, detector), key=lambda person: len(person.frames))
        both, ours, theirs = np.intersect1d(track.frames[track.valid], seen.frames, return_indices=True)
        mesh = mesh_landmarks(track)[track.valid][ours]
        detected = seen.points[theirs, :, :2].astype(np.float64)
        match = [
            np.corrcoef(relative(mesh, pair), relative(detected, pair))[0, 1] if len(both) > 2 else np.nan
            for pair in (OPENING, WIDTH)
        ]
        middle = float(track.times[len(track.times) // 2])
        tracks = (
            face3d.track(clip, end=middle, refine=arguments.refine, lip_loss=arguments.lip_loss),
            face3d.track(clip, start=middle, refine=arguments.refine, lip_loss=arguments.lip_loss),
        )
        halves = [neutral_face(longest(half)) for half in tracks]
        apart = 1e3 * float(np.median(np.linalg.norm(aligned(*halves) - halves[1], axis=2)))
        residual = track.residual[track.valid]
        below, miss = np.mean(residual < BELOW), 100 * np.median(residual)
        print(
            f"{clip.stem[:22]:>22} {len(residual):6d}  {below:5.3f} {miss:5.2f}%"
            f"  {match[0]:7.3f} {match[1]:6.3f} {apart:7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

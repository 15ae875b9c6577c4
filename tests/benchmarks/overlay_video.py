"""How fast a head is drawn over a video: `python -m tests.benchmarks.overlay_video [CLIP]`, ratios measured in one run.

bare           MediaPipe's own video mode in the plainest loop over the clip, decoding included
overlay        the whole second pass: decode, pose, rasterise, shade, blend, convert, encode, mux
               its parts one by one, in milliseconds of processor time

The last line says at what share of MediaPipe's rate a pipeline runs with the overlay that without it reaches 70 %.
CLIP is a video of one person; by default 150 frames of 1280 x 720 made of scikit-image's astronaut. The head is drawn
in the middle, as tall as `HEAD_SHARE` of the frame.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from skimage.data import astronaut

from face3d.media.video import open_video
from face3d.media.video_writer import VideoWriter
from face3d.render.portrait import model_appearance
from face3d.render.video_overlay import HeadPainter
from face3d.track_files import write_overlay
from face3d.track_result import Track
from tests.benchmarks.align import bare_seconds
from tests.talking import talking_track

REPEATS = 3
HEAD_SHARE = 0.5
HEAD_HEIGHT = 0.24
"""Metres, of what is drawn of the open head."""
WITHOUT_OVERLAY = 0.7
"""Share of MediaPipe's rate that tracking reaches without an overlay."""


def wide_clip(path: Path, frames: int = 150) -> Path:
    """A clip of 720p with grain, of a face that moves a little."""
    image = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
    grain = np.random.default_rng(0).integers(-3, 4, (4, 720, 1280, 3), dtype=np.int8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (1280, 720))
    for n in range(frames):
        matrix = cv2.getRotationMatrix2D((224, 113), 6 * np.sin(n / 9), 2.0)
        matrix[:, 2] += [420 + 20 * np.sin(n / 15), 200 + 10 * np.sin(n / 7)]
        frame = cv2.warpAffine(image, matrix, (1280, 720), borderMode=cv2.BORDER_REPLICATE)
        writer.write(np.clip(frame + grain[n % 4].astype(np.int16), 0, 255).astype(np.uint8))
    writer.release()
    return path


def track_over(clip: Path) -> tuple[Track, list[UInt8[np.ndarray, "H W 3"]]]:
    """A track with a frame for each of the clip's, and those frames."""
    with open_video(clip) as video:
        frames = [frame.pixels for frame in video]
    height, width = frames[0].shape[:2]
    track = talking_track(len(frames), image_size=(width, height), source=str(clip))
    pose = track.camera_from_head.copy()
    pose[:, 2, 3] += track.intrinsics.focal * HEAD_HEIGHT / (HEAD_SHARE * height) - pose[:, 2, 3].mean()
    return replace(track, camera_from_head=pose), frames


def overlay_seconds(track: Track, clip: Path, out: Path) -> tuple[float, float]:
    """Wall-clock and processor seconds of the second pass."""
    wall, used = time.perf_counter(), time.process_time()
    with open_video(clip) as video:
        write_overlay(track, video, out)
    return time.perf_counter() - wall, time.process_time() - used


def parts(track: Track, frames: list[UInt8[np.ndarray, "H W 3"]], clip: Path, out: Path) -> dict[str, float]:
    """Processor milliseconds per frame of each part by itself."""
    painter = HeadPainter(track.model.triangles.numpy(), model_appearance(track.model))
    heads = [track.posed_in_camera(t) for t in range(len(frames))]

    def decode() -> None:
        with open_video(clip) as video:
            for _ in video:
                pass

    def pose() -> None:
        for first in range(0, len(frames), 32):
            track.posed(first, first + 32)

    def draw() -> None:
        for pixels, vertices in zip(frames, heads, strict=True):
            painter.draw(pixels.copy(), vertices, track.intrinsics.matrix)

    def encode() -> None:
        with VideoWriter(out, track.intrinsics.image_size, frame_rate=25.0) as writer:
            for number, pixels in enumerate(frames):
                writer.write(pixels, number / 25)

    def milliseconds(work: Callable[[], None]) -> float:
        used = time.process_time()
        work()
        return 1000 * (time.process_time() - used) / len(frames)

    draw()
    return {work.__name__: milliseconds(work) for work in (decode, pose, draw, encode)}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "overlay.mp4"
        clip = Path(sys.argv[1]) if len(sys.argv) > 1 else wide_clip(Path(folder) / "clip.mp4")
        track, frames = track_over(clip)
        overlay_seconds(track, clip, out)
        bare_seconds(clip)
        bare, bare_used, wall, used = [], [], [], []
        for _ in range(REPEATS):
            before = time.process_time()
            bare.append(bare_seconds(clip)[0] / len(frames))
            bare_used.append((time.process_time() - before) / len(frames))
            seconds, processor = overlay_seconds(track, clip, out)
            wall.append(seconds / len(frames))
            used.append(processor / len(frames))
        width, height = track.intrinsics.image_size
        print(f"{len(frames)} frames of {width} x {height}; overlay.mp4 {out.stat().st_size / 1e6:.1f} MB")
        for name, taken in parts(track, frames, clip, out).items():
            print(f"  {name}: {taken:.2f} ms of processor time a frame")
        for clock, ours, theirs in (("wall-clock", wall, bare), ("processor", used, bare_used)):
            overlay, mediapipe = statistics.median(ours), statistics.median(theirs)
            together = 1 / (1 / WITHOUT_OVERLAY + overlay / mediapipe)
            print(
                f"{clock} time: overlay {1000 * overlay:.1f} ms a frame, MediaPipe's own {1000 * mediapipe:.1f} ms, "
                f"ratio {overlay / mediapipe:.2f}; tracking at {WITHOUT_OVERLAY:.0%} of MediaPipe's rate runs at "
                f"{together:.0%} with the overlay"
            )


if __name__ == "__main__":
    main()

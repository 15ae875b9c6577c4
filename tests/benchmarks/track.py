"""How fast tracking is: `python -m tests.benchmarks.track [CLIP] [TIMES]` prints ratios measured in one run.

rate      the whole of `face3d.track` into a folder (decode, follow, identity, motion, all files), without and with an
          overlay, beside a bare loop over the same clip: OpenCV decodes, MediaPipe's FaceLandmarker in VIDEO mode reads
          with the same outputs. Models are loaded and kernels compiled before any clock starts. Ratios of wall-clock in
          pairs and of the best runs; and CPU seconds of all threads, which other work on the machine disturbs less
stages    seconds of each stage, per frame
memory    peak of a process that tracks the clip once, and of one that tracks it four times in a row as one video

CLIP is a video of one person, scaled to 720p and repeated TIMES (4) times forwards and backwards, so that nothing
jumps; by default 200 frames made of scikit-image's astronaut, who nods.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2

import face3d
from face3d.media.video import open_video
from tests.benchmarks.align import bare_seconds, nodding_clip

REPEATS = 3
HEIGHT = 720

PEAK = """
import sys, face3d
face3d.track(sys.argv[1], out=sys.argv[2], overlay=False)
status = open("/proc/self/status").read().splitlines()
print(next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")))
"""
"""Linux's own account: `getrusage` tells the parent's memory too, which a child begins as a copy of."""


def prepared(source: Path, target: Path, times: int) -> Path:
    """The clip at 720 lines, to and fro so many times."""
    with open_video(source) as video:
        rate = video.info.frames_per_second
        frames = [cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR) for frame in video]
    width = round(frames[0].shape[1] * HEIGHT / frames[0].shape[0] / 2) * 2
    frames = [cv2.resize(frame, (width, HEIGHT), interpolation=cv2.INTER_CUBIC) for frame in frames]
    # Beside a square picture as much as makes it 1280 wide, as a camera would have it.
    side = max(0, (HEIGHT * 16 // 9 - width) // 2)
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width + 2 * side, HEIGHT))
    for turn in range(times):
        for frame in frames[:: -1 if turn % 2 else 1]:
            writer.write(cv2.copyMakeBorder(frame, 0, 0, side, side, cv2.BORDER_REFLECT_101))
    writer.release()
    return target


def tracked(clip: Path, *, overlay: bool) -> tuple[float, float, dict[str, float]]:
    """Seconds of the whole job into a folder, of all its threads together, and by stage."""
    with tempfile.TemporaryDirectory() as out:
        start, worked = time.perf_counter(), time.process_time()
        tracks = face3d.track(clip, out=out, overlay=overlay)
        seconds, work = time.perf_counter() - start, time.process_time() - worked
    if len(tracks) != 1:
        raise RuntimeError(f"{clip}: {len(tracks)} people; the bare loop reads one")
    timings = {name: value for name, value in tracks[0].timings.items() if name != "frames_per_second"}
    return seconds, work, {**timings, "files": seconds - sum(timings.values())}


def rates(clip: Path, short: Path) -> None:
    """Print the rates and their ratios; taken in turns, so that what else the machine does hits all."""
    tracked(short, overlay=True)
    bare_seconds(short)
    bare: list[float] = []
    bare_work: list[float] = []
    own: dict[bool, list[float]] = {False: [], True: []}
    own_work: dict[bool, list[float]] = {False: [], True: []}
    stages: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    frames = 0
    for _ in range(REPEATS):
        worked = time.process_time()
        seconds, frames = bare_seconds(clip)
        bare.append(seconds)
        bare_work.append(time.process_time() - worked)
        for overlay in own:
            seconds, work, timings = tracked(clip, overlay=overlay)
            own[overlay].append(seconds)
            own_work[overlay].append(work)
            stages[overlay].append(timings)
    print(f"{frames} frames of {HEIGHT} lines; MediaPipe's own loop {frames / statistics.median(bare):.0f} frames/s")
    for overlay, taken in own.items():
        ratios = sorted(plain / ours for plain, ours in zip(bare, taken, strict=True))
        print(
            f"{'with' if overlay else 'without'} overlay {frames / statistics.median(taken):.0f} frames/s: ratio "
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}), of the best runs "
            f"{min(bare) / min(taken):.2f}; CPU {min(own_work[overlay]):.1f} s beside {min(bare_work):.1f} s"
        )
        shares = {name: statistics.median(run[name] for run in stages[overlay]) for name in stages[overlay][0]}
        print("  " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in shares.items()))


def memory(once: Path, four_times: Path) -> None:
    """Print the peak memory of processes of their own."""
    peaks = []
    for clip in (once, four_times):
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-c", PEAK, str(clip), out]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout))
    print(f"peak memory: {peaks[0]:.0f} MiB for the clip once, {peaks[1]:.0f} MiB four times as long")


def main() -> None:
    """Measure and print."""
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    with tempfile.TemporaryDirectory() as folder:
        source = Path(sys.argv[1]) if len(sys.argv) > 1 else nodding_clip(Path(folder) / "nod.mp4")
        once, clip = (prepared(source, Path(folder) / f"{n}.mp4", n) for n in (1, times))
        rates(clip, once)
        memory(once, clip if times == 4 else prepared(source, Path(folder) / "4.mp4", 4))


if __name__ == "__main__":
    main()

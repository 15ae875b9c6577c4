"""How fast alignment is: `python -m tests.benchmarks.align [CLIP] [PHOTOS]` prints ratios measured in one run.

video          face3d's whole video path (decode, follow, number, smooth) beside a bare loop over the same clip: OpenCV
               decodes, MediaPipe's FaceLandmarker in VIDEO mode reads with the same outputs
photos         `face3d align` on PHOTOS (1000) small photos: cores in use, and resident memory over time

CLIP is a video of one person; by default 200 frames made of scikit-image's astronaut, who nods.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from skimage.data import astronaut

from face3d.assets import asset_path
from face3d.landmarks import MediaPipeDetector
from face3d.landmarks.video import track_landmarks
from face3d.media.video import open_video

REPEATS = 5

STARTING = 10
"""Frames in which a video's faces are searched for thoroughly, once; the bare loop's model looks at one face only."""


def nodding_clip(path: Path, frames: int = 200) -> Path:
    """A clip of a face that moves and turns a little."""
    image = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (512, 512))
    for n in range(frames):
        matrix = cv2.getRotationMatrix2D((224, 113), 6 * np.sin(n / 9), 1)
        matrix[:, 2] += [20 * np.sin(n / 15), 60 + 10 * np.sin(n / 7)]
        writer.write(cv2.warpAffine(image, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE))
    writer.release()
    return path


def bare_seconds(clip: Path) -> tuple[float, int]:
    """MediaPipe's own video mode in the plainest loop; its model is loaded before the clock starts."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(asset_path("mediapipe"))),
        running_mode=vision.RunningMode.VIDEO,
        num_faces=1,
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        start, number = time.perf_counter(), 0
        capture = cv2.VideoCapture(str(clip))
        while True:
            read, frame = capture.read()
            if not read:
                break
            image = mediapipe.Image(mediapipe.ImageFormat.SRGB, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            landmarker.detect_for_video(image, number * 40)
            number += 1
        return time.perf_counter() - start, number


def own_seconds(clip: Path, detector: MediaPipeDetector) -> tuple[float, float, int]:
    """The whole video path of face3d: seconds in all, and those of a frame once the first STARTING are done."""
    start, done = time.perf_counter(), []
    with open_video(clip) as video:
        tracks = track_landmarks(video, detector, on_frame=lambda frame: done.append(time.perf_counter()))
    if len(tracks) != 1:
        raise RuntimeError(f"{clip}: {len(tracks)} people; the bare loop reads one")
    going = (done[-1] - done[STARTING - 1]) / (len(done) - STARTING)
    return time.perf_counter() - start, going, len(done)


def video_path(clip: Path) -> None:
    """Print both rates and their ratio; taken in turns, so that what else the machine does hits both."""
    bare: list[float] = []
    own: list[float] = []
    going: list[float] = []
    with MediaPipeDetector() as detector:
        own_seconds(clip, detector)
        bare_seconds(clip)
        for _ in range(REPEATS):
            taken, frames = bare_seconds(clip)
            bare.append(taken / frames)
            taken, steady, frames = own_seconds(clip, detector)
            own.append(taken / frames)
            going.append(steady)
    for title, ours in ((f"all {frames} frames", own), (f"after the first {STARTING}", going)):
        ratios = sorted(plain / seconds for plain, seconds in zip(bare, ours, strict=True))
        print(
            f"video, {title}: MediaPipe's own loop {1 / statistics.median(bare):.0f} frames/s, face3d "
            f"{1 / statistics.median(ours):.0f}: ratio {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


def photo_folder(folder: Path, count: int) -> None:
    """Small photos that differ."""
    image = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)[:320, 64:384]
    for n in range(count):
        matrix = cv2.getRotationMatrix2D((160, 113), n % 21 - 10, 0.7 + 0.01 * (n % 30))
        small = cv2.warpAffine(image, matrix, (320, 320), borderMode=cv2.BORDER_REPLICATE)
        cv2.imwrite(str(folder / f"{n:05d}.jpg"), small)


def photos(count: int) -> None:
    """Print how `face3d align` uses cores and memory on a folder of photos."""
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "photos").mkdir()
        photo_folder(folder / "photos", count)
        command = [sys.executable, "-m", "face3d", "align", str(folder / "photos"), "--quiet", "--out"]
        start = time.perf_counter()
        process = subprocess.Popen([*command, str(folder / "out")])
        memory = []
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            memory.append((time.perf_counter() - start, resident_mebibytes(process.pid)))
            time.sleep(0.25)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        if process.returncode:
            raise RuntimeError("face3d align failed")
        used = (ended[2].ru_utime + ended[2].ru_stime) / seconds
        print(
            f"photos: {count} in {seconds:.1f} s, {count / seconds:.0f}/s, {used:.2f} of {os.cpu_count()} cores in use"
        )
        marks = [memory[int(part * (len(memory) - 1))] for part in (0.2, 0.4, 0.6, 0.8, 1.0)]
        print("memory: " + ", ".join(f"{mebibytes:.0f} MiB at {at:.0f} s" for at, mebibytes in marks))
    finally:
        shutil.rmtree(folder)


def resident_mebibytes(process: int) -> float:
    """Resident memory of a process, by Linux's own account; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def main() -> None:
    """Measure and print."""
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(sys.argv[1]) if len(sys.argv) > 1 else nodding_clip(Path(folder) / "clip.mp4")
        video_path(clip)
    photos(int(sys.argv[2]) if len(sys.argv) > 2 else 1000)


if __name__ == "__main__":
    main()

"""How fast the job is: `python -m tests.benchmarks.reconstruct` prints ratios measured in one run on this machine.

import         `import face3d` beside `import torch`
fit            the fit of one face beside MediaPipe's own bare detection on the same image, and beside face3d's,
               which searches tiles and averages crops
demo           `face3d demo` from a cold process: wall time and peak memory
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from skimage.data import astronaut

from face3d.assets import asset_path
from face3d.camera import choose_intrinsics
from face3d.fit import Observation, fit_landmarks
from face3d.head import load_head
from face3d.landmarks import open_detector
from face3d.media import Photo


def median_seconds(work: Callable[[], object], *, repeats: int) -> float:
    """Median wall time of a call, after one that is not counted."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def import_seconds(code: str) -> float:
    """Median time that a fresh process spends on an import statement."""
    timed = f"import time; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"
    runs = [subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True) for _ in range(5)]
    return statistics.median(float(run.stdout) for run in runs)


def fit_and_detections() -> tuple[float, float, float]:
    """Median seconds of the fit of one face, of MediaPipe's bare detection of it and of face3d's."""
    photo = Photo.from_array(np.ascontiguousarray(astronaut()))
    model = load_head()
    with open_detector("mediapipe") as detector:
        (face,) = detector.detect(photo.pixels)
        observations = [Observation(face, choose_intrinsics(photo))]
        fit = median_seconds(lambda: fit_landmarks(model, observations), repeats=15)
        detection = median_seconds(lambda: detector.detect(photo.pixels), repeats=15)
    return fit, mediapipe_alone(photo.pixels), detection


def mediapipe_alone(pixels: UInt8[np.ndarray, "H W 3"]) -> float:
    """Median seconds of MediaPipe's own Face Landmarker by its own interface, with all that it can give."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(asset_path("mediapipe"))),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        image = mediapipe.Image(mediapipe.ImageFormat.SRGB, pixels)
        return median_seconds(lambda: landmarker.detect(image), repeats=30)


def demo() -> tuple[float, float]:
    """Wall seconds and peak resident mebibytes of `face3d demo` in a cold process, assets being there."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "face3d", "demo", "--quiet", "--out", folder])
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    if status != 0:
        raise RuntimeError("face3d demo failed")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    torch, both = import_seconds("import torch"), import_seconds("import torch, face3d")
    print(f"import torch {torch:.2f} s, with face3d {both:.2f} s: face3d adds {both - torch:.2f} s")
    fit, alone, detection = fit_and_detections()
    print(f"fit {fit * 1000:.0f} ms, MediaPipe alone {alone * 1000:.0f} ms: ratio {fit / alone:.2f}")
    print(f"face3d's detection {detection * 1000:.0f} ms: ratio {fit / detection:.2f}")
    seconds, memory = demo()
    print(f"face3d demo, cold: {seconds:.1f} s, peak memory {memory:.0f} MiB")


if __name__ == "__main__":
    main()

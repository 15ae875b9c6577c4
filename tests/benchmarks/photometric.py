"""What the fit to colours does on real photos: `python -m tests.benchmarks.photometric PHOTO...`

Without photos it takes the astronaut and those that the tests download from PyPI packages (to a temporary folder).
For each face: the mean absolute difference of the model's colours from the photo's, percent of the range, before and
after; the miss of the landmarks, percent of the interocular distance; how noisy the colours are; and the time beside
that of the landmark fit, in one run.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from face3d.camera import choose_intrinsics
from face3d.fit import Fit, Observation, fit_landmarks, fit_photometric
from face3d.head import load_head
from face3d.landmarks import open_detector
from face3d.media import read_image
from tests.benchmarks.texture import package_photos


def miss(fit: Fit) -> float:
    """Mean distance of the landmarks from the fitted surface, percent of the interocular distance."""
    return 100 * float(fit.reprojection_pixels.mean() / fit.interocular_pixels[0])


def main() -> None:
    """Measure and print."""
    model = load_head()
    rows = []
    print(f"{'face':28}{'colours before':>15}{'after':>8}{'landmarks before':>18}{'after':>8}{'noise':>7}{'time':>8}")
    with tempfile.TemporaryDirectory() as folder, open_detector("mediapipe") as detector:
        for photo in [read_image(Path(name)) for name in sys.argv[1:]] or package_photos(Path(folder)):
            camera = choose_intrinsics(photo)
            for number, face in enumerate(detector.detect(photo.pixels), start=1):
                observation = Observation(face, camera)
                start = time.perf_counter()
                plain = fit_landmarks(model, [observation])
                middle = time.perf_counter()
                colours = fit_photometric(model, [observation], [photo.pixels])
                ratio = (time.perf_counter() - middle) / (middle - start)
                before, after = 100 * colours.residual_before, 100 * colours.residual_after
                rows.append((before, after, miss(plain), miss(colours.fit), colours.noise_factors[0], ratio))
                name = "given" if photo.path is None else photo.path.name
                row = f"{name[:24]} {number}"
                print(f"{row:28}{before:13.1f} %{after:6.1f} %{rows[-1][2]:16.1f} %{rows[-1][3]:6.1f} %", end="")
                print(f"{rows[-1][4]:7.1f}{ratio:7.1f}x")
    table = np.array(rows)
    colours_before, colours_after, before, after, _, ratio = np.median(table, axis=0)
    print(f"{len(table)} faces; the colours of {np.sum(table[:, 1] < table[:, 0])} are explained better")
    print(f"medians: colours {colours_before:.1f} -> {colours_after:.1f} %, landmarks {before:.1f} -> {after:.1f} %")
    print(f"it takes {ratio:.0f} times the landmark fit")


if __name__ == "__main__":
    main()

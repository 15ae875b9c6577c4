"""FAN as a detector: the library's numbers with the same weights, and its behaviour with a network that sees a spot."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

from face3d.errors import ArgumentError, CorruptAssetError, InputError, MissingAssetError
from face3d.landmarks import Detector, FanDetector, open_detector
from face3d.landmarks.fan_networks import FanHeatmaps, fill, load_fan
from tests.golden.recipe import FAN4_DAMPING, recipe_weights

models = pytest.importorskip("face_alignment.models")

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "fan" / "fan4_heatmaps.npz")
FAN_2D, FAN_3D, DEPTH = "2DFAN4-11f355bf06.pth.tar", "3DFAN4-7835d9f11d.pth.tar", "depth-2a464da4ea.pth.tar"
BOX = [150.0, 60.0, 290.0, 210.0]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever tries to reach anything fails the test."""

    def refuse(*_: object) -> None:
        raise AssertionError("the network was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recipe weights under the published names, the depth network's as its publisher wrapped them."""
    folder = tmp_path_factory.mktemp("fan")
    fan = recipe_weights(models.FAN(4).state_dict(), damping=FAN4_DAMPING)
    torch.save(fan, folder / FAN_3D)
    (folder / FAN_2D).symlink_to(folder / FAN_3D)
    depth = recipe_weights(models.ResNetDepth().state_dict(), damping=[(r"bn3\.weight$", 0.2)])
    wrapped = {"state_dict": {f"module.{name}": value for name, value in depth.items()}, "best": np.float64(1)}
    torch.save(wrapped, folder / DEPTH)
    return folder


@pytest.mark.slow
def test_heatmaps_are_the_golden_ones(weights: Path) -> None:
    network = FanHeatmaps(load_fan(weights / FAN_2D))
    crop = torch.from_numpy(GOLDEN["image_rgb_uint8"].transpose(2, 0, 1)[None].astype(np.float32) / 255)
    with torch.inference_mode():
        heatmaps = network(crop)[0].numpy()
    np.testing.assert_allclose(heatmaps.mean(axis=(1, 2)), GOLDEN["flip_sum_mean"], atol=1e-4)
    np.testing.assert_allclose(heatmaps.std(axis=(1, 2)), GOLDEN["flip_sum_std"], atol=1e-4)
    for expected in GOLDEN["flip_sum_slices"]:
        assert min(np.abs(one - expected).max() for one in heatmaps) < 1e-3
    flat = np.sort(heatmaps.reshape(68, -1), axis=1)
    clear = flat[:, -1] - flat[:, -2] > 1e-3
    assert clear.sum() > 60
    assert (heatmaps.reshape(68, -1).argmax(axis=1) == GOLDEN["flip_sum_argmax"])[clear].all()


@pytest.mark.slow
def test_points_are_the_librarys_with_the_same_weights(weights: Path) -> None:
    """Boxes across the border too; x and y equal, depth and heights to rounding. Sub-pixel points: half a cell."""
    api = pytest.importorskip("face_alignment.api")
    image = data.astronaut()
    boxes = np.array([[*BOX, 0.9], [-20.5, 300.2, 150.0, 520.0, 0.7]])
    with FanDetector("3d", face_detector=None, decode="reference", weights=weights, batch_size=1) as ours:
        found = ours.detect_boxes(image, boxes)
    theirs = api.FaceAlignment.__new__(api.FaceAlignment)  # its constructor would download
    vars(theirs).update(
        device="cpu",
        dtype=torch.float32,
        flip_input=True,
        landmarks_type=api.LandmarksType.THREE_D,
        max_batch_size=1,
        verbose=False,
        face_detector=type("Boxes", (), {"reference_scale": 195}),
        face_alignment_net=load_fan(weights / FAN_3D),
        depth_prediciton_net=fill(models.ResNetDepth(), torch.load(weights / DEPTH, weights_only=False), weights, ""),
    )
    points, heights, _ = theirs.get_landmarks_from_image(image, boxes, return_landmark_score=True, return_bboxes=True)
    with FanDetector(face_detector=None, weights=weights) as between_cells:
        fitted = between_cells.detect_boxes(image, boxes)
    for one, fit, box, expected, height in zip(found, fitted, boxes, points, heights, strict=True):
        np.testing.assert_array_equal(one.points[:, :2], expected[:, :2])
        np.testing.assert_allclose(one.points[:, 2], expected[:, 2], atol=1e-3)
        assert one.peak_heights is not None
        np.testing.assert_allclose(one.peak_heights, height, atol=1e-3)
        cell = (box[2] - box[0] + box[3] - box[1]) / 195 * 200 / 64
        # Cutting to whole pixels moves the library's points by up to one more.
        assert np.abs(fit.points[:, :2] - one.points[:, :2]).max() <= cell / 2 + 1


class SpotNetwork(nn.Module):
    """Stands for FAN: every heatmap is the red channel of the crop, as FAN's heatmaps are a quarter of its size."""

    def forward(self, crops: torch.Tensor) -> list[torch.Tensor]:
        cells = nn.functional.avg_pool2d(crops[:, :1], 4)
        return [torch.zeros_like(cells), cells.expand(-1, 68, -1, -1)]


@pytest.fixture
def spots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder from which detectors load `SpotNetwork`."""
    (tmp_path / FAN_2D).touch()
    (tmp_path / FAN_3D).touch()
    monkeypatch.setattr("face3d.landmarks.fan_detector.load_fan", lambda path: SpotNetwork())
    return tmp_path


@pytest.fixture
def spotter(spots: Path) -> Iterator[FanDetector]:
    with FanDetector(face_detector=None, weights=spots) as detector:
        yield detector


def spot(x: float, y: float, width: int = 321, height: int = 243, spread: float = 6.0) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    grey = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 2 / spread**2)
    return np.repeat(np.rint(grey)[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize(("x", "y"), [(160.3, 100.9), (150.0, 130.2), (201.7, 90.4)])
def test_a_spot_is_found_where_it_is(spotter: FanDetector, x: float, y: float) -> None:
    """A box of 120 pixels makes cells of 3.8; the library's own cut of the patch is off by up to a pixel and a half."""
    (face,) = spotter.detect_boxes(spot(x, y), [[110.0, 50.0, 230.0, 170.0]])
    np.testing.assert_allclose(face.points[:, :2], np.tile([x, y], (68, 1)), atol=1.5)
    assert np.isnan(face.points[:, 2]).all()
    assert (face.topology, face.detector, face.image_size) == ("ibug_68", "fan", (321, 243))
    assert "BSD-3-Clause" in face.licence
    assert face.peak_heights is not None
    np.testing.assert_allclose(face.confidence, face.peak_heights / 2)


def test_points_move_with_the_face_and_do_not_jump(spotter: FanDetector, spots: Path) -> None:
    """Steps of a third of a pixel: fitted points follow; the reference stands still and then jumps."""
    steps = [spot(150 + step / 3, 110.0) for step in range(12)]
    with FanDetector(face_detector=None, weights=spots, decode="reference") as reference:
        jumping = [reference.detect_boxes(image, [[90.0, 50.0, 210.0, 170.0]])[0].points[0, 0] for image in steps]
    moving = [spotter.detect_boxes(image, [[90.0, 50.0, 210.0, 170.0]])[0].points[0, 0] for image in steps]
    np.testing.assert_allclose(np.diff(moving), 1 / 3, atol=0.1)
    assert np.diff(jumping).max() >= 1
    assert np.array_equal(jumping, np.rint(jumping))


def test_batches_of_any_size_give_the_same(spots: Path) -> None:
    images = [spot(150, 110), spot(80, 90, 200, 180)]
    boxes = [[90.0, 50.0, 210.0, 170.0], [20.0, 30.0, 140.0, 150.0], [60.0, 40.0, 180.0, 160.0]]
    results = []
    for batch_size in (1, 2, 8):
        with FanDetector(face_detector=None, weights=spots, batch_size=batch_size) as detector:
            results.append([face.points for image in images for face in detector.detect_boxes(image, boxes)])
    np.testing.assert_allclose(results[0], results[1], atol=1e-4)
    np.testing.assert_allclose(results[0], results[2], atol=1e-4)


def test_faces_of_several_images(spots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a face detector: found left to right, the largest kept, slips outside of the image dropped."""
    boxes = np.array([[180.0, 40.0, 300.0, 160.0, 0.9], [10.0, 50.0, 90.0, 130.0, 0.8], [900.0, 0.0, 950.0, 50.0, 0.9]])
    seen: list[tuple[int, ...]] = []

    def find(image: np.ndarray) -> np.ndarray:
        seen.append(image.shape)
        return boxes.copy() if image.max() else np.zeros((0, 5))

    monkeypatch.setattr("face3d.landmarks.fan_detector.box_finder", lambda *_: find)
    (spots / "s3fd-619a316812.pth").touch()
    with FanDetector(weights=spots) as detector:
        assert isinstance(detector, Detector)
        first, none, second = detector.detect_batch([spot(230, 100), np.zeros((50, 70), np.uint8), spot(40, 90)])
        assert none == []
        assert [face.score for face in first] == [face.score for face in second] == [0.8, 0.9]
        assert len(detector.detect_video(spot(230, 100), 0)) == 2
        with pytest.raises(ArgumentError, match="increase"):
            detector.detect_video(spot(230, 100), 0)
    with FanDetector(weights=spots, max_faces=1, detection_side=100) as detector:
        seen.clear()
        detector.detect(spot(230, 100, 400, 300))
        assert seen == [(75, 100, 3)]
    with FanDetector(weights=spots, decode="reference", detection_side=100) as detector:
        detector.detect(spot(230, 100, 400, 300))
        assert seen[-1] == (300, 400, 3)


def test_three_dimensional_points_are_fixed_to_the_skin(spots: Path) -> None:
    with FanDetector("2.5d", face_detector=None, weights=spots) as detector:
        (face,) = detector.detect_boxes(spot(150, 110), [[90.0, 50.0, 210.0, 170.0]])
    assert face.topology == "ibug_68_fixed"


def test_points_outside_of_the_image_are_not_trusted(spotter: FanDetector) -> None:
    """A spot cut by the border, whose peak lies beyond it, as far as the crop's black shows."""
    (face,) = spotter.detect_boxes(spot(0.0, 110.0), [[-60.0, 50.0, 60.0, 170.0]])
    outside = face.points[:, 0] < 0
    assert (face.confidence[outside] == 0).all()
    assert (face.confidence[~outside] > 0).all()


@pytest.mark.parametrize(
    "image", [np.zeros((243, 321), np.uint8), np.zeros((243, 321, 4), np.uint8), np.zeros((17, 401, 3), np.uint8)]
)
def test_gray_alpha_and_odd_images(spotter: FanDetector, image: np.ndarray) -> None:
    assert len(spotter.detect_boxes(image, [[10.0, 2.0, 40.0, 16.0]])) == 1


def test_boxes_that_are_none(spotter: FanDetector) -> None:
    image = spot(150, 110)
    assert spotter.detect_boxes(image, []) == []
    assert spotter.detect_boxes(image, np.zeros((0, 5))) == []
    for box, match in (
        ([np.nan] * 4, "not finite"),
        ([10.0, 10.0, 10.0, 10.0], "empty"),
        ([5000.0, 10.0, 5100.0, 110.0], "outside"),
    ):
        with pytest.raises(InputError, match=match):
            spotter.detect_boxes(image, [box])
    with pytest.raises(ArgumentError, match=r"\(N, 4\)"):
        spotter.detect_boxes(image, [[1.0, 2.0, 3.0]])
    with pytest.raises(InputError):
        spotter.detect_boxes(np.zeros((4, 4, 3), np.uint8), [BOX])
    with pytest.raises(ArgumentError, match="no face detector"):
        spotter.detect(image)


def test_closed_detectors_say_so(spots: Path) -> None:
    detector = FanDetector(face_detector=None, weights=spots)
    detector.close()
    detector.close()
    with pytest.raises(ArgumentError, match="closed"):
        detector.detect_boxes(spot(150, 110), [BOX])


def test_options_out_of_range(spots: Path) -> None:
    for options in ({"points": "4d"}, {"decode": "best"}, {"batch_size": 0}, {"max_faces": 0}):
        with pytest.raises(ArgumentError):
            FanDetector(face_detector=None, weights=spots, **options)
    with pytest.raises(ArgumentError, match="choose sfd"):
        FanDetector(face_detector="haar", weights=spots)  # type: ignore[arg-type]


def test_missing_weights_are_named_and_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, purpose, licence, where from, command: all in one line."""
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path))
    with pytest.raises(MissingAssetError) as caught:
        open_detector("fan")
    message = str(caught.value)
    for part in (FAN_2D, "68 landmarks", "BSD-3-Clause", "adrianbulat.com", f"face3d assets add fan {FAN_2D}"):
        assert part in message
    assert "\n" not in message
    (tmp_path / FAN_3D).touch()
    with pytest.raises(MissingAssetError, match=DEPTH):
        FanDetector("3d", face_detector=None, weights=tmp_path)


def test_another_networks_checkpoint(tmp_path: Path) -> None:
    """DECA's file offered as FAN's, a shape that differs, and a truncated file."""
    file = tmp_path / FAN_2D
    torch.save({"E_flame": {"layers.0.weight": torch.ones(2, 2)}, "E_detail": {}}, file)
    with pytest.raises(CorruptAssetError, match=r"does not hold FAN-4 but E_flame, E_detail"):
        FanDetector(face_detector=None, weights=tmp_path)
    state = models.FAN(4).state_dict()
    torch.save(state | {"conv1.weight": torch.ones(3)}, file)
    with pytest.raises(CorruptAssetError, match=r"conv1.weight is \(3,\), not \(64, 3, 7, 7\)"):
        FanDetector(face_detector=None, weights=tmp_path)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(CorruptAssetError, match="cannot be read safely"):
        FanDetector(face_detector=None, weights=tmp_path)

"""Landmark sets: mirrors, regions and maps agree with each other, with the golden vectors and with a head's points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from face3d.errors import ArgumentError
from face3d.head import load_head
from face3d.landmarks import TOPOLOGIES, Topology, convert_landmarks, convert_points, index_map, mirror_points
from face3d.landmarks.topologies import MEDIAPIPE_105_FROM_478, mica_five_points
from tests.landmarks.test_crops_published import frontal_points, landmarks_at

GOLDEN_FOLDER = Path(__file__).parents[1] / "golden"
NAMES = tuple(TOPOLOGIES)
PAIRS = [(source, target) for source in NAMES for target in NAMES if index_map(source, target) is not None]


def test_every_topology_has_a_table() -> None:
    assert set(NAMES) == set(get_args(Topology))
    sizes = {name: topology.size for name, topology in TOPOLOGIES.items()}
    assert [size for name, size in sizes.items() if not name.endswith(f"_{size}")] == [68]  # ibug_68_fixed


@pytest.mark.parametrize("name", NAMES)
def test_mirrors_are_their_own_inverse_and_swap_sides(name: str) -> None:
    topology = TOPOLOGIES[name]
    np.testing.assert_array_equal(topology.mirror[topology.mirror], np.arange(topology.size))
    for part, indices in topology.regions.items():
        other = part.replace("left", "right") if "left" in part else part.replace("right", "left")
        assert {*topology.mirror[list(indices)]} == {*topology.regions[other]}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("mediapipe_478", "mediapipe_468")])
def test_regions_hold_every_point_once(name: str) -> None:
    topology = TOPOLOGIES[name]
    assert sorted(index for part in topology.regions.values() for index in part) == list(range(topology.size))


def test_the_mirror_of_68_is_face_alignments() -> None:
    golden = np.load(GOLDEN_FOLDER / "fan" / "fan_utils.npz")["flip_permutation"]
    np.testing.assert_array_equal(TOPOLOGIES["ibug_68"].mirror, golden)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_maps_mirror(source: str, target: str) -> None:
    """Mirrored and then converted is converted and then mirrored."""
    points = np.random.default_rng(0).uniform(0, 100, (TOPOLOGIES[source].size, 2))
    one = convert_points(mirror_points(points, source, 100.0), source, target)
    other = mirror_points(convert_points(points, source, target), target, 100.0)
    # The lower lids' halves differ by one landmark between MediaPipe's two eyes; nothing else does.
    np.testing.assert_allclose(one, other, atol=1e-9)


@pytest.mark.parametrize("target", ["ibug_68", "ibug_51", "arcface_5", "mediapipe_468", "mediapipe_105"])
def test_mediapipe_maps_hit_the_heads_own_points(target: str) -> None:
    """On the open head, which has both sets: exact maps exactly, others within a centimetre but for brows and jaw."""
    head = load_head()
    geometry = head()
    points = head.points("mediapipe_478", geometry)[0].numpy()
    converted = convert_points(points, "mediapipe_478", target)
    if index_map("mediapipe_478", target).exact:  # type: ignore[union-attr]
        assert {tuple(point) for point in converted} <= {tuple(point) for point in points}
        return
    expected = head.points("arcface_5" if target == "arcface_5" else "ibug_68_fixed", geometry)[0].numpy()
    if target == "ibug_51":
        expected = expected[17:]
    nose_eyes_lips = {"ibug_68": 27, "ibug_51": 10}.get(target, 0)
    assert np.linalg.norm(converted - expected, axis=1)[nose_eyes_lips:].max() < 0.01


def test_the_105_points_are_the_published_blocks() -> None:
    regions = TOPOLOGIES["mediapipe_105"].regions
    assert len({*MEDIAPIPE_105_FROM_478}) == 105
    nose = [MEDIAPIPE_105_FROM_478[index] for index in regions["nose"]]
    assert nose == [168, 6, 197, 195, 5, 4, 129, 98, 97, 2, 326, 327, 358]
    assert {name: len(part) for name, part in regions.items()} == {
        "left_brow": 10, "right_brow": 10, "left_eye": 16, "right_eye": 16, "nose": 13, "lips": 40
    }  # fmt: skip


def test_five_points_of_68() -> None:
    points = frontal_points()
    five = convert_points(points, "ibug_68", "arcface_5")
    np.testing.assert_allclose(five[0], points[36:42].mean(axis=0))
    np.testing.assert_allclose(five[2:], points[[30, 48, 54]])


def test_micas_five_points() -> None:
    golden = np.load(GOLDEN_FOLDER / "norm_crop" / "mica_face_choice.npz")
    for points, expected in zip(golden["landmarks68"], golden["five_points_from_68_parity"], strict=True):
        np.testing.assert_allclose(mica_five_points(points), expected, atol=1e-9)


def test_landmarks_are_converted_with_their_confidence() -> None:
    landmarks = replace(landmarks_at(frontal_points()), confidence=np.linspace(0, 1, 68), peak_heights=np.arange(68.0))
    inner = convert_landmarks(landmarks, "ibug_51")
    assert inner.topology == "ibug_51"
    np.testing.assert_array_equal(inner.points, landmarks.points[17:])
    np.testing.assert_array_equal(inner.confidence, landmarks.confidence[17:])
    np.testing.assert_array_equal(inner.peak_heights, np.arange(17.0, 68.0))
    np.testing.assert_array_equal(inner.box[:2], landmarks.points[17:, :2].min(axis=0))


def test_what_cannot_be_converted() -> None:
    assert index_map("ibug_68", "mediapipe_478") is None
    with pytest.raises(ArgumentError, match="convert_through_head"):
        convert_points(np.zeros((68, 2)), "ibug_68", "wflw_98")
    with pytest.raises(ArgumentError, match=r"\(68, C\)"):
        convert_points(np.zeros((67, 2)), "ibug_68", "ibug_51")
    with pytest.raises(ArgumentError, match="no landmarks 'dlib'"):
        index_map("dlib", "ibug_68")

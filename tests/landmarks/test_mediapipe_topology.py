"""The index maps agree with MediaPipe's own tables, with the canonical mesh in the model, and with each other."""

from __future__ import annotations

import numpy as np
import pytest

from face3d.landmarks import MediaPipeDetector
from face3d.landmarks.mediapipe_topology import (
    ARCFACE_5_FROM_478,
    GROUPS,
    IBUG_68_FROM_478,
    IRIS_CENTRES,
    MIRROR_478,
    arcface_points,
    ibug_points,
)

# iBUG's own mirror partners, as face-alignment and 300W code have them (counted from 0).
IBUG_MIRROR = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
]


def test_mirror_is_its_own_inverse() -> None:
    np.testing.assert_array_equal(MIRROR_478[MIRROR_478], np.arange(478))


@pytest.mark.parametrize(
    ("table", "group"),
    [
        ("LEFT_EYE", "left_eye"),
        ("RIGHT_EYE", "right_eye"),
        ("LEFT_EYEBROW", "left_brow"),
        ("RIGHT_EYEBROW", "right_brow"),
        ("FACE_OVAL", "face_oval"),
        ("NOSE", "nose"),
    ],
)
def test_groups_are_mediapipes(table: str, group: str) -> None:
    vision = pytest.importorskip("mediapipe.tasks.python.vision")
    edges = getattr(vision.FaceLandmarksConnections, f"FACE_LANDMARKS_{table}")
    assert {edge.start for edge in edges} | {edge.end for edge in edges} == set(GROUPS[group])


def test_rings_run_along_mediapipes_edges() -> None:
    vision = pytest.importorskip("mediapipe.tasks.python.vision")
    for table, groups in (
        ("LIPS", ("lips_outer", "lips_inner")),
        ("LEFT_EYE", ("left_eye",)),
        ("RIGHT_EYE", ("right_eye",)),
        ("FACE_OVAL", ("face_oval",)),
    ):
        edges = getattr(vision.FaceLandmarksConnections, f"FACE_LANDMARKS_{table}")
        expected = {frozenset((edge.start, edge.end)) for edge in edges}
        rings = {
            frozenset(pair) for group in groups for pair in zip(GROUPS[group], np.roll(GROUPS[group], -1), strict=True)
        }
        assert rings == expected


@pytest.mark.parametrize("part", ["eye", "brow"])
def test_left_and_right_are_mirror_partners(part: str) -> None:
    assert tuple(MIRROR_478[list(GROUPS[f"right_{part}"])]) == GROUPS[f"left_{part}"]
    assert MIRROR_478[IRIS_CENTRES["right"]] == IRIS_CENTRES["left"]
    assert {*MIRROR_478[list(GROUPS["right_iris"])]} == {*GROUPS["left_iris"]}


@pytest.mark.parametrize("group", ["lips_outer", "lips_inner", "nose", "face_oval"])
def test_groups_in_the_middle_are_symmetric(group: str) -> None:
    assert {*MIRROR_478[list(GROUPS[group])]} == {*GROUPS[group]}


def test_ibug_map_mirrors_as_ibug_does() -> None:
    assert MIRROR_478[list(IBUG_68_FROM_478)].tolist() == [IBUG_68_FROM_478[partner] for partner in IBUG_MIRROR]


def test_arcface_map_mirrors() -> None:
    partners = [{*MIRROR_478[list(indices)]} for indices in ARCFACE_5_FROM_478]
    assert partners == [set(ARCFACE_5_FROM_478[index]) for index in (1, 0, 2, 4, 3)]


def test_points_on_a_real_face(detector: MediaPipeDetector) -> None:
    """Five points, 68 points and iris rings of the astronaut lie as a face has them."""
    data = pytest.importorskip("skimage.data")
    points = detector.detect(data.astronaut())[0].points[:, :2]
    eye, other_eye, nose, mouth, other_mouth = arcface_points(points)
    assert eye[0] < nose[0] < other_eye[0]
    assert max(eye[1], other_eye[1]) < nose[1] < min(mouth[1], other_mouth[1])
    ibug = ibug_points(points)
    assert ibug.shape == (68, 2)
    assert ibug[8, 1] > ibug[57, 1] > ibug[33, 1] > ibug[27, 1]
    for side in ("right", "left"):
        ring = points[list(GROUPS[f"{side}_iris"])]
        centre, image_right, top, image_left, bottom = ring
        assert image_left[0] < centre[0] < image_right[0]
        assert top[1] < centre[1] < bottom[1]

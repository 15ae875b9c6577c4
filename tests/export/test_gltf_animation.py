"""Animated heads, evaluated by the specification and compared with the head model."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from face3d import load_head
from face3d.errors import ArgumentError
from face3d.export.gltf_animation import export_gltf_animation
from face3d.head import HeadModel
from face3d.result_files import head_mesh
from tests.export.gltf_evaluator import Gltf
from tests.head.random_heads import random_arrays
from tests.talking import CURVES, talking_track

VALIDATOR = "gltf-validator@2.0.0-dev.3.10"
FLIP = np.diag([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def open_track():
    return talking_track(30)


def exported(track, **options) -> bytes:
    mesh = head_mesh(track.model, track.neutral())
    return export_gltf_animation(mesh, track.model, track.motion(), intrinsics=track.intrinsics, **options)


@pytest.fixture(scope="module")
def open_file(open_track):
    return exported(open_track)


def posed(track, t) -> np.ndarray:
    return track.posed_in_camera(t) @ FLIP


def between(track, t, share):
    """The track at a time between two frames: expressions and places on the line, turns on the arc."""

    def arc(first, second):
        start = Rotation.from_rotvec(first)
        return (
            start * Rotation.from_rotvec(share * (start.inv() * Rotation.from_rotvec(second)).as_rotvec())
        ).as_rotvec()

    def line(values):
        return (1 - share) * values[t] + share * values[t + 1]

    pose = np.eye(4)
    turns = Rotation.from_matrix(track.camera_from_head[t : t + 2, :3, :3]).as_rotvec()
    pose[:3, :3] = Rotation.from_rotvec(arc(*turns)).as_matrix()
    pose[:3, 3] = line(track.camera_from_head[:, :3, 3])
    return replace(
        track,
        frames=track.frames[:1],
        expression=line(track.expression)[None],
        jaw=arc(track.jaw[t], track.jaw[t + 1])[None],
        neck=arc(track.neck[t], track.neck[t + 1])[None],
        eyes=np.concatenate([arc(track.eyes[t, part], track.eyes[t + 1, part]) for part in (slice(3), slice(3, 6))])[
            None
        ],
        camera_from_head=pose[None],
    )


def random_head_track(seed=0, frames=12):
    """A head whose expressions move its joints, with pose correctives, and at most four joints per vertex."""
    arrays = random_arrays(seed, vertices=60)
    weights = arrays.skinning_weights.copy()
    weights[np.arange(60), weights.argmin(axis=1)] = 0
    arrays = replace(arrays, skinning_weights=weights / weights.sum(axis=1, keepdims=True))
    track = talking_track(frames, model=HeadModel(arrays))
    rng = np.random.default_rng(seed)
    return replace(track, jaw=np.cumsum(rng.normal(0, 0.1, (frames, 3)), axis=0))


@pytest.mark.parametrize("t", [0, 7, 29])
def test_at_a_frame_the_vertices_are_the_models(open_track, open_file, t):
    found = Gltf.read(open_file).vertices(float(np.float32(open_track.times[t])))
    count = len(open_track.model.template)
    np.testing.assert_allclose(found[:count], posed(open_track, t), atol=1e-6)


@pytest.mark.parametrize(("t", "share"), [(3, 0.5), (20, 0.25)])
def test_between_frames_all_is_linear(open_track, open_file, t, share):
    time = open_track.times[t] + share * (open_track.times[t + 1] - open_track.times[t])
    found = Gltf.read(open_file).vertices(time)
    wanted = posed(between(open_track, t, share), 0)
    np.testing.assert_allclose(found[: len(wanted)], wanted, atol=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_pose_correctives_and_joints_that_expressions_move_are_there(seed):
    track = random_head_track(seed)
    file = Gltf.read(exported(track))
    names = file.document["meshes"][0]["extras"]["targetNames"]
    assert any(name.startswith("pose_corrective_") for name in names)
    for t in (0, 5, 11):
        found = file.vertices(float(np.float32(track.times[t])))
        np.testing.assert_allclose(found[:60], posed(track, t), atol=3e-6)
    plain = replace(track, model=HeadModel(replace(track.model.arrays(), pose_basis=None)))
    assert np.abs(posed(plain, 5) - posed(track, 5)).max() > 1e-3, "the correctives matter in this test"


def test_what_moves_has_a_name_and_what_rests_is_left_out(open_track, open_file):
    document = Gltf.read(open_file).document
    mesh = document["meshes"][0]
    assert set(mesh["extras"]["targetNames"]) == set(CURVES)
    assert len(mesh["primitives"][0]["targets"]) == len(mesh["weights"]) == len(CURVES)
    (animation,) = document["animations"]
    moved = {(document["nodes"][c["target"]["node"]]["name"], c["target"]["path"]) for c in animation["channels"]}
    assert moved == {
        *(("head", "weights"), ("head_pose", "translation"), ("head_pose", "rotation")),
        # Puffed cheeks move the joint of the neck a little.
        *(("neck", "translation"), ("neck", "rotation"), ("left_eye", "rotation"), ("right_eye", "rotation")),
    }
    times = Gltf.read(open_file).array(animation["samplers"][0]["input"])[:, 0]
    np.testing.assert_array_equal(times, open_track.times.astype(np.float32))


def test_the_camera_sees_the_head_where_the_video_does(open_track, open_file):
    file = Gltf.read(open_file)
    camera = file.document["cameras"][0]["perspective"]
    width, height = open_track.intrinsics.image_size
    found = file.vertices(float(np.float32(open_track.times[9])))[: len(open_track.model.template)]
    tangent = np.tan(camera["yfov"] / 2)
    x = found[:, 0] / -found[:, 2] / (tangent * camera["aspectRatio"])
    y = found[:, 1] / -found[:, 2] / tangent
    pixels = np.stack(((x + 1) / 2 * width, (1 - y) / 2 * height), 1)
    seen = open_track.posed_in_camera(9) @ open_track.intrinsics.matrix.T
    np.testing.assert_allclose(pixels, seen[:, :2] / seen[:, 2:], atol=0.01)


def test_the_second_animation_holds_the_head_still(open_track):
    file = Gltf.read(exported(open_track, also_in_place=True))
    still = replace(open_track, camera_from_head=np.repeat(open_track.camera_from_head[:1], 30, axis=0))
    found = file.vertices(float(np.float32(open_track.times[17])), animation=1)
    np.testing.assert_allclose(found[: len(open_track.model.template)], posed(still, 17), atol=1e-6)


def test_normals_follow_the_expressions(open_track, open_file):
    file = Gltf.read(open_file)
    primitive = file.document["meshes"][0]["primitives"][0]
    rest = file.array(primitive["attributes"]["NORMAL"])
    jaw = file.document["meshes"][0]["extras"]["targetNames"].index("jawOpen")
    turned = rest + file.array(primitive["targets"][jaw]["NORMAL"])
    changed = np.abs(turned - rest).max(1) > 1e-3
    assert 100 < changed.sum() < 4000
    np.testing.assert_allclose(np.linalg.norm(turned[changed], axis=1), 1.0, atol=1e-3)


def test_one_frame_and_a_head_that_rests():
    track = talking_track(1)
    assert "animations" in Gltf.read(exported(track)).document or not track.expression.any()
    still = replace(track, expression=0 * track.expression, eyes=0 * track.eyes, neck=0 * track.neck)
    file = Gltf.read(exported(still))
    assert "animations" not in file.document
    assert "targets" not in file.document["meshes"][0]["primitives"][0]
    np.testing.assert_allclose(file.vertices(0.0)[: len(track.model.template)], posed(still, 0), atol=1e-6)


def test_times_that_single_precision_cannot_tell_apart_are_one(open_track):
    times = 7200 + np.arange(30) * 1e-4
    track = replace(open_track, times=times)
    file = Gltf.read(exported(track))
    found = file.array(file.document["animations"][0]["samplers"][0]["input"])[:, 0]
    assert (np.diff(found) > 0).all()
    assert len(found) < 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": np.zeros(30)}, "increase"),
        ({"times": np.arange(30) - 1.0}, "increase"),
        ({"jaw": np.full((30, 3), np.nan)}, "jaw"),
        ({"eyes": np.zeros((29, 6))}, "eyes"),
    ],
)
def test_what_is_no_motion_is_refused(open_track, changes, message):
    motion = replace(open_track.motion(), **changes)
    with pytest.raises(ArgumentError, match=message):
        export_gltf_animation(head_mesh(open_track.model, open_track.neutral()), open_track.model, motion)
    other = HeadModel(random_arrays())
    with pytest.raises(ArgumentError, match="vertices"):
        export_gltf_animation(head_mesh(other, other()), load_head("open"), open_track.motion())


@pytest.fixture(scope="session")
def validator(request) -> list[str]:
    """The Khronos validator from npm, installed once into pytest's cache."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    folder = Path(request.config.cache.mkdir("gltf-validator"))
    if not (folder / "node_modules" / "gltf-validator").is_dir():
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), VALIDATOR]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=120)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"{VALIDATOR} cannot be installed: {error}")
    script = folder / "validate.js"
    script.write_text(
        f"const v = require({json.dumps(str(folder / 'node_modules' / 'gltf-validator'))});"
        'v.validateBytes(new Uint8Array(require("fs").readFileSync(process.argv[2])))'
        ".then((report) => console.log(JSON.stringify(report.issues)));"
    )
    return [node, str(script)]


@pytest.mark.parametrize("kind", ["open", "random", "rest"])
def test_the_khronos_validator_finds_nothing(validator, open_track, kind, tmp_path):
    tracks = {"open": open_track, "rest": talking_track(1), "random": random_head_track()}
    (tmp_path / "head.glb").write_bytes(exported(tracks[kind], also_in_place=True))
    done = subprocess.run(
        [*validator, str(tmp_path / "head.glb")], capture_output=True, text=True, timeout=60, check=True
    )
    issues = json.loads(done.stdout)
    # Degenerate triangles are the random head's own.
    ours = [one for one in issues["messages"] if one["severity"] < 2]
    assert issues["numErrors"] == 0, issues["messages"]
    assert ours == []

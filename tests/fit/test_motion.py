"""The motion of a head: known clips come back, chunks join, faults stay where they are."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from face3d.camera import Intrinsics
from face3d.errors import ArgumentError, InputError
from face3d.fit.motion import Motion, MotionFitter, MotionOptions
from face3d.fit.responses import response_of
from face3d.head import HeadModel, load_flame, load_head
from tests.fit.talking_clips import TalkingClip, aligned, detect, talking_clip, vertices, with_pulse
from tests.head.golden import FLAME, GOLDEN

STILL = slice(60, 90)
AS_TRACKED = MotionOptions()
EXACT = MotionOptions(tolerance=1e-3, iterations=20)


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def clip(head: HeadModel) -> TalkingClip:
    return talking_clip(head, 5, still=STILL, frames=90)


@pytest.fixture(scope="module")
def points(head: HeadModel, clip: TalkingClip) -> np.ndarray:
    return detect(head, clip, response_of(head, "mediapipe_478"), 6)


@pytest.fixture(scope="module")
def motion(head: HeadModel, clip: TalkingClip, points: np.ndarray) -> Motion:
    return fitter(head, clip).fit(clip.times, points)


def fitter(head: HeadModel, clip: TalkingClip, options: MotionOptions = AS_TRACKED) -> MotionFitter:
    return MotionFitter(head, clip.identity, clip.intrinsics, options=options)


def turned_by(motion: Motion, clip: TalkingClip, part: slice = slice(None)) -> np.ndarray:
    """Degrees between fitted and true rotation of the head, but for what is the same in all frames."""
    between = clip.pose[part, :3, :3].transpose(0, 2, 1) @ motion.camera_from_head[:, :3, :3]
    constant = Rotation.from_matrix(between).mean().as_matrix()
    return np.rad2deg(Rotation.from_matrix(between @ constant.T).magnitude())


def openings(head: HeadModel, identity: np.ndarray, expression: np.ndarray, upper: int, lower: int) -> np.ndarray:
    """(T,) metres between two of MediaPipe's landmarks on the posed mesh."""
    points = head.point_sets["mediapipe_478"]
    corners = head.triangles[points.triangles[[upper, lower]]].numpy()
    posed = vertices(head, identity, expression, np.zeros((len(expression), 6)))[:, corners]
    ends = np.einsum("nk,tnkx->tnx", points.barycentric[[upper, lower]].double().numpy(), posed)
    return np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)


def test_a_known_head_is_followed_through_the_detectors_errors(head, clip, points, motion) -> None:
    face = head.regions["face"].numpy()
    found = vertices(head, clip.identity, motion.expression, motion.eyes)[:, face]
    true = vertices(head, clip.identity, clip.expression, clip.eyes)[:, face]
    assert np.median(np.linalg.norm(aligned(found, true) - true, axis=2)) < 0.0012
    assert np.median(turned_by(motion, clip)) < 2.0
    assert motion.valid.all()
    # The errors that the detector is simulated with are of that size themselves.
    assert np.median(motion.residual) < 0.04
    assert (motion.expression >= 0).all()
    assert (motion.expression <= 1).all()
    assert not motion.jaw.any()
    assert not motion.neck.any()


def test_a_still_face_is_still(head, clip, motion) -> None:
    face = head.regions["face"].numpy()
    part = slice(STILL.start + 4, STILL.stop)
    found = vertices(head, clip.identity, motion.expression[part], motion.eyes[part])[:, face]
    assert np.sqrt(np.mean(np.sum((found - found.mean(axis=0)) ** 2, axis=2))) < 1e-4


def test_the_motion_does_not_lag(head, clip, motion) -> None:
    jaw = list(head.expression_names).index("jawOpen")
    true, found = (x[:60, jaw] - x[:60, jaw].mean() for x in (clip.expression, motion.expression))
    shifts = range(-3, 4)
    match = [float(np.sum(true[3:-3] * found[3 + shift : len(found) - 3 + shift])) for shift in shifts]
    assert shifts[int(np.argmax(match))] == 0


def test_exact_landmarks_without_ties_are_explained(head, clip) -> None:
    exact = detect(head, clip, response_of(head, "mediapipe_478"), 0, noise=0.0)[:20]
    found = fitter(head, clip, MotionOptions(smoothness=0.01)).fit(clip.times[:20], exact)
    assert np.median(turned_by(found, clip, slice(20))) < 1.0
    across = (found.camera_from_head[:, :2, 3] - clip.pose[:20, :2, 3]) / clip.pose[:20, 2:3, 3]
    assert np.abs(across).max() < 0.01


@pytest.mark.parametrize(
    ("shapes", "ends"),
    [
        ({"jawOpen": 0.0, "mouthClose": 0.0, "mouthFunnel": 0.0, "mouthPucker": 0.0}, (13, 14)),
        ({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}, (386, 374)),
    ],
)
def test_two_frames_of_closure_survive(head, clip, shapes, ends) -> None:
    middle = with_pulse(
        clip, head, 0, 90, {"jawOpen": 0.35, "mouthClose": 0.0, "eyeBlinkLeft": 0.1, "eyeBlinkRight": 0.1}
    )
    closing = with_pulse(middle, head, 40, 2, shapes)
    seen = detect(head, closing, response_of(head, "mediapipe_478"), 8, noise=0.0)
    found = fitter(head, clip).fit(clip.times, seen)
    true, got = (openings(head, clip.identity, values, *ends) for values in (closing.expression, found.expression))
    depth_true = np.mean(true[[37, 38, 43, 44]]) - np.mean(true[40:42])
    depth = np.mean(got[[37, 38, 43, 44]]) - np.mean(got[40:42])
    assert depth > 0.8 * depth_true


def test_chunks_with_lookahead_equal_the_whole(head, clip, points) -> None:
    exact = fitter(head, clip, EXACT)
    whole = exact.fit(clip.times, points)
    ahead = int(np.ceil(exact.lookahead * 25))
    first = exact.fit(clip.times[: 40 + ahead], points[: 40 + ahead], keep=40)
    second = exact.fit(clip.times[40:], points[40:], start=first.state)
    assert len(first.expression) == 40
    for name in ("expression", "eyes", "camera_from_head"):
        joined = np.concatenate([getattr(first, name), getattr(second, name)])
        assert np.abs(joined - getattr(whole, name)).max() < 2e-3


def test_a_gap_is_bridged_and_marked(head, clip, points, motion) -> None:
    valid = np.ones(90, bool)
    valid[30:36] = False
    holed = points.copy()
    holed[30:36] = np.nan
    found = fitter(head, clip).fit(clip.times, holed, valid=valid)
    assert (found.valid == valid).all()
    assert np.isnan(found.residual[30:36]).all()
    assert (found.quality[30:36] < 0.5).all()
    assert found.quality[32] < found.quality[30]
    assert np.median(turned_by(found, clip)[30:36]) < 5
    far = np.r_[0:25, 41:90]
    assert np.abs(found.expression[far] - motion.expression[far]).max() < 0.05


def test_one_wild_frame_moves_itself_alone(head, clip, points, motion) -> None:
    rng = np.random.default_rng(0)
    for wrong in (points[45] + [200.0, 0, 0], points[45] + 40 * rng.normal(size=points[45].shape)):
        broken = points.copy()
        broken[45] = wrong
        found = fitter(head, clip).fit(clip.times, broken)
        near = np.r_[40:45, 46:51]
        moved = np.linalg.norm(found.camera_from_head[near, :3, 3] - motion.camera_from_head[near, :3, 3], axis=1)
        assert moved.max() < 0.004
        assert found.quality[45] < 0.5 * np.median(motion.quality)


def test_nothing_is_tied_across_a_cut(head, clip, points) -> None:
    shots = np.where(np.arange(90) < 40, 1, 2)
    exact = fitter(head, clip, EXACT)
    both = exact.fit(clip.times, points, shots=shots)
    alone = exact.fit(clip.times[40:], points[40:], shots=shots[40:])
    assert np.abs(both.expression[40:] - alone.expression).max() < 1e-3


def test_live_frames_follow_with_no_lag(head, clip, points, motion) -> None:
    live = fitter(head, clip)
    state, found = None, []
    for t in range(15):
        one = live.fit_next(float(clip.times[t]), None if t == 8 else points[t], start=state)
        state = one.state
        found.append(one.expression[0])
    jaw = list(head.expression_names).index("jawOpen")
    assert np.abs(np.array(found)[3:, jaw] - motion.expression[3:15, jaw]).max() < 0.2


def test_what_cannot_be_fitted_is_refused(head, clip, points) -> None:
    with pytest.raises(InputError, match="no frame"):
        fitter(head, clip).fit(clip.times[:3], points[:3], valid=np.zeros(3, bool))
    with pytest.raises(ArgumentError, match="increase"):
        fitter(head, clip).fit(np.zeros(3), points[:3])
    with pytest.raises(ArgumentError, match="points"):
        fitter(head, clip).fit(clip.times[:3], points[:2])


def test_a_head_with_a_jaw_joint_turns_it() -> None:
    model = load_flame(FLAME, landmarks=GOLDEN / "flame" / "landmark_embedding.npy")
    count = 12
    time = np.arange(count) / 25
    jaw = np.zeros((count, 3))
    jaw[:, 0] = 0.15 + 0.1 * np.sin(2 * np.pi * time)
    identity = np.zeros(model.identity_size)
    geometry = model(identity=torch.zeros(count, model.identity_size), jaw=torch.as_tensor(jaw).float())
    head = model.points("ibug_68_fixed", geometry).double().numpy()
    focal = 1500.0
    camera = head @ np.diag([1.0, -1.0, -1.0]) + [0, 0, 0.6]
    pixels = np.concatenate([camera[..., :2] / camera[..., 2:] * focal + 500, np.full((count, 68, 1), np.nan)], axis=2)
    intrinsics = Intrinsics(np.array([[focal, 0, 500], [0, focal, 500], [0, 0, 1.0]]), (1000, 1000), 0.0, "given")
    found = MotionFitter(model, identity, intrinsics, topology="ibug_68_fixed").fit(time, pixels)
    assert np.abs(found.jaw[:, 0]).max() > 0.05
    assert np.corrcoef(found.jaw[:, 0], jaw[:, 0])[0, 1] > 0.9
    assert np.median(found.residual) < 0.03

"""A real clip of a person who talks: the head lies where the face is seen, and its mouth moves as the seen one."""

from pathlib import Path

import numpy as np
import pytest

from face3d.camera import intrinsics_prior
from face3d.fit import Motion, MotionFitter, Observation, fit_clip, informative_frames
from face3d.head import load_head
from face3d.landmarks import MediaPipeDetector
from face3d.landmarks.video import FaceTrack, track_landmarks
from face3d.media.video import open_video
from tests.fit.talking_clips import vertices

CORNERS = (33, 263)
"""MediaPipe's outer eye corners."""


@pytest.fixture(scope="module")
def talk(talk_clip: Path, detector: MediaPipeDetector) -> tuple[FaceTrack, Motion, np.ndarray]:
    """The detected track, the fitted motion, and (T, 478, 2) the tracked mesh's landmarks in pixels."""
    with open_video(talk_clip) as video:
        (track,) = track_landmarks(video, detector)
    head = load_head()
    faces = list(track.faces("talk"))
    intrinsics = intrinsics_prior(track.example.image_size)
    clip = fit_clip(head, [Observation(faces[i], intrinsics) for i in informative_frames(head, faces)])
    motion = MotionFitter(head, clip.identity, clip.intrinsics, curve_names=track.curve_names, errors=clip.errors).fit(
        track.times, track.points, curves=track.curves, shots=track.shots
    )
    points = head.point_sets["mediapipe_478"]
    posed = vertices(head, clip.identity, motion.expression, motion.eyes)[:, head.triangles[points.triangles].numpy()]
    surface = np.einsum("nk,tnkx->tnx", points.barycentric.double().numpy(), posed)
    pose = motion.camera_from_head
    camera = surface @ pose[:, :3, :3].transpose(0, 2, 1) + pose[:, None, :3, 3]
    return track, motion, camera[..., :2] / camera[..., 2:] * clip.intrinsics.focal + clip.intrinsics.matrix[:2, 2]


def relative(pixels: np.ndarray, one: int, other: int) -> np.ndarray:
    """(T,) distance of two landmarks in interocular distances."""
    lengths = [np.linalg.norm(pixels[:, a] - pixels[:, b], axis=1) for a, b in ((one, other), CORNERS)]
    return lengths[0] / lengths[1]


def test_the_head_lies_where_the_face_is_seen(talk) -> None:
    _, motion, _ = talk
    assert np.mean(motion.residual < 0.035) >= 0.98
    assert np.median(motion.quality) > 0.7


@pytest.mark.parametrize(("one", "other"), [(13, 14), (61, 291), (386, 374), (159, 145)])
def test_mouth_and_lids_do_what_is_seen(talk, one: int, other: int) -> None:
    track, _, mesh = talk
    seen = track.points[:, :, :2].astype(np.float64)
    assert np.corrcoef(relative(mesh, one, other), relative(seen, one, other))[0, 1] > 0.95

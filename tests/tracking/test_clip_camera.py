"""What is known of a clip's camera beforehand."""

import numpy as np
import pytest

from face3d.camera import PRIOR_FOCAL_SIGMA, intrinsics_prior
from face3d.media.video_writer import VideoWriter
from face3d.tracking.clip_camera import VIDEO_FOCAL_35MM, VIDEO_FOCAL_SIGMA, clip_camera
from face3d.tracking.clip_part import ClipPart

SIZE = (64, 48)


@pytest.fixture
def clip(tmp_path) -> ClipPart:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, SIZE, frame_rate=25.0) as writer:
        for number in range(2):
            writer.write(np.full((*SIZE[::-1], 3), 100, np.uint8), number / 25)
    return ClipPart(path)


def test_an_unknown_video_may_have_been_filmed_from_further_away_than_a_photo(clip) -> None:
    camera, photo = clip_camera(clip, SIZE), intrinsics_prior(SIZE)
    assert camera.source == "prior"
    assert camera.image_size == SIZE
    assert camera.focal_35mm == pytest.approx(VIDEO_FOCAL_35MM)
    assert camera.focal_sigma == VIDEO_FOCAL_SIGMA > PRIOR_FOCAL_SIGMA
    assert camera.focal > photo.focal


def test_what_the_user_says_of_the_camera_stays(clip) -> None:
    camera = clip_camera(clip, SIZE, fov=60.0)
    assert camera.source == "fov"
    assert camera.focal_sigma == 0
    assert camera.focal == pytest.approx(32 / np.tan(np.deg2rad(30)))


def test_pictures_of_a_folder_without_exif_are_a_video_too(tmp_path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "0001.png"), np.zeros((*SIZE[::-1], 3), np.uint8))
    assert clip_camera(ClipPart(tmp_path), SIZE).focal_35mm == pytest.approx(VIDEO_FOCAL_35MM)

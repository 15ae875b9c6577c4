"""A person of a video whose motion is known, and the video: no tracker takes part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from face3d import load_head
from face3d.assets import open_head_use
from face3d.camera.intrinsics import intrinsics_from_values
from face3d.fit import Scale
from face3d.fit.scale import ScaleSource
from face3d.head import HeadModel
from face3d.measure import measure_head
from face3d.track_result import Track

CURVES = ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "mouthPucker", "browInnerUp", "cheekPuff")
"""Expressions that move, each at a pace of its own."""

GAP = slice(10, 14)
"""Frames that do not show the face."""


def talking_track(
    frames: int = 40,
    *,
    model: HeadModel | None = None,
    image_size: tuple[int, int] = (320, 240),
    rate: float = 25.0,
    first: int = 0,
    source: str = "talk.mp4",
) -> Track:
    """Sines over the expressions of the open head, the eyes, the neck and the head's pose, 0.6 m from the camera."""
    head = model or load_head("open")
    number = np.arange(first, first + frames)
    times = number / rate
    expression = np.zeros((frames, head.expression_size))
    for pace, name in enumerate(CURVES if CURVES[0] in head.expression_names else head.expression_names[:5]):
        expression[:, head.expression_names.index(name)] = 0.4 - 0.4 * np.cos((3 + pace) * times)
    eyes = np.zeros((frames, 6))
    eyes[:, 1] = eyes[:, 4] = 0.3 * np.sin(4 * times)
    neck = np.stack((0.05 * np.sin(times), 0.1 * np.sin(3 * times), 0 * times), 1)
    pose = np.tile(np.eye(4), (frames, 1, 1))
    turn = Rotation.from_euler("YXZ", np.stack((0.3 * np.sin(2 * times), 0.1 * np.cos(times), 0.05 * times), 1))
    pose[:, :3, :3] = np.diag([1.0, -1.0, -1.0]) @ turn.as_matrix()
    pose[:, :3, 3] = np.stack((0.03 * np.sin(times), 0.01 * np.cos(times), 0.6 + 0.02 * np.sin(times)), 1)
    identity = np.random.default_rng(5).normal(0, 0.5, head.identity_size)
    valid = np.ones(frames, dtype=bool)
    valid[GAP] = False
    measured = measure_head(head, head.template.new_tensor(identity)) if "anatomy" in head.point_sets else {}
    focal = 1.4 * image_size[0]
    return Track(
        name="talk",
        source=source,
        person=1,
        model=head,
        identity=identity,
        intrinsics=intrinsics_from_values(focal, focal, image_size[0] / 2, image_size[1] / 2, image_size),
        frames=number,
        times=times,
        expression=expression,
        jaw=np.zeros((frames, 3)),
        neck=neck,
        eyes=eyes,
        camera_from_head=pose,
        valid=valid,
        quality=np.where(valid, 0.9, 0.2),
        residual=np.where(valid, 0.02, np.nan),
        shots=np.ones(frames, dtype=np.int64),
        arkit=None,
        scale=Scale(1.02, 0.03, (ScaleSource("iris", 1.02, 0.03),)),
        measurements=measured,
        frame_rate=rate,
        assets=(open_head_use(),),
        timings={"read": 0.4, "landmarks": 1.2, "fit": 0.9, "frames_per_second": 31.5},
        warnings=("the face is hidden for 4 frames",),
    )


def grey_clip(path: Path, frames: int = 40, image_size: tuple[int, int] = (320, 240), rate: float = 25.0) -> Path:
    """A clip of plain frames that differ a little."""
    from tests.media.clips import write_clip

    plain = (np.full((image_size[1], image_size[0], 3), 80 + n % 40, dtype=np.uint8) for n in range(frames))
    return write_clip(path, plain, rate)

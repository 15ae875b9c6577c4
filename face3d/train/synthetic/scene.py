"""Where the camera stands, its lens, how the head is held, and the light: one photograph's circumstances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from face3d.train.synthetic.light import Light, sample_light

__all__ = ["Development", "Scene", "sample_scene"]

FOCAL_LENGTHS = (20.0, 135.0)
"""Equivalents for 24 x 36 mm film, millimetres; the longest ones come from far away."""
_FILM_DIAGONAL = 43.27
_HEAD_HEIGHT = 0.235
"""Metres that a mean head takes in a picture, chin to crown."""
_NEAREST, _FARTHEST = 0.22, 4.5
MAX_YAW = 60.0


@dataclass(frozen=True, slots=True)
class Development:
    """What the camera does to the light.

    Attributes:
        exposure: level that the brightest skin reaches, 1 where it clips.
        white_balance: (3,) gains.
        contrast, saturation: 1 for none; `gamma`: exponent on top of sRGB's curve.
        defocus: standard deviation of the blur in pixels of a 256-pixel image; `motion`: (x, y) path likewise.
        noise: standard deviation at full light and in the dark, share of the range.
        shrink: the picture was once this much smaller; 1 for never.
        quality: of the JPEG file.
    """

    exposure: float
    white_balance: tuple[float, float, float]
    contrast: float
    saturation: float
    gamma: float
    defocus: float
    motion: tuple[float, float]
    noise: tuple[float, float]
    shrink: float
    quality: int


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One photograph's circumstances.

    Attributes:
        camera_from_head: rigid transform into the OpenCV camera frame, metres.
        intrinsics: K in pixels of the picture.
        image_size: height, width.
        light: what lights it.
        body_yaw: turn of the body against the camera, radians; the head turns on it.
        backdrop: seed of what is behind.
        development: see there.
    """

    camera_from_head: Float[np.ndarray, "4 4"]
    intrinsics: Float[np.ndarray, "3 3"]
    image_size: tuple[int, int]
    light: Light
    body_yaw: float
    backdrop: int
    development: Development

    @property
    def yaw_pitch_roll(self) -> tuple[float, float, float]:
        """Degrees; positive yaw turns the face to the subject's left, positive pitch down, positive roll clockwise."""
        turn = np.diag([1.0, -1.0, -1.0]) @ self.camera_from_head[:3, :3]
        roll, yaw, pitch = Rotation.from_matrix(turn).as_euler("ZYX", degrees=True)
        return float(yaw), float(pitch), float(-roll)


def sample_scene(rng: np.random.Generator, size: int) -> Scene:
    """Draw a scene: heads mostly facing the camera, up to 60 degrees aside, over 42 to 88 % of the picture's height."""
    yaw = rng.normal(0, 14) if rng.uniform() < 0.62 else rng.uniform(-MAX_YAW, MAX_YAW)
    yaw = float(np.clip(yaw, -MAX_YAW, MAX_YAW))
    pitch = float(np.clip(rng.normal(0, 10), -32, 32))
    roll = float(np.clip(rng.normal(0, 8), -35, 35))
    turn = Rotation.from_euler("ZYX", np.radians([roll, yaw, pitch])).as_matrix()
    focal_mm = float(np.exp(rng.uniform(*np.log(FOCAL_LENGTHS))))
    focal = focal_mm / _FILM_DIAGONAL * np.hypot(size, size)
    share = rng.uniform(0.42, 0.88)
    distance = float(np.clip(focal * _HEAD_HEIGHT / (share * size), _NEAREST, _FARTHEST))
    # A camera can come no nearer or farther than that: the picture is cropped, which keeps the perspective.
    focal = share * size * distance / _HEAD_HEIGHT
    shift = rng.normal(0, 0.035, 2) * size + [0.0, -0.01 * size]
    middle = np.array([0.0, -0.022, -0.02])
    translation = np.array([shift[0] * distance / focal, shift[1] * distance / focal, distance])
    rotation = np.diag([1.0, -1.0, -1.0]) @ turn
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = translation - (rotation * middle).sum(axis=1)
    intrinsics = np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]])
    return Scene(
        camera_from_head=pose,
        intrinsics=intrinsics,
        image_size=(size, size),
        light=sample_light(rng),
        body_yaw=float(np.radians(0.55 * yaw + rng.normal(0, 10))),
        backdrop=int(rng.integers(2**63)),
        development=_development(rng),
    )


def _development(rng: np.random.Generator) -> Development:
    moved = rng.uniform() < 0.12
    angle, path = rng.uniform(0, np.pi), rng.uniform(1.0, 5.0)
    warm = rng.normal(0, 0.035)
    return Development(
        exposure=float(np.exp(rng.normal(np.log(0.76), 0.20))),
        white_balance=(float(np.exp(warm)), float(np.exp(rng.normal(0, 0.015))), float(np.exp(-warm))),
        contrast=float(np.exp(rng.normal(0.02, 0.10))),
        saturation=0.0 if rng.uniform() < 0.03 else float(np.clip(rng.normal(1.05, 0.16), 0.4, 1.6)),
        gamma=float(np.exp(rng.normal(0, 0.10))),
        defocus=float(rng.choice([rng.uniform(0.25, 0.7), rng.uniform(0.7, 1.8)], p=[0.8, 0.2])),
        motion=(float(path * np.cos(angle)), float(path * np.sin(angle))) if moved else (0.0, 0.0),
        noise=(float(rng.uniform(0.0, 0.025)), float(rng.uniform(0.0, 0.012))),
        shrink=float(rng.uniform(0.35, 0.9)) if rng.uniform() < 0.15 else 1.0,
        quality=int(rng.integers(45, 97)),
    )

"""Renders of heads with known geometry and camera, to measure a landmark detector on.

`render_head` draws one scene; `random_scene` draws pose, distance, lens, expression and gaze. Crude beside film, yet a
detector answers to it as to photos: what matters is that brows, lids, lips and irises are where people have them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from paint import FaceChart, Look, paint_albedo, shade
from scipy.spatial.transform import Rotation
from surface import vertex_normals

from face3d.render.rasterize_numba import interpolate_attributes, rasterize_camera


@dataclass(frozen=True, slots=True)
class Scene:
    """Camera, pose and gaze of one picture; metres, OpenCV camera frame, radians."""

    rotation: Float[ndarray, "3 3"]
    translation: Float[ndarray, " 3"]
    intrinsics: Float[ndarray, "3 3"]
    image_size: tuple[int, int]
    eye_turns: Float[ndarray, "2 3 3"]


def random_scene(rng: np.random.Generator, *, image_size: int = 448, yaw_limit: float = 45.0) -> Scene:
    """A head looking roughly at the camera, 24 to 85 mm equivalent, filling a third to two thirds of the picture."""
    yaw = np.deg2rad(rng.uniform(-yaw_limit, yaw_limit) if rng.uniform() < 0.6 else rng.normal(0, 8))
    pitch = np.deg2rad(np.clip(rng.normal(0, 11), -28, 28))
    roll = np.deg2rad(rng.normal(0, 7))
    upright = np.diag([1.0, -1.0, -1.0])
    turn = Rotation.from_euler("ZYX", [roll, yaw, pitch]).as_matrix()
    focal = np.exp(rng.uniform(np.log(24), np.log(85))) / 43.27 * np.hypot(image_size, image_size)
    share = rng.uniform(0.32, 0.62)
    distance = np.clip(focal * 0.145 / (share * image_size), 0.25, 4.0)
    shift = rng.uniform(-0.08, 0.08, 2) * image_size
    translation = np.array([shift[0] * distance / focal, shift[1] * distance / focal, distance])
    intrinsics = np.array([[focal, 0, image_size / 2], [0, focal, image_size / 2], [0, 0, 1.0]])
    gaze = Rotation.from_euler("yx", [rng.normal(0, 0.13) - 0.5 * yaw, rng.normal(0, 0.08) - 0.5 * pitch])
    turns = np.tile(gaze.as_matrix(), (2, 1, 1))
    return Scene(upright @ turn, translation, intrinsics, (image_size, image_size), turns)


def render_head(
    vertices: Float[ndarray, "V 3"],
    triangles: Int[ndarray, "F 3"],
    chart: FaceChart,
    look: Look,
    scene: Scene,
    rng: np.random.Generator,
) -> UInt8[ndarray, "H W 3"]:
    """Draw one head (head frame, eyes already turned, skin in its expression) as an 8-bit sRGB photo."""
    height, width = scene.image_size
    drawn = _with_hair(vertices, triangles, chart, look, rng)
    camera = drawn @ scene.rotation.T + scene.translation
    fragments = rasterize_camera(camera, triangles, scene.intrinsics, (height, width))
    hit = fragments.face_id >= 0
    normals = vertex_normals(camera, triangles)
    glossy = (chart.eyeball > 0).astype(float)
    eyeball = chart.eyeball[triangles[fragments.face_id[hit], 0]]
    masks = np.column_stack([chart.lips, chart.lashes, chart.scalp])
    attributes = np.column_stack([chart.rest, normals, masks, chart.ambient, glossy, camera])
    pixels = interpolate_attributes(fragments, triangles, attributes)[hit].astype(np.float64)
    surface = pixels[:, 3:6] / np.maximum(np.linalg.norm(pixels[:, 3:6], axis=1, keepdims=True), 1e-9)
    sight = -pixels[:, 11:14] / np.linalg.norm(pixels[:, 11:14], axis=1, keepdims=True)
    albedo = paint_albedo(chart, look, pixels[:, :3], pixels[:, 6:9], eyeball, scene.eye_turns)
    image = _background(rng, height, width)
    neck = camera[np.argsort(drawn[:, 1])[:200]]
    _draw_shoulders(image, neck, scene.intrinsics, rng)
    image[hit] = shade(look, albedo, surface, sight, pixels[:, 9], pixels[:, 10])
    return _photograph(image, rng)


def _with_hair(
    vertices: Float[ndarray, "V 3"],
    triangles: Int[ndarray, "F 3"],
    chart: FaceChart,
    look: Look,
    rng: np.random.Generator,
) -> Float[ndarray, "V 3"]:
    """Lift the scalp by the hair's thickness, uneven, running out towards the hairline."""
    if look.hair_length == 0:
        return vertices
    wave = rng.normal(size=3) / 0.03
    lift = look.hair_length * chart.scalp * (1 + 0.3 * np.sin(chart.rest @ wave))
    return vertices + vertex_normals(vertices, triangles) * lift[:, None]


def _background(rng: np.random.Generator, height: int, width: int) -> Float[ndarray, "H W 3"]:
    """Two to six soft patches of colour each way, linear RGB."""
    small = rng.uniform(0.02, 0.8, (rng.integers(2, 7), rng.integers(2, 7), 3)) * rng.uniform(0.3, 1.0)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def _draw_shoulders(
    image: Float[ndarray, "H W 3"],
    neck: Float[ndarray, "K 3"],
    intrinsics: Float[ndarray, "3 3"],
    rng: np.random.Generator,
) -> None:
    """Paint one plain garment below the neck (points in the camera frame) into the image."""
    pixels = (neck / neck[:, 2:]) @ intrinsics.T
    centre, half = pixels[:, :2].mean(axis=0), float(np.ptp(pixels[:, 0])) / 2
    spread, drop = half * rng.uniform(2.0, 3.0), half * rng.uniform(0.8, 1.4)
    right_side = np.array([[0.9 * half, -0.1 * half], [spread, drop], [spread, 9 * half]])
    outline = np.concatenate([right_side, right_side[::-1] * [-1, 1]])
    cv2.fillPoly(image, [(centre + outline).astype(np.int32)], rng.uniform(0.02, 0.6, 3).tolist())


def _photograph(image: Float[ndarray, "H W 3"], rng: np.random.Generator) -> UInt8[ndarray, "H W 3"]:
    """Exposure, blur, sensor noise, sRGB curve and JPEG."""
    bright = float(np.quantile(image, 0.97))
    image = np.clip(image * rng.uniform(0.75, 1.05) / max(bright, 1e-3), 0, 1)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.0))
    encoded = np.where(image <= 0.0031308, 12.92 * image, 1.055 * np.power(image, 1 / 2.4) - 0.055)
    encoded += rng.normal(0, rng.uniform(0.0, 0.02), image.shape)
    photo = (encoded.clip(0, 1) * 255).round().astype(np.uint8)
    _, packed = cv2.imencode(".jpg", photo[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(75, 97))])
    return cv2.cvtColor(np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB).astype(np.uint8)

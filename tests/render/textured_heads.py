"""Heads of a known texture, and pictures of them, that the texture tests share."""

from __future__ import annotations

import math

import numpy as np

from face3d.head import HeadModel
from face3d.render.texture import PosedPhoto
from face3d.render.texture_chart import interpolated, texture_chart
from face3d.render.textured import textured_layer

DISTANCE = 0.9
"""Metres from the camera to the head's centre."""


def skin_like_texture(size: int = 512) -> np.ndarray:
    """Skin under stripes and spots of brightness, with a slow change of hue: nothing that a head could not be."""
    row, column = np.mgrid[:size, :size] / size
    brightness = 1.0 + 0.12 * np.sin(40 * column) * np.sin(46 * row) + 0.10 * np.sin(9 * column + 5 * row)
    hue = 0.04 * np.sin(7 * row - 4 * column)
    colour = np.array([190.0, 145.0, 120.0]) * brightness[..., None] * (1 + hue[..., None] * [1.0, 0.0, -1.0])
    return np.rint(colour.clip(0, 255)).astype(np.uint8)


def symmetric_texture(model: HeadModel, size: int = 512) -> np.ndarray:
    """Skin under a pattern in space, so that it has no seams, and the same on both sides of the head."""
    chart = texture_chart(model, size)
    place = interpolated(chart, np.abs(model.template.double().numpy()))
    pattern = 150 + 25 * np.sin(place[:, :1] * 500) * np.sin(place[:, 1:2] * 400) + [40.0, 0.0, -25.0]
    return np.rint(pattern)[chart.nearest].clip(0, 255).astype(np.uint8).reshape(size, size, 3)


def turned(vertices: np.ndarray, yaw: float, pitch: float = 0.0) -> np.ndarray:
    """The head before a camera, turned by degrees to show its left side, seen from above by `pitch`."""
    a, b = math.radians(-yaw), math.radians(pitch)
    about_y = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    centre = (vertices.min(0) + vertices.max(0)) / 2
    return (vertices - centre) @ (np.diag([1.0, -1.0, -1.0]) @ about_x @ about_y).T + [0.0, 0.0, DISTANCE]


def photograph(
    model: HeadModel,
    texture: np.ndarray,
    yaw: float,
    *,
    pitch: float = 0.0,
    side: int = 512,
    background: tuple[int, int, int] = (40, 90, 200),
) -> PosedPhoto:
    """A picture of the mean head with a texture, in even light, before a wall that no skin is like."""
    uv, uv_triangles = model.uv, model.uv_triangles
    assert uv is not None
    assert uv_triangles is not None
    camera = turned(model.template.double().numpy(), yaw, pitch)
    factor = 2
    focal = side * DISTANCE / 0.34
    intrinsics = np.array([[focal, 0.0, side / 2], [0.0, focal, side / 2], [0.0, 0.0, 1.0]])
    finer = np.diag([factor, factor, 1.0]) @ intrinsics
    picture, fragments = textured_layer(
        camera,
        model.triangles.numpy(),
        uv.numpy(),
        uv_triangles.numpy(),
        texture,
        finer,
        (side * factor, side * factor),
    )
    picture[fragments.face_id < 0] = background
    pixels = picture.reshape(side, factor, side, factor, 3).mean((1, 3))
    return PosedPhoto(np.rint(pixels).astype(np.uint8), camera, intrinsics)

"""One person's faces as a clip's first reading would have stored them, and a video to read again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from face3d.camera import Intrinsics, PinholeCamera
from face3d.camera.intrinsics import intrinsics_from_values
from face3d.fit.responses import response_of
from face3d.head import HeadModel
from face3d.media.video_writer import VideoWriter
from face3d.render import render_sh
from face3d.tracking.clip_motion import ClipMotion
from face3d.tracking.stored_faces import FaceRows, PersonTimeline
from tests.train.small_spectre import LIGHT

RATE = 25.0
SIDE = 160
INTRINSICS = intrinsics_from_values(260.0, 260.0, SIDE / 2, SIDE / 2, (SIDE, SIDE))
POSE = np.diag([1.0, -1.0, -1.0, 1.0])
POSE[:3, 3] = [0.0, 0.0, 0.45]
"""The face fills the picture."""


class GivenFaces:
    """Stands in for `StoredFaces`: landmarks of each place of one timeline, and the numbers of the clip's frames."""

    def __init__(self, points: np.ndarray, frames: np.ndarray, topology: str = "mediapipe_478") -> None:
        self.points, self.frames, self.topology = points, np.asarray(frames), topology

    def face(self, row: int):
        return SimpleNamespace(topology=self.topology), 1.0

    def part(self, timeline: PersonTimeline, first: int, last: int) -> FaceRows:
        rows = timeline.rows[first:last]
        seen = (rows >= 0)[:, None]
        points = np.where(seen[..., None], self.points[first : first + len(rows)], 0.0)
        return FaceRows(points, np.where(seen, np.ones(points.shape[:2]), 0.0), np.zeros((len(rows), 0)))


def timeline_of(count: int, *, hidden: tuple[int, ...] = (), shots: np.ndarray | None = None) -> PersonTimeline:
    """A person who is in every frame, and seen in all but some."""
    rows = np.arange(count)
    rows[list(hidden)] = -1
    shots = np.ones(count, dtype=int) if shots is None else shots
    return PersonTimeline(rows, np.arange(count), np.arange(count) / RATE, shots)


def motion_of(expression: np.ndarray, valid: np.ndarray | None = None) -> ClipMotion:
    """A head that stands still before the camera and makes expressions."""
    count = len(expression)
    return ClipMotion(
        expression=expression,
        jaw=np.zeros((count, 3)),
        neck=np.zeros((count, 3)),
        eyes=np.zeros((count, 6)),
        camera_from_head=np.tile(POSE, (count, 1, 1)),
        residual=np.full(count, 0.03),
        quality=np.ones(count),
        valid=np.ones(count, dtype=bool) if valid is None else valid,
        lips_closed=np.zeros(count, dtype=bool),
        labiodental=np.zeros(count, dtype=bool),
    )


def landmarks_of(model: HeadModel, expression: np.ndarray, intrinsics: Intrinsics = INTRINSICS) -> np.ndarray:
    """(T, 478, 3): where the surface points that a fit knows appear; the others in their middle."""
    response = response_of(model, "mediapipe_478")
    with torch.no_grad():
        vertices = model(expression=torch.as_tensor(expression).float()).vertices.double().numpy()
    corners = vertices[:, model.triangles.numpy()[response.triangles]]
    camera = np.einsum("nk,tnkx->tnx", response.barycentric, corners) @ POSE[:3, :3].T + POSE[:3, 3]
    pixels = camera @ intrinsics.matrix.T
    points = np.zeros((len(expression), 478, 3))
    points[:, :, :2] = (pixels[..., :2] / pixels[..., 2:]).mean(axis=1, keepdims=True)
    points[:, response.indices, :2] = pixels[..., :2] / pixels[..., 2:]
    return points


LIPS, SKIN, INSIDE = (0.35, 0.12, 0.12), (0.55, 0.4, 0.33), (0.03, 0.03, 0.03)
"""Linear colours."""


def skin_of(model: HeadModel) -> torch.Tensor:
    """(V, 3) linear colours: lips redder and darker than the skin, the mouth's inside darker still."""
    skin = torch.tensor(SKIN).repeat(len(model.template), 1)
    skin[model.regions["lips"]] = torch.tensor(LIPS)
    for name in ("mouth_interior", "tongue"):
        skin[model.regions[name]] = torch.tensor(INSIDE)
    return skin


def film(model: HeadModel, expression: np.ndarray, path: Path) -> Path:
    """A video of the still head that makes expressions, over black."""
    camera = PinholeCamera(
        torch.tensor(POSE[None]).float(), torch.tensor(INTRINSICS.matrix[None]).float(), (SIDE, SIDE)
    )
    with VideoWriter(path, (SIDE, SIDE), frame_rate=RATE) as writer, torch.no_grad():
        for number, one in enumerate(expression):
            vertices = model(expression=torch.as_tensor(one).float()).vertices
            picture, _ = render_sh(vertices, model.triangles, camera, skin_of(model), LIGHT.reshape(1, 9, 3))
            pixels = picture[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
            writer.write(np.ascontiguousarray(pixels), number / RATE)
    return path


def stop_after(count: int):
    """An `advance` that stops the run after so many chunks."""
    done = []

    def advance(frames: int) -> None:
        done.append(frames)
        if len(done) == count:
            raise KeyboardInterrupt

    return advance

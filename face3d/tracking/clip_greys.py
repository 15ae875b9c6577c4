"""The stage "pictures and motion -> how light a person's head is, vertex by vertex", as the clip itself shows it.

A rendered mouth must wear what the filmed one wears, else a network that reads lips compares paint and light instead of
mouths. Some frames of the clip are laid on the head as it was fitted, and what they show of a vertex is averaged:
light and shadow are part of it, and nothing is taken for lit from elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix

from face3d.camera import Intrinsics
from face3d.expression.mouth_crops import LUMA
from face3d.head import HeadModel
from face3d.landmarks.crops_published import Square, square_crop
from face3d.render.normals import mesh_normals
from face3d.render.rasterize_numba import rasterize_camera
from face3d.render.texture_sampling import sample_pixels
from face3d.tracking.clip_motion import ClipMotion
from face3d.tracking.clip_pictures import pictures
from face3d.tracking.person_clip import PersonClip

__all__ = ["ClipGreys", "clip_greys"]

FRAMES = 48
"""Of the clip, evenly apart, that are laid on the head."""

FACING = 0.15
"""Cosine between normal and line of sight below which a vertex tells nothing."""

DEPTH_BIAS = 0.0015
"""Metres behind the nearest surface at which a vertex still counts as seen: less than from lips to teeth."""

HOLLOW_SHARE = 0.05
"""The darkest part of what is seen of the head: what lies behind an open mouth that a model has no inside for."""

FILLING = 200
"""Rounds in which vertices that were never seen take the mean of those around them."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipGreys:
    """Of one person in one clip.

    Attributes:
        greys: (V,) sRGB grey in [0, 1].
        hollow: of a hole in the head.
    """

    greys: Float[np.ndarray, " V"]
    hollow: float


def clip_greys(
    person: PersonClip,
    motion: ClipMotion,
    points: Float[np.ndarray, "T 68 2"],
    *,
    model: HeadModel,
    identity: Float[np.ndarray, " I"],
    intrinsics: Intrinsics,
    frames: int = FRAMES,
) -> ClipGreys:
    """Lay frames of a clip on a person's head, unless an earlier run has.

    Args:
        person: whose; some frames of the clip are read again.
        motion: of the person.
        points: the 68 landmarks of every frame: the pictures are crops as SPECTRE's, so that they are as fine as what
            they will be compared with.
        model: the head.
        identity: of the person.
        intrinsics: of the clip.
        frames: how many are taken.

    Raises:
        InputError: the video is not what it was.
    """
    name = person.name("greys")
    arrays = person.work.arrays(name, "greys", "hollow")
    if arrays is None:
        sure = np.flatnonzero(motion.valid)
        places = sure[np.unique(np.linspace(0, len(sure) - 1, min(frames, len(sure))).round().astype(int))]
        head = _PosedHead(model, identity, motion)
        sums, weights = np.zeros(len(model.template)), np.zeros(len(model.template))
        for frame, place in pictures(person.part, person.timeline, places.tolist()):
            crop = square_crop(frame.pixels, Square.around(points[place], "spectre"))
            matrix = np.vstack([crop.matrix, [0.0, 0.0, 1.0]]) @ intrinsics.matrix
            weight, grey = _seen(head(place), head.triangles, matrix, crop.pixels @ np.array(LUMA, np.float32))
            sums += weight * grey
            weights += weight
        greys = _filled(sums, weights, head.triangles)
        hollow = float(np.quantile(greys[weights > 0], HOLLOW_SHARE)) if (weights > 0).any() else 0.0
        arrays = {"greys": greys, "hollow": np.array(hollow)}
        person.work.keep(name, arrays)
    return ClipGreys(arrays["greys"], float(arrays["hollow"]))


class _PosedHead:
    """A person's head in the camera, frame by frame."""

    def __init__(self, model: HeadModel, identity: Float[np.ndarray, " I"], motion: ClipMotion) -> None:
        self._model, self._identity, self._motion = model, identity, motion
        self.triangles: Int[np.ndarray, "F 3"] = model.triangles.cpu().numpy()

    def __call__(self, place: int) -> Float[np.ndarray, "V 3"]:
        """Vertices in the camera frame, metres."""
        motion, template = self._motion, self._model.template
        with torch.inference_mode():
            given = {
                name: template.new_tensor(getattr(motion, name)[place])
                for name in ("expression", "jaw", "neck", "eyes")
            }
            posed = self._model(identity=template.new_tensor(self._identity), **given)
        pose = motion.camera_from_head[place]
        vertices: Float[np.ndarray, "V 3"] = posed.vertices[0].double().cpu().numpy() @ pose[:3, :3].T + pose[:3, 3]
        return vertices


def _seen(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    matrix: Float[np.ndarray, "3 3"],
    picture: Float[np.ndarray, "H W"],
) -> tuple[Float[np.ndarray, " V"], Float[np.ndarray, " V"]]:
    """How plainly a picture shows each vertex, and how light."""
    height, width = picture.shape
    depth = rasterize_camera(vertices, triangles, matrix, (height, width)).depth
    pixels = vertices @ matrix.T
    pixels = pixels[:, :2] / np.maximum(pixels[:, 2:], 1e-6)
    inside = ((pixels >= 0) & (pixels < [width, height])).all(axis=1) & (vertices[:, 2] > 0)
    column, row = np.where(inside[:, None], pixels, 0).astype(int).T
    facing = -(mesh_normals(vertices, triangles) * vertices).sum(axis=1) / np.linalg.norm(vertices, axis=1)
    plain = inside & (vertices[:, 2] < depth[row, column] + DEPTH_BIAS) & (facing > FACING)
    return np.where(plain, facing, 0.0), sample_pixels(picture[..., None], pixels)[:, 0].astype(np.float64)


def _filled(
    sums: Float[np.ndarray, " V"], weights: Float[np.ndarray, " V"], triangles: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, " V"]:
    """Means; what was never seen takes those of its neighbours, from the nearest ones on."""
    seen = weights > 0
    if not seen.any():
        return np.zeros_like(sums)
    greys = np.divide(sums, weights, out=np.full_like(sums, (sums[seen] / weights[seen]).mean()), where=seen)
    ends = np.concatenate([triangles[:, pair] for pair in ((0, 1), (1, 2), (2, 0))])
    count = len(sums)
    joined = coo_matrix((np.ones(len(ends)), ends.T), (count, count)).tocsr()
    joined = joined + joined.T
    known = seen.astype(np.float64)
    for _ in range(FILLING):
        reached = joined @ known
        new = (known == 0) & (reached > 0)
        if not new.any():
            break
        greys[new] = (joined @ (greys * known))[new] / reached[new]
        known[new] = 1.0
    return greys

"""Pictures of drawn heads under light from spherical harmonics, and what a noisy detector says of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.spatial import cKDTree

from face3d.fit import Observation
from face3d.fit.albedo import smooth_fields
from face3d.fit.harmonics import harmonics
from face3d.head import HeadModel
from face3d.media.colour import srgb_from_linear
from face3d.render import vertex_normals
from face3d.render.rasterize_numba import interpolate_attributes, rasterize_camera
from tests.fit.synthetic_views import observe_posed

EVEN = float(harmonics(np.array([[0.0, 0.0, 1.0]]))[0, 0])


@dataclass(frozen=True, slots=True)
class Photographed:
    """A drawn head: its identity, what was photographed and what was detected."""

    identity: Float[np.ndarray, " I"]
    photo: UInt8[np.ndarray, "H W 3"]
    observation: Observation
    light: Float[np.ndarray, "9 3"]


def random_light(rng: np.random.Generator) -> Float[np.ndarray, "9 3"]:
    """Light with clear directions, of mean 0.8."""
    light = np.zeros((9, 3))
    light[0] = 0.8 / EVEN
    light[1:4] = rng.normal(0, 0.3, (3, 1))
    light[3] -= 0.3  # from the camera's side
    light[4:] = rng.normal(0, 0.08, (5, 1))
    return light * rng.uniform(0.9, 1.1, 3)


def photograph(model: HeadModel, rng: np.random.Generator, *, noise: float = 0.01, angle: float = 25.0) -> Photographed:
    """One head of the model's population, skin of any tone with smooth unevenness, no features painted on it."""
    identity = rng.normal(size=model.identity_size)
    observation, pose = observe_posed(model, identity, rng, noise=noise, angle=angle, size=(420, 560))
    width, height = observation.intrinsics.image_size
    vertices = model(identity=torch.as_tensor(identity)[None]).vertices[0].double().numpy()
    camera = vertices @ pose[:3, :3].T + pose[:3, 3]
    triangles = model.triangles.numpy()
    light = random_light(rng)
    normals = vertex_normals(torch.from_numpy(camera), model.triangles).numpy()
    skin = np.exp(rng.uniform(np.log(0.08), np.log(0.6))) * np.array([1.25, 0.9, 0.75])
    rest = model.template.double().numpy()
    # Smooth unevenness at every twentieth vertex, carried to the others by nearness.
    fields = smooth_fields(rest[::20], (0.04,))
    nearest = cKDTree(rest[::20]).query(rest)[1]
    albedo = skin * np.exp(0.08 * (fields @ rng.normal(size=fields.shape[1]))[nearest])[:, None]
    fragments = rasterize_camera(camera, triangles, observation.intrinsics.matrix, (height, width))
    drawn = interpolate_attributes(fragments, triangles, np.concatenate([normals, albedo], axis=1))
    seen = fragments.face_id >= 0
    surface = drawn[seen][:, :3] / np.linalg.norm(drawn[seen][:, :3], axis=1, keepdims=True)
    linear = np.full((height, width, 3), 0.2)
    linear[seen] = drawn[seen][:, 3:] * (harmonics(surface) @ light).clip(0.02)
    linear *= 0.8 / np.quantile(linear[seen], 0.98)
    encoded = srgb_from_linear(linear.clip(0, 1)) + rng.normal(0, 0.01, linear.shape)
    photo = (encoded.clip(0, 1) * 255).round().astype(np.uint8)
    return Photographed(identity, photo, observation, light)

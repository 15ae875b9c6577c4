"""What `reconstruct` gives back for a face, and the files that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from face3d.assets import AssetUse
from face3d.camera import Intrinsics, project
from face3d.export import export_mica, export_mtl
from face3d.export.mesh import TEXTURE_FILE, Unit
from face3d.export.obj import MATERIAL_FILE
from face3d.fit import PhotoColours, Scale
from face3d.fit.responses import response_of
from face3d.head import HeadGeometry, HeadModel
from face3d.landmarks import FaceLandmarks
from face3d.measure import Measurement
from face3d.media import write_image
from face3d.render.overlay import (
    OverlayStyle,
    crop_around_head,
    landmark_overlay,
    overlay,
    panel,
    wireframe_overlay,
)
from face3d.render.portrait import HeadAppearance, model_appearance
from face3d.report import result_page, write_pictures
from face3d.result_files import MESH_FORMATS, camera_record, head_mesh, scale_record, vertices_of, write_json

__all__ = ["FOLDER_FORMATS", "MESH_FORMATS", "SCHEMA_VERSION", "Reconstruction", "write_reconstruction"]

SCHEMA_VERSION = 1
"""Of reconstruction.json; grows when a field changes its meaning."""

CLOSE_UP_SHARE = 0.74
"""Of a close-up that the head takes."""

FOLDER_FORMATS = ("mica",)
"""Formats that are a folder of files each."""


@dataclass(frozen=True, slots=True, eq=False)
class Reconstruction:
    """A face of a photo as a metric head.

    Lengths are metres, rotations axis-angle radians, pixels those of the original upright photo.

    Attributes:
        name: what the result is called: the photo's stem, and a number when the photo shows several faces.
        source: the photo's path, or "the given array".
        model: the head model.
        identity: (I,) who it is; expression: (E,) what the face does.
        jaw, neck: (3,), eyes: (6,) left then right.
        camera_from_head: (4, 4) from the head frame to the camera's.
        intrinsics: the camera, with the focal length that was used.
        landmarks: as detected in the photo.
        scale: size relative to the mean head, relative sigma, and what determined it.
        measurements: by name, of the neutral head.
        residual: mean distance of the fitted surface from the detected landmarks, relative to the interocular distance.
        assets: every model file that took part, with its licence.
        timings: seconds by step.
        warnings: what a person should know before relying on this.
        colours: light, tone and residual of a fit to the photo's colours; None for landmarks alone.
        texture: (S, S, 3) RGB in the layout of `model.uv`, the first row at v = 1; None when none was made.
        folder: where the files lie, None when they were not written.
    """

    name: str
    source: str
    model: HeadModel
    identity: Float[np.ndarray, " I"]
    expression: Float[np.ndarray, " E"]
    jaw: Float[np.ndarray, " 3"]
    neck: Float[np.ndarray, " 3"]
    eyes: Float[np.ndarray, " 6"]
    camera_from_head: Float[np.ndarray, "4 4"]
    intrinsics: Intrinsics
    landmarks: FaceLandmarks
    scale: Scale
    measurements: Mapping[str, Measurement]
    residual: float
    assets: tuple[AssetUse, ...]
    timings: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    colours: PhotoColours | None = None
    texture: UInt8[np.ndarray, "S S 3"] | None = None
    folder: Path | None = None

    def neutral(self) -> HeadGeometry:
        """The person at rest: identity only, head frame, batch of one."""
        return self.model(identity=self.identity)

    def posed(self) -> HeadGeometry:
        """The head with the photo's expression, jaw and gaze, head frame, batch of one."""
        return self.model(
            identity=self.identity, expression=self.expression, jaw=self.jaw, neck=self.neck, eyes=self.eyes
        )

    def appearance(self, *, textured: bool = False) -> HeadAppearance:
        """Colours of this head: those of its model's regions, or of its texture if it has one and that is wanted."""
        texture = self.texture if textured else None
        return model_appearance(self.model, vertices_of(self.neutral()), texture=texture)

    def overlay(
        self,
        photo: UInt8[np.ndarray, "H W 3"],
        *,
        style: OverlayStyle = "shaded",
        appearance: HeadAppearance | None = None,
    ) -> UInt8[np.ndarray, "H W 3"]:
        """The posed head drawn over its photo.

        Args:
            photo: RGB, upright, the size that was reconstructed.
            style: "shaded", "wireframe", or "landmarks": the detected ones (green), where the fitted head has them
                (orange), and what is left between the two.
            appearance: colours of the head; by default `appearance()`.
        """
        vertices, triangles, intrinsics = self.posed_in_camera(), self.model.triangles.cpu().numpy(), self.intrinsics
        if style == "landmarks":
            return landmark_overlay(photo, *self.matched_landmarks())
        if style == "wireframe":
            return wireframe_overlay(photo, vertices, triangles, intrinsics.matrix)
        return overlay(photo, vertices, triangles, intrinsics.matrix, appearance=appearance or self.appearance())

    def close_ups(
        self, photo: UInt8[np.ndarray, "H W 3"], *, tile: int = 640, appearance: HeadAppearance | None = None
    ) -> dict[str, UInt8[np.ndarray, "tile tile 3"]]:
        """The photo around the head, drawn over in every style: "shaded", "wireframe", "landmarks" and plain "photo".

        Args:
            photo: RGB, upright, the size that was reconstructed.
            tile: side of each picture in pixels; what is drawn is as sharp as that, whatever the photo is.
            appearance: colours of the head; by default `appearance()`.
        """
        vertices, triangles = self.posed_in_camera(), self.model.triangles.cpu().numpy()
        plain, tile_from_photo = crop_around_head(photo, vertices, self.intrinsics.matrix, tile, share=CLOSE_UP_SHARE)
        intrinsics = tile_from_photo @ self.intrinsics.matrix
        detected, fitted = (
            points * np.diag(tile_from_photo)[:2] + tile_from_photo[:2, 2] for points in self.matched_landmarks()
        )
        look = appearance or self.appearance()
        return {
            "shaded": overlay(plain, vertices, triangles, intrinsics, appearance=look, opacity=0.8, supersample=2),
            "wireframe": wireframe_overlay(plain, vertices, triangles, intrinsics),
            "landmarks": landmark_overlay(plain, detected, fitted),
            "photo": plain,
        }

    def panel(self, photo: UInt8[np.ndarray, "H W 3"], *, tile: int = 640) -> UInt8[np.ndarray, "tile 4*tile 3"]:
        """Side by side: the face with its landmarks, the overlay, the neutral head from the front, and half turned.

        The last is the posed head in the photo's colours if there is a texture.

        Args:
            photo: RGB, upright, the size that was reconstructed.
            tile: side of each picture in pixels.
        """
        return panel(
            photo,
            self.posed_in_camera(),
            self.model.triangles.cpu().numpy(),
            self.intrinsics.matrix,
            vertices_of(self.neutral()),
            appearance=self.appearance(),
            turned=None if self.texture is None else (vertices_of(self.posed()), self.appearance(textured=True)),
            landmarks=self.landmarks.points[:, :2],
            tile=tile,
        )

    def points(self) -> dict[str, dict[str, Any]]:
        """Every named point set of the posed head: `labels` or None, `head` (N, 3) metres, `pixels` (N, 2)."""
        geometry = self.posed()
        camera, intrinsics = (
            torch.tensor(values)[None].to(geometry.vertices)
            for values in (self.camera_from_head, self.intrinsics.matrix)
        )
        found = {}
        for name, point_set in self.model.point_sets.items():
            places = self.model.points(name, geometry, camera_from_head=camera)
            pixels = project(places, camera, intrinsics)
            found[name] = {
                "labels": point_set.labels,
                "head": places[0].cpu().numpy(),
                "pixels": pixels[0].cpu().numpy(),
            }
        return found

    def matched_landmarks(self) -> tuple[Float[np.ndarray, "N 2"], Float[np.ndarray, "N 2"]]:
        """The landmarks that the fit used, in pixels: as detected, and of the fitted head's surface."""
        response = response_of(self.model, self.landmarks.topology)
        corners = self.model.triangles.cpu().numpy()[response.triangles]
        places = np.einsum("nk,nkc->nc", response.barycentric, self.posed_in_camera()[corners])
        pixels = places @ self.intrinsics.matrix.T
        return self.landmarks.points[response.indices, :2], pixels[:, :2] / pixels[:, 2:]

    def summary(self) -> dict[str, Any]:
        """What reconstruction.json holds; plain numbers, strings, lists and dictionaries."""
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source,
            "model": {"name": self.model.name, "licence": self.model.licence},
            "assets": [asdict(use) for use in self.assets],
            "scale": scale_record(self.scale),
            "camera": camera_record(self.intrinsics),
            "detector": {
                "name": self.landmarks.detector,
                "score": float(self.landmarks.score),
                "box": [float(value) for value in self.landmarks.box],
            },
            "residuals": {"landmarks_over_interocular": self.residual, "photometric": self._photometric()},
            "timings": dict(self.timings),
            "warnings": list(self.warnings),
        }

    def _photometric(self) -> dict[str, Any] | None:
        if self.colours is None:
            return None
        return {
            "before": self.colours.residual_before,
            "after": self.colours.residual_after,
            "refined": self.colours.refined,
            "noise_factor": self.colours.noise_factor,
        }

    def posed_in_camera(self) -> Float[np.ndarray, "V 3"]:
        """Vertices of the posed head in the OpenCV camera frame, metres, float64."""
        return vertices_of(self.posed()) @ self.camera_from_head[:3, :3].T + self.camera_from_head[:3, 3]


def write_reconstruction(
    result: Reconstruction,
    photo: UInt8[np.ndarray, "H W 3"],
    folder: Path,
    *,
    formats: tuple[str, ...],
    unit: Unit,
    pictures: tuple[str, ...] = (),
) -> None:
    """Write every file of a result into an existing folder.

    Args:
        photo: the pixels that the result was made from.
        formats: of the meshes, names in `MESH_FORMATS`; and "mica" for the files of MICA's demo in a folder `mica`.
        unit: "m" or "mm", for formats that do not fix it.
        pictures: more of them; names in `face3d.report.PICTURES`.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    meshes = {
        state: head_mesh(result.model, geometry, result.texture)
        for state, geometry in (("neutral", result.neutral()), ("posed", result.posed()))
    }
    for state, mesh in meshes.items():
        for name in formats:
            if name in MESH_FORMATS:
                (folder / f"head_{state}.{name}").write_bytes(MESH_FORMATS[name](mesh, unit))
    if "mica" in formats:
        (folder / "mica").mkdir()
        for name, content in export_mica(result.model, result.identity).items():
            (folder / "mica" / name).write_bytes(content)
    if result.texture is not None:
        write_image(folder / TEXTURE_FILE, result.texture)
        if "obj" in formats:
            (folder / MATERIAL_FILE).write_bytes(export_mtl())
    colours: dict[str, Any] = {}
    if result.colours is not None:
        colours = {"light": result.colours.light, "tone": np.array(result.colours.tone)}
    np.savez(
        folder / "parameters.npz",
        identity=result.identity,
        expression=result.expression,
        jaw=result.jaw,
        neck=result.neck,
        eyes=result.eyes,
        camera_from_head=result.camera_from_head,
        K=result.intrinsics.matrix,
        image_size=np.array(result.intrinsics.image_size),
        **colours,
    )
    write_json(folder / "landmarks.json", _landmarks_document(result))
    measurements = {name: asdict(measurement) for name, measurement in result.measurements.items()}
    write_json(folder / "measurements.json", measurements)
    painted = result.appearance(textured=True)
    look = replace(painted, texture=None)
    write_image(folder / "overlay.png", result.overlay(photo, appearance=look))
    write_pictures(pictures, result, photo, painted, folder)
    write_json(folder / "reconstruction.json", result.summary())
    page = result_page(result, photo, meshes, look, painted, folder)
    (folder / "report.html").write_text(page, encoding="utf-8")


def _landmarks_document(result: Reconstruction) -> dict[str, Any]:
    detected = result.landmarks
    return {
        "image_size": list(result.intrinsics.image_size),
        "detected": {
            "topology": detected.topology,
            "pixels": _rounded(detected.points[:, :2], 3),
            "confidence": _rounded(detected.confidence, 4),
        },
        "fitted": {
            name: {
                "labels": None if points["labels"] is None else list(points["labels"]),
                "pixels": _rounded(points["pixels"], 3),
                "head": _rounded(points["head"], 7),
            }
            for name, points in result.points().items()
        },
    }


def _rounded(values: Float[np.ndarray, ...], digits: int) -> list[Any]:
    """Nested lists for JSON; what is not finite becomes None."""
    values = np.asarray(values, dtype=np.float64)
    plain = np.round(values, digits).astype(object)
    plain[~np.isfinite(values)] = None
    rows: list[Any] = plain.tolist()
    return rows

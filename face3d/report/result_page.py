"""The page of one result: what the photo became, how large it is, and how sure all of that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from face3d.export import Mesh, export_gltf
from face3d.measure import CALLIPER
from face3d.measure.dimensions import TAPE
from face3d.render.portrait import HeadAppearance, portrait
from face3d.render.studio_light import vertex_colours
from face3d.report.content import shared_content
from face3d.report.page import glb_uri, jpeg_uri, render_page
from face3d.report.words import spoken

if TYPE_CHECKING:
    from face3d.reconstruction import Reconstruction

__all__ = ["result_page"]

TILE = 880
"""Side of the pictures around the head, pixels: sharp on a phone's dense screen and across half of a desktop's."""
POSTER = 480
TEXTURE_SIDE = 1024
"""Texels a side at most in the 3D view, so that a page stays small enough to send; texture.png keeps all."""
PLAIN_LIGHT: Mapping[str, Any] = {"exposure": 0.78, "tone_mapping": "aces"}
PAINTED_LIGHT: Mapping[str, Any] = {"exposure": 0.55, "tone_mapping": "neutral"}
"""Of the 3D view: a photo's colours already hold the light that it was taken in, and are to stay as they are."""

EYE_DISTANCE = ("pupil_left", "pupil_right")


@dataclass(frozen=True, slots=True)
class _Picture:
    key: str
    label: str
    uri: str
    alt: str


def result_page(
    result: Reconstruction,
    photo: UInt8[np.ndarray, "H W 3"],
    meshes: Mapping[str, Mesh],
    look: HeadAppearance,
    painted: HeadAppearance,
    folder: Path | None = None,
) -> str:
    """Describe a result as one HTML file that needs no other and no network.

    Args:
        result: what to describe.
        photo: the pixels that it was made from.
        meshes: "neutral" and "posed", head frame; the neutral one's vertices carry the lines of the measurements.
        look: colours of the head over the photo, plain so that its shape is seen.
        painted: colours of the head alone.
        folder: where the result's files lie next to the page; their names and sizes are listed.
    """
    return render_page(
        "result.html",
        **shared_content(result, folder, distance=float(result.camera_from_head[2, 3])),
        pictures=_pictures(result, photo, look),
        models=_models(meshes, painted),
        lines=_measured_lines(result),
        fit={
            "residual": result.residual,
            "detector": result.landmarks.detector,
            "landmarks": len(result.landmarks.points),
            "score": float(result.landmarks.score),
        },
    )


def _pictures(result: Reconstruction, photo: UInt8[np.ndarray, "H W 3"], look: HeadAppearance) -> list[_Picture]:
    """The square around the head in every style that the page can switch between."""
    shows = {
        "shaded": "The fitted head drawn over the photo",
        "wireframe": "The fitted mesh's edges over the photo",
        "landmarks": "Detected and fitted landmarks in the photo",
        "photo": "The photo around the face:",
    }
    pictures = result.close_ups(photo, tile=TILE, appearance=look)
    return [
        _Picture(style, spoken(style), jpeg_uri(picture), f"{shows[style]} {result.name}")
        for style, picture in pictures.items()
    ]


def _models(meshes: Mapping[str, Mesh], painted: HeadAppearance) -> list[dict[str, Any]]:
    """What the 3D view can show, first what it begins with, each with a picture for where it cannot run.

    What is painted with a photo looks right only with that photo's expression: the head at rest stays plain.
    """
    plain = replace(painted, texture=None)
    models = [
        _model("posed", "As in the photo", meshes["posed"], painted),
        _model("neutral", "At rest", meshes["neutral"], plain),
    ]
    return models if painted.texture is not None else models[::-1]


def _model(key: str, label: str, mesh: Mesh, look: HeadAppearance) -> dict[str, Any]:
    if look.texture is None:
        # Colours per vertex show in any viewer; the drawn irises do not.
        colours = vertex_colours(look.albedo, look.eye_position)
        mesh = replace(mesh, uv=None, uv_triangles=None, texture=None, vertex_colours=colours)
    else:
        mesh = replace(mesh, texture=_at_most(look.texture.image, TEXTURE_SIDE))
    return {
        "key": key,
        "label": label,
        "uri": glb_uri(export_gltf(mesh)),
        "poster": jpeg_uri(portrait(mesh.vertices, mesh.triangles, look, (POSTER, POSTER))[0]),
        "alt": f"The head in 3D, {label.lower()}",
        **(PLAIN_LIGHT if look.texture is None else PAINTED_LIGHT),
    }


def _at_most(texture: UInt8[np.ndarray, "H W 3"], side: int) -> UInt8[np.ndarray, "h w 3"]:
    if max(texture.shape) <= side:
        return texture
    height, width = (round(length * side / max(texture.shape)) for length in texture.shape[:2])
    return np.asarray(Image.fromarray(texture).resize((width, height), Image.Resampling.BOX))


def _measured_lines(result: Reconstruction) -> dict[str, list[list[float]]]:
    """By measurement, the points in metres of the neutral head that it runs over."""
    anatomy = result.model.point_sets.get("anatomy")
    if anatomy is None or anatomy.labels is None:
        return {}
    geometry = result.neutral()
    places = dict(zip(anatomy.labels, _points(result, "anatomy", geometry), strict=True))
    lines: dict[str, list[list[float]]] = {}
    for name in result.measurements:
        ends = (CALLIPER[name].first, CALLIPER[name].second) if name in CALLIPER else ()
        if name == "pupillary_distance":
            ends = EYE_DISTANCE
        if ends and all(end in places for end in ends):
            lines[name] = [places[end] for end in ends]
        elif name in TAPE and TAPE[name].points in result.model.point_sets:
            along = _points(result, TAPE[name].points, geometry)
            lines[name] = [*along, along[0]] if TAPE[name].closed else along
    return lines


def _points(result: Reconstruction, point_set: str, geometry: Any) -> list[list[float]]:
    points: Float[np.ndarray, "N 3"] = result.model.points(point_set, geometry)[0].double().cpu().numpy()
    rows: list[list[float]] = points.round(5).tolist()
    return rows

"""More pictures of a result, written on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from jaxtyping import UInt8

from face3d.errors import ArgumentError
from face3d.media import write_image
from face3d.render.maps import depth_map, depth_preview, encode_depth, normal_map, normal_picture
from face3d.render.portrait import HeadAppearance
from face3d.render.turntable import encode_animation, turntable

if TYPE_CHECKING:
    from face3d.reconstruction import Reconstruction

__all__ = ["PICTURES", "check_pictures", "write_pictures"]

Photo: TypeAlias = UInt8[np.ndarray, "H W 3"]

TURNTABLE_SIZE = (400, 400)


def _wireframe(result: Reconstruction, photo: Photo, look: HeadAppearance, folder: Path) -> None:
    write_image(folder / "wireframe.png", result.overlay(photo, style="wireframe"))


def _landmarks(result: Reconstruction, photo: Photo, look: HeadAppearance, folder: Path) -> None:
    write_image(folder / "landmarks.png", result.overlay(photo, style="landmarks"))


def _turntable(result: Reconstruction, photo: Photo, look: HeadAppearance, folder: Path) -> None:
    # What is painted with a photo looks right only with that photo's expression.
    shown = result.neutral() if look.texture is None else result.posed()
    vertices = shown.vertices[0].double().cpu().numpy()
    frames = turntable(vertices, result.model.triangles.cpu().numpy(), look, TURNTABLE_SIZE)
    (folder / "turntable.gif").write_bytes(encode_animation(frames, ".gif"))


def _depth(result: Reconstruction, photo: Photo, look: HeadAppearance, folder: Path) -> None:
    triangles = result.model.triangles.cpu().numpy()
    depth = depth_map(result.posed_in_camera(), triangles, result.intrinsics.matrix, photo.shape[:2])
    (folder / "depth.png").write_bytes(encode_depth(depth))
    write_image(folder / "depth_preview.png", depth_preview(depth))


def _normals(result: Reconstruction, photo: Photo, look: HeadAppearance, folder: Path) -> None:
    triangles = result.model.triangles.cpu().numpy()
    normals = normal_map(result.posed_in_camera(), triangles, result.intrinsics.matrix, photo.shape[:2])
    write_image(folder / "normals.png", normal_picture(normals))


def _panel(result: Reconstruction, photo: Photo, look: HeadAppearance, folder: Path) -> None:
    write_image(folder / "panel.png", result.panel(photo))


PICTURES: Mapping[str, Callable[[Reconstruction, Photo, HeadAppearance, Path], None]] = {
    "wireframe": _wireframe,
    "landmarks": _landmarks,
    "turntable": _turntable,
    "depth": _depth,
    "normals": _normals,
    "panel": _panel,
}
"""Writers of pictures by name."""


def check_pictures(names: Sequence[str]) -> None:
    """Refuse names that are no picture's.

    Raises:
        ArgumentError: names each of them, and those that there are.
    """
    if unknown := [name for name in names if name not in PICTURES]:
        raise ArgumentError(f"no picture is named {', '.join(unknown)}; there are {', '.join(PICTURES)}")


def write_pictures(
    names: Sequence[str], result: Reconstruction, photo: Photo, look: HeadAppearance, folder: Path
) -> None:
    """Write pictures into a result's folder.

    Args:
        names: of PICTURES.
        result: what they show.
        photo: the pixels that it was made from.
        look: colours of the head.
        folder: exists.

    Raises:
        ArgumentError: a name that is no picture's.
        OutputError: the folder cannot be written.
    """
    check_pictures(names)
    for name in names:
        PICTURES[name](result, photo, look, folder)

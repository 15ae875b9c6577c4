"""What is known of a clip's camera before its faces are looked at."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8

from face3d.camera import Intrinsics, choose_intrinsics, intrinsics_from_exif
from face3d.camera.intrinsics import EXIF_CROPPED_SIGMA
from face3d.errors import InputError
from face3d.media import Photo, read_image
from face3d.media.listing import images_in
from face3d.media.video_camera import video_focal_35mm
from face3d.tracking.clip_part import ClipPart

__all__ = ["VIDEO_FOCAL_35MM", "VIDEO_FOCAL_SIGMA", "check_intrinsics", "clip_camera"]

VIDEO_FOCAL_35MM, VIDEO_FOCAL_SIGMA = 36.0, 0.45
"""35 mm-equivalent focal length of a video that says nothing of it, and its relative sigma. A video is hardly ever the
whole picture of a phone's main camera: people who talk are filmed from further away with 50 to 85 mm, and cut out
square or upright. Two sigma are 15 to 89 mm."""


def check_intrinsics(
    intrinsics: Intrinsics | Sequence[float] | Float[np.ndarray, "3 3"] | None, fov: float | None
) -> None:
    """Raise `ArgumentError` for what no camera can have, before anything is read."""
    size = intrinsics.image_size if isinstance(intrinsics, Intrinsics) else (1280, 720)
    choose_intrinsics(Photo(_blank(size)), intrinsics=intrinsics, fov=fov)


def clip_camera(
    part: ClipPart,
    image_size: tuple[int, int],
    *,
    intrinsics: Intrinsics | Sequence[float] | Float[np.ndarray, "3 3"] | None = None,
    fov: float | None = None,
) -> Intrinsics:
    """The clip's intrinsics: as given, else as the first image of a folder or the video's container says, or a guess.

    Args:
        part: the clip.
        image_size: (width, height) of its frames, pixels.
        intrinsics: as for `choose_intrinsics`.
        fov: degrees along the longer side.

    Raises:
        ArgumentError: as for `choose_intrinsics`.
    """
    blank = _blank(image_size)
    photo = Photo(blank)
    if part.is_folder:
        with contextlib.suppress(InputError):
            photo = replace(read_image(images_in(part.path)[0]), pixels=blank)
    elif not part.is_live:
        photo = replace(photo, focal_35mm=video_focal_35mm(part.path))
    camera = choose_intrinsics(photo, intrinsics=intrinsics, fov=fov)
    if camera.source == "exif" and not part.is_folder:
        # Cameras crop the picture of a video, for its shape and to steady it, by an amount that they do not tell.
        return replace(camera, focal_sigma=max(camera.focal_sigma, EXIF_CROPPED_SIGMA))
    if camera.source == "prior" and not part.is_live:
        filmed = intrinsics_from_exif(VIDEO_FOCAL_35MM, image_size, focal_sigma=VIDEO_FOCAL_SIGMA)
        return replace(filmed, source="prior")
    return camera


def _blank(image_size: tuple[int, int]) -> UInt8[np.ndarray, "H W 3"]:
    """A picture of which only the size is looked at."""
    return np.broadcast_to(np.zeros(3, dtype=np.uint8), (image_size[1], image_size[0], 3))

"""The page that leads to many results, and the sheet that shows them all."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from face3d.errors import OutputError
from face3d.media import write_image, write_whole
from face3d.render.contact_sheet import contact_sheet
from face3d.render.overlay import crop_around_head, overlay
from face3d.report.page import jpeg, jpeg_uri, render_page
from face3d.report.words import spoken

if TYPE_CHECKING:
    from face3d.reconstruction import Reconstruction

__all__ = ["ResultIndex"]

THUMBNAIL = 320
OPACITY = 0.7
INDEX, SHEET = "index.html", "contact_sheet.jpg"
SIGNATURE = '<meta name="generator" content="face3d'
"""By it an index of an earlier run is known, which a new one may replace."""
COLUMNS = ("pupillary_distance", "face_width")


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """A result, the photo around its head as a JPEG file, and the camera of that."""

    result: Reconstruction
    crop: bytes
    intrinsics: Float[np.ndarray, "3 3"]

    def thumbnail(self) -> UInt8[np.ndarray, "H W 3"]:
        return overlay(
            np.asarray(Image.open(io.BytesIO(self.crop))),
            self.result.posed_in_camera(),
            self.result.model.triangles.cpu().numpy(),
            self.intrinsics,
            appearance=self.result.appearance(),
            opacity=OPACITY,
        )

    def numbers(self) -> list[dict[str, Any]]:
        found = [(name, self.result.measurements[name]) for name in COLUMNS if name in self.result.measurements]
        return [{"label": spoken(name), "value": one.value, "sigma": one.sigma} for name, one in found]


class ResultIndex:
    """Gathers the results of a run, each with a small part of its photo, until they are all there."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def add(self, result: Reconstruction, photo: UInt8[np.ndarray, "H W 3"]) -> None:
        """Remember a result that was written under its name.

        Args:
            photo: the pixels that it was made from; they are not kept.
        """
        intrinsics = result.intrinsics.matrix
        crop, crop_from_photo = crop_around_head(photo, result.posed_in_camera(), intrinsics, THUMBNAIL)
        self._entries.append(_Entry(result, jpeg(crop, 92), crop_from_photo @ intrinsics))

    def write(self, out: Path) -> None:
        """Write index.html and contact_sheet.jpg into the folder that holds the results, if they are more than one.

        Raises:
            OutputError: the folder cannot be written, or holds an index.html of somebody else's.
        """
        if len(self._entries) < 2:
            return
        index = out / INDEX
        if index.exists() and not _is_ours(index):
            raise OutputError(f"{index} is in the way and not face3d's; move it or choose another --out")
        thumbnails = [entry.thumbnail() for entry in self._entries]
        sheet = contact_sheet(thumbnails, [entry.result.name for entry in self._entries])
        write_image(out / SHEET, sheet)
        page = render_page(
            "index.html",
            results=[
                {
                    "name": entry.result.name,
                    "link": f"{quote(entry.result.name)}/report.html",
                    "thumbnail": jpeg_uri(thumbnail),
                    "numbers": entry.numbers(),
                    "notes": len(entry.result.warnings),
                }
                for entry, thumbnail in zip(self._entries, thumbnails, strict=True)
            ],
            sheet=SHEET,
        ).encode()
        write_whole(index, lambda file: file.write(page))


def _is_ours(index: Path) -> bool:
    try:
        return SIGNATURE in index.read_text(encoding="utf-8", errors="replace")[:2000]
    except OSError:
        return False

"""The page that leads to many results, and the sheet that shows them all."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from jaxtyping import UInt8
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


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    thumbnail: bytes
    numbers: tuple[dict[str, Any], ...]
    notes: int


class ResultIndex:
    """Gathers the results of a run, each with a small picture, until they are all there."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def add(self, result: Reconstruction, photo: UInt8[np.ndarray, "H W 3"]) -> None:
        """Remember a result that was written under its name.

        Args:
            photo: the pixels that it was made from; they are not kept.
        """
        vertices = result.posed_in_camera()
        crop, crop_from_photo = crop_around_head(photo, vertices, result.intrinsics.matrix, THUMBNAIL)
        picture = overlay(
            crop,
            vertices,
            result.model.triangles.cpu().numpy(),
            crop_from_photo @ result.intrinsics.matrix,
            appearance=result.appearance(),
            opacity=OPACITY,
        )
        found = [(name, result.measurements[name]) for name in COLUMNS if name in result.measurements]
        numbers = tuple({"label": spoken(name), "value": one.value, "sigma": one.sigma} for name, one in found)
        self._entries.append(_Entry(result.name, jpeg(picture), numbers, len(result.warnings)))

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
        thumbnails = [np.asarray(Image.open(io.BytesIO(entry.thumbnail))) for entry in self._entries]
        sheet = contact_sheet(thumbnails, [entry.name for entry in self._entries])
        write_image(out / SHEET, sheet)
        page = render_page(
            "index.html",
            results=[
                {
                    "name": entry.name,
                    "link": f"{quote(entry.name)}/report.html",
                    "thumbnail": jpeg_uri(thumbnail),
                    "numbers": entry.numbers,
                    "notes": entry.notes,
                }
                for entry, thumbnail in zip(self._entries, thumbnails, strict=True)
            ],
            sheet=SHEET,
        ).encode()
        write_whole(index, lambda file: file.write(page) and None)


def _is_ours(index: Path) -> bool:
    try:
        return SIGNATURE in index.read_text(encoding="utf-8", errors="replace")[:2000]
    except OSError:
        return False

"""HTML pages that hold everything they show: templates in, one string out, no address outside of the file.

Every text is escaped where it enters a page; only what this module itself marks as markup is not. A content security
policy in each page forbids every connection, whatever a script in it would like to fetch.
"""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from importlib import resources
from typing import Any

import jinja2
import numpy as np
from jaxtyping import UInt8
from markupsafe import Markup
from PIL import Image

from face3d import __version__

__all__ = ["GENERATOR", "MODEL_VIEWER_SHA256", "MODEL_VIEWER_VERSION", "glb_uri", "jpeg", "jpeg_uri", "render_page"]

GENERATOR = f"face3d {__version__}"

MODEL_VIEWER_VERSION = "4.4.0"
MODEL_VIEWER_SHA256 = "d785423b1d046ea84a9f59ef6cf15f3077603e1bf938b01ced9b0240691884a2"
"""Of model-viewer-umd.min.js in the npm package @google/model-viewer of that version; Apache-2.0."""

JPEG_QUALITY = 84


def render_page(template: str, **content: Any) -> str:
    """Fill one of the templates.

    Args:
        template: file name in face3d/report/templates.
        content: what it names; a name that is missing is an error.
    """
    return _environment().get_template(template).render(generator=GENERATOR, **content)


def jpeg(picture: UInt8[np.ndarray, "H W 3"], quality: int = JPEG_QUALITY) -> bytes:
    """An RGB picture as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, format="JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def jpeg_uri(picture: UInt8[np.ndarray, "H W 3"], quality: int = JPEG_QUALITY) -> str:
    """An RGB picture as the address of an image inside a page."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(picture, quality)).decode('ascii')}"


def glb_uri(glb: bytes) -> str:
    """A GLB as an address inside a page."""
    return f"data:model/gltf-binary;base64,{base64.b64encode(glb).decode('ascii')}"


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _text("templates", name)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["millimetres"] = lambda metres, digits=1: f"{metres * 1000:.{digits}f}"
    environment.globals["model_viewer"] = _model_viewer
    environment.globals["part"] = lambda name: Markup(_text("templates", name))
    return environment


def _model_viewer() -> Markup:
    """The script of the 3D view with its licences, ready to stand in a page."""
    folder = ("vendor", "model-viewer")
    notices = _text(*folder, "THIRD_PARTY.txt")
    script = _text(*folder, "model-viewer-umd.min.js")
    # Neither ends its element early: the tests see to that when the file is renewed.
    return Markup(f"<!--\n{notices}\n-->\n<script>{script}</script>")


@lru_cache(maxsize=16)
def _text(*path: str) -> str:
    return resources.files("face3d.report").joinpath(*path).read_text(encoding="utf-8")

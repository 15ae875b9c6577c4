"""The binary half of a glTF file: arrays in one block of bytes, and the container that holds it beside the document."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

__all__ = [
    "ARRAY_BUFFER",
    "ELEMENT_ARRAY_BUFFER",
    "FLOAT",
    "TRIANGLES_MODE",
    "UNSIGNED_BYTE",
    "UNSIGNED_INT",
    "UNSIGNED_SHORT",
    "GltfBuffer",
    "glb",
]

# Numbers from the glTF 2.0 specification, sections 3.6 and 4.
FLOAT, UNSIGNED_BYTE, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5121, 5123, 5125
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
TRIANGLES_MODE = 4
CHUNK_JSON, CHUNK_BINARY = 0x4E4F534A, 0x004E4942


class GltfBuffer:
    """Collects arrays into one block of bytes, with glTF's two levels of description."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(
        self,
        values: np.ndarray,
        kind: str,
        component: int,
        target: int | None = None,
        *,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """Append an array and return the index of its accessor."""
        view = self._view(values)
        if target is not None:
            self.views[view]["target"] = target
        accessor: dict[str, Any] = {
            "bufferView": view,
            "componentType": component,
            "count": len(values),
            "type": kind,
        }
        if bounds:
            accessor["min"], accessor["max"] = values.min(0).tolist(), values.max(0).tolist()
        if normalized:
            accessor["normalized"] = True
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add_file(self, content: bytes) -> int:
        """Append a file as it is and return the index of its view."""
        return self._view(np.frombuffer(content, dtype=np.uint8))

    def add_sparse(self, values: np.ndarray, *, bounds: bool = False) -> int:
        """Append an array of vectors, most of which are zero, and return the index of its accessor.

        Only the others are stored, unless that saves nothing.

        Args:
            values: (N, 3) float32.
            bounds: write the least and greatest values, as positions need them.
        """
        rows = np.nonzero(values.any(axis=1))[0]
        if not len(rows) or len(rows) * 2 > len(values):
            return self.add(values, "VEC3", FLOAT, ARRAY_BUFFER, bounds=bounds)
        short = len(values) <= 65535
        accessor: dict[str, Any] = {
            "componentType": FLOAT,
            "count": len(values),
            "type": "VEC3",
            "sparse": {
                "count": len(rows),
                "indices": {
                    "bufferView": self._view(rows.astype("<u2" if short else "<u4")),
                    "componentType": UNSIGNED_SHORT if short else UNSIGNED_INT,
                },
                "values": {"bufferView": self._view(values[rows])},
            },
        }
        if bounds:
            accessor["min"], accessor["max"] = values.min(0).tolist(), values.max(0).tolist()
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def _view(self, values: np.ndarray) -> int:
        """Append the bytes of an array, aligned, and return the index of their view."""
        self.data.extend(b"\0" * (-len(self.data) % 4))
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": values.nbytes})
        self.data.extend(values.tobytes())
        return len(self.views) - 1


def glb(document: dict[str, Any], buffer: GltfBuffer) -> bytes:
    """Put a document and its buffer into one binary file.

    Args:
        document: the JSON part, with everything but what `buffer` describes.
        buffer: what its accessors and views mean.
    """
    document = {
        **document,
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 4)
    binary = bytes(buffer.data) + b"\0" * (-len(buffer.data) % 4)
    length = 12 + 8 + len(text) + 8 + len(binary)
    return b"".join(
        (
            struct.pack("<4sII", b"glTF", 2, length),
            struct.pack("<II", len(text), CHUNK_JSON),
            text,
            struct.pack("<II", len(binary), CHUNK_BINARY),
            binary,
        )
    )

"""Why a file gives no video: looked up in its first bytes, so that the message can say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

__all__ = ["explain_no_video"]

_HEAD_BYTES = 65536

_SOUND = {b"ID3": "MP3", b"fLaC": "FLAC", b"\xff\xfb": "MP3", b"\xff\xf3": "MP3", b"#!AMR": "AMR"}
"""How files that can hold nothing but sound begin."""


def explain_no_video(path: Path) -> str:
    """What is wrong with a file of which no frame can be read, and the remedy; one clause to follow the file's name."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if not head:
            return "is empty; copy or download it again"
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
            file.seek(0)
            return _explain_mp4(_movie_header(file, path.stat().st_size))
    if (head.startswith(b"RIFF") and head[8:12] == b"WAVE") or any(head.startswith(mark) for mark in _SOUND):
        return "holds only sound; give a video with pictures"
    if head.startswith(b"\x1a\x45\xdf\xa3"):  # Matroska and WebM; codec names begin with V_ for video, A_ for audio
        if b"V_" in head:
            return "holds no frame that can be read; copy or record it again"
        return "holds only sound; give a video with pictures" if b"A_" in head else "is damaged; copy it again"
    if head.startswith(b"OggS"):
        return "holds only sound, or is damaged; give a video with pictures"
    return "is no video that FFmpeg can read; give MP4, MOV, MKV, WebM or AVI"


def _explain_mp4(header: bytes | None) -> str:
    if header is None:
        return "is cut short: its index, which comes last, is missing; copy or record it again"
    if b"vide" not in header and b"soun" in header:
        return "holds only sound; give a video with pictures"
    return "holds no frame that can be read; copy or record it again"


def _movie_header(file: BinaryIO, length: int) -> bytes | None:
    """The `moov` box of an MP4 or QuickTime file (ISO 14496-12), or None."""
    position = 0
    while position + 8 <= length:
        file.seek(position)
        box = file.read(16)
        size, kind = int.from_bytes(box[:4], "big"), box[4:8]
        if size == 1:
            size = int.from_bytes(box[8:16], "big")
        if kind == b"moov":
            file.seek(position)
            return file.read(min(size or length, 1 << 24))
        if size < 8:
            return None
        position += size
    return None

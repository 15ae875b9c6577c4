"""The store on disk."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from face3d import assets
from face3d.assets import storage
from face3d.errors import AssetError


def test_home_is_the_platforms_unless_told(monkeypatch, tmp_path):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path))
    assert assets.home() == tmp_path
    monkeypatch.delenv("FACE3D_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert "face3d" in assets.home().parts


def test_a_home_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path / "file"))
    with pytest.raises(AssetError, match="FACE3D_HOME"), storage.locked("mediapipe"):
        pass


def test_a_full_disk_leaves_nothing(monkeypatch, tmp_path):
    """A limit on file size makes the kernel refuse the write, as a full disk does."""
    code = "from face3d.assets import storage; storage.store('mediapipe', {'model': bytes(200_000)}, origin='x')"

    def small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    monkeypatch.setenv("FACE3D_HOME", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", code], preexec_fn=small_disk, capture_output=True, text=True, check=False
    )
    assert "AssetError: cannot write" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_is_stored_reads_back(monkeypatch, tmp_path):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path))
    (tmp_path / "model.json").write_bytes(b"{}")
    written = storage.store("lipread", {"model.pth": b"weights", "model.json": tmp_path / "model.json"}, origin="here")
    assert storage.stored("lipread") == written
    assert written.path.read_bytes() == b"weights"
    assert set(written.hashes) == {"model.pth", "model.json"}
    storage.verify(written)
    assert [path.name for path in Path(written.path.parent).glob("*.partial")] == []

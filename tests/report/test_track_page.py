"""The page of a track: true to it, whole but for the video, and in a browser on one clock with it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from face3d.track_files import write_track
from tests.report.conftest import Page
from tests.report.test_browser import CHROMIUM, FLAGS
from tests.talking import grey_clip, talking_track

HOSTILE = "<script>alert('x')</script>\"'&amp;</title>"


@pytest.fixture(scope="module")
def track():
    return talking_track(50)


@pytest.fixture(scope="module")
def folder(track, tmp_path_factory):
    folder = tmp_path_factory.mktemp("talk")
    clip = grey_clip(tmp_path_factory.mktemp("clip") / "talk.mp4", 50)
    write_track(track, folder, formats=("glb",), video=clip)
    return folder


@pytest.fixture(scope="module")
def text(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page.read(text)


def test_only_the_video_beside_it_is_fetched(page, folder, text):
    page.check_addresses(folder)
    assert page.all("video")[0]["src"] == "overlay.mp4"
    assert len(text) < 5e6


def test_frames_size_files_and_times_are_there(page, track, folder):
    assert "50 over 2.0 s at 25 a second" in page.text
    assert "in 92.0 % of them" in page.text
    assert "31.5 frames a second" in page.text
    assert "31500 ms" not in page.text, "a rate is no time"
    for path in folder.iterdir():
        assert path.name == "report.html" or path.name in page.text
    for label in ("Mouth", "Eyes", "Brows", "Head", "Quality", "Jaw open", "Blink left"):
        assert label in page.text
    assert track.warnings[0] in page.text


def test_curves_and_gaps_lie_where_their_times_are(text, track):
    jaw = re.findall(r'<path d="(M[^"]*)"', text)[0]
    points = np.array([[float(value) for value in step.split()] for step in re.split("[ML]", jaw)[1:]])
    np.testing.assert_allclose(points[:, 0], (track.times - track.times[0]) / np.ptp(track.times) * 1000, atol=0.06)
    values = track.expression[:, track.model.expression_names.index("jawOpen")]
    np.testing.assert_allclose(points[:, 1], (1 - values) * 100, atol=0.06)
    left, width = re.search(r'<rect class="gap" x="([\d.]+)" y="0" width="([\d.]+)"', text).groups()
    first, last = track.gaps()[0]
    assert float(left) == pytest.approx(first / track.times[-1] * 1000, abs=0.1)
    assert float(width) == pytest.approx((last - first) / track.times[-1] * 1000, abs=0.1)


def test_every_control_has_a_name(page):
    radios = {radio["id"] for radio in page.all("input") if radio["type"] == "radio"}
    assert radios == {label["for"] for label in page.all("label")}
    assert all(button.get("aria-label") or button.get("id") is None for button in page.all("button"))
    assert next(one for one in page.all("input") if one["type"] == "range")["aria-label"] == "Time"


def test_names_and_warnings_are_only_text(track, tmp_path):
    hostile = replace(track, name=HOSTILE, source=HOSTILE, warnings=(HOSTILE,))
    write_track(hostile, tmp_path, formats=())
    page = Page.read((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert HOSTILE in page.text
    assert not page.all("video"), "without a video there is none"


def test_long_tracks_are_thinned_in_the_page(track, tmp_path, monkeypatch):
    monkeypatch.setattr("face3d.report.track_page.MOST_KEYS", 20)
    write_track(track, tmp_path, formats=())
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "every 3th frame" not in text
    assert "every 3rd frame" in text
    player = json.loads(re.search(r'id="player">(.*?)</script>', text)[1])
    assert player["end"] == pytest.approx(track.times[48] - 1e-3)


WATCH = """<script>
const [video, viewer, slider] = ["video", "viewer", "time"].map((id) => document.getElementById(id));
const tell = (name) => console.log(name, video.currentTime.toFixed(2), viewer.currentTime.toFixed(2));
document.addEventListener("securitypolicyviolation", (event) => console.log("BLOCKED", event.blockedURI));
viewer.addEventListener("error", (event) => console.log("FAILED", event.detail));
viewer.addEventListener("load", () => {
  console.log("HEAD SHOWN");
  setTimeout(() => {
    tell("OPENED");
    slider.value = 0.6;
    slider.dispatchEvent(new Event("input"));
    setTimeout(() => tell("MOVED"), 2000);
  }, 2000);
});
</script></body>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_head_and_video_follow_the_slider_from_a_plain_file(folder, text, tmp_path):
    shutil.copy(folder / "overlay.mp4", tmp_path / "overlay.mp4")
    (tmp_path / "page.html").write_text(text.replace("</body>", WATCH).replace('slot="poster"', 'slot="poster" hidden'))
    command = [
        *(CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,900"),
        *(f"--screenshot={tmp_path / 'page.png'}", f"{(tmp_path / 'page.html').as_uri()}#t=1.4"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if not (tmp_path / "page.png").exists():
        pytest.skip(f"Chromium does not run here: {done.stderr[-300:]}")
    for trouble in ("BLOCKED", "FAILED", "Uncaught"):
        assert trouble not in done.stderr
    assert "HEAD SHOWN" in done.stderr
    assert "OPENED 1.40 1.40" in done.stderr
    assert "MOVED 0.60 0.60" in done.stderr
    view = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)[330:600, 700:1190]
    assert (np.abs(view - view[5, 5]).max(-1) > 6).mean() > 0.1, "a head is seen"

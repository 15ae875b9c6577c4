"""The page in a real browser, offline: the 3D view shows the head. Skipped where there is no Chromium."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=15000"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--enable-logging=stderr"),
    # Whatever the page asked for would fail, and say so.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
WATCH = """<script>
document.addEventListener("securitypolicyviolation", (event) => console.log("BLOCKED", event.blockedURI));
document.getElementById("viewer").addEventListener("load", () => console.log("HEAD SHOWN"));
document.getElementById("viewer").addEventListener("error", (event) => console.log("FAILED", event.detail));
</script></body>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_the_head_is_seen_in_3d_and_nothing_is_asked_of_the_network(folder, tmp_path):
    report = (folder / "report.html").read_text(encoding="utf-8").replace("</body>", WATCH)
    # The posters stand in for the 3D view until it runs; without them only a view that runs shows a head.
    (tmp_path / "page.html").write_text(report.replace('slot="poster"', 'slot="poster" hidden'), encoding="utf-8")
    command = [
        *(CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,1000"),
        *(f"--screenshot={tmp_path / 'page.png'}", f"{(tmp_path / 'page.html').as_uri()}#pupillary_distance"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    said = done.stderr
    if not (tmp_path / "page.png").exists():
        pytest.skip(f"Chromium does not run here: {said[-300:]}")
    assert "HEAD SHOWN" in said
    assert "BLOCKED" not in said
    assert "FAILED" not in said
    assert "Uncaught" not in said
    picture = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    # The view is the right column; its stage is the one even colour there, and the head a large part of it.
    stage = picture[330:780, 700:1190]
    ground = stage[5, 5]
    head = (np.abs(stage - ground).max(-1) > 6).mean()
    assert 0.2 < head < 0.8
    line = (stage[..., 0] > 200) & (stage[..., 1] < 80) & (stage[..., 2] < 120)
    assert np.ptp(np.nonzero(line)[1]) > 60, "the pupillary distance is drawn over the head"

"""`face3d doctor` on this machine, where face3d is expected to work."""

from __future__ import annotations

import json

from face3d import doctor
from face3d.cli import main


def test_this_machine(capfd):
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["healthy"]
    checks = {check["name"]: check for check in report["checks"]}
    for name in ("torch", "numba", "mediapipe", "libEGL.so.1", "libGLESv2.so.2", "open head"):
        assert checks[name]["required"]
        assert checks[name]["state"] == "ok"
    assert not checks["open3d"]["required"]
    for check in checks.values():
        assert (check["remedy"] is None) == (check["state"] == "ok")


def test_a_device_that_is_not_there(monkeypatch, capfd):
    monkeypatch.setattr(doctor, "PROBES", ())
    assert main(["doctor", "--device", "cuda:99", "--json"]) == 1
    checks = {check["name"]: check for check in json.loads(capfd.readouterr().out)["checks"]}
    assert checks["device cuda:99"]["state"] == "broken"

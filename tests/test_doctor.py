"""The doctor survives what it examines."""

from __future__ import annotations

import pytest

from face3d.doctor import Probe, try_probe


@pytest.mark.parametrize(
    ("code", "state", "detail"),
    [
        ("print('1.2')", "ok", "1.2"),
        ("import no_such_package", "missing", "no_such_package"),
        ("import ctypes; ctypes.CDLL('libnosuch.so.9')", "missing", "libnosuch.so.9"),
        ("import os; os.abort()", "broken", "signal 6"),
        ("raise RuntimeError('numpy was built for another ABI')", "broken", "another ABI"),
        ("import sys; sys.exit(3)", "broken", ""),
    ],
)
def test_each_way_to_fail(code, state, detail):
    check = try_probe(Probe("thing", "trying", False, code, "install thing"))
    assert check.state == state
    assert detail in check.detail
    assert check.remedy == (None if state == "ok" else "install thing")

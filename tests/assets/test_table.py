"""The table's own consistency."""

from __future__ import annotations

import re

import pytest

from face3d.assets import ASSETS


def test_the_names_that_commands_take():
    names = "mediapipe mobilefacenet flame mica arcface fan dlib deca spectre lipread emotion"
    assert list(ASSETS) == names.split()


@pytest.mark.parametrize("asset", ASSETS.values(), ids=lambda asset: asset.name)
def test_what_can_be_fetched_can_be_verified(asset):
    if asset.sources:
        assert re.fullmatch(r"[0-9a-f]{64}", asset.sha256)
        assert asset.bytes > 0
    assert asset.licence
    assert asset.obtained.startswith(("https://", "http://dlib.net"))

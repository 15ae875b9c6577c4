"""`--licence open` lets nothing through that is not known to be open."""

from __future__ import annotations

import pytest

from face3d.assets import AssetUse, require_licence
from face3d.errors import LicenceError

OPEN = AssetUse("mediapipe", "landmarks", "Apache-2.0", "yes", "0")
RESEARCH = AssetUse("mica", "identity", "research only", "no", "0")
UNKNOWN = AssetUse("fan", "landmarks", "who knows", "unknown", "0")


def test_any_allows_all():
    require_licence([OPEN, RESEARCH, UNKNOWN], "any")


def test_open_allows_open():
    require_licence([OPEN], "open")


@pytest.mark.parametrize("refused", [RESEARCH, UNKNOWN])
def test_open_refuses_the_rest_by_name(refused):
    with pytest.raises(LicenceError, match=refused.name) as caught:
        require_licence([OPEN, refused], "open")
    assert refused.licence in str(caught.value)
    assert "mediapipe (" not in str(caught.value)

"""Whose face it is: features that tell people apart, from aligned crops."""

from __future__ import annotations

__all__: list[str] = []

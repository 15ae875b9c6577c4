"""The two layouts of SPECTRE's and DECA's checkpoints, and telling published checkpoints apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from face3d.errors import CorruptAssetError

__all__ = ["part_of_checkpoint"]

_SIGNS = {
    "arcface": "MICA's checkpoint: add it as mica",
    "E_expression": "SPECTRE's checkpoint: add it as spectre",
    "E_flame": "DECA's checkpoint: add it as deca",
    "backbone.conv1.weight": "EMOCA's emotion network: add it as emotion",
    "encoder.frontend.frontend3D.0.weight": "a lip-reading network: add it as lipread",
    "conv1.weight": "one network's weights: add ArcFace's as arcface",
}
"""A name that only one system's checkpoint has, and what to do with that file; the first that is there tells."""

_EXPECTED = {
    "deca": "DECA's, the deca_model.tar that its fetch_data.sh fetches",
    "spectre": "SPECTRE's, the spectre_model.tar that its quick_install.sh fetches",
}


def part_of_checkpoint(content: Mapping[str, Any], part: str, path: Path, asset: str) -> dict[str, Any]:
    """The weights of one network in a checkpoint of several, by the network's own names.

    Args:
        content: of the file: `{part: weights}`, which SPECTRE's and DECA's trainers write, or Lightning's
            `{"state_dict": weights}` with names that begin with `deca.<part>.`.
        part: `E_flame` or `E_expression`.
        path: the file, for messages.
        asset: what the file is offered as, "deca" or "spectre".

    Raises:
        CorruptAssetError: it has no such part; the message says what the file is, where that can be told.
    """
    inner = content.get("state_dict")
    names = inner if isinstance(inner, dict) else content
    weights = names.get(part)
    if isinstance(weights, dict) and weights:
        return weights
    prefix = f"deca.{part}."
    flat = {name[len(prefix) :]: value for name, value in names.items() if str(name).startswith(prefix)}
    if not flat:
        raise CorruptAssetError(
            f"{path} has no {part}: it is {_what_it_is(names, asset)}; expected is {_EXPECTED[asset]}"
        )
    return flat


def _what_it_is(names: Mapping[str, Any], asset: str) -> str:
    tops = {".".join(str(name).removeprefix("deca.").split(".")[:1]) for name in names}
    for sign, what in _SIGNS.items():
        if (sign in names or sign in tops) and not what.endswith(f" {asset}"):
            return what
    return f"something that holds {', '.join(list(map(str, names))[:3]) or 'nothing'}"

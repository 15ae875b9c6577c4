"""Checkpoints without anybody's data: recipe weights in the published layouts."""

from __future__ import annotations

from functools import lru_cache

import torch

from face3d.expression import CoarseEncoder, EmotionNetwork, ExpressionEncoder, VisualFrontEnd
from tests.golden.recipe import FRONT_END_DAMPING, FRONT_END_PRELU, RESNET50_DAMPING, recipe_weights


def coarse_weights():
    """DECA's `E_flame`, in a dictionary of the caller's own."""
    return dict(_weights("coarse"))


def expression_weights():
    """SPECTRE's `E_expression`, with the classes of ImageNet."""
    return dict(_weights("expression"))


def emotion_weights():
    """EMOCA's network as its checkpoint's `state_dict` names it, with the classes that nobody uses."""
    classes = {"linear.weight": torch.zeros(10, 2048), "linear.bias": torch.zeros(10)}
    people = {"backbone.fc.weight": torch.zeros(8, 2048), "backbone.fc.bias": torch.zeros(8)}
    return _weights("emotion") | people | classes


def front_end_weights(activation="swish", prefix=""):
    """The lip-reading front end."""
    names = _names(lambda: VisualFrontEnd(activation))
    weights = recipe_weights(names, damping=FRONT_END_DAMPING, prelu=FRONT_END_PRELU)
    return {prefix + name: value for name, value in weights.items()}


def lipread_content(activation="swish"):
    """A whole model.pth: its front end, and a little of what comes after."""
    return front_end_weights(activation, "encoder.frontend.") | {"encoder.embed.0.weight": torch.zeros(4, 512)}


def spectre_content():
    """What SPECTRE's trainer saves, as far as anybody reads it."""
    return {"E_flame": coarse_weights(), "E_expression": expression_weights(), "global_step": 100_000, "batch_size": 1}


@lru_cache(maxsize=3)
def _weights(name):
    build = {"coarse": CoarseEncoder, "expression": ExpressionEncoder, "emotion": EmotionNetwork}[name]
    names = _names(build)
    weights = recipe_weights(names, damping=RESNET50_DAMPING)
    return weights | {name: torch.tensor(7) for name in names if name.endswith("num_batches_tracked")}


def _names(build):
    with torch.device("meta"):
        return build().state_dict()

"""What faces do: plausible combinations of the 52 ARKit shapes, with gaze and lids that belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from face3d.train.synthetic.heads import HeadState, open_head

__all__ = ["EXPRESSION_KINDS", "sample_state"]

EXPRESSION_KINDS = {"neutral": 0.24, "smile": 0.24, "speech": 0.26, "emotion": 0.12, "sparse": 0.14}
"""Shares of the kinds of expression. Blinks and narrowed eyes come on top of any of them."""
BLINK_SHARE = 0.06
GAZE_SIGMA = (0.16, 0.09)
"""Radians sideways and up: where people look relative to their head."""
GAZE_LIMIT = (0.55, 0.35)


@dataclass(slots=True)
class _Shapes:
    """Collects coefficients by name; the left and right of a pair differ a little."""

    values: dict[str, float]
    rng: np.random.Generator

    def one(self, name: str, value: float) -> None:
        self.values[name] = self.values.get(name, 0.0) + value

    def pair(self, name: str, value: float, *, uneven: float = 0.12) -> None:
        tilt = self.rng.normal(0.0, uneven)
        self.one(f"{name}Left", value * (1 + tilt))
        self.one(f"{name}Right", value * (1 - tilt))


def sample_state(identity: Float[np.ndarray, " I"], rng: np.random.Generator) -> tuple[HeadState, str]:
    """Draw an expression and a gaze for a person.

    Returns:
        The state, and which of `EXPRESSION_KINDS` it is ("blink" for closed eyes).
    """
    kind = str(rng.choice(list(EXPRESSION_KINDS), p=list(EXPRESSION_KINDS.values())))
    shapes = _Shapes({}, rng)
    for name in ("browInnerUp", "mouthClose", "jawOpen"):
        shapes.one(name, max(0.0, rng.normal(0.0, 0.02)))
    for name in ("eyeSquint", "browDown", "mouthPress"):
        shapes.pair(name, max(0.0, rng.normal(0.02, 0.05)))
    {"neutral": _neutral, "smile": _smile, "speech": _speech, "emotion": _emotion, "sparse": _sparse}[kind](shapes)
    sideways = float(np.clip(rng.normal(0, GAZE_SIGMA[0]), -GAZE_LIMIT[0], GAZE_LIMIT[0]))
    down = float(np.clip(rng.normal(0.02, GAZE_SIGMA[1]), -GAZE_LIMIT[1], GAZE_LIMIT[1]))
    vergence = rng.uniform(0.0, 0.06)
    _lids_follow(shapes, sideways, down)
    if rng.uniform() < BLINK_SHARE:
        kind = "blink"
        shapes.pair("eyeBlink", rng.uniform(0.5, 1.0), uneven=0.02)
    names = open_head().arrays.expression_names
    expression = np.array([np.clip(shapes.values.get(name, 0.0), 0.0, 1.0) for name in names])
    # Positive x turns the gaze down, positive y to the subject's left.
    eyes = np.array([down, sideways - vergence / 2, 0.0, down, sideways + vergence / 2, 0.0])
    return HeadState(identity, expression, np.zeros(3), eyes), kind


def _lids_follow(shapes: _Shapes, sideways: float, down: float) -> None:
    """The shapes that move the skin around eyes that look aside, as the trackers of ARKit report them."""
    for side, towards_left in (("Left", 1.0), ("Right", -1.0)):
        out = sideways * towards_left / 0.6
        shapes.one(f"eyeLook{'Out' if out > 0 else 'In'}{side}", abs(out))
        shapes.one(f"eyeLook{'Down' if down > 0 else 'Up'}{side}", abs(down) / 0.45)


def _neutral(shapes: _Shapes) -> None:
    rng = shapes.rng
    shapes.one("browInnerUp", max(0.0, rng.normal(0.0, 0.08)))
    shapes.pair("mouthSmile", max(0.0, rng.normal(0.0, 0.08)))
    shapes.pair("mouthFrown", max(0.0, rng.normal(0.0, 0.06)))


def _smile(shapes: _Shapes) -> None:
    rng = shapes.rng
    strength = rng.uniform(0.2, 1.0)
    shapes.pair("mouthSmile", strength * rng.uniform(0.7, 1.0))
    shapes.pair("cheekSquint", strength * rng.uniform(0.2, 0.9))
    shapes.pair("eyeSquint", strength * rng.uniform(0.0, 0.6))
    shapes.pair("mouthDimple", strength * rng.uniform(0.0, 0.4))
    if rng.uniform() < 0.6:
        shapes.pair("mouthUpperUp", strength * rng.uniform(0.1, 0.5))
        shapes.pair("mouthLowerDown", strength * rng.uniform(0.0, 0.35))
        shapes.one("jawOpen", strength * rng.uniform(0.0, 0.3))
    if rng.uniform() < 0.15:
        shapes.one("jawOpen", rng.uniform(0.2, 0.5))


def _speech(shapes: _Shapes) -> None:
    rng = shapes.rng
    mouth = rng.choice(["open", "wide", "round", "teeth", "closed"])
    if mouth == "open":
        shapes.one("jawOpen", rng.uniform(0.15, 0.6))
        shapes.pair("mouthLowerDown", rng.uniform(0.0, 0.4), uneven=0.05)
    elif mouth == "wide":
        shapes.one("jawOpen", rng.uniform(0.05, 0.25))
        shapes.pair("mouthStretch", rng.uniform(0.1, 0.6), uneven=0.08)
        shapes.pair("mouthUpperUp", rng.uniform(0.0, 0.4), uneven=0.08)
    elif mouth == "round":
        shapes.one("mouthFunnel", rng.uniform(0.1, 0.7))
        shapes.one("mouthPucker", rng.uniform(0.0, 0.6))
        shapes.one("jawOpen", rng.uniform(0.0, 0.3))
    elif mouth == "teeth":
        shapes.one("mouthRollLower", rng.uniform(0.2, 0.7))
        shapes.pair("mouthUpperUp", rng.uniform(0.1, 0.4), uneven=0.05)
        shapes.one("jawOpen", rng.uniform(0.02, 0.12))
    else:
        shapes.pair("mouthPress", rng.uniform(0.1, 0.6), uneven=0.05)
        shapes.one("mouthRollUpper", rng.uniform(0.0, 0.4))
        shapes.one("mouthRollLower", rng.uniform(0.0, 0.4))
    shapes.one("mouthShrugLower", rng.uniform(0.0, 0.2))
    shapes.one("browInnerUp", max(0.0, rng.normal(0.05, 0.12)))
    shapes.pair("mouthSmile", max(0.0, rng.normal(0.0, 0.12)))


def _emotion(shapes: _Shapes) -> None:
    rng = shapes.rng
    kind, strength = rng.choice(["surprise", "anger", "disgust", "sad", "squint"]), rng.uniform(0.3, 1.0)
    if kind == "surprise":
        shapes.one("browInnerUp", strength * rng.uniform(0.5, 1.0))
        shapes.pair("browOuterUp", strength * rng.uniform(0.4, 1.0))
        shapes.pair("eyeWide", strength * rng.uniform(0.3, 1.0), uneven=0.04)
        shapes.one("jawOpen", strength * rng.uniform(0.0, 0.8))
    elif kind == "anger":
        shapes.pair("browDown", strength * rng.uniform(0.5, 1.0))
        shapes.pair("noseSneer", strength * rng.uniform(0.0, 0.6))
        shapes.pair("mouthPress", strength * rng.uniform(0.0, 0.6))
        shapes.pair("eyeSquint", strength * rng.uniform(0.0, 0.5))
    elif kind == "disgust":
        shapes.pair("noseSneer", strength * rng.uniform(0.4, 1.0))
        shapes.pair("mouthUpperUp", strength * rng.uniform(0.2, 0.7), uneven=0.25)
        shapes.pair("browDown", strength * rng.uniform(0.2, 0.8))
    elif kind == "sad":
        shapes.one("browInnerUp", strength * rng.uniform(0.3, 0.9))
        shapes.pair("mouthFrown", strength * rng.uniform(0.3, 0.9))
        shapes.one("mouthShrugLower", strength * rng.uniform(0.1, 0.6))
    else:
        shapes.pair("eyeSquint", strength)
        shapes.pair("cheekSquint", strength * rng.uniform(0.2, 0.8))
        shapes.pair("browDown", strength * rng.uniform(0.1, 0.6))


def _sparse(shapes: _Shapes) -> None:
    """A few shapes at random, so that each is seen on its own and with any other."""
    rng = shapes.rng
    names = [
        name
        for name in open_head().arrays.expression_names
        if not name.startswith(("eyeLook", "eyeBlink")) and name != "mouthClose"
    ]
    for name in rng.choice(names, size=rng.integers(1, 6), replace=False):
        shapes.one(str(name), rng.beta(1.2, 1.8))
    if rng.uniform() < 0.5:
        jaw = shapes.values.get("jawOpen", 0.0)
        shapes.one("mouthClose", jaw * rng.uniform(0.0, 0.9))

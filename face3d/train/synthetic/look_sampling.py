"""Appearances drawn at random to suit who a person is. Colours are linear RGB, lengths metres."""

from __future__ import annotations

import numpy as np

from face3d.train.synthetic.glasses import sample_glasses
from face3d.train.synthetic.hair import sample_hair
from face3d.train.synthetic.look import Beard, Brows, Eyes, Look, MakeUp, Skin
from face3d.train.synthetic.mask import sample_mask
from face3d.train.synthetic.people import Person
from face3d.train.synthetic.skin import individual_typology_angle, melanin_for, skin_colour, tone_of

__all__ = ["IRIS_RADIUS", "sample_look"]

# Mean and standard deviation of the individual typology angle (degrees) of unexposed to lightly tanned skin. Chosen
# after Del Bino and Bernerd 2013, who give ranges by country; spread, as every tone must be learnt everywhere.
_TYPOLOGY = {"white": (47.0, 11.0), "black": (-28.0, 24.0), "hispanic": (27.0, 17.0), "other": (29.0, 20.0)}
_ANY_TONE = 0.12
"""Share of people whose tone is drawn from the whole human range whatever their ancestry."""
_TONE_LIMITS = (-62.0, 66.0)

_HAIR_COLOURS = np.array(
    [
        [0.010, 0.008, 0.007],
        [0.030, 0.017, 0.010],
        [0.075, 0.040, 0.020],
        [0.16, 0.095, 0.048],
        [0.38, 0.26, 0.13],
        [0.20, 0.065, 0.022],
    ]
)
"""Black, dark brown, brown, light brown, blond, red."""
_HAIR_SHARES = {
    "white": [0.08, 0.30, 0.27, 0.17, 0.14, 0.04],
    "black": [0.80, 0.17, 0.03, 0.0, 0.0, 0.0],
    "hispanic": [0.35, 0.42, 0.17, 0.04, 0.02, 0.0],
    "other": [0.66, 0.28, 0.05, 0.01, 0.0, 0.0],
}
_DYED = np.array([[0.35, 0.02, 0.03], [0.03, 0.05, 0.20], [0.45, 0.12, 0.25], [0.55, 0.42, 0.22], [0.12, 0.02, 0.015]])
_IRIS_COLOURS = np.array(
    [
        [0.022, 0.011, 0.006],
        [0.055, 0.027, 0.012],
        [0.12, 0.07, 0.03],
        [0.10, 0.12, 0.06],
        [0.13, 0.20, 0.30],
        [0.20, 0.22, 0.23],
    ]
)
"""Dark brown, brown, hazel, green, blue, grey."""
_IRIS_SHARES = {
    "white": [0.10, 0.22, 0.18, 0.12, 0.27, 0.11],
    "black": [0.72, 0.25, 0.02, 0.01, 0.0, 0.0],
    "hispanic": [0.40, 0.40, 0.12, 0.04, 0.03, 0.01],
    "other": [0.58, 0.36, 0.04, 0.01, 0.01, 0.0],
}
IRIS_RADIUS = 0.00585
"""Half of 11.7 mm; people differ by 4 % (one standard deviation)."""


def sample_look(person: Person, rng: np.random.Generator, *, occluders: bool = True) -> Look:
    """Draw an appearance that goes with a person's sex, ancestry and age; without `occluders` no glasses and masks."""
    seed = int(rng.integers(2**63))
    origin = str(rng.choice(list(person.ancestry_weights), p=list(person.ancestry_weights.values())))
    male, age = person.sex == "male", person.age
    skin = _skin(person, rng)
    fresh = _HAIR_COLOURS[rng.choice(6, p=_HAIR_SHARES[origin])] * rng.uniform(0.7, 1.35)
    dyed = rng.uniform() < (0.05 if male else 0.12)
    grey = 0.0 if dyed else float(np.clip((age - rng.normal(48, 10)) / 22, 0, 1))
    silver = np.array([1.0, 0.98, 0.95]) * rng.uniform(0.16, 0.42)
    natural = fresh + (silver - fresh) * grey
    hair_colour = _DYED[rng.integers(len(_DYED))] * rng.uniform(0.6, 1.2) if dyed else natural
    make_up = _make_up(male, rng)
    return Look(
        seed=seed,
        skin=skin,
        brows=_brows(male, fresh + (silver - fresh) * grey * rng.uniform(0.2, 0.9), make_up, rng),
        eyes=_eyes(origin, male, make_up, age, rng),
        beard=_beard(male, fresh + (silver - fresh) * min(1.0, grey * rng.uniform(0.6, 1.5)), rng),
        make_up=make_up,
        hair=sample_hair(person.sex, origin, age, hair_colour, rng),
        glasses=sample_glasses(rng) if rng.uniform() < 0.24 and occluders else None,
        mask=sample_mask(rng) if rng.uniform() < 0.025 and occluders else None,
        cloth=np.exp(rng.uniform(np.log(0.01), np.log(0.75), (2, 1))) * rng.uniform(0.5, 1.0, (2, 3)),
        collar=rng.uniform(0.0, 1.0),
        pattern=float(rng.choice([0.0, 0.0, rng.uniform(15, 90)])),
    )


def _skin(person: Person, rng: np.random.Generator) -> Skin:
    weights = person.ancestry_weights
    mean = sum(share * _TYPOLOGY[name][0] for name, share in weights.items())
    spread = sum(share * _TYPOLOGY[name][1] for name, share in weights.items())
    angle = rng.uniform(*_TONE_LIMITS) if rng.uniform() < _ANY_TONE else rng.normal(mean, spread)
    angle = float(np.clip(angle, *_TONE_LIMITS))
    blood = float(np.exp(rng.normal(np.log(0.022), 0.35)))
    melanin = melanin_for(angle, blood)
    real_angle = float(individual_typology_angle(skin_colour(np.array(melanin), np.array(blood))))
    old = np.clip((person.age - 30) / 45, 0, 1)
    freckled = rng.uniform() < (0.22 if angle > 38 else 0.05)
    return Skin(
        melanin=melanin,
        blood=blood,
        typology_angle=real_angle,
        tone=tone_of(real_angle),
        flush=tuple(float(value) for value in rng.gamma(2.0, [0.28, 0.36, 0.30, 0.18])),  # type: ignore[arg-type]
        patches=(float(rng.uniform(0.02, 0.10)), float(rng.uniform(0.05, 0.22))),
        tan=float(rng.uniform(0.0, 0.35)),
        freckles=float(rng.uniform(0.3, 1.0)) if freckled else 0.0,
        age_spots=float(old * rng.uniform(0.0, 1.0)),
        under_eye=float(rng.beta(1.3, 3.0) * 0.7),
        lids=float(rng.uniform(0.0, 0.35)),
        lip_blood=float(np.exp(rng.normal(np.log(0.105), 0.28))),
        lip_melanin=float(rng.uniform(0.72, 1.25)),
        moles=int(rng.poisson(2.5)),
        lines=float(np.clip(old * rng.uniform(0.3, 1.0) + rng.uniform(0.0, 0.12), 0, 1.0)),
        pores=float(rng.uniform(0.008, 0.04)),
        gloss=float(rng.gamma(3.0, 0.35)),
        roughness=float(rng.uniform(0.25, 0.8)),
    )


def _brows(male: bool, colour: np.ndarray, make_up: MakeUp, rng: np.random.Generator) -> Brows:
    thick = rng.normal(0.0042 if male else 0.0031, 0.0009)
    return Brows(
        thickness=float(np.clip(thick, 0.0016, 0.0075)),
        length=float(rng.uniform(0.82, 1.12)),
        shift=float(rng.normal(-0.0005 if male else 0.0006, 0.0014)),
        arch=float(rng.normal(0.0 if male else 0.0012, 0.0014)),
        tilt=float(rng.normal(0.0, 0.0018)),
        density=float(rng.uniform(0.45, 1.4)),
        fill=float(np.clip(rng.uniform(0.05, 0.4) + 0.3 * (make_up.lids > 0), 0, 0.75)),
        colour=colour * rng.uniform(0.55, 1.1),
    )


def _eyes(origin: str, male: bool, make_up: MakeUp, age: float, rng: np.random.Generator) -> Eyes:
    iris = _IRIS_COLOURS[rng.choice(6, p=_IRIS_SHARES[origin])] * rng.uniform(0.7, 1.4)
    warm = np.array([1.5, 0.95, 0.5]) * iris.mean() * rng.uniform(0.8, 1.5)
    white = np.array([0.64, 0.60, 0.57]) * rng.uniform(0.82, 1.08) * [1.0, 1.0, 1.0 - 0.1 * rng.uniform() * age / 75]
    return Eyes(
        iris=iris * rng.uniform(0.93, 1.07, 3),
        centre=iris + (warm - iris) * rng.uniform(0.0, 0.8),
        ring=float(rng.uniform(0.2, 0.75)),
        iris_radius=float(IRIS_RADIUS * rng.normal(1, 0.04)),
        pupil_radius=float(rng.uniform(0.0011, 0.0030)),
        sclera=white,
        veins=float(rng.uniform(0.0, 0.25)),
        lashes=float(rng.uniform(0.15, 0.6) if male else rng.uniform(0.3, 0.95)),
        liner=float(rng.uniform(0.3, 1.0)) if make_up.lids > 0 or (not male and rng.uniform() < 0.2) else 0.0,
        fibres=(float(rng.uniform(0, 6.28)), float(rng.integers(23, 60))),
    )


def _beard(male: bool, colour: np.ndarray, rng: np.random.Generator) -> Beard:
    kind = rng.choice(
        ["none", "shadow", "stubble", "moustache", "goatee", "full"], p=[0.22, 0.30, 0.22, 0.06, 0.07, 0.13]
    )
    colour = colour * rng.uniform(0.6, 1.1)
    if not male or kind == "none":
        return Beard(float(male) * 0.04, 0.0, 0.0, 0.0, 0.0, 0.0, colour)
    if kind == "shadow":
        return Beard(float(rng.uniform(0.08, 0.35)), 0.0, 1.0, rng.uniform(0.5, 1), 1.0, 0.0, colour)
    if kind == "stubble":
        return Beard(
            float(rng.uniform(0.1, 0.35)),
            float(rng.uniform(0.1, 0.45)),
            rng.uniform(0.6, 1),
            rng.uniform(0.3, 1),
            1.0,
            0.0,
            colour,
        )
    density, length = float(rng.uniform(0.55, 0.95)), float(rng.uniform(0.001, 0.005))
    shadow = float(rng.uniform(0.4, 0.85))
    if kind == "moustache":
        return Beard(shadow, density, 1.0, 0.12, 0.15, length, colour)
    if kind == "goatee":
        return Beard(shadow, density, rng.uniform(0.5, 1.0), 0.10, 1.0, length, colour)
    return Beard(shadow, density, rng.uniform(0.8, 1.0), 1.0, 1.0, float(rng.uniform(0.002, 0.014)), colour)


def _make_up(male: bool, rng: np.random.Generator) -> MakeUp:
    worn = not male and rng.uniform() < 0.5
    strong = worn and rng.uniform() < 0.4
    lip_colour = np.array(
        [[0.42, 0.03, 0.05], [0.30, 0.04, 0.07], [0.50, 0.14, 0.15], [0.55, 0.20, 0.20], [0.20, 0.02, 0.04]]
    )
    lid_colour = np.array(
        [[0.05, 0.03, 0.025], [0.16, 0.08, 0.05], [0.30, 0.15, 0.12], [0.06, 0.07, 0.12], [0.12, 0.05, 0.10]]
    )
    return MakeUp(
        lips=float(rng.uniform(0.25, 0.9)) if worn and rng.uniform() < 0.8 else 0.0,
        lip_colour=lip_colour[rng.integers(5)] * rng.uniform(0.7, 1.3),
        lip_gloss=float(rng.uniform(0.0, 1.5)) if worn else 0.0,
        lids=float(rng.uniform(0.15, 0.75)) if strong else 0.0,
        lid_colour=lid_colour[rng.integers(5)],
        blush=float(rng.uniform(0.2, 0.9)) if worn and rng.uniform() < 0.6 else 0.0,
        cover=float(rng.uniform(0.3, 0.9)) if worn else 0.0,
    )

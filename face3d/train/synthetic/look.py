"""How a person looks: everything that stays the same while they move.

Colours are linear RGB, lengths metres, shares 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from face3d.train.synthetic.glasses import Glasses
from face3d.train.synthetic.hair import Hair
from face3d.train.synthetic.mask import Mask

__all__ = ["Beard", "Brows", "Eyes", "Look", "MakeUp", "Skin"]


@dataclass(frozen=True, slots=True)
class Skin:
    """Pigment and blood, and how unevenly they lie.

    Attributes:
        melanin, blood: volume shares, see `skin.py`.
        typology_angle: degrees, of the even skin.
        tone: its class.
        flush: extra blood of cheeks, nose, ears, chin, as factors.
        patches: contrast of melanin and of blood in patches of centimetres.
        tan: extra melanin where the sun reaches; `freckles`, `age_spots`: how many.
        under_eye: darkness under the eyes; `lids`: of the upper lids.
        lip_blood: volume share in the lips; `lip_melanin`: relative to the skin around.
        moles: number of moles; `lines`: depth of wrinkles; `pores`: contrast of the finest grain.
        gloss: strength of highlights; `roughness`: 0 polished, 1 matt.
    """

    melanin: float
    blood: float
    typology_angle: float
    tone: str
    flush: tuple[float, float, float, float]
    patches: tuple[float, float]
    tan: float
    freckles: float
    age_spots: float
    under_eye: float
    lids: float
    lip_blood: float
    lip_melanin: float
    moles: int
    lines: float
    pores: float
    gloss: float
    roughness: float


@dataclass(frozen=True, slots=True)
class Brows:
    """Eyebrows.

    Attributes:
        thickness: half, at the thickest place; `length`: of the outer end relative to the usual.
        shift, arch, tilt: of the centre line, upwards; of its middle and of its outer end.
        density: number of hairs relative to the usual; `fill`: share of even colour between them (pencil, fine hair).
        colour: of the hairs.
    """

    thickness: float
    length: float
    shift: float
    arch: float
    tilt: float
    density: float
    fill: float
    colour: Float[np.ndarray, " 3"]


@dataclass(frozen=True, slots=True)
class Eyes:
    """Irises and lashes.

    Attributes:
        iris: colour; `ring`: darkness of its outer ring; `centre`: colour around the pupil.
        iris_radius, pupil_radius: metres. `sclera`: colour.
        veins: redness of the white; `lashes`: darkness; `liner`: extra darkness of the lid margin, made up.
        fibres: phase and number of the iris's rays.
    """

    iris: Float[np.ndarray, " 3"]
    centre: Float[np.ndarray, " 3"]
    ring: float
    iris_radius: float
    pupil_radius: float
    sclera: Float[np.ndarray, " 3"]
    veins: float
    lashes: float
    liner: float
    fibres: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Beard:
    """Hair on the lower face.

    Attributes:
        shadow: share of even dark under the skin; `density`: share of the area that visible hairs take.
        moustache, cheeks, chin: where it grows, as factors.
        length: metres that it stands off; 0 for stubble.
        colour: of the hairs.
    """

    shadow: float
    density: float
    moustache: float
    cheeks: float
    chin: float
    length: float
    colour: Float[np.ndarray, " 3"]


@dataclass(frozen=True, slots=True)
class MakeUp:
    """Paint: opacity and colour of lipstick, of shadow on the lids, and extra blood-like blush."""

    lips: float
    lip_colour: Float[np.ndarray, " 3"]
    lip_gloss: float
    lids: float
    lid_colour: Float[np.ndarray, " 3"]
    blush: float
    cover: float


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One person's appearance.

    Attributes:
        seed: of what is drawn in detail (hairs, spots), so that the same look is painted the same way each time.
        mask: on the lower face, or None; `glasses`: or None.
        cloth: (2, 3) main and second colour of the garment; `collar`: its cut; `pattern`: stripes per metre, 0 plain.
    """

    seed: int
    skin: Skin
    brows: Brows
    eyes: Eyes
    beard: Beard
    make_up: MakeUp
    hair: Hair
    glasses: Glasses | None
    mask: Mask | None
    cloth: Float[np.ndarray, "2 3"]
    collar: float
    pattern: float

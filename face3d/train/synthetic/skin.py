"""The colour of skin from what colours it: melanin in the epidermis and blood in the dermis.

Two layers by Kubelka and Munk's theory (Kubelka 1948, equations for a layer over a background), with K = 2 μa and S =
3/4 μs', as for diffuse light (Star, Marijnissen and van Gemert 1988). The epidermis holds melanosomes, 6.6e11 λ^-3.33
per cm for pure ones, λ in nm (Jacques, "Origins of tissue optical properties in the UVA, visible and NIR regions",
1996). The dermis is infinitely deep and holds blood of 150 g haemoglobin per litre, 65 % oxygenated (molar extinction
as tabulated by S. Prahl, omlc.org, from Gratzer and Kollias). Both scatter as skin does, μs' = 46 (λ/500)^-1.421 per
cm (Jacques, "Optical properties of biological tissues: a review", 2013), and absorb as bloodless tissue besides, 0.244
+ 85.3 exp(-(λ - 154) / 66.2) per cm (Jacques 1998).
Colour: CIE 1931 by the analytic fit of Wyman, Sloan and Shirley 2013, D65, linear sRGB.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

__all__ = [
    "BLOOD_RANGE",
    "MELANIN_RANGE",
    "individual_typology_angle",
    "melanin_for",
    "skin_colour",
    "skin_table",
    "tone_of",
]

MELANIN_RANGE = (0.004, 0.50)
"""Volume share of melanosomes in the epidermis: Jacques gives 1.3 % for light skin, up to 43 % for the darkest."""
BLOOD_RANGE = (0.004, 0.16)
"""Volume share of blood in the dermis: 0.2 to 7 % in skin at rest; lips and flushed cheeks hold more at the surface."""
TABLE_SIZE = 96

_EPIDERMIS = 0.0060
"""Thickness in cm: 60 micrometres."""
_OXYGENATED = 0.65

_WAVELENGTHS = np.arange(400.0, 701.0, 10.0)
# Molar extinction in 1/(cm M) every 10 nm from 400 nm: oxygenated, then deoxygenated haemoglobin.
_HBO2 = np.array(
    [266232, 466840, 480360, 246072, 102580, 62816, 44480, 33209, 26629, 23684, 20933, 20035, 24202, 39957, 53236,
     43016, 32613, 44496, 50104, 14401, 3200, 1506, 942, 610, 442, 368, 319.6, 294, 277.6, 276, 290]
)  # fmt: skip
_HB = np.array(
    [223296, 303956, 407560, 528600, 413280, 103292, 23389, 16156, 14550, 16684, 20862, 25774, 31590, 39036, 46592,
     53412, 53788, 45072, 37020, 28324, 14677, 9444, 6510, 5149, 4345, 3750, 3227, 2795, 2408, 2052, 1794]
)  # fmt: skip
_D65 = np.array(
    [82.75, 91.49, 93.43, 86.68, 104.86, 117.01, 117.81, 114.86, 115.92, 108.81, 109.35, 107.80, 104.79, 107.69, 104.41,
     104.05, 100.00, 96.33, 95.79, 88.69, 90.01, 89.60, 87.70, 83.29, 83.70, 80.03, 80.21, 82.28, 78.28, 69.72, 71.61]
)  # fmt: skip
_RGB_FROM_XYZ = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
)
"""Linear sRGB (IEC 61966-2-1)."""

TONES = ("very light", "light", "intermediate", "tan", "brown", "dark")
_TONE_EDGES = (55.0, 41.0, 28.0, 10.0, -30.0)
"""Degrees of the individual typology angle: Chardon et al. 1991, as Del Bino and Bernerd 2013 use them."""


def skin_colour(melanin: Float[np.ndarray, "*S"], blood: Float[np.ndarray, "*S"]) -> Float[np.ndarray, "*S 3"]:
    """Diffuse albedo of skin.

    Args:
        melanin: volume share of melanosomes in the epidermis.
        blood: volume share of blood in the dermis, of the same shape.

    Returns:
        Linear sRGB under D65, in [0, 1].
    """
    nm = _WAVELENGTHS
    bloodless = 0.244 + 85.3 * np.exp(-(nm - 154.0) / 66.2)
    pigment = 6.6e11 * nm**-3.33
    # 150 g of haemoglobin per litre at 64 500 g/mol; 2.303 turns decadic extinction into absorption.
    haemoglobin = 2.303 * 150.0 / 64500.0 * (_OXYGENATED * _HBO2 + (1 - _OXYGENATED) * _HB)
    share, dermis_share = np.asarray(melanin)[..., None], np.asarray(blood)[..., None]
    epidermis = share * pigment + (1 - share) * bloodless
    dermis = dermis_share * haemoglobin + (1 - dermis_share) * bloodless
    scattering = 46.0 * (nm / 500.0) ** -1.421
    back = 0.75 * scattering
    deep = 1.0 + 2.0 * dermis / back
    below = deep - np.sqrt(deep * deep - 1.0)
    a = 1.0 + 2.0 * epidermis / back
    b = np.sqrt(a * a - 1.0)
    coth = b / np.tanh(b * back * _EPIDERMIS)
    reflectance = (1.0 - below * (a - coth)) / (a - below + coth)
    return np.clip(reflectance @ _rgb_weights(), 0.0, 1.0)


@lru_cache(maxsize=1)
def skin_table() -> Float[np.ndarray, "M B 3"]:
    """`skin_colour` over both ranges, geometric steps, float32: row for melanin, column for blood."""
    melanin = np.geomspace(*MELANIN_RANGE, TABLE_SIZE)
    blood = np.geomspace(*BLOOD_RANGE, TABLE_SIZE)
    return skin_colour(*np.meshgrid(melanin, blood, indexing="ij")).astype(np.float32)


def individual_typology_angle(colour: Float[np.ndarray, "*S 3"]) -> Float[np.ndarray, "*S"]:
    """ITA in degrees of linear sRGB: atan((L* - 50) / b*), Chardon et al. 1991; higher is lighter."""
    xyz = np.asarray(colour) @ np.linalg.inv(_RGB_FROM_XYZ).T
    white = np.ones(3) @ np.linalg.inv(_RGB_FROM_XYZ).T
    t = xyz / white
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    lightness, yellow = 116 * f[..., 1] - 16, 200 * (f[..., 1] - f[..., 2])
    return np.degrees(np.arctan2(lightness - 50, yellow))


def melanin_for(angle: float, blood: float) -> float:
    """The melanin share with which skin of that blood share has the given ITA (degrees), as far as there is one."""
    shares = np.geomspace(*MELANIN_RANGE, 200)
    angles = individual_typology_angle(skin_colour(shares, np.full_like(shares, blood)))
    falling = np.minimum.accumulate(angles)
    return float(np.exp(np.interp(-angle, -falling, np.log(shares))))


def tone_of(angle: float) -> str:
    """The class of skin tone that an ITA in degrees belongs to."""
    return TONES[int(np.searchsorted(-np.array(_TONE_EDGES), -angle))]


@lru_cache(maxsize=1)
def _rgb_weights() -> Float[np.ndarray, "L 3"]:
    """Reflectance per wavelength to linear sRGB; white stays (1, 1, 1)."""

    def lobe(centre: float, below: float, above: float) -> np.ndarray:
        width = np.where(centre > _WAVELENGTHS, below, above)
        return np.exp(-0.5 * ((_WAVELENGTHS - centre) / width) ** 2)

    x = 1.056 * lobe(599.8, 37.9, 31.0) + 0.362 * lobe(442.0, 16.0, 26.7) - 0.065 * lobe(501.1, 20.4, 26.2)
    y = 0.821 * lobe(568.8, 46.9, 40.5) + 0.286 * lobe(530.9, 16.3, 31.1)
    z = 1.217 * lobe(437.0, 11.8, 36.0) + 0.681 * lobe(459.0, 26.0, 13.8)
    xyz = np.stack([x, y, z], axis=1) * _D65[:, None]
    xyz /= xyz[:, 1].sum()
    weights = xyz @ _RGB_FROM_XYZ.T
    return weights / weights.sum(axis=0)

"""Compiled: the light that one point of a surface sends to the camera.

Whoever changes this must touch `surfaces.py` and `shade.py` too: the machine code kept on disk for a module does not
know of changes in another.
"""

from __future__ import annotations

import math

from face3d.render.compiled import compiled

__all__ = ["irradiance", "lit", "smooth"]

_FRESNEL = 0.028
"""Reflectance of skin and water facing the viewer (refractive index 1.4)."""


@compiled
def smooth(value, low, high):  # type: ignore[no-untyped-def]
    """0 below `low`, 1 above `high`, smooth between."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@compiled
def irradiance(x, y, z, coefficients, channel):  # type: ignore[no-untyped-def]
    """Shading of a unit normal in one channel; the constants are those of `face3d.render.shading`."""
    c0, c1, c2, c3, c4 = 0.28209479, 1.02332671, 0.85808553, 0.42904277, 0.24770796
    return (
        c0 * coefficients[0, channel]
        + c1 * (coefficients[1, channel] * x + coefficients[2, channel] * y + coefficients[3, channel] * z)
        + c2 * (coefficients[4, channel] * x * y + coefficients[5, channel] * x * z + coefficients[6, channel] * y * z)
        + c3 * coefficients[7, channel] * (x * x - y * y)
        + c4 * coefficients[8, channel] * (3.0 * z * z - 1.0)
    )


@compiled
def lit(normal, sight, attributes, albedo, gloss, roughness, light, colour):  # type: ignore[no-untyped-def]
    """Diffuse light and highlights of one surface point into `colour`."""
    coefficients, lamps = light
    x, y, z = normal
    facing = max(x * sight[0] + y * sight[1] + z * sight[2], 0.02)
    rim = (1.0 - facing) ** 5
    # The sky's reflection: light from where the mirrored view points.
    rx, ry, rz = 2 * facing * x - sight[0], 2 * facing * y - sight[1], 2 * facing * z - sight[2]
    sheen = gloss * (0.8 * _FRESNEL + 0.2 * rim) * (1.0 - 0.6 * roughness)
    for channel in range(3):
        reached = attributes[3 + channel]
        diffuse = max(irradiance(x, y, z, coefficients, channel), 0.01)
        mirrored = max(irradiance(rx, ry, rz, coefficients, channel), 0.0)
        colour[channel] = albedo[channel] * diffuse * reached + sheen * mirrored * min(reached, 1.0)
    sharp = 6.0 + 70.0 * (1.0 - roughness) ** 2
    for lamp in range(lamps.shape[0]):
        lx, ly, lz = lamps[lamp, 0], lamps[lamp, 1], lamps[lamp, 2]
        above = x * lx + y * ly + z * lz
        if above > 0.0:
            hx, hy, hz = lx + sight[0], ly + sight[1], lz + sight[2]
            length = math.sqrt(hx * hx + hy * hy + hz * hz)
            if length > 1e-6:
                cosine = max((x * hx + y * hy + z * hz) / length, 0.0)
                grazing = 1.0 - max((lx * hx + ly * hy + lz * hz) / length, 0.0)
                fresnel = _FRESNEL + (1.0 - _FRESNEL) * grazing**5
                lobe = gloss * fresnel * (sharp + 2.0) / 8.0 * cosine**sharp * min(1.0, 4.0 * above)
                for channel in range(3):
                    reached = attributes[3 + channel]
                    colour[channel] += lobe * lamps[lamp, 3 + channel] * min(reached * reached, 1.0)

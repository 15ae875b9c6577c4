"""Second-order spherical harmonics of normals in NumPy, with derivatives, in DECA's order and with its constants.

The differentiable torch form is `face3d.render.spherical_harmonics_shading`; a least-squares fit needs the Jacobian.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from face3d.render.shading import SPHERICAL_HARMONICS_CONSTANTS

__all__ = ["harmonics", "harmonics_slope"]

_CONSTANTS = np.array(SPHERICAL_HARMONICS_CONSTANTS)


def harmonics(normals: Float[ndarray, "N 3"]) -> Float[ndarray, "N 9"]:
    """Basis 1, x, y, z, xy, xz, yz, x^2 - y^2, 3 z^2 - 1 times DECA's constants, at unit normals."""
    x, y, z = normals.T
    basis = np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], axis=1)
    return basis * _CONSTANTS


def harmonics_slope(normals: Float[ndarray, "N 3"]) -> Float[ndarray, "N 9 3"]:
    """Derivative of `harmonics` by the normal's coordinates."""
    x, y, z = normals.T
    slope = np.zeros((len(normals), 9, 3))
    slope[:, [1, 2, 3], [0, 1, 2]] = 1
    slope[:, 4, 0], slope[:, 4, 1] = y, x
    slope[:, 5, 0], slope[:, 5, 2] = z, x
    slope[:, 6, 1], slope[:, 6, 2] = z, y
    slope[:, 7, 0], slope[:, 7, 1] = 2 * x, -2 * y
    slope[:, 8, 2] = 6 * z
    return slope * _CONSTANTS[:, None]

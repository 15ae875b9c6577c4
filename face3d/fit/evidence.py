"""How a landmark detector answers to a head: its bias, its noise, and how far to trust it.

A detector does not report surface points exactly. Trained on other faces, it pulls every face towards its own mean, is
off by a little more in some views than in others, and its errors go together: one misjudged jaw moves twenty points.
Fitting as if the errors were independent makes a fit sure of things it cannot know. A `DetectorResponse`, measured on
renders of known heads, says all this in metres on the face, in the image plane turned upright with the head:

    observed = projection(points + gain @ identity) + view_bias(view) + modes^T c + noise,
    c ~ N(0, 1),   noise ~ N(0, sigma(yaw)^2)
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from face3d.errors import AssetError

if TYPE_CHECKING:
    from face3d.head import HeadModel

DEFAULT_SIGMA = 0.0015
"""Standard deviation in metres (about 2.4 % of the interocular distance) of a landmark of an unmeasured detector."""

INDEPENDENT_LANDMARKS = 60
"""How many independent landmarks a dense set is worth when the correlation of its errors is not known."""

SMALLEST_CURVE = 1e-5
"""Of a curve; what is nearer to 0 or 1 tells no more."""

_OF_CURVES = ("expression_map", "change_map", "change_covariance")
"""What is left out of a file where it is None."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectorResponse:
    """What a detector makes of a head model's points; all lengths in metres.

    Attributes:
        indices: which of the detector's landmarks are used, (N,).
        triangles, barycentric: the surface points those landmarks stand for.
        gain: (N, 3, I) head frame, displacement from the surface point to where the detector sees it, per unit
            identity coefficient (against the identity's own where the detector underrates it).
        view_bias: (N, 3, 6) coefficients over (1, yaw, pitch, yaw^2, yaw*pitch, pitch^2) in radians.
        yaw_bins: (K,) radians, where `sigma` is given; linear in between.
        sigma: (K, N, 3) standard deviation of image x, y and depth; infinity leaves a value out.
        modes: (R, N, 3) correlated errors, one standard deviation each.
        expression_map: (E, 53) from the detector's 52 expression curves (in the head's order of names) and 1 to the
            head's expression, or None when the head's expressions are not ARKit's.
        expression_sigma: (E,) standard deviation of what that map predicts.
        doubt: factor on the posterior's standard deviations: how much larger errors on renders of known heads were than
            this model of the noise says.
        fingerprint: of the identity basis that `gain` belongs to, see `face3d.fit.responses`.
        change_map: (E, 104) from what the `curve_features` of one person change by to what the expression changes by,
            or None as for `expression_map`.
        change_covariance: (E, E) of what that map misses within one person.
        outline: so many of the first points lie on an outline that slides over the skin as the head turns; their bias
            is where the surface is seen, not a habit of the detector.
    """

    indices: Int[ndarray, " N"]
    triangles: Int[ndarray, " N"]
    barycentric: Float[ndarray, "N 3"]
    gain: Float[ndarray, "N 3 I"]
    view_bias: Float[ndarray, "N 3 6"]
    yaw_bins: Float[ndarray, " K"]
    sigma: Float[ndarray, "K N 3"]
    modes: Float[ndarray, "R N 3"]
    expression_map: Float[ndarray, "E 53"] | None
    expression_sigma: Float[ndarray, " E"]
    doubt: float
    fingerprint: int
    change_map: Float[ndarray, "E 104"] | None = None
    change_covariance: Float[ndarray, "E E"] | None = None
    outline: int = 0

    def expression_prior(
        self, model: HeadModel, curves: Mapping[str, float] | None
    ) -> tuple[Float[ndarray, " E"], Float[ndarray, " E"]]:
        """Mean and standard deviation of a face's expression, before its landmarks are looked at."""
        if self.expression_map is None or curves is None:
            return np.zeros(len(self.expression_sigma)), self.expression_sigma
        scores = np.array([*(curves.get(name, 0.0) for name in model.expression_names), 1.0])
        return self.expression_map @ scores, self.expression_sigma

    def bias_at(self, yaw: float, pitch: float) -> Float[ndarray, "N 3"]:
        """Bias for a view, inside the measured range of 50 degrees."""
        return self.biases_at(np.array([yaw]), np.array([pitch]))[..., 0]

    def biases_at(self, yaw: Float[ndarray, " B"], pitch: Float[ndarray, " B"]) -> Float[ndarray, "N 3 B"]:
        """`bias_at` of several views."""
        yaw, pitch = np.clip(yaw, -0.87, 0.87), np.clip(pitch, -0.87, 0.87)
        return self.view_bias @ np.stack([np.ones_like(yaw), yaw, pitch, yaw * yaw, yaw * pitch, pitch * pitch])

    def sigma_at(self, yaw: float) -> Float[ndarray, "N 3"]:
        """Standard deviations for a view."""
        position = float(np.interp(yaw, self.yaw_bins, np.arange(len(self.yaw_bins))))
        low = min(int(position), max(len(self.yaw_bins) - 2, 0))
        share = position - low
        if share == 0:
            return self.sigma[low]
        return (1 - share) * self.sigma[low] + share * self.sigma[low + 1]


def curve_features(curves: Float[ndarray, "*T C"]) -> Float[ndarray, "*T F"]:
    """The detector's curves, and what its network said before it squeezed them into [0, 1] (their logit).

    A curve that stays below 0.001 still follows a brow.
    """
    curves = np.asarray(curves, np.float64)
    inside = np.clip(curves, SMALLEST_CURVE, 1 - SMALLEST_CURVE)
    return np.concatenate([curves, np.log(inside / (1 - inside))], axis=-1)


def plain_response(
    model: HeadModel,
    point_set: str,
    indices: Int[ndarray, " N"] | None = None,
    *,
    sigma: float = DEFAULT_SIGMA,
    measured: bool = True,
    independent: int = INDEPENDENT_LANDMARKS,
    last: int | None = None,
) -> DetectorResponse:
    """A response for a detector that nobody measured on this head: no bias, equal noise, no depth.

    Args:
        indices: which of the detector's landmarks the set's points are; all in order by default.
        sigma: standard deviation of a landmark in metres on the face.
        measured: take the point set's own standard deviations where it has them.
        independent: how many independent landmarks a dense set counts as, since its errors go together.
        last: use only so many points from the set's end.
    """
    points = model.point_sets[point_set]
    part = slice(None if last is None else -last, None)
    triangles = points.triangles.cpu().numpy()[part]
    count = len(triangles)
    noise = np.full((count, 3), sigma)
    if measured and points.sigma is not None:
        noise[:, :2] = points.sigma.cpu().numpy()[part, None]
    noise *= max(count / independent, 1.0) ** 0.5
    noise[:, 2] = np.inf
    return DetectorResponse(
        indices=np.arange(count) if indices is None else np.asarray(indices),
        triangles=triangles,
        barycentric=points.barycentric.cpu().numpy()[part].astype(np.float64),
        gain=np.zeros((count, 3, model.identity_size)),
        view_bias=np.zeros((count, 3, 6)),
        yaw_bins=np.zeros(1),
        sigma=noise[None],
        modes=np.zeros((0, count, 3)),
        doubt=1.0,
        fingerprint=0,
        expression_map=None,
        expression_sigma=np.full(len(model.expression_names), 0.3 if model.expression_bounds is not None else 1.0),
    )


def save_response(response: DetectorResponse) -> bytes:
    """Serialise a response; the large arrays as 16-bit integers with one scale each (better than a micrometre)."""
    arrays: dict[str, Any] = {
        "indices": response.indices.astype(np.int16),
        "triangles": response.triangles.astype(np.int32),
        "barycentric": response.barycentric.astype(np.float32),
        "yaw_bins": response.yaw_bins.astype(np.float32),
        "sigma": response.sigma.astype(np.float32),
        "view_bias": response.view_bias.astype(np.float32),
        "expression_sigma": response.expression_sigma.astype(np.float32),
        "doubt": np.float64(response.doubt),
        "fingerprint": np.uint32(response.fingerprint),
    }
    for name in _OF_CURVES:
        if getattr(response, name) is not None:
            arrays[name] = getattr(response, name).astype(np.float32)
    for name, values in (("gain", response.gain), ("modes", response.modes)):
        scale = max(float(np.abs(values).max(initial=0)), 1e-12) / 32767
        arrays[name] = np.round(values / scale).astype(np.int16)
        arrays[f"{name}_scale"] = np.float32(scale)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def load_response(path: Path) -> DetectorResponse:
    """Read what `save_response` wrote.

    Raises:
        AssetError: the file is missing or not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        for name in ("gain", "modes"):
            arrays[name] = arrays[name] * float(arrays.pop(f"{name}_scale"))
        as_float = {
            name: values.astype(np.float64)
            for name, values in arrays.items()
            if values.ndim and values.dtype.kind == "f"
        }
        return DetectorResponse(
            **{"expression_map": None, **as_float},
            indices=arrays["indices"].astype(np.int64),
            triangles=arrays["triangles"].astype(np.int64),
            doubt=float(arrays["doubt"]),
            fingerprint=int(arrays["fingerprint"]),
        )
    except (OSError, EOFError, BadZipFile, KeyError, TypeError, ValueError) as error:
        raise AssetError(f"{path}: not a detector response of face3d ({error}); reinstall face3d") from error

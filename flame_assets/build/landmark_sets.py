"""Landmark conventions of others, on our surface: arcface_5, now_7, ibug_68 with its contour, mediapipe_478."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from anny_source import SKIN_AND_TONGUE
from jaxtyping import Bool, Float, Int
from surface import nearest, ray_hit

from face3d.head.arrays import YAW_BINS, PointArrays

__all__ = ["detected_landmarks", "landmark_sets"]

CONTOUR = 17
_CONTOUR_PITCH = 10.0


def landmark_sets(
    mean: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    rooms: dict[str, Bool[np.ndarray, " V"]],
    anatomy: PointArrays,
    eyeball_size: int,
    folder: Path,
) -> dict[str, PointArrays]:
    """Point sets on the mean head, by name. `mediapipe_478` is read from the folder if somebody put it there."""
    assert anatomy.labels is not None
    corners = mean[triangles[anatomy.triangles]]
    at = dict(zip(anatomy.labels, np.einsum("nk,nkc->nc", anatomy.barycentric, corners), strict=True))
    skin = np.all(triangles < SKIN_AND_TONGUE, axis=1)
    sets = {
        "arcface_5": _arcface(at, anatomy, mean, triangles, skin),
        "now_7": _on_surface(_now_7(at), mean, triangles, skin),
        "ibug_68": _ibug_68(at, mean, triangles, rooms, skin),
    }
    return sets | detected_landmarks(folder)


def detected_landmarks(folder: Path) -> dict[str, PointArrays]:
    """`mediapipe_478` as `embed_landmarks.py` found it, or nothing."""
    detected = folder / "mediapipe_478.npz"
    if not detected.exists():
        return {}
    with np.load(detected) as stored:
        return {"mediapipe_478": PointArrays(stored["triangles"], stored["barycentric"], sigma=stored["sigma"])}


def _on_surface(
    places: dict[str, Float[np.ndarray, " 3"]], mean: np.ndarray, triangles: np.ndarray, allowed: np.ndarray
) -> PointArrays:
    ids, weights = nearest(np.stack(list(places.values())), mean, triangles, allowed)
    return PointArrays(ids, weights, tuple(places))


def _now_7(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """NoW's order: right eye outer and inner, left eye inner and outer, nose base, right and left mouth corner."""
    return {
        name: at[name]
        for name in (
            "exocanthion_right",
            "endocanthion_right",
            "endocanthion_left",
            "exocanthion_left",
            "subnasale",
            "cheilion_right",
            "cheilion_left",
        )
    }


def _arcface(
    at: dict[str, np.ndarray], anatomy: PointArrays, mean: np.ndarray, triangles: np.ndarray, skin: np.ndarray
) -> PointArrays:
    """Image-left eye, image-right eye, nose tip, image-left and image-right mouth corner."""
    assert anatomy.labels is not None
    names = ("pupil_right", "pupil_left", "pronasale", "cheilion_right", "cheilion_left")
    chosen = [anatomy.labels.index(name) for name in names]
    return PointArrays(anatomy.triangles[chosen], anatomy.barycentric[chosen], names)


def _ibug_68(
    at: dict[str, np.ndarray],
    mean: np.ndarray,
    triangles: np.ndarray,
    rooms: dict[str, np.ndarray],
    skin: np.ndarray,
) -> PointArrays:
    inner = _inner_51(at, mean, triangles, skin)
    ids, weights = nearest(inner, mean, triangles, skin)
    contour_ids, contour_weights = _contour(at, mean, triangles, rooms)
    return PointArrays(
        np.concatenate([contour_ids[0], ids]),
        np.concatenate([contour_weights[0], weights]),
        tuple(f"ibug_{k}" for k in range(68)),
        contour_triangles=contour_ids,
        contour_barycentric=contour_weights,
    )


def _inner_51(
    at: dict[str, np.ndarray], mean: np.ndarray, triangles: np.ndarray, skin: np.ndarray
) -> Float[np.ndarray, "51 3"]:
    def front(x: float, y: float) -> np.ndarray:
        triangle, weights = ray_hit(np.array([x, y, 0.5]), np.array([0.0, 0.0, -1.0]), mean, triangles, skin)
        return weights @ mean[triangles[triangle]]

    def mirrored(points: list[np.ndarray]) -> list[np.ndarray]:
        return [point * [-1, 1, 1] for point in points]

    inner_brow, outer_brow = at["endocanthion_left"][0] - 0.004, at["exocanthion_left"][0] + 0.006
    lift = at["palpebrale_superius_left"][1] + 0.0165
    arch = (-0.001, 0.003, 0.0045, 0.0025, -0.005)
    brow = [
        front(inner_brow + t * (outer_brow - inner_brow), lift + rise)
        for t, rise in zip(np.linspace(0, 1, 5), arch, strict=True)
    ]
    sellion, tip, base = at["sellion"], at["pronasale"], at["subnasale"]
    bridge = [front(0.0, y) for y in np.linspace(sellion[1], tip[1], 4)]
    ala = front(at["alar_crest_left"][0] - 0.004, at["alar_crest_left"][1] + 0.001)
    nostril = front(0.5 * ala[0], base[1] + 0.001)
    lid = {name: at[f"{name}_left"] for name in ("endocanthion", "exocanthion")}
    upper, lower = at["palpebrale_superius_left"], at["palpebrale_inferius_left"]
    inward, outward = lid["endocanthion"], lid["exocanthion"]
    eye = [
        inward,
        front(0.62 * upper[0] + 0.38 * inward[0], 0.82 * upper[1] + 0.18 * inward[1] + 0.0002),
        front(0.55 * upper[0] + 0.45 * outward[0], 0.80 * upper[1] + 0.20 * outward[1] + 0.0002),
        outward,
        front(0.55 * lower[0] + 0.45 * outward[0], 0.80 * lower[1] + 0.20 * outward[1] - 0.0002),
        front(0.62 * lower[0] + 0.38 * inward[0], 0.82 * lower[1] + 0.18 * inward[1] - 0.0002),
    ]
    corner, top, bottom = at["cheilion_left"], at["labiale_superius"], at["labiale_inferius"]
    mouth = at["stomion"]
    peak = at["crista_philtri_left"]
    upper_outer = [front(0.62 * corner[0], 0.55 * peak[1] + 0.45 * corner[1]), front(peak[0], peak[1])]
    lower_outer = [front(0.66 * corner[0], 0.65 * bottom[1] + 0.35 * corner[1]), front(0.33 * corner[0], bottom[1])]
    gap = 0.0008
    inner_corner = front(0.88 * corner[0], corner[1])
    upper_inner = [front(0.40 * corner[0], mouth[1] + gap), front(0.0, mouth[1] + gap)]
    lower_inner = [front(0.40 * corner[0], mouth[1] - gap), front(0.0, mouth[1] - gap)]
    left_brow = brow
    right_brow = mirrored(brow)[::-1]
    right_eye_order = [3, 2, 1, 0, 5, 4]
    return np.stack(
        right_brow
        + left_brow
        + bridge
        + [ala * [-1, 1, 1], nostril * [-1, 1, 1], base, nostril, ala]
        + [mirrored(eye)[k] for k in right_eye_order]
        + eye
        + [corner * [-1, 1, 1], *mirrored(upper_outer), top, *upper_outer[::-1], corner]
        + [*lower_outer, bottom, *mirrored(lower_outer)[::-1]]
        + [inner_corner * [-1, 1, 1], upper_inner[0] * [-1, 1, 1], upper_inner[1], upper_inner[0], inner_corner]
        + [lower_inner[0], lower_inner[1], lower_inner[0] * [-1, 1, 1]]
    )


def _contour(
    at: dict[str, np.ndarray], mean: np.ndarray, triangles: np.ndarray, rooms: dict[str, np.ndarray]
) -> tuple[Int[np.ndarray, "79 17"], Float[np.ndarray, "79 17 3"]]:
    """The face's outline as seen when the head turns by 0..39 degrees to its left, then 1..39 to its right.

    In each view the outline runs between the same two heights on either side; on the side that turns away it is the
    silhouette of the face, on the near side it stays on the jaw, as annotators draw it.
    """
    allowed = (rooms["skin"] & ~rooms["boundary"])[triangles].all(axis=1)
    jaw = _jaw_line(at, mean, triangles, allowed)
    ids = np.zeros((YAW_BINS, CONTOUR), np.int64)
    weights = np.zeros((YAW_BINS, CONTOUR, 3))
    for degrees in range(40):
        points = _turned(jaw, degrees, mean, triangles, allowed)
        ids[degrees], weights[degrees] = nearest(points, mean, triangles, allowed)
        if degrees:
            mirrored = points[::-1] * [-1, 1, 1]
            ids[39 + degrees], weights[39 + degrees] = nearest(mirrored, mean, triangles, allowed)
    return ids, weights


def _jaw_line(at: dict[str, np.ndarray], mean: np.ndarray, triangles: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Seventeen points of the frontal outline, subject's right to left, evenly spaced, through the chin."""
    start_y = at["exocanthion_left"][1] - 0.004
    chin = at["menton"] * [1, 1, 1] + [0, 0.001, 0.004]
    vertices = mean[np.unique(triangles[allowed])]
    silhouette = []
    for angle in np.linspace(0.0, np.pi / 2, 46):
        # Support points of the face below the eyes as seen from the front: the outline's convex part.
        direction = np.array([np.cos(angle), -np.sin(angle), 0.0])
        front = vertices[
            (vertices[:, 1] < start_y) & (vertices[:, 2] > at["gonion_left"][2] - 0.012) & (vertices[:, 0] >= 0)
        ]
        silhouette.append(front[int(np.argmax(front @ direction))])
    first = silhouette[0]
    line = [np.array([first[0], start_y, first[2]]), *silhouette, chin]
    return _resampled(np.array(line))


def _resampled(half: np.ndarray) -> np.ndarray:
    """Nine points at even steps along the half line from the ear to the chin, mirrored to seventeen."""
    keep = np.concatenate([[True], np.linalg.norm(np.diff(half, axis=0), axis=1) > 1e-5])
    half = half[keep]
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(half, axis=0), axis=1))])
    steps = np.linspace(0, along[-1], 9)
    left = np.stack([np.interp(steps, along, half[:, k]) for k in range(3)], axis=1)
    return np.concatenate([left * [-1, 1, 1], left[:-1][::-1]])


def _turned(
    jaw: np.ndarray, degrees: int, mean: np.ndarray, triangles: np.ndarray, allowed: np.ndarray
) -> Float[np.ndarray, "17 3"]:
    """The outline when the head has turned to its left: the left, far side slides to the silhouette at its height."""
    yaw = np.radians(degrees)
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    vertices = mean[np.unique(triangles[allowed])]
    seen = vertices @ turn.T
    result = jaw.copy()
    for k in range(9, CONTOUR):
        band = (np.abs(vertices[:, 1] - jaw[k, 1]) < 0.006) & (vertices[:, 0] > 0)
        if band.any() and degrees:
            outline = vertices[band][int(np.argmax(seen[band, 0]))]
            if (turn @ outline)[0] > (turn @ jaw[k])[0]:
                result[k, [0, 2]] = outline[[0, 2]]
    return result

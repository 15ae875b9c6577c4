"""Where MediaPipe's 478 landmarks lie on the open head, and how the detector strays from there.

    python flame_assets/build/embed_landmarks.py DETECTIONS.npz... [--embedding-only]

Reads what `sample_detections.py` wrote. Writes `mediapipe_478.npz` beside this file (surface points and their spread,
which `build_open_head.py --landmarks-only` takes into the head file) and `../mediapipe_response.npz` (what it says:
`face3d.fit.evidence`).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial.transform import Rotation
from surface import nearest, vertex_normals

from face3d.fit.evidence import DetectorResponse, save_response
from face3d.fit.landmark_problem import view_angles
from face3d.fit.point_model import PointModel
from face3d.fit.responses import identity_fingerprint
from face3d.head import HeadModel, load_open_head
from face3d.landmarks.mediapipe_topology import GROUPS
from face3d.render.rasterize_numba import interpolate_attributes, rasterize_camera

HERE = Path(__file__).parent
IRIS = np.arange(468, 478)
GAIN_COMPONENTS = 60
MODES = 100
NOISE_DOUBT = 2.0
CENTRING = 8.0
POSTERIOR_DOUBT = 1.4
"""Root mean square of error over claimed sigma, for size and pupillary distance, on renders of unseen heads."""
DEPTH_DOUBT = 2.0
LANDMARKS = 220
YAW_BINS = np.deg2rad([-40.0, -20.0, 0.0, 20.0, 40.0])


@dataclass(frozen=True, slots=True)
class Detections:
    """Renders of known heads and what the detector made of them; S samples."""

    identity: Float[ndarray, "S I"]
    expression: Float[ndarray, "S E"]
    eyes: Float[ndarray, "S 6"]
    rotation: Float[ndarray, "S 3 3"]
    translation: Float[ndarray, "S 3"]
    intrinsics: Float[ndarray, "S 3 3"]
    landmarks: Float[ndarray, "S N 3"]
    curves: Float[ndarray, "S E"]
    head: Int[ndarray, " S"]

    @staticmethod
    def load(paths: list[Path]) -> Detections:
        """Read and join files; head numbers are made distinct between files."""
        files = [dict(np.load(path)) for path in paths]
        for number, file in enumerate(files):
            file["head"] = file["head"] + number * 1_000_000
        joined = {name: np.concatenate([file[name] for file in files]) for name in files[0]}
        return Detections(
            **{name: values.astype(np.int64 if name == "head" else np.float64) for name, values in joined.items()}
        )

    def angles(self) -> Float[ndarray, "S 2"]:
        """Yaw and pitch of the view."""
        return np.array([view_angles(r, t) for r, t in zip(self.rotation, self.translation, strict=True)])


def residuals(detections: Detections, points: PointModel) -> tuple[Float[ndarray, "S N 3"], Float[ndarray, "S N 3 3"]]:
    """Detected minus projected points (metres, upright image frame, depth last) and their derivative by the points."""
    count, landmarks = len(detections.identity), len(points.rest_points)
    errors, slopes = np.empty((count, landmarks, 3)), np.empty((count, landmarks, 3, 3))
    for s in range(count):
        turns = Rotation.from_rotvec(np.concatenate([np.zeros((1, 3)), detections.eyes[s].reshape(2, 3)])).as_matrix()
        head = points.evaluate(np.concatenate([detections.identity[s], detections.expression[s]]), turns).points
        rotation, translation, matrix = detections.rotation[s], detections.translation[s], detections.intrinsics[s]
        arms = head @ rotation.T
        camera = arms + translation
        scale = translation[2] / matrix[0, 0]
        roll = np.arctan2(rotation[1, 0], rotation[0, 0])
        upright = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        projected = camera[:, :2] / camera[:, 2:] * matrix[0, 0] + matrix[:2, 2]
        seen = detections.landmarks[s]
        errors[s, :, :2] = (seen[:, :2] - projected) @ upright.T * scale
        errors[s, :, 2] = seen[:, 2] * scale - arms[:, 2]
        errors[s, :, 2] -= errors[s, :, 2].mean()
        slope = np.zeros((landmarks, 3, 3))
        slope[:, 0, 0] = slope[:, 1, 1] = translation[2] / camera[:, 2]
        slope[:, :2, 2] = -camera[:, :2] / camera[:, 2:] * slope[:, :1, 0]
        slope[:, :2] = upright @ slope[:, :2]
        slope[:, 2, 2] = 1
        slopes[s] = slope @ rotation
    return errors, slopes


def first_guess(model: HeadModel, detections: Detections, limit: int = 400) -> Float[ndarray, "N 3"]:
    """Carry the detections of near-frontal, near-neutral renders back to the mean head and take the median."""
    triangles, rest = model.triangles.numpy(), model.template.double().numpy()
    identity, expression = (b.double().numpy() for b in (model.identity_basis, model.expression_basis))
    angles = np.abs(detections.angles()).sum(axis=1)
    order = np.argsort(angles + 0.1 * detections.expression.sum(axis=1))[:limit]
    found = []
    for s in order:
        vertices = (
            rest
            + np.tensordot(detections.identity[s], identity, 1)
            + np.tensordot(detections.expression[s], expression, 1)
        )
        camera = vertices @ detections.rotation[s].T + detections.translation[s]
        size = int(detections.intrinsics[s][0, 2] * 2)
        fragments = rasterize_camera(camera, triangles, detections.intrinsics[s], (size, size))
        chart = interpolate_attributes(fragments, triangles, rest, background=np.nan)
        x, y = np.clip(detections.landmarks[s][:, :2].astype(int), 0, size - 1).T
        found.append(chart[y, x])
    return np.nanmedian(np.array(found), axis=0)


def embed(
    model: HeadModel, detections: Detections, rounds: int = 12
) -> tuple[Int[ndarray, " N"], Float[ndarray, "N 3"]]:
    """Move surface points until the detections scatter around them without bias along the surface."""
    triangles = model.triangles.numpy()
    rest = model.template.double().numpy()
    regions = {name: ids.numpy() for name, ids in model.regions.items()}
    kind = np.zeros(len(rest), int)
    kind[regions["left_eyeball"]] = 1
    kind[regions["right_eyeball"]] = 2
    allowed = kind[triangles[:, 0]]
    outside = _outer_skin(model)
    wanted = np.zeros(478, int)
    wanted[468:473], wanted[473:478] = 2, 1
    targets = first_guess(model, detections)
    chosen = np.zeros(478, int)
    bary = np.zeros((478, 3))
    views = detections.angles()
    for number_of_round in range(rounds):
        for number in range(3):
            members = np.flatnonzero(wanted == number)
            choices = (allowed == number) & (outside if number == 0 else True)
            chosen[members], bary[members] = nearest(targets[members], rest, triangles, choices)
        points = PointModel.of(model, chosen, bary)
        errors, slopes = residuals(detections, points)
        normal = vertex_normals(rest, triangles)[triangles[chosen]].mean(axis=1)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        towards = np.stack(
            [np.sin(views[:, 0]) * np.cos(views[:, 1]), np.sin(views[:, 1]), np.cos(views[:, 0]) * np.cos(views[:, 1])],
            axis=1,
        )
        facing = towards @ normal.T
        # Far from the answer, trust the views that see the point and fit; then centre the mean over all views.
        weight = np.clip(facing, 0.05, None) / (1 + np.sum(errors[:, :, :2] ** 2, axis=2) / 0.004**2)
        if number_of_round >= rounds // 2:
            weight = np.ones_like(weight)
        plane = slopes[:, :, :2]
        matrix = np.einsum("sn,snpx,snpy->nxy", weight, plane, plane, optimize=True)
        matrix += 1.0 * weight.sum(axis=0)[:, None, None] * normal[:, :, None] * normal[:, None, :]
        right = np.einsum("sn,snpx,snp->nx", weight, plane, errors[:, :, :2], optimize=True)
        if number_of_round >= rounds // 2:
            mean_plane, mean_error = plane.mean(axis=0), errors[:, :, :2].mean(axis=0)
            matrix += CENTRING * len(errors) * np.einsum("npx,npy->nxy", mean_plane, mean_plane)
            right += CENTRING * len(errors) * np.einsum("npx,np->nx", mean_plane, mean_error)
        targets = points.rest_points + 0.9 * np.linalg.solve(matrix, right[..., None])[..., 0]
    return chosen, bary


def measure_response(
    model: HeadModel,
    detections: Detections,
    triangles: Int[ndarray, " N"],
    barycentric: Float[ndarray, "N 3"],
    indices: Int[ndarray, " N"],
) -> DetectorResponse:
    """Regress the detector's errors on identity and view, and describe what is left."""
    points = PointModel.of(model, triangles, barycentric)
    detections = replace(detections, landmarks=detections.landmarks[:, indices])
    errors, slopes = residuals(detections, points)
    yaw, pitch = np.clip(detections.angles(), -0.87, 0.87).T
    view = np.stack([np.ones_like(yaw), yaw, pitch, yaw * yaw, yaw * pitch, pitch * pitch], axis=1)
    keep = min(GAIN_COMPONENTS, model.identity_size)
    coefficients = detections.identity[:, :keep]
    samples, count = len(yaw), errors.shape[1]
    noise = np.array([0.0015, 0.0015, 0.004])
    gain = np.zeros((count, 3, model.identity_size))
    view_bias = np.zeros((count, 3, 6))
    left = np.empty_like(errors)
    for n in range(count):
        design = np.zeros((samples, 3, 3 * keep + 18))
        design[:, :, : 3 * keep] = (slopes[:, n, :, :, None] * coefficients[:, None, None, :]).reshape(samples, 3, -1)
        for axis in range(3):
            design[:, axis, 3 * keep + 6 * axis :][:, :6] = view
        scale = np.linalg.norm(points.rest_basis[n, :, :keep], axis=0)
        prior = 0.8 * scale + 2e-5
        precision = np.concatenate(
            [np.tile(prior**-2, 3), np.tile([0.003, 0.005, 0.005, 0.005, 0.005, 0.005], 3) ** -2.0]
        )
        standard = (1 / noise) / (1 + np.abs(errors[:, n]) / (3 * noise))
        rows = (design * standard[:, :, None]).reshape(3 * samples, -1)
        solution = np.linalg.solve(rows.T @ rows + np.diag(precision), rows.T @ (errors[:, n] * standard).reshape(-1))
        gain[n, :, :keep] = solution[: 3 * keep].reshape(3, keep)
        view_bias[n] = solution[3 * keep :].reshape(3, 6)
        left[:, n] = errors[:, n] - design @ solution
    left[:, :, 2] -= left[:, :, 2].mean(axis=1, keepdims=True)
    spread = np.sqrt(np.mean(left**2, axis=0))
    flat = (left / spread).reshape(samples, -1).clip(-5, 5)
    _, singular, axes = np.linalg.svd(flat, full_matrices=False)
    # Renders are not photos and our heads are not everybody's: claim less than was measured, of depth least.
    doubt = np.array([1.0, 1.0, DEPTH_DOUBT])
    modes = doubt * (axes[:MODES] * (singular[:MODES, None] / np.sqrt(samples))).reshape(MODES, count, 3) * spread
    unexplained = left - (flat @ axes[:MODES].T @ axes[:MODES]).reshape(left.shape) * spread
    sigma = np.stack([_windowed_rms(unexplained, yaw, centre) for centre in YAW_BINS])
    expression_map, expression_sigma = _expression_map(detections)
    return DetectorResponse(
        indices=indices,
        triangles=triangles,
        barycentric=barycentric,
        gain=gain,
        view_bias=view_bias,
        yaw_bins=YAW_BINS,
        sigma=np.maximum(NOISE_DOUBT * doubt * sigma, 4e-4),
        modes=modes,
        expression_map=expression_map,
        expression_sigma=expression_sigma,
        doubt=POSTERIOR_DOUBT,
        fingerprint=identity_fingerprint(model),
    )


def spread_landmarks(points: Float[ndarray, "N 3"]) -> Int[ndarray, " K"]:
    """Landmarks worth fitting: eyes, irises, brows, lips, nose and outline, and an even spread over the rest.

    The 478 are so correlated that these say nearly as much in a fraction of the time.
    """
    chosen = sorted({number for group in GROUPS.values() for number in group})
    distance = np.linalg.norm(points[:, None] - points[None, chosen], axis=2).min(axis=1)
    while len(chosen) < LANDMARKS:
        farthest = int(np.argmax(distance))
        chosen.append(farthest)
        distance = np.minimum(distance, np.linalg.norm(points - points[farthest], axis=1))
    return np.array(sorted(chosen))


def _windowed_rms(values: Float[ndarray, "S N 3"], yaw: Float[ndarray, " S"], centre: float) -> Float[ndarray, "N 3"]:
    weight = np.exp(-0.5 * ((yaw - centre) / np.deg2rad(9)) ** 2)
    return np.sqrt(np.einsum("s,snx->nx", weight, values**2) / weight.sum())


def _expression_map(detections: Detections) -> tuple[Float[ndarray, "E C"], Float[ndarray, " E"]]:
    """Ridge regression of the true expression on the detector's curves."""
    curves = np.column_stack([detections.curves, np.ones(len(detections.curves))])
    matrix = curves.T @ curves + np.diag([*np.full(detections.curves.shape[1], 0.02 * len(curves) * 0.02), 1e-6])
    mapping = np.linalg.solve(matrix, curves.T @ detections.expression).T
    error = detections.expression - curves @ mapping.T
    return mapping, np.maximum(np.sqrt(np.mean(error**2, axis=0)), 0.03)


def _outer_skin(model: HeadModel) -> ndarray:
    """Triangles of the skin that can be seen from outside: no tongue, throat or eye sockets."""
    triangles, rest = model.triangles.numpy(), model.template.double().numpy()
    seen = np.zeros(len(triangles), bool)
    size = 700
    for yaw in np.deg2rad([-60, -30, 0, 30, 60]):
        for pitch in np.deg2rad([-35, 0, 35]):
            rotation = np.diag([1.0, -1, -1]) @ Rotation.from_euler("yx", [yaw, pitch]).as_matrix()
            camera = rest @ rotation.T + [0, 0, 3.0]
            matrix = np.array([[6500, 0, size / 2], [0, 6500, size / 2], [0, 0, 1.0]])
            visible = rasterize_camera(camera, triangles, matrix, (size, size)).face_id
            seen[np.unique(visible[visible >= 0])] = True
    return seen


def main() -> None:
    """Embed the landmarks, measure the response, write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detections", type=Path, nargs="+")
    parser.add_argument("--embedding-only", action="store_true")
    arguments = parser.parse_args()
    model = load_open_head()
    detections = Detections.load(arguments.detections)
    triangles, barycentric = embed(model, detections)
    errors, _ = residuals(detections, PointModel.of(model, triangles, barycentric))
    sigma = np.sqrt(np.mean(np.sum(errors[:, :, :2] ** 2, axis=2), axis=0) / 2)
    np.savez_compressed(HERE / "mediapipe_478.npz", triangles=triangles, barycentric=barycentric, sigma=sigma)
    if not arguments.embedding_only:
        chosen = spread_landmarks(PointModel.of(model, triangles, barycentric).rest_points)
        response = measure_response(model, detections, triangles[chosen], barycentric[chosen], chosen)
        (HERE.parent / "mediapipe_response.npz").write_bytes(save_response(response))


if __name__ == "__main__":
    main()

"""How fast the NoW evaluation is: `python -m tests.benchmarks.now` prints ratios measured in one run on this machine.

image          one image of the benchmark from arrays in memory: a scan crop of 50 000 points, aligned, refined and
               measured, in the metrical and the non-metrical form
distance       the exact point-to-surface distances of these points beside SciPy's k-d tree of the mesh's vertices
               alone (which is not the distance to the surface), beside trimesh's closest points on 2 000 of the points,
               and beside Open3D's ray casting scene where Open3D is installed
"""

from __future__ import annotations

import os
import platform
import time

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from trimesh import Trimesh
from trimesh.proximity import closest_point

from face3d.evaluate.now import ScanError, crop_scan, scan_error
from face3d.evaluate.scan_file import Scan
from face3d.evaluate.surface import SurfaceTree
from face3d.head import load_head
from tests.benchmarks.reconstruct import median_seconds

POINTS = 50_000


def make_image() -> tuple[Float[np.ndarray, "K 3"], Float[np.ndarray, "7 3"], Scan, Float[np.ndarray, "7 3"]]:
    """A noisy scan's crop (mm) with landmarks, and the mesh of another head (m) with its landmarks."""
    model = load_head()
    generator, random = torch.Generator().manual_seed(0), np.random.default_rng(0)
    identity = 0.7 * torch.randn(2, model.identity_size, generator=generator)
    geometry = model(identity=identity)
    truth, predicted = geometry.vertices.double().numpy()
    landmarks, predicted_landmarks = model.points("now_7", geometry).double().numpy()
    triangles = model.triangles.numpy()
    turn = Rotation.from_rotvec([0.3, 0.8, -0.2]).as_matrix()
    # Points over the whole surface by area, as a scanner takes them, until the crop has as many as wanted.
    spread = Trimesh(truth, triangles, process=False).sample(14 * POINTS, seed=0)
    scan = 1000 * (spread + 0.0002 * random.normal(size=spread.shape)) @ turn.T + [20, -30, 500]
    marks = 1000 * (landmarks + 0.001 * random.normal(size=(7, 3))) @ turn.T + [20, -30, 500]
    crop = crop_scan(scan, marks).vertices
    if len(crop) < POINTS:
        raise RuntimeError(f"the crop has only {len(crop)} points")
    return crop[random.permutation(len(crop))[:POINTS]], marks, Scan(predicted, triangles), predicted_landmarks


def main() -> None:
    """Measure and print."""
    points, landmarks, predicted, marks = make_image()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{len(points):,} points, {len(predicted.triangles):,} triangles")
    for metrical in (False, True):

        def work(metrical: bool = metrical) -> ScanError:
            return scan_error(points, landmarks, predicted, marks, metrical=metrical)

        start = time.perf_counter()
        found = work()
        first = time.perf_counter() - start
        seconds = median_seconds(work, repeats=5)
        start = time.process_time()
        work()
        processor = time.process_time() - start
        form = "metrical" if metrical else "non-metrical"
        print(
            f"image, {form}: {seconds:.2f} s (the first {first:.2f} s), {processor:.2f} s of processor time, "
            f"{found.registration.iterations} iterations, median {np.median(found.distances):.3f} mm"
        )
    there = found.registration.transform.inverse().apply(points)
    surface = SurfaceTree.build(predicted.vertices, predicted.triangles)
    build = median_seconds(lambda: SurfaceTree.build(predicted.vertices, predicted.triangles), repeats=5)
    exact = median_seconds(lambda: surface.closest(there), repeats=5)
    print(f"tree built in {build * 1000:.0f} ms; exact distances {exact * 1000:.0f} ms")
    tree = cKDTree(predicted.vertices)
    vertices = median_seconds(lambda: tree.query(there, workers=-1), repeats=5)
    print(f"k-d tree of the vertices {vertices * 1000:.0f} ms: ratio {exact / vertices:.2f}")
    compare_with_trimesh(predicted, there[:2000], surface)
    compare_with_open3d(predicted, there, exact)


def compare_with_trimesh(mesh: Scan, points: Float[np.ndarray, "N 3"], surface: SurfaceTree) -> None:
    """Print the ratio to trimesh's closest points, which need rtree, and the largest difference."""
    scene = Trimesh(mesh.vertices, mesh.triangles, process=False)
    try:
        expected = closest_point(scene, points)[1]
    except ImportError:
        print(
            "trimesh looks up closest points with rtree, which is not installed: pip install rtree to compare with it"
        )
        return
    theirs = median_seconds(lambda: closest_point(scene, points), repeats=3)
    ours = median_seconds(lambda: surface.closest(points), repeats=9)
    farther = (expected - surface.closest(points)[1]).max()
    print(f"trimesh, {len(points)} points, {theirs * 1000:.0f} ms: ratio {ours / theirs:.4f}")
    print(f"its points are up to {farther:.0e} m farther away than ours")


def compare_with_open3d(mesh: Scan, points: Float[np.ndarray, "N 3"], seconds: float) -> None:
    """Print the ratio to Open3D's ray casting scene, in float32 as it has it."""
    try:
        import open3d
    except ImportError:
        print("Open3D is not installed: pip install 'face3d[scan]' to compare with it")
        return
    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(mesh.vertices.astype(np.float32), mesh.triangles.astype(np.uint32))
    query = open3d.core.Tensor(points.astype(np.float32))
    theirs = median_seconds(lambda: scene.compute_distance(query), repeats=5)
    print(f"Open3D {theirs * 1000:.0f} ms: ratio {seconds / theirs:.2f}")


if __name__ == "__main__":
    main()

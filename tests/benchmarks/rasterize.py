"""How fast the rasteriser is: `python -m tests.benchmarks.rasterize` prints times and ratios measured in one run.

The open head fills the frame as in a portrait. What is timed is the fragments and then their gradient on the vertices,
given gradients on depth, barycentric coordinates and distances. PyTorch3D is called directly, on the CPU, with as many
threads as PyTorch takes; it takes minutes in all, so it runs once after a small warm-up, the numba backend many times.

The cost of one more image, pixel or triangle is the difference of two such times over the difference in their number:
batch 4 against batch 1; 512x512 against 224x224; the head with each triangle cut in four against the head.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from face3d.errors import DependencyError
from face3d.head import load_head
from face3d.render import Fragments, rasterize
from face3d.render.rasterize_pytorch3d import load_pytorch3d

SIZES = (224, 512)
BATCHES = (1, 4)
REPEATS = 15
DISTANCE = 0.6
"""Metres from the camera to the middle of the head."""


def portrait() -> tuple[Tensor, Tensor]:
    """NDC vertices (V, 3) of the open head, its larger side just inside the frame, and its triangles."""
    model = load_head()
    template = model.template.float()
    centred = template - (template.amin(0) + template.amax(0)) / 2
    depth = DISTANCE - centred[:, 2]
    across = torch.stack((-centred[:, 0], centred[:, 1]), -1) / depth[:, None]
    return torch.cat((across * (0.98 / across.abs().max()), depth[:, None]), -1), model.triangles


def cut_in_four(vertices: Tensor, triangles: Tensor) -> tuple[Tensor, Tensor]:
    """Put a vertex in the middle of each edge of each triangle."""
    a, b, c = triangles.T
    ab, bc, ca = (len(vertices) + part * len(triangles) + torch.arange(len(triangles)) for part in range(3))
    middles = torch.cat([(vertices[p] + vertices[q]) / 2 for p, q in ((a, b), (b, c), (c, a))])
    parts = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    return torch.cat((vertices, middles)), torch.cat([torch.stack(part, -1) for part in parts])


def with_numba(vertices: Tensor, triangles: Tensor, size: int) -> Fragments:
    """The numba backend through the public function."""
    return rasterize(vertices, triangles, size, backend="numba")


def with_pytorch3d(vertices: Tensor, triangles: Tensor, size: int) -> Fragments:
    """PyTorch3D as its users call it."""
    from pytorch3d.structures import Meshes

    meshes = Meshes(vertices, triangles.expand(len(vertices), -1, -1))
    return Fragments(
        *load_pytorch3d().rasterize_meshes(meshes, size, faces_per_pixel=1, blur_radius=0.0, perspective_correct=True)
    )


def seconds(
    rasterizer: Callable[[Tensor, Tensor, int], Fragments],
    vertices: Tensor,
    triangles: Tensor,
    size: int,
    batch: int,
    repeats: int,
) -> tuple[float, float]:
    """Median seconds of forward and of backward."""
    meshes = vertices.repeat(batch, 1, 1).requires_grad_()
    random = torch.Generator().manual_seed(0)
    upstream = [torch.randn(batch, size, size, 1, *last, generator=random) for last in ((), (3,), ())]
    forward, backward = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        found = rasterizer(meshes, triangles, size)
        middle = time.perf_counter()
        torch.autograd.grad([found.zbuf, found.bary_coords, found.dists], meshes, upstream)
        end = time.perf_counter()
        forward.append(middle - start)
        backward.append(end - middle)
    return statistics.median(forward), statistics.median(backward)


def print_costs(name: str, times: dict[tuple[int, int], float], finer: float, triangles: int) -> None:
    """Print the cost of one more image, pixel and triangle from the seconds by (size, batch)."""
    small, large = SIZES
    one, many = BATCHES
    images = ", ".join(
        f"{(times[size, many] - times[size, one]) / (many - one) * 1e3:.2f} ms at {size}x{size}" for size in SIZES
    )
    pixel = (times[large, one] - times[small, one]) / (large**2 - small**2)
    triangle = (finer - times[small, one]) / (3 * triangles)
    print(
        f"{name}: per added image {images}; per added pixel {pixel * 1e9:.1f} ns; "
        f"per added triangle {triangle * 1e9:.0f} ns at {small}x{small}"
    )


def main() -> None:
    """Measure and print."""
    vertices, triangles = portrait()
    finer = cut_in_four(vertices, triangles)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__} with "
        f"{torch.get_num_threads()} threads, {len(triangles)} triangles"
    )
    for size, batch in ((8, 1), (8, 2)):
        seconds(with_numba, vertices, triangles, size, batch, 3)
    covered = (with_numba(vertices[None], triangles, SIZES[0]).pix_to_face >= 0).float().mean()
    print(f"the head covers {100 * float(covered):.0f} % of the frame; milliseconds are forward + backward")
    try:
        load_pytorch3d()
        seconds(with_pytorch3d, vertices, triangles, 8, 1, 1)
        reference_works = True
    except DependencyError as error:
        print(error)
        reference_works = False

    fast, slow = {}, {}
    for size in SIZES:
        for batch in BATCHES:
            forward, backward = seconds(with_numba, vertices, triangles, size, batch, REPEATS)
            fast[size, batch] = forward + backward
            line = f"{size}x{size}, batch {batch}: numba {forward * 1e3:.1f} + {backward * 1e3:.1f} ms"
            if reference_works:
                forward, backward = seconds(with_pytorch3d, vertices, triangles, size, batch, 1)
                slow[size, batch] = forward + backward
                line += f", PyTorch3D {forward * 1e3:.0f} + {backward * 1e3:.0f} ms: "
                line += f"{slow[size, batch] / fast[size, batch]:.0f} times faster"
            print(line, flush=True)
    print_costs("numba", fast, sum(seconds(with_numba, *finer, SIZES[0], 1, REPEATS)), len(triangles))
    if reference_works:
        print_costs("PyTorch3D", slow, sum(seconds(with_pytorch3d, *finer, SIZES[0], 1, 1)), len(triangles))


if __name__ == "__main__":
    main()

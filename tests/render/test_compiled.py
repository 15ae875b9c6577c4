from __future__ import annotations

import multiprocessing
import threading

import numba
import numpy as np
import pytest

from face3d.render.compiled import compiled, run_interleaved
from face3d.render.rasterize_numba import rasterize_camera


@pytest.mark.parametrize("threads", [None, 1, 2, 3, 50])
@pytest.mark.parametrize("height", [1, 2, 7])
def test_every_row_is_done_once(threads, height):
    done = np.zeros(height, dtype=int)
    lock = threading.Lock()

    def kernel(first: int, step: int) -> None:
        with lock:
            done[first::step] += 1

    run_interleaved(kernel, height, 5, threads)
    np.testing.assert_array_equal(done, 1)


def test_a_failing_kernel_is_heard():
    def kernel(first: int, step: int) -> None:
        raise ValueError(f"row {first}")

    with pytest.raises(ValueError, match="row"):
        run_interleaved(kernel, 4, 4, 2)


def test_without_a_place_for_the_cache_it_still_compiles(monkeypatch):
    njit = numba.njit

    def without_cache(function, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(function, **options)

    monkeypatch.setattr(numba, "njit", without_cache)

    @compiled
    def double(x):
        return 2 * x

    assert double(21) == 42


def render_small() -> int:
    vertices = np.array([[-1.0, 1.0, 2.0], [1.0, 1.0, 2.0], [0.0, -1.0, 2.0]])
    intrinsics = np.array([[9.0, 0, 10], [0, 9, 10], [0, 0, 1]])
    found = rasterize_camera(vertices, np.array([[0, 1, 2]]), intrinsics, (20, 20), threads=2)
    return int((found.face_id >= 0).sum())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="the platform does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_can_render_after_its_parent_did():
    expected = render_small()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(render_small).get(timeout=60) == expected

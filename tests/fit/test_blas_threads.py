"""BLAS is held to one thread exactly as long as somebody asks for it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import scipy.linalg  # noqa: F401  its BLAS has to be loaded to be held
from threadpoolctl import ThreadpoolController

from face3d.fit.blas_threads import one_blas_thread


@pytest.fixture
def threads():
    """Reads the threads that each BLAS may use, having set them to two."""
    controller = ThreadpoolController().select(user_api="blas")
    if not controller.lib_controllers:
        pytest.skip("no BLAS here whose threads can be set")
    with controller.limit(limits=2):
        yield lambda: {library["num_threads"] for library in controller.info()}


def test_holds_and_restores(threads):
    assert threads() == {2}
    with one_blas_thread():
        assert threads() == {1}
        with one_blas_thread():
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {2}


def test_restores_after_an_error(threads):
    with pytest.raises(ValueError, match="broken"), one_blas_thread():
        raise ValueError("broken")
    assert threads() == {2}


def test_decorates(threads):
    assert one_blas_thread()(threads)() == {1}
    assert threads() == {2}


def test_fits_side_by_side_leave_the_threads_as_they_were(threads):
    both_in, first_out = Barrier(2), Barrier(2)

    def first():
        with one_blas_thread():
            both_in.wait(10)
        first_out.wait(10)

    def second():
        with one_blas_thread():
            both_in.wait(10)
            first_out.wait(10)

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(first), pool.submit(second)]
        for one in running:
            one.result()
    assert threads() == {2}

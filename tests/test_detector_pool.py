"""The pool: order, bounds, one detector per thread, and errors of one item or of all."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from face3d.detector_pool import UNDER_WAY, DetectorPool, worker_count
from face3d.errors import ArgumentError, InputError, MissingAssetError
from tests.landmarks.drawn_faces import DrawnDetector


class Counted(DrawnDetector):
    opened: list[Counted] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__([{}])
        self.threads: set[int] = set()
        self.closed = False
        Counted.opened.append(self)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def pool():
    Counted.opened = []
    with DetectorPool(Counted, 3) as opened:
        yield opened


def test_results_come_in_order_whatever_takes_long(pool):
    def work(number):
        time.sleep(0.02 * (number % 3 == 0))
        return number * number

    results = list(pool.in_order(range(30), work, str))
    assert results == [(number, number * number) for number in range(30)]


def test_each_thread_has_a_detector_of_its_own_and_all_are_closed(pool):
    def work(number):
        time.sleep(0.01)
        pool.detector().threads.add(threading.get_ident())
        return pool.detector() is pool.detector()

    assert all(same for _, same in pool.in_order(range(20), work, str))
    assert 1 <= len(Counted.opened) <= 3
    assert all(len(detector.threads) == 1 for detector in Counted.opened)
    pool.__exit__()
    assert all(detector.closed for detector in Counted.opened)


def test_an_error_of_one_item_is_its_result(pool):
    def work(number):
        if number == 3:
            raise InputError("three.jpg: is damaged")
        if number == 4:
            raise ValueError("nobody foresaw\nthis")
        return number

    results = dict(pool.in_order(range(6), work, lambda number: f"{number}.jpg"))
    assert [results[number] for number in (0, 1, 2, 5)] == [0, 1, 2, 5]
    assert str(results[3]) == "three.jpg: is damaged"
    assert isinstance(results[4], InputError)
    assert str(results[4]).startswith("4.jpg: ")
    assert "nobody foresaw" in str(results[4])
    assert "\n" not in str(results[4])


def test_an_error_that_concerns_all_is_raised(pool):
    def work(number):
        raise MissingAssetError("no model")

    with pytest.raises(MissingAssetError):
        list(pool.in_order(range(5), work, str))


def test_items_are_taken_as_they_are_needed(pool):
    """Ten thousand files are not all under way at once, and results do not pile up."""
    taken = []

    def items():
        for number in range(10_000):
            taken.append(number)
            yield number

    for number, _ in pool.in_order(items(), lambda number: number, str):
        assert len(taken) - number <= UNDER_WAY + 1
        if number == 500:
            break


def wait_for(results):
    with contextlib.suppress(BaseException):
        next(results)


def test_leaving_ends_long_work():
    started, ended = threading.Event(), threading.Event()

    def work(number):
        started.set()
        try:
            while True:
                pool.check()
                time.sleep(0.005)
        finally:
            ended.set()

    with DetectorPool(Counted, 2) as pool:
        results = pool.in_order(range(3), work, str)
        thread = threading.Thread(target=wait_for, args=(results,), daemon=True)
        thread.start()
        assert started.wait(5)
    assert ended.wait(5)
    thread.join(5)


def test_how_many_workers():
    assert worker_count(5, 100) == 5
    assert worker_count(5, 2) == 2
    assert worker_count(None, 1) == 1
    assert worker_count(None, 0) == 1
    with pytest.raises(ArgumentError):
        worker_count(0, 5)

"""Work ahead of who takes it."""

from __future__ import annotations

import threading
import time

import pytest

from face3d.threads import Ahead, in_parts, processors


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert condition()


def test_items_come_in_order_and_no_more_than_the_limit_wait():
    made = []

    def items():
        for number in range(20):
            made.append(number)
            yield number

    ahead = Ahead(items(), limit=3, name="test")
    ahead.start()
    wait_for(lambda: ahead.waiting == 3 and len(made) == 4)
    assert list(ahead) == list(range(20))
    ahead.close()


def test_what_it_raises_comes_after_what_it_made():
    def items():
        yield 1
        raise ValueError("spoilt")

    ahead = Ahead(items(), limit=3, name="test")
    ahead.start()
    taken = iter(ahead)
    assert next(taken) == 1
    with pytest.raises(ValueError, match="spoilt"):
        next(taken)
    ahead.close()


def test_closing_ends_the_thread_and_the_generator_in_it():
    ended, before = [], threading.active_count()

    def items():
        try:
            while True:
                yield 0
        finally:
            ended.append(threading.current_thread().name)

    never = Ahead(iter([1]), limit=1, name="never started")
    never.close()
    ahead = Ahead(items(), limit=2, name="test")
    ahead.start()
    wait_for(lambda: ahead.waiting == 2)
    ahead.close()
    ahead.close()
    assert ended == ["test"]
    assert threading.active_count() == before


def test_there_is_a_processor():
    assert processors() >= 1


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(("count", "size"), [(0, 3), (1, 3), (3, 3), (17, 3), (4, 1)])
def test_parts_are_the_same_for_any_number_of_threads(monkeypatch, threads, count, size):
    monkeypatch.setattr("face3d.threads.processors", lambda: threads)
    parts = []
    in_parts(parts.append, count, size)
    assert sorted((part.start, part.stop) for part in parts) == [
        (first, min(first + size, count)) for first in range(0, count, size)
    ]


def test_what_goes_wrong_in_another_thread_is_raised(monkeypatch):
    monkeypatch.setattr("face3d.threads.processors", lambda: 2)
    caller, both = threading.get_ident(), threading.Barrier(2)

    def work(part):
        both.wait(10)
        if threading.get_ident() != caller:
            raise ValueError("spoilt")

    with pytest.raises(ValueError, match="spoilt"):
        in_parts(work, 2, 1)

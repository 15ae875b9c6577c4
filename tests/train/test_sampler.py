"""Which samples each step and each process sees."""

from __future__ import annotations

from collections import Counter

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.train.sampler import batches_of, held_out_batches, round_order, step_draws

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 4), st.integers(1, 5))


class Numbers:
    """A data set whose samples are their own numbers, and a random one each."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def batch(self, draws):
        return {
            "number": torch.tensor([draw.index for draw in draws]),
            "random": torch.tensor([draw.random().random() for draw in draws], dtype=torch.float64),
        }


def numbers(loader):
    return [batch["number"].tolist() for batch in loader]


@settings(max_examples=30, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 9), step=st.integers(0, 50))
def test_the_parts_of_all_processes_are_the_batch_of_one(sizes, seed, step):
    samples, part, processes = sizes
    batch_size = part * processes
    whole = step_draws(samples, batch_size, seed=seed, step=step)
    parts = [
        step_draws(samples, batch_size, seed=seed, step=step, process=number, processes=processes)
        for number in range(processes)
    ]
    assert [draw for part in parts for draw in part] == whole
    assert len(whole) == batch_size


@settings(max_examples=30, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 9))
def test_every_round_sees_every_sample_once(sizes, seed):
    samples, batch_size, rounds = sizes
    steps = -(-rounds * samples // batch_size)
    draws = [draw for step in range(steps) for draw in step_draws(samples, batch_size, seed=seed, step=step)]
    for number in range(rounds):
        seen = [draw.index for draw in draws[number * samples : (number + 1) * samples]]
        assert sorted(seen) == list(range(samples))
        assert seen == round_order(samples, seed, number).tolist()
    # Nothing random about a draw is ever repeated, not even when a batch is larger than the data set.
    assert len({draw.entropy for draw in draws}) == len(draws)


def test_rounds_and_seeds_differ():
    orders = {tuple(round_order(30, seed, number).tolist()) for seed in range(3) for number in range(3)}
    assert len(orders) == 9


def test_a_run_that_begins_in_the_middle_sees_what_the_whole_one_sees_there():
    samples = Numbers(17)
    whole = list(batches_of(samples, 6, seed=3, first=0, last=12))
    later = list(batches_of(samples, 6, seed=3, first=5, last=12))
    ahead = list(batches_of(samples, 6, seed=3, first=5, last=12, workers=2))
    assert len(later) == 7
    for batches in (later, ahead):
        for ours, theirs in zip(batches, whole[5:], strict=True):
            assert torch.equal(ours["number"], theirs["number"])
            assert torch.equal(ours["random"], theirs["random"])


def test_reading_draws_nothing_from_the_networks_generator():
    before = torch.get_rng_state()
    list(batches_of(Numbers(5), 2, seed=0, first=0, last=3))
    list(held_out_batches(Numbers(5), 2))
    assert torch.equal(torch.get_rng_state(), before)


@settings(max_examples=30, deadline=None)
@given(sizes=SIZES)
def test_held_out_samples_are_seen_once_over_all_processes(sizes):
    samples, batch_size, processes = sizes
    seen = [
        number
        for process in range(processes)
        for batch in numbers(held_out_batches(Numbers(samples), batch_size, process=process, processes=processes))
        for number in batch
    ]
    assert Counter(seen) == Counter(range(samples))

"""Which samples every step sees: one endless sequence, cut into batches, shared out between processes.

The sequence is the data set over and over, each time in an order of its own. A step's batch is the next stretch of it,
whatever the number of processes; so the place in the data is the number of the step and nothing else, and a batch may
end one round and begin the next instead of being shorter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int64
from torch.utils.data import DataLoader, Dataset, Sampler

from face3d.train.task import Batch, Draw, Samples

__all__ = ["batches_of", "held_out_batches", "round_order", "step_draws"]

_ORDER, _SAMPLE, _HELD_OUT = 0, 1, 2
"""Keep apart the random numbers that an order, a sample and a held-out sample are made with."""


@lru_cache(maxsize=4)
def round_order(samples: int, seed: int, number: int) -> Int64[np.ndarray, " N"]:
    """The order in which round `number` goes through all samples; not to be written into."""
    order = np.random.default_rng((seed, _ORDER, number)).permutation(samples)
    order.setflags(write=False)
    return order


def step_draws(
    samples: int, batch_size: int, *, seed: int, step: int, process: int = 0, processes: int = 1
) -> list[Draw]:
    """What a process draws in a step: its part of the step's batch. All parts in turn are the batch of one process.

    Args:
        samples: in the data set.
        batch_size: of all processes together, a multiple of `processes`.
        seed: of the run.
        step: from 0.
        process: which one, from 0.
        processes: how many there are.
    """
    part = batch_size // processes
    first = step * batch_size + process * part
    draws: list[Draw] = []
    while len(draws) < part:
        number, start = divmod(first + len(draws), samples)
        stretch = round_order(samples, seed, number)[start : start + part - len(draws)]
        place = first + len(draws)
        draws += [Draw(int(index), (seed, _SAMPLE, place + offset)) for offset, index in enumerate(stretch)]
    return draws


def batches_of(
    samples: Samples,
    batch_size: int,
    *,
    seed: int,
    first: int,
    last: int,
    process: int = 0,
    processes: int = 1,
    workers: int = 0,
) -> DataLoader[Batch]:
    """A process's batches of the steps from `first` to before `last`; other arguments as for `step_draws`.

    Args:
        workers: processes that read ahead; 0 reads in this one.
    """
    steps = _Steps(len(samples), batch_size, seed, first, last, process, processes)
    return _loader(samples, steps, workers)


def held_out_batches(
    samples: Samples, batch_size: int, *, process: int = 0, processes: int = 1, workers: int = 0
) -> DataLoader[Batch]:
    """A process's part of a data set, every sample once over all processes, at most `batch_size` at a time."""
    mine = [Draw(index, (_HELD_OUT, index)) for index in range(process, len(samples), processes)]
    return _loader(samples, [mine[at : at + batch_size] for at in range(0, len(mine), batch_size)], workers)


def _loader(samples: Samples, draws: Sampler[list[Draw]] | Sequence[list[Draw]], workers: int) -> DataLoader[Batch]:
    return DataLoader(
        _Drawn(samples),
        batch_size=None,
        sampler=draws,
        num_workers=workers,
        # Loaders take a number from the generator they are given, else from the one that the network draws from.
        generator=torch.Generator(),
    )


class _Steps(Sampler[list[Draw]]):
    """The draws of one process, step by step."""

    def __init__(
        self, samples: int, batch_size: int, seed: int, first: int, last: int, process: int, processes: int
    ) -> None:
        self._samples, self._batch_size, self._seed = samples, batch_size, seed
        self._steps = range(first, last)
        self._share = process, processes

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[list[Draw]]:
        process, processes = self._share
        for step in self._steps:
            yield step_draws(
                self._samples, self._batch_size, seed=self._seed, step=step, process=process, processes=processes
            )


class _Drawn(Dataset[Batch]):
    """A data set whose entries are whole batches."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __getitem__(self, draws: list[Draw]) -> Batch:
        return self._samples.batch(draws)

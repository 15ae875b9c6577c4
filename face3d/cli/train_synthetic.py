"""`face3d train synthetic` and `face3d train preview`: labelled heads to learn from, and a look at them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from face3d.cli.options import CommonOptions, finish
from face3d.errors import ArgumentError

__all__ = ["TrainFeatures", "TrainPreview", "TrainSynthetic"]


@dataclass(frozen=True, slots=True)
class TrainSynthetic:
    """Render labelled synthetic heads into WebDataset shards; the same command goes on where a killed one stopped.

    No photo and no licensed file is used, and the result is CC0-1.0.
    """

    count: Annotated[int, arg(metavar="N")]
    """How many pictures."""
    size: Annotated[int, arg(metavar="PIXELS")] = 256
    """Sides of the square pictures."""
    seed: int = 0
    """Another seed gives other people; the same one gives the same bytes."""
    shard_size: Annotated[int, arg(metavar="N")] = 1000
    """Pictures per shard."""
    workers: Annotated[int | None, arg(metavar="N")] = None
    """Processes; one per core by default. The result does not depend on it."""
    occluders: bool = True
    """Glasses, masks and hands may hide part of a face. --no-occluders leaves them out."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Write what is missing of the data set, and say where it is."""
        if self.common.out is None:
            raise ArgumentError("name the folder of the data set with --out DIR")
        from face3d.train.synthetic import SyntheticOptions, write_dataset

        options = SyntheticOptions(size=self.size, seed=self.seed, occluders=self.occluders)
        with _progress(self.common, self.count, "heads") as on_progress:
            index = write_dataset(
                self.common.out,
                self.count,
                options,
                shard_size=self.shard_size,
                workers=self.workers,
                on_progress=on_progress,
            )
        document = {"folder": str(self.common.out), **index}
        finish(self.common, document, f"{self.common.out}: {self.count} labelled heads in {index['shards']} shards")
        return 0


@dataclass(frozen=True, slots=True)
class TrainPreview:
    """Picture the first samples of a synthetic data set, with landmarks and classes; --out names the PNG file."""

    dataset: Positional[Annotated[Path, arg(metavar="DIR")]]
    """Folder that `face3d train synthetic` wrote."""
    count: Annotated[int, arg(metavar="N")] = 12
    """How many samples."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Draw the sheet."""
        from PIL import Image

        from face3d.media.whole_file import write_whole
        from face3d.train.synthetic import preview

        out = self.common.out or Path("face3d-preview.png")
        sheet = preview(self.dataset, self.count)
        write_whole(out, lambda file: Image.fromarray(sheet).save(file, format="PNG"))
        finish(self.common, {"dataset": str(self.dataset), "picture": str(out)}, str(out))
        return 0


@dataclass(frozen=True, slots=True)
class TrainFeatures:
    """Encode the faces of a synthetic data set, for `face3d train regressor` to learn from; --out names the file."""

    dataset: Positional[Annotated[Path, arg(metavar="DIR")]]
    """Folder that `face3d train synthetic` wrote."""
    views: Annotated[int, arg(metavar="N")] = 1
    """Crops of each face, cut a little differently, as detectors do."""
    held_out: Annotated[float, arg(metavar="SHARE")] = 0.1
    """Of the pictures, the last ones: to measure on."""
    seed: int = 0
    """Of the crops."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Encode and write."""
        if self.common.out is None:
            raise ArgumentError("name the file with --out FEATURES.npz")
        from face3d.train.face_features import encode_dataset
        from face3d.train.synthetic.shards import read_index

        count = int(read_index(self.dataset)["count"])
        with _progress(self.common, count, "faces") as on_progress:
            encoded = encode_dataset(
                self.dataset,
                self.common.out,
                views=self.views,
                held_out=self.held_out,
                seed=self.seed,
                device=self.common.device,
                on_progress=on_progress,
            )
        document = {"file": str(self.common.out), "faces": encoded}
        finish(self.common, document, f"{self.common.out}: features of {encoded} faces")
        return 0


@contextlib.contextmanager
def _progress(common: CommonOptions, total: int, what: str) -> Iterator[Callable[[int], None] | None]:
    """A bar that is told how many more are done; None where nobody looks."""
    if not common.shows_progress:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)

"""`face3d train mica` and `face3d train regressor`: networks that tell a head's shape from features of the face."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import arg

from face3d.cli.options import CommonOptions, finish
from face3d.errors import ArgumentError

if TYPE_CHECKING:
    from face3d.train.task import TrainingTask

__all__ = ["LoopOptions", "TrainMica", "TrainRegressor", "train_and_report"]


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How training goes; the same for every task."""

    steps: int | None = None
    """Steps to train; mica: 160000 by default."""
    epochs: float | None = None
    """Instead of steps: how often to go through the data; regressor: 40 by default, spectre: 6."""
    batch_size: int | None = None
    """Samples of a step, over all processes together. mica: persons, 8 by default; regressor: faces, 512; spectre:
    clips, 1."""
    processes: int = 1
    """On cuda one GPU each; on a CPU they share the work."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"
    """Of the network; the loss is always computed in full."""
    workers: int = 0
    """Processes that read data ahead, for each that trains."""
    seed: int = 0
    """Of first weights, order of samples and all else that is random."""
    fresh: bool = False
    """Begin anew and remove what --out holds of an earlier run; otherwise that run is gone on with."""
    resume: bool = False
    """Fail if there is no run to go on with."""
    checkpoint_every: int = 1000
    """Steps between checkpoints, from which a stopped run goes on."""
    validate_every: int = 300
    """Steps between measurements on held-out samples."""
    log_every: int = 10
    """Steps between points of the curves that TensorBoard draws."""


@dataclass(frozen=True, slots=True)
class TrainMica:
    """Train MICA on its own data: faces of scanned persons, and the FLAME identity registered to each scan.

    DATA/<NAME>/arcface_input/<actor>/<image>.npy and DATA/<NAME>/FLAME_parameters/<actor>/<file>.npz, NAME being LYHM,
    FRGC, ... Writes OUT/best/mica.tar and OUT/last/mica.tar, as MICA's own programs and `face3d assets add mica` read
    them, OUT/tensorboard and OUT/checkpoints. Defaults are MICA's published ones.
    """

    data: Annotated[Path, arg(metavar="FOLDER")]
    """MICA's data sets."""
    lists: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """MICA's file lists, <NAME>.npy; by default every file is used."""
    held_out: Annotated[str | None, arg(metavar="NAME")] = None
    """Data set by which the best weights are chosen; by default FLORENCE, else one person in ten."""
    flame: Annotated[str | None, arg(metavar="flame|mica|PATH")] = None
    """The FLAME model of the registrations; by default the one in --start, else the one you added."""
    masks: Annotated[Path | None, arg(metavar="FILE")] = None
    """FLAME_masks.pkl; by default the one beside the model."""
    arcface: Annotated[Path | None, arg(metavar="FILE")] = None
    """ArcFace weights to begin with: insightface's backbone.pth, or a mica.tar; by default the ones you added."""
    start: Annotated[Path | None, arg(metavar="FILE")] = None
    """Instead: a whole mica.tar to go on from."""
    images: int = 2
    """Images of each person in a batch."""
    learning_rate: float = 1e-5
    """Of the mapping network."""
    arcface_learning_rate: float | None = None
    """Of ArcFace's last layers; by default --learning-rate."""
    weight_decay: float = 2e-4
    """AdamW's."""
    no_mask: bool = False
    """Weigh all vertices alike."""
    reproduce: Literal["none", "mica"] = "none"
    """mica: let the statistics of frozen layers move, as they do in the original by mistake."""
    loop: LoopOptions = field(default_factory=LoopOptions)
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Train."""
        from face3d.train import mica

        rate = self.learning_rate if self.arcface_learning_rate is None else self.arcface_learning_rate
        task = mica.MicaTask(
            data=self.data,
            lists=self.lists,
            held_out=self.held_out,
            flame=self.flame,
            masks=self.masks,
            arcface=self.arcface,
            start=self.start,
            images=self.images,
            learning_rate=self.learning_rate,
            arcface_learning_rate=rate,
            weight_decay=self.weight_decay,
            masked=not self.no_mask,
            reproduce=self.reproduce,
        )
        return train_and_report(task, self.loop, self.common, batch_size=mica.BATCH_SIZE, steps=mica.STEPS)


@dataclass(frozen=True, slots=True)
class TrainRegressor:
    """Train the network that foretells the open head's identity, and how sure it is, from features of a face.

    Writes OUT/best/regressor.pt and OUT/last/regressor.pt, OUT/tensorboard and OUT/checkpoints.
    """

    features: Annotated[Path, arg(metavar="FILE")]
    """A .npz, or a folder of .npy files, with features (N, D), identity (N, I) and split (N,): 1 where held out."""
    components: int = 80
    """How many of the identity's coefficients are foretold; the fit of landmarks looks for 80."""
    width: int = 512
    """Values in each hidden layer."""
    dropout: float = 0.4
    """Share of them that a step leaves out."""
    noise: float = 0.4
    """Standard deviation of what a step adds to the standardised features."""
    learning_rate: float = 2e-3
    """The highest; it rises at first and falls to nothing along a cosine."""
    weight_decay: float = 0.05
    """AdamW's."""
    loop: LoopOptions = field(default_factory=LoopOptions)
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Train."""
        from face3d.train import regressor_task

        task = regressor_task.RegressorTask(
            features=self.features,
            components=self.components,
            width=self.width,
            dropout=self.dropout,
            noise=self.noise,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )
        return train_and_report(
            task, self.loop, self.common, batch_size=regressor_task.BATCH_SIZE, epochs=regressor_task.EPOCHS
        )


def train_and_report(
    task: TrainingTask,
    loop: LoopOptions,
    common: CommonOptions,
    *,
    batch_size: int,
    steps: int | None = None,
    epochs: float | None = None,
) -> int:
    """Train with the task's own defaults where nothing else was asked for, and report."""
    from face3d.train.loop import train
    from face3d.train.options import RunOptions

    if common.out is None:
        raise ArgumentError("--out RUN is needed: the folder that the run fills")
    if loop.steps is not None and loop.epochs is not None:
        raise ArgumentError("give either --steps or --epochs")
    given = {name: value for name, value in asdict(loop).items() if value is not None}
    # Steps that a person gives take the place of the task's own epochs, and the other way round.
    length = {} if "steps" in given or "epochs" in given else {"steps": steps, "epochs": epochs}
    options: dict[str, Any] = {"batch_size": batch_size, **length, **given}
    result = train(task, RunOptions(out=common.out, device=common.device, progress=common.shows_progress, **options))
    document: dict[str, Any] = {
        **asdict(result),
        "file": str(result.file),
        "best_file": None if result.best_file is None else str(result.best_file),
    }
    finish(common, document, _summary(document))
    return 0


def _summary(document: dict[str, Any]) -> str:
    went_on = f" (from step {document['resumed_from']} on)" if document["resumed_from"] else ""
    lines = [f"trained {document['steps']} steps{went_on}: {document['file']}"]
    if document["best"] is not None:
        lines.append(
            f"best {document['metric']} {document['best']:.5g} at step {document['best_step']}: {document['best_file']}"
        )
    return "\n".join([*lines, *(f"note: {warning}" for warning in document["warnings"])])

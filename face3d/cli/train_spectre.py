"""`face3d train spectre`: the network that corrects DECA's expression by how mouths speak."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from face3d.cli.options import CommonOptions
from face3d.cli.train_mica import LoopOptions, train_and_report
from face3d.errors import ArgumentError

__all__ = ["TrainSpectre"]


@dataclass(frozen=True, slots=True)
class TrainSpectre:
    """Train SPECTRE's expression encoder on clips of people who talk: videos or folders of frames, 25 a second.

    Landmarks are found once and kept in OUT/landmarks. Writes OUT/best/spectre_model.tar and
    OUT/last/spectre_model.tar, as SPECTRE's own programs and `face3d assets add spectre` read them, OUT/tensorboard and
    OUT/checkpoints. Defaults are SPECTRE's published ones: 6 epochs, one clip in a batch. The best weights are those
    whose lips move most like the landmarks of held-out clips.
    """

    data: Annotated[Path, arg(metavar="FOLDER")]
    """Clips; the folder of each is taken for its speaker. LRS3 as it is."""
    split: Annotated[str, arg(metavar="random|FILE")] = "random"
    """Which clips are held out: one speaker in five, or as LRS3_lists.pkl says, or JSON of the same lists."""
    landmarks: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """What `face3d align --formats npz` wrote of the clips; by default they are found now."""
    detector: Literal["mediapipe", "fan", "dlib"] = "mediapipe"
    """What finds landmarks that are missing; SPECTRE took FAN."""
    flame: Annotated[str, arg(metavar="flame|mica|PATH")] = "flame"
    """The FLAME model; by default the one you added."""
    deca: Annotated[Path | None, arg(metavar="FILE")] = None
    """deca_model.tar; by default the one you added."""
    lipread: Annotated[Path | None, arg(metavar="FILE")] = None
    """The lip-reading network's model.pth, with model.json beside it; by default the one you added."""
    emotion: Annotated[Path | None, arg(metavar="FILE")] = None
    """EMOCA's emotion network; by default the one you added."""
    backbone: Annotated[Path | None, arg(metavar="FILE")] = None
    """torchvision's MobileNetV2 of ImageNet to begin with, mobilenet_v2-b0353104.pth; by default random weights."""
    start: Annotated[Path | None, arg(metavar="FILE")] = None
    """Instead of --deca and --backbone: a spectre_model.tar to go on from."""
    frames: int = 20
    """Consecutive frames of a clip in a sample."""
    learning_rate: float = 5e-5
    """Adam's; a fifth of it after 50000 steps."""
    weights: Literal["readme", "config"] = "readme"
    """Of the losses: SPECTRE's README weighs distances about the mouth by 25, its config.py by 50."""
    reproduce: Literal["none", "spectre"] = "none"
    """spectre: the emotion network in the wrong layout, no gradients at contours, a trained last layer damped."""
    loop: LoopOptions = field(default_factory=LoopOptions)
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Train."""
        from face3d.train import spectre

        if self.common.out is None:
            raise ArgumentError("--out RUN is needed: the folder that the run fills")
        task = spectre.SpectreTask(
            data=self.data,
            store=self.common.out / "landmarks",
            split=self.split,
            landmarks=self.landmarks,
            detector=self.detector,
            device=self.common.device,
            flame=self.flame,
            deca=self.deca,
            lipread=self.lipread,
            emotion=self.emotion,
            backbone=self.backbone,
            start=self.start,
            frames=self.frames,
            learning_rate=self.learning_rate,
            weights=self.weights,
            reproduce=self.reproduce,
            progress=self.common.shows_progress,
        )
        return train_and_report(task, self.loop, self.common, batch_size=spectre.BATCH_SIZE, epochs=spectre.EPOCHS)

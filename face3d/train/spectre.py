"""Training SPECTRE's expression encoder (Filntisis et al. 2022): its data, losses, schedule and file.

Defaults are those that SPECTRE's authors trained with. What they did by mistake is mended, unless it is asked for:
they ran the emotion network in another layout than it was trained in (see `face3d.expression.emotion`), damped the last
layer also of an encoder that had been trained, and rendered without gradients at contours, the lips' among them.

A batch normalisation sees the frames of all clips of a step, over all processes; where these have clips of different
lengths, each process counts alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, MultiStepLR

from face3d.assets import asset_path, fill, read_torch_file
from face3d.errors import ArgumentError, Face3DError, InputError
from face3d.evaluate.lips import agreement, interocular, lip_series
from face3d.expression.backbones import in_channels_last
from face3d.expression.chunks import CONTEXT
from face3d.expression.coarse_encoder import CoarseEncoder, read_deca, split_codes
from face3d.expression.emotion import read_emotion_network
from face3d.expression.spectre import OUTPUT_GAIN, ClipEstimate, ExpressionEncoder, read_spectre
from face3d.expression.visual_front_end import read_visual_front_end
from face3d.head import load_head
from face3d.head.flame import require_flame
from face3d.identity.arcface import full_precision
from face3d.landmarks import DetectorName
from face3d.render.topology import mesh_topology
from face3d.train.checkpoints import on_cpu, save_torch
from face3d.train.clip_data import FRAMES, SHORTEST, Clip, ClipSamples, HeldOutClips
from face3d.train.clip_landmarks import landmark_files, seen_track
from face3d.train.clips import find_clips, named, split_clips
from face3d.train.spectre_losses import WEIGHTS, Judges, LossWeights, WeightsName, clip_losses, posed_head, seen_points
from face3d.train.task import Batch, RunState, Samples

__all__ = ["BATCH_SIZE", "EPOCHS", "SpectreTask", "SpectreTraining"]

EPOCHS, BATCH_SIZE = 6, 1
"""Times through the data, and clips of a step, in SPECTRE's config.py."""

LEARNING_RATE = 5e-5
MILESTONE, DECAY = 50_000, 0.2
"""After so many steps the learning rate falls to this part."""

Reproduce: TypeAlias = Literal["none", "spectre"]


@dataclass(frozen=True, slots=True)
class SpectreTask:
    """Train SPECTRE's expression encoder (`face3d.train.task.TrainingTask`). A sample is a stretch of a clip.

    Attributes:
        data: folder of clips, see `face3d.train.clips`.
        store: folder where landmarks that are not there yet are kept.
        split: "random", or a file of lists, as for `split_clips`.
        landmarks: of the clips, as for `landmark_files`; None has them found by the detector.
        detector: finds landmarks that are missing.
        device: for detectors that use one.
        flame: the FLAME model, as for `load_head`.
        deca: `deca_model.tar`; None takes the stored one. Not wanted with `start`.
        lipread: the lip-reading network's model.pth, its model.json beside it; None takes the stored one.
        emotion: EMOCA's emotion network; None takes the stored one. Not wanted where it counts nothing.
        backbone: weights of torchvision's MobileNetV2 to begin with, as SPECTRE began with ImageNet's.
        start: a `spectre_model.tar` to go on from instead.
        frames: consecutive ones of a clip in a sample.
        learning_rate: Adam's.
        weights: of the losses, or the name of a published set.
        reproduce: "spectre" repeats what the module calls mistakes.
        progress: draw a bar on stderr while landmarks are found.
    """

    data: Path
    store: Path
    split: str = "random"
    landmarks: Path | None = None
    detector: DetectorName = "mediapipe"
    device: str = "cpu"
    flame: str = "flame"
    deca: Path | None = None
    lipread: Path | None = None
    emotion: Path | None = None
    backbone: Path | None = None
    start: Path | None = None
    frames: int = FRAMES
    learning_rate: float = LEARNING_RATE
    weights: WeightsName | LossWeights = "readme"
    reproduce: Reproduce = "none"
    progress: bool = False

    def open(self) -> SpectreTraining:
        """Read the networks, find the clips and, where they are missing, their landmarks.

        Raises:
            ArgumentError: the options do not fit each other, or the head is not FLAME.
            InputError: the data are laid out otherwise, or no clip is left.
            AssetError: weights or the FLAME model are missing, damaged or another system's.
            DependencyError: torchvision or the detector's library is not installed.
        """
        self._check()
        # What is quick to be wrong comes first: names of clips, then files of weights, then hours of landmarks.
        found = find_clips(self.data)
        names = split_clips(found, self.split)
        judges = self._judges()
        coarse, expression, warnings = self._networks()
        usable, left_out = self._usable({name: found[name] for part in names for name in part})
        learned, held_out = ([usable[name] for name in part if name in usable] for part in names)
        if not learned:
            raise InputError(f"no clip of {self.data} is left to learn from: {left_out[0] if left_out else self.split}")
        return SpectreTraining(self, coarse, expression, judges, learned, held_out, [*warnings, *left_out])

    @property
    def loss_weights(self) -> LossWeights:
        """The weights, whichever way they were given."""
        return self.weights if isinstance(self.weights, LossWeights) else WEIGHTS[self.weights]

    def _check(self) -> None:
        if self.reproduce not in get_args(Reproduce):
            raise ArgumentError(f"--reproduce is one of {', '.join(get_args(Reproduce))}, not {self.reproduce!r}")
        if not isinstance(self.weights, LossWeights) and self.weights not in WEIGHTS:
            raise ArgumentError(f"--weights is one of {', '.join(WEIGHTS)}, not {self.weights!r}")
        if self.frames < SHORTEST:
            raise ArgumentError(f"--frames is {SHORTEST} or more, what the network looks at, not {self.frames}")
        if not self.learning_rate > 0:
            raise ArgumentError(f"--learning-rate is above 0, not {self.learning_rate}")
        if self.start is not None and (self.deca is not None or self.backbone is not None):
            raise ArgumentError("--start has DECA's encoder and a backbone in it: leave --deca and --backbone out")

    def _judges(self) -> Judges:
        head = load_head(self.flame)
        require_flame(head, "SPECTRE learns with")
        if "ibug_68" not in head.point_sets:
            raise ArgumentError(f"{self.flame}: no landmark embedding lies beside it; put landmark_embedding.npy there")
        lips = read_visual_front_end(asset_path("lipread") if self.lipread is None else self.lipread)
        emotion = None
        if self.loss_weights.emotion:
            layout: Literal["torchvision", "caffe"] = "torchvision" if self.reproduce == "spectre" else "caffe"
            emotion = read_emotion_network(asset_path("emotion") if self.emotion is None else self.emotion, layout)
        topology = None if self.reproduce == "spectre" else mesh_topology(head.triangles)
        return Judges(head, lips, emotion, topology)

    def _networks(self) -> tuple[CoarseEncoder, ExpressionEncoder, list[str]]:
        """DECA's encoder, the one that learns, and what is to be said about its start."""
        if self.start is not None:
            spectre = read_spectre(self.start)
            if self.reproduce == "spectre":
                _damp(spectre.expression)
            return spectre.coarse, spectre.expression, []
        coarse = read_deca(asset_path("deca") if self.deca is None else self.deca)
        expression = ExpressionEncoder()
        if self.backbone is not None:
            fill(expression.encoder, read_torch_file(self.backbone), self.backbone, "torchvision's MobileNetV2")
            return coarse, in_channels_last(expression), []
        warning = (
            "the backbone begins with random weights; SPECTRE's began with ImageNet's: give --backbone "
            "mobilenet_v2-b0353104.pth (download.pytorch.org/models), or --start spectre_model.tar"
        )
        return coarse, in_channels_last(expression), [warning]

    def _usable(self, clips: Mapping[str, Path]) -> tuple[dict[str, Clip], list[str]]:
        """The clips in which a face is long enough, and a line for each reason that others are left out for."""
        files, failed = landmark_files(
            clips,
            self.store,
            given=self.landmarks,
            detector=self.detector,
            device=self.device,
            progress=self.progress,
        )
        usable: dict[str, Clip] = {}
        short: list[str] = []
        for name, file in files.items():
            try:
                _, points = seen_track(file)
            except Face3DError as error:
                failed[name] = error
                continue
            if len(points) < SHORTEST:
                short.append(name)
            else:
                usable[name] = Clip(name, clips[name], file, len(points))
        lines = []
        if short:
            lines.append(
                f"{len(short)} of {len(clips)} clips show a face in fewer than {SHORTEST} frames and are left out: "
                f"{named(short)}"
            )
        if failed:
            why = named([f"{name} ({error})" for name, error in failed.items()])
            lines.append(f"{len(failed)} of {len(clips)} clips cannot be used and are left out: {why}")
        return usable, lines


class SpectreTraining:
    """SPECTRE in one process (`face3d.train.task.Training`).

    Args:
        task: what it was opened from.
        coarse: DECA's encoder, which stays as it is.
        expression: what learns, with its starting weights.
        judges: what the losses ask.
        learned: clips to learn from.
        held_out: clips to measure on; may be empty.
        warnings: lines for people.
    """

    metric = "lip_rms"
    file_name = "spectre_model.tar"

    def __init__(
        self,
        task: SpectreTask,
        coarse: CoarseEncoder,
        expression: ExpressionEncoder,
        judges: Judges,
        learned: Sequence[Clip],
        held_out: Sequence[Clip],
        warnings: Sequence[str],
    ) -> None:
        expression.requires_grad_(True)
        # ImageNet's classes, which nothing uses, are in the published file.
        expression.encoder.get_submodule("classifier").requires_grad_(False)
        self.network: nn.Module = expression
        self._expression, self._coarse, self._judges = expression, coarse, judges
        self._weights = task.loss_weights
        self.samples: Samples = ClipSamples(learned, task.frames)
        self.held_out: Samples | None = HeldOutClips(held_out, task.frames) if held_out else None
        self.warnings = tuple(warnings)
        learning = [parameter for parameter in expression.parameters() if parameter.requires_grad]
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(learning, lr=task.learning_rate)
        self.settings: Mapping[str, Any] = {
            "task": "spectre",
            "frames": task.frames,
            "learning_rate": task.learning_rate,
            "weights": asdict(task.loss_weights),
            "reproduce": task.reproduce,
            "detector": task.detector,
            "held_out": len(held_out),
        }

    def schedule(self, _steps: int) -> LRScheduler | None:
        """SPECTRE's: a fifth of the learning rate after 50 000 steps."""
        return MultiStepLR(self.optimizer, [MILESTONE], DECAY)

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        """`loss` and the terms that it is the weighted sum of, mean over the clips."""
        images = _in_unit_range(batch["images"])
        residuals = network(images).float()
        clips = []
        for residual, pixels, points, length in zip(
            residuals, images, batch["landmarks"], batch["lengths"].tolist(), strict=True
        ):
            estimate = self._estimate(residual[:length], pixels[:length])
            clips.append(clip_losses(self._judges, self._weights, estimate, pixels[:length], points[:length]))
        return {name: torch.stack([terms[name] for terms in clips]).mean() for name in clips[0]}

    def errors(self, network: nn.Module, batch: Batch) -> Float[Tensor, " B"]:
        """How far the lips' opening and width are from the landmarks', see `lip_rms`."""
        errors = []
        for images, points, length in zip(batch["images"], batch["landmarks"], batch["lengths"].tolist(), strict=True):
            # One after the other: a batch of held-out clips is many frames.
            pixels = _in_unit_range(images[:length])
            estimate = self._estimate(network(pixels[None])[0].float(), pixels)
            head = self._judges.head
            predicted = seen_points(head, posed_head(head, estimate), estimate.coarse)
            inner = slice(CONTEXT, length - CONTEXT)
            errors.append(lip_rms(predicted[inner], points[:length][inner]))
        return torch.tensor(errors, dtype=torch.float64, device=batch["images"].device)

    def export(self, path: Path, state: RunState) -> None:
        """Write a `spectre_model.tar` as `read_spectre` and SPECTRE's own programs read it."""
        content = {
            "E_flame": on_cpu(self._coarse.state_dict()),
            "E_expression": on_cpu(self._expression.state_dict()),
            "global_step": state.step,
            "batch_size": state.batch_size,
        }
        save_torch(path, content)

    def _estimate(self, residual: Float[Tensor, "T 53"], images: Float[Tensor, "T 3 224 224"]) -> ClipEstimate:
        """What is said of a clip; DECA's part without gradients, on the device of the images."""
        device = images.device
        if next(self._coarse.parameters()).device != device:
            # The loop moves what it trains; these it does not know.
            self._coarse.to(device)
            self._judges = self._judges.on(device)
        with torch.no_grad(), full_precision(device):
            return ClipEstimate(split_codes(self._coarse(images)), residual)


def lip_rms(predicted: Float[Tensor, "T 68 2"], filmed: Float[Tensor, "T 68 2"]) -> float:
    """Root mean square difference of the lips' opening and of their width, the mean of both, over the eyes' distance.

    The series are those of `face3d.evaluate.lips`, the distance that of the eyes' outer corners as filmed.
    """
    ours, theirs = (points.detach().cpu().double().numpy() for points in (predicted, filmed))
    unit = interocular(theirs)
    found, true = lip_series(ours), lip_series(theirs)
    opening = agreement(found.aperture / unit, true.aperture / unit).rms
    return float(np.mean([opening, agreement(found.width / unit, true.width / unit).rms]))


def _damp(expression: ExpressionEncoder) -> None:
    with torch.no_grad():
        for parameter in expression.layers.parameters():
            parameter.mul_(OUTPUT_GAIN)


def _in_unit_range(pixels: Tensor) -> Tensor:
    return pixels.to(torch.float32) / 255

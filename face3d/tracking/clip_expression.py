"""What says how a face moves beside its landmarks: SPECTRE's networks, and one that reads lips.

crops of the faces -> SPECTRE -> expression and jaw --> motion -> lips that say the same
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import nn

from face3d import assets
from face3d.assets import AssetUse, LicencePolicy
from face3d.errors import ArgumentError
from face3d.expression import Spectre, read_visual_front_end, require_spectre_head, spectre_for
from face3d.fit.clip_colours import skin_evidence
from face3d.fit.motion import MotionFitter
from face3d.head import HeadModel
from face3d.tracking.clip_head import ClipHead
from face3d.tracking.clip_lips import refine_lips
from face3d.tracking.clip_motion import ClipMotion, fit_motion, of_person
from face3d.tracking.clip_skin import lay_on_pictures
from face3d.tracking.clip_spectre import foretell_expressions
from face3d.tracking.person_clip import PersonClip

__all__ = ["ExpressionNetworks", "ExpressionSource", "LipLoss", "open_expression_networks"]

ExpressionSource: TypeAlias = Literal["fit", "spectre"]
LipLoss: TypeAlias = Literal["visual", "geometric", "none"]


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionNetworks:
    """The networks that a track asks, on its device.

    Attributes:
        spectre: foretells expression and jaw; None leaves them to the landmarks.
        lips: front end of a network that reads lips; None leaves the mouth as it was fitted.
        assets: what they were read from.
    """

    spectre: Spectre | None = None
    lips: nn.Module | None = None
    assets: tuple[AssetUse, ...] = ()

    @property
    def stages(self) -> int:
        """How many times a motion's frames are gone through, for a progress bar."""
        return 1 + (self.spectre is not None) + (self.lips is not None)

    def motion(
        self,
        person: PersonClip,
        head: ClipHead,
        fitter: MotionFitter,
        *,
        model: HeadModel,
        advance: Callable[[int], None],
    ) -> ClipMotion:
        """What a person's head does in every frame, or the rest of it where an earlier run has begun.

        Args:
            person: whose; some stages read the clip again.
            head: of the person.
            fitter: of the same.
            model: the head model.
            advance: called with the number of frames done, chunk by chunk, by every stage.

        Raises:
            InputError: the video is not what it was.
        """
        known = None
        if self.spectre is not None:
            known = foretell_expressions(person, self.spectre, advance=advance)
        fitter = of_person(person, fitter)
        motion = fit_motion(person, fitter, known=known, advance=advance)
        if head.colours is not None:
            skin = skin_evidence(model, head.identity, head.intrinsics, head.colours, fitter.turning)
            motion = lay_on_pictures(person, motion, fitter, skin, known=known, advance=advance)
        if self.lips is None:
            return motion
        refined, _ = refine_lips(
            person,
            motion,
            self.lips,
            model=model,
            identity=head.identity,
            intrinsics=head.intrinsics,
            advance=advance,
        )
        return refined


def open_expression_networks(
    expression: ExpressionSource,
    lip_loss: LipLoss,
    model: HeadModel,
    *,
    live: bool = False,
    licence: LicencePolicy = "any",
    device: str = "cpu",
) -> ExpressionNetworks:
    """Read the networks that a track with these options asks; none for those that landmarks serve.

    Args:
        expression: "spectre" reads `spectre_model.tar`.
        lip_loss: "visual" reads the lip-reading network.
        model: the head whose expressions are wanted.
        live: whether the clip's frames come from a camera.
        licence: "open" refuses files that are not known to allow commercial use.
        device: PyTorch device.

    Raises:
        ArgumentError: SPECTRE on another head than FLAME, or a camera, whose pictures are gone when a network asks.
        AssetError: a file is missing, damaged or another network's; the message says how to add it.
        LicenceError: `licence` rules one out.
        DependencyError: torchvision, which SPECTRE needs, is not installed.
    """
    wanted = [name for name, on in (("spectre", expression == "spectre"), ("lipread", lip_loss == "visual")) if on]
    if live and wanted:
        option = "--expression spectre" if expression == "spectre" else "--lip-loss visual"
        raise ArgumentError(
            f"{option} looks at every picture again, and a camera's are gone; record it and give the file"
        )
    if expression == "spectre":
        require_spectre_head(model)
    uses = tuple(assets.use_of(assets.obtain(name)) for name in wanted)
    assets.require_licence(uses, licence)
    return ExpressionNetworks(
        spectre_for(model, device=device) if expression == "spectre" else None,
        read_visual_front_end(assets.asset_path("lipread")).to(device) if lip_loss == "visual" else None,
        uses,
    )

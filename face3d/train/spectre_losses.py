"""SPECTRE's losses over a clip: what networks say of the filmed and of the rendered face, landmarks, regularisers.

Dimension letters: T frames of a clip, N landmarks. The first and last two frames are in no loss, as the temporal
convolution sees nothing beyond the clip's ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from face3d.camera import WeakPerspectiveCamera
from face3d.camera.weak_perspective import project_weak
from face3d.errors import ArgumentError
from face3d.expression.chunks import CONTEXT
from face3d.expression.coarse_encoder import CROP_SIZE, CoarseCodes
from face3d.expression.emotion import emotion_loss
from face3d.expression.landmark_losses import landmark_loss, lip_landmark_loss, relative_landmark_loss
from face3d.expression.mouth_crops import mouth_crops, mouth_windows
from face3d.expression.regularisers import expression_regulariser, jaw_regulariser
from face3d.expression.spectre import ClipEstimate
from face3d.expression.visual_front_end import lipread_loss
from face3d.head import HeadGeometry, HeadModel
from face3d.render.shaded_view import SHAPE_VIEW_ALBEDO, render_sh
from face3d.render.topology import MeshTopology, mesh_topology

__all__ = [
    "WEIGHTS",
    "Judges",
    "LossWeights",
    "WeightsName",
    "clip_losses",
    "posed_head",
    "render_faces",
    "seen_points",
]


@dataclass(frozen=True, slots=True)
class LossWeights:
    """What each term counts; one of nought is not computed.

    Attributes:
        landmark: points but for the mouth's.
        relative_landmark: distances about the mouth.
        lip_landmark: the mouth's points; SPECTRE wrote this term and gave it nothing.
        lipread: 1 less the cosine between features of the filmed and the rendered mouth.
        emotion: squared difference of EMOCA's features.
        expression: distance from DECA's expression; the factors of `expression_regulariser` come on top.
        jaw: distance from DECA's jaw.
    """

    landmark: float = 50.0
    relative_landmark: float = 25.0
    lip_landmark: float = 0.0
    lipread: float = 2.0
    emotion: float = 0.5
    expression: float = 1.0
    jaw: float = 200.0

    def __post_init__(self) -> None:
        if not all(0 <= value < float("inf") for value in asdict(self).values()) or not any(asdict(self).values()):
            raise ArgumentError(f"weights of losses are 0 or more, and not all 0: {self}")


WeightsName: TypeAlias = Literal["readme", "config"]

WEIGHTS: Mapping[str, LossWeights] = MappingProxyType(
    {"readme": LossWeights(), "config": LossWeights(relative_landmark=50.0)}
)
"""SPECTRE's two published sets: of the command in its README, and of its config.py."""


@dataclass(frozen=True, slots=True, eq=False)
class Judges:
    """What stays as it is and tells the losses, all in evaluation mode.

    Attributes:
        head: FLAME.
        lips: a lip-reading network's front end.
        emotion: EMOCA's emotion network; None where it counts nothing.
        topology: of the head; pictures are then antialiased, so that the contours of the lips have gradients. None
            draws them as SPECTRE does, where only the insides of triangles have some.
    """

    head: HeadModel
    lips: nn.Module
    emotion: nn.Module | None
    topology: MeshTopology | None

    def on(self, device: torch.device) -> Judges:
        """The same on a PyTorch device."""
        for network in (self.head, self.lips, self.emotion):
            if network is not None:
                network.to(device)
        return replace(self, topology=None if self.topology is None else mesh_topology(self.head.triangles))


def posed_head(head: HeadModel, estimate: ClipEstimate) -> HeadGeometry:
    """The head in each frame as SPECTRE has it: DECA's identity and turn, the corrected expression and jaw."""
    codes = estimate.coarse
    return head(identity=codes.identity, expression=estimate.expression, root=codes.root, jaw=estimate.jaw)


def seen_points(head: HeadModel, geometry: HeadGeometry, codes: CoarseCodes) -> Float[Tensor, "T 68 2"]:
    """Where DECA's camera sees the 68 landmarks, contour by yaw, in [-1, 1] over the crop."""
    return project_weak(head.points("ibug_68", geometry), codes.camera)[..., :2]


def clip_losses(
    judges: Judges,
    weights: LossWeights,
    estimate: ClipEstimate,
    images: Float[Tensor, "T 3 224 224"],
    landmarks: Float[Tensor, "T 68 2"],
) -> dict[str, Float[Tensor, ""]]:
    """Each term that counts, unweighted, and `loss`, their weighted sum; NaN where the estimate is not finite.

    Rendered are the shape and DECA's light. Its texture is left out: a surface of even grey stands for the skin.

    Args:
        judges: on the device of the rest.
        weights: of the terms.
        estimate: of T frames; gradients reach its residual.
        images: crops, RGB in [0, 1].
        landmarks: in the crops, [-1, 1].
    """
    head, codes = judges.head, estimate.coarse
    counted = {name: value for name, value in asdict(weights).items() if value}
    geometry = posed_head(head, estimate)
    if not bool(torch.isfinite(geometry.vertices).all()):
        # Nothing can be drawn of it; the loop tells of a loss that is no number.
        nothing = estimate.residual.sum() * torch.nan
        return dict.fromkeys(("loss", *counted), nothing)
    points = seen_points(head, geometry, codes)
    inner = slice(CONTEXT, len(images) - CONTEXT)
    terms: dict[str, Tensor] = {
        "landmark": landmark_loss(points[inner], landmarks[inner]),
        "relative_landmark": relative_landmark_loss(points[inner], landmarks[inner]),
        "lip_landmark": lip_landmark_loss(points[inner], landmarks[inner]),
        "expression": expression_regulariser(estimate.expression[inner], codes.expression[inner]),
        "jaw": jaw_regulariser(estimate.jaw[inner], codes.jaw[inner]),
    }
    if "lipread" in counted or "emotion" in counted:
        picture = render_faces(judges, geometry, codes)
        if "lipread" in counted:
            terms["lipread"] = _lipread_term(judges.lips, images, picture, landmarks, points)
        if "emotion" in counted:
            assert judges.emotion is not None, "it was read, as it counts"
            with torch.no_grad():
                filmed = judges.emotion(images[inner])
            terms["emotion"] = emotion_loss(judges.emotion(picture[inner]), filmed)
    terms = {name: terms[name] for name in counted}
    loss = torch.stack([counted[name] * term for name, term in terms.items()]).sum()
    return {"loss": loss, **terms}


def render_faces(judges: Judges, geometry: HeadGeometry, codes: CoarseCodes) -> Float[Tensor, "T 3 224 224"]:
    """The heads as DECA's camera and light show them, over black, with the albedo of SPECTRE's shape view."""
    vertices = geometry.vertices
    picture, _ = render_sh(
        vertices,
        judges.head.triangles,
        WeakPerspectiveCamera(codes.camera, CROP_SIZE),
        vertices.new_full((vertices.shape[1], 3), SHAPE_VIEW_ALBEDO),
        codes.light,
        topology=judges.topology,
    )
    return picture


def _lipread_term(
    lips: nn.Module,
    images: Float[Tensor, "T 3 224 224"],
    picture: Float[Tensor, "T 3 224 224"],
    filmed_points: Float[Tensor, "T 68 2"],
    points: Float[Tensor, "T 68 2"],
) -> Float[Tensor, ""]:
    with torch.no_grad():
        filmed = lips(mouth_crops(images, _windows(filmed_points))[None])
    rendered = lips(mouth_crops(picture, _windows(points))[None])
    inner = slice(CONTEXT, len(images) - CONTEXT)
    return lipread_loss(rendered[:, inner], filmed[:, inner])


def _windows(points: Float[Tensor, "T 68 2"]) -> Tensor:
    """Windows of the mouths; one that is thought to lie beyond the crop is looked for at the crop's edge."""
    pixels = (points.detach() + 1) * (CROP_SIZE / 2)
    return mouth_windows(pixels.clamp(0, CROP_SIZE - 1), CROP_SIZE)

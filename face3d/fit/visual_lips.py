"""What lips say: a head's mouth moved until a network that reads lips sees in its picture what it sees in the film.

The rendered mouth wears the colours that the clip itself shows there, one grey value per vertex and no light: see
`face3d.tracking.clip_greys`. Both mouths are cut out at the same place, so that no window moves with the fit. What
falls is 1 less the cosine of SPECTRE's perceptual loss (Filntisis et al. 2022) in each frame; beside it stand

- the distance from where the motion came from, in whole expressions squared, and of that distance's own steps in time,
- the reprojection of all landmarks, as soon as it gets worse.

No frame is told anything whose mouth cannot be seen. A chunk whose reprojection would get worse than allowed goes part
of the way only, and one whose loss does not fall stays as it was.

Dimension letters beside the usual: G greys, N landmarks, D unknowns of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor, nn

from face3d.camera import Intrinsics, PinholeCamera
from face3d.camera.projection import project
from face3d.expression.chunks import CONTEXT
from face3d.expression.mouth_crops import DEVIATION, MEAN, MOUTH_INPUT
from face3d.fit.landmark_fit import held_joints, outer_eye_corners
from face3d.fit.motion import COMPONENT_UNITS, KNOWN
from face3d.fit.motion_prior import PREFIXES
from face3d.fit.point_model import PointModel
from face3d.fit.responses import response_of
from face3d.head import HeadModel
from face3d.identity.arcface import full_precision
from face3d.landmarks import Topology
from face3d.render.attributes import interpolate_vertices
from face3d.render.rasterizer import rasterize
from face3d.render.silhouette import antialias
from face3d.render.topology import mesh_topology

__all__ = ["MouthClip", "RefinedLips", "VisualLips"]

OPEN_JAW = 0.3
"""Radians by which a jaw turns that is wide open: what counts as much as a full shape."""

DISTANCE_WEIGHT, STEP_WEIGHT = 0.5, 5.0
"""Of a whole expression's squared distance and squared change of distance between frames, where the chunk's mean loss
at the start counts 1: a fifth of an expression more than the landmarks say must be worth 2 % of it."""

LEAST_LOSS = 1e-3
"""What a chunk's mean loss at the start counts as at least: mouths so alike need not be made more so."""

FREE_WORSENING, WORSENING_WEIGHT = 0.04, 10.0
"""Part by which a frame's reprojection may get worse at no cost, and the weight of the square of what is beyond."""

MOST_WORSENING = 0.08
"""Part by which a chunk's reprojection gets worse at most; chunks of a clip together then stay below a tenth."""

PARTS_OF_THE_WAY = (1.0, 0.7, 0.5, 0.3, 0.15, 0.05)
"""What is tried of the way found, until the reprojection is as allowed."""

STEPS = 12
"""Of L-BFGS at most; each looks at the mouths once or twice."""

COVERED, ALIKE = 3.0, 0.01
"""Times the median distance of a chunk's frames, and not less than times the second number: a mouth that is so unlike
the film is covered."""

WINDOW_MARGIN = 24.0
"""Pixels around the window from which on triangles are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class MouthClip:
    """T frames in a row, as they are and as they were fitted; metres, axis-angle, pixels of the whole image.

    Attributes:
        filmed: (T, 88, 88) the filmed mouths as `mouth_crops` gives them.
        window_from_image: (T, 3, 3) from the image to those 88 pixels.
        points: (T, N, 2) landmarks as detected, of the topology; confidence: (T, N), 0 where there are none.
        seen: (T,) whether the frame shows the mouth.
        settled: (T,) frames that stay as given: they are there for those after them.
        expression, jaw, neck, eyes, camera_from_head: of the motion so far.
    """

    filmed: Float[Tensor, "T 88 88"]
    window_from_image: Float[ndarray, "T 3 3"]
    points: Float[ndarray, "T N 2"]
    confidence: Float[ndarray, "T N"]
    seen: Bool[ndarray, " T"]
    settled: Bool[ndarray, " T"]
    expression: Float[ndarray, "T E"]
    jaw: Float[ndarray, "T 3"]
    neck: Float[ndarray, "T 3"]
    eyes: Float[ndarray, "T 6"]
    camera_from_head: Float[ndarray, "T 4 4"]


@dataclass(frozen=True, slots=True, eq=False)
class RefinedLips:
    """The motion's new expression and jaw, and what came of it.

    Attributes:
        expression: (T, E), jaw: (T, 3); frames that were settled as they were.
        residual: (T,) reprojection, as `Motion.residual`; NaN without landmarks.
        before, after: (T,) 1 less the cosine; NaN where nothing was told.
    """

    expression: Float[ndarray, "T E"]
    jaw: Float[ndarray, "T 3"]
    residual: Float[ndarray, " T"]
    before: Float[ndarray, " T"]
    after: Float[ndarray, " T"]


class VisualLips:
    """Compares one person's rendered mouth with the film, and moves it.

    Args:
        model: the head, float32.
        identity: (I,) of the person.
        intrinsics: of the clip.
        front_end: `face3d.expression.VisualFrontEnd`, in evaluation mode, on the model's device.
        greys: (V,) sRGB grey of every vertex in [0, 1]; hollow: of what lies behind an open mouth that has no inside.
        topology: of the landmarks.
    """

    def __init__(
        self,
        model: HeadModel,
        identity: Float[ndarray, " I"],
        intrinsics: Intrinsics,
        front_end: nn.Module,
        *,
        greys: Float[ndarray, " V"],
        hollow: float,
        topology: Topology,
    ) -> None:
        self._model, self._front_end = model, front_end
        self._place = model.template.device
        response = response_of(model, topology)
        self._indices = response.indices
        self._corners = model.triangles[torch.as_tensor(response.triangles, device=self._place)]
        self._barycentric = self._tensor(response.barycentric)
        points = PointModel.of(model, response.triangles[:1], response.barycentric[:1])
        self._eye_corners = self._tensor(np.stack(outer_eye_corners(model, points, np.asarray(identity, np.float64))))
        self._identity, self._matrix = self._tensor(identity), self._tensor(intrinsics.matrix)
        self._greys, self._hollow = self._tensor(greys)[:, None], hollow
        names = model.expression_names
        self._shapes = [i for i, name in enumerate(names) if not name.startswith(tuple(PREFIXES))]
        self._jaw_turns = "jaw" not in held_joints(model)
        unit = 1.0 if model.expression_bounds is not None else COMPONENT_UNITS
        units = [unit] * len(self._shapes) + [OPEN_JAW] * (3 * self._jaw_turns)
        self._units = self._tensor(np.array(units))

    def losses(self, clip: MouthClip) -> Float[ndarray, " T"]:
        """1 less the cosine between rendered and filmed mouth in each frame, as the motion is; NaN where not seen."""
        with torch.no_grad(), full_precision(self._place):
            problem = _ChunkProblem(self, clip)
            distances = problem.distances(problem.vertices(problem.start))
        return np.where(clip.seen, distances.cpu().double().numpy(), np.nan)

    def refine(self, clip: MouthClip) -> RefinedLips:
        """Move the mouth in the frames that are not settled; the same input gives the same bits."""
        with full_precision(self._place):
            problem = _ChunkProblem(self, clip)
            with torch.no_grad():
                before, reprojection = problem.judged(problem.start)
                problem.leave_out(_covered(before))
            way = problem.best_way(before, reprojection) if bool(problem.told.any()) else problem.start
            with torch.no_grad():
                way, after, residual = problem.as_far_as_allowed(way, before, reprojection)
        told = problem.told.cpu().numpy()
        expression, jaw = problem.parameters(way)
        # What did not move keeps its bits.
        moved = np.where(clip.settled, 0.0, (way != 0).any(dim=1).cpu().numpy()).astype(bool)[:, None]
        return RefinedLips(
            np.where(moved, expression.cpu().double().numpy(), clip.expression),
            np.where(moved, jaw.cpu().double().numpy(), clip.jaw),
            residual.cpu().double().numpy(),
            np.where(told, before.cpu().double().numpy(), np.nan),
            np.where(told, after.cpu().double().numpy(), np.nan),
        )

    def _tensor(self, values: ndarray) -> Tensor:
        return torch.as_tensor(np.asarray(values, np.float32), device=self._place)


class _ChunkProblem:
    """One chunk: unknowns are (T, D) ways from the motion given, in whole expressions; settled frames have none."""

    def __init__(self, lips: VisualLips, clip: MouthClip) -> None:
        self._lips = lips
        tensor = lips._tensor
        self._expression, self._jaw, self._neck, self._eyes = (
            tensor(values) for values in (clip.expression, clip.jaw, clip.neck, clip.eyes)
        )
        self._pose = tensor(clip.camera_from_head)
        window = tensor(clip.window_from_image) @ lips._matrix
        self._camera = PinholeCamera(self._pose, window, (MOUTH_INPUT, MOUTH_INPUT))
        self._window = window
        self._pixels = tensor(np.nan_to_num(clip.points[:, lips._indices]))
        known = np.isfinite(clip.points[:, lips._indices]).all(-1) & (clip.confidence[:, lips._indices] > KNOWN)
        self._weights = tensor(known / np.maximum(known.sum(axis=1, keepdims=True), 1))
        corners = project(lips._eye_corners.expand(len(self._pose), 2, 3), self._pose, lips._matrix.expand(1, 3, 3))
        self._unit = (corners[:, 0] - corners[:, 1]).norm(dim=-1).clamp_min(1e-6)
        self._landmarks = torch.as_tensor(known.any(axis=1), device=lips._place)
        self.free = torch.as_tensor(~clip.settled, device=lips._place)
        self.told = torch.as_tensor(clip.seen & ~clip.settled, device=lips._place)
        self.start = torch.zeros(len(self._pose), len(lips._units), device=lips._place)
        with torch.no_grad():
            self._filmed = self._features(clip.filmed.to(self.start))
            self._triangles = self._near_the_window()
        self._topology = mesh_topology(self._triangles)

    def leave_out(self, frames: Bool[Tensor, " T"]) -> None:
        """Say nothing of these frames."""
        self.told = self.told & ~frames

    def parameters(self, way: Float[Tensor, "T D"]) -> tuple[Float[Tensor, "T E"], Float[Tensor, "T 3"]]:
        """Expression, within its bounds, and jaw after a way."""
        lips = self._lips
        step = way * lips._units
        shapes = step.new_zeros(self._expression.shape)
        shapes[:, lips._shapes] = step[:, : len(lips._shapes)]
        expression = self._expression + shapes
        if (bounds := lips._model.expression_bounds) is not None:
            expression = expression.clamp(bounds[:, 0], bounds[:, 1])
        return expression, self._jaw + step[:, len(lips._shapes) :] if lips._jaw_turns else self._jaw

    def vertices(self, way: Float[Tensor, "T D"]) -> Float[Tensor, "T V 3"]:
        """The heads, metres, head frame."""
        expression, jaw = self.parameters(way)
        lips = self._lips
        return lips._model(
            identity=lips._identity, expression=expression, jaw=jaw, neck=self._neck, eyes=self._eyes
        ).vertices

    def distances(self, vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, " T"]:
        """1 less the cosine of each frame."""
        rendered = self._features(self._picture(vertices))
        return 1 - nn.functional.cosine_similarity(rendered, self._filmed, dim=-1)

    def reprojection(self, vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, " T"]:
        """As `Motion.residual`; 0 without landmarks."""
        lips = self._lips
        surface = (vertices[:, lips._corners] * lips._barycentric[:, :, None]).sum(dim=2)
        away = project(surface, self._pose, lips._matrix.expand(1, 3, 3)) - self._pixels
        # A distance of nothing has no slope.
        return (self._weights * (away.square().sum(-1) + 1e-12).sqrt()).sum(-1) / self._unit

    def judged(self, way: Float[Tensor, "T D"]) -> tuple[Float[Tensor, " T"], Float[Tensor, " T"]]:
        """Distances and reprojection after a way; NaN where nothing is seen."""
        vertices = self.vertices(way)
        return (
            torch.where(self.told, self.distances(vertices), torch.nan),
            torch.where(self._landmarks, self.reprojection(vertices), torch.nan),
        )

    def best_way(self, before: Float[Tensor, " T"], reprojection: Float[Tensor, " T"]) -> Float[Tensor, "T D"]:
        """Minimise the sum of all terms by L-BFGS (Liu and Nocedal 1989)."""
        way = self.start.clone().requires_grad_(True)
        mean, loss = reprojection.nanmean(), before[self.told].mean().clamp_min(LEAST_LOSS)
        optimizer = torch.optim.LBFGS(
            [way], max_iter=STEPS, max_eval=2 * STEPS, history_size=8, line_search_fn="strong_wolfe"
        )

        def cost() -> Tensor:
            optimizer.zero_grad()
            taken = torch.where(self.free[:, None], way, 0.0)
            vertices = self.vertices(taken)
            said = torch.where(self.told, self.distances(vertices), 0.0).sum() / loss
            worse = (self.reprojection(vertices) - reprojection) / mean - FREE_WORSENING
            worse = torch.where(self._landmarks & self.free, worse.clamp_min(0), 0.0)
            total = (
                said
                + DISTANCE_WEIGHT * taken.square().sum()
                + STEP_WEIGHT * taken.diff(dim=0).square().sum()
                + WORSENING_WEIGHT * worse.square().sum()
            )
            total.backward()
            return total

        optimizer.step(cost)
        found = torch.where(self.free[:, None], way.detach(), 0.0)
        return found if bool(torch.isfinite(found).all()) else self.start

    def as_far_as_allowed(
        self, way: Float[Tensor, "T D"], before: Float[Tensor, " T"], reprojection: Float[Tensor, " T"]
    ) -> tuple[Float[Tensor, "T D"], Float[Tensor, " T"], Float[Tensor, " T"]]:
        """The longest part of the way after which the distance is less and the reprojection as allowed."""
        judging = self._landmarks & self.free
        limit = (1 + MOST_WORSENING) * reprojection[judging].sum()
        for part in PARTS_OF_THE_WAY if bool(way.any()) else ():
            after, residual = self.judged(part * way)
            if after[self.told].sum() < before[self.told].sum() and residual[judging].sum() <= limit:
                return part * way, after, residual
        return self.start, before, reprojection

    def _features(self, mouths: Float[Tensor, "T 88 88"]) -> Float[Tensor, "T 512"]:
        """With copies of the first and last frame beyond, as the network sees two frames on either side."""
        ends = [mouths[:1].expand(CONTEXT, -1, -1), mouths, mouths[-1:].expand(CONTEXT, -1, -1)]
        features: Tensor = self._lips._front_end(torch.cat(ends)[None])[0, CONTEXT:-CONTEXT]
        return features

    def _picture(self, vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, "T 88 88"]:
        """The mouths as the network takes them: grey of the vertices, contours with gradients."""
        places = self._camera.ndc(vertices)
        fragments = rasterize(places, self._triangles, (MOUTH_INPUT, MOUTH_INPUT), cull_backfaces=True)
        grey = interpolate_vertices(fragments, self._triangles, self._lips._greys)[..., 0, :]
        covered = (fragments.pix_to_face[..., :1] >= 0).to(grey)
        picture = torch.cat((grey, covered), -1).permute(0, 3, 1, 2)
        picture = antialias(picture, fragments, places, self._topology)
        return (picture[:, 0] + (1 - picture[:, 1]) * self._lips._hollow - MEAN) / DEVIATION

    def _near_the_window(self) -> Int[Tensor, "F 3"]:
        """Triangles that any of the windows may come to show."""
        seen = project(self.vertices(self.start), self._pose, self._window)
        near = ((seen > -WINDOW_MARGIN) & (seen < MOUTH_INPUT + WINDOW_MARGIN)).all(-1).any(dim=0)
        triangles = self._lips._model.triangles
        return triangles[near[triangles].any(dim=1)]


def _covered(distances: Float[Tensor, " T"]) -> Bool[Tensor, " T"]:
    """Mouths that are much less like their film than most."""
    return distances > COVERED * distances.nanmedian().clamp_min(ALIKE)

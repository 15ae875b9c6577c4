"""What `track` gives back for a person of a video: one head, and what it does over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from face3d.assets import AssetUse
from face3d.camera import Intrinsics
from face3d.export.gltf_animation import HeadMotion
from face3d.export.track_npz import LABIODENTAL, LIPS_CLOSED, TRACK_ARRAYS
from face3d.expression.arkit import arkit_curves
from face3d.fit import Scale
from face3d.head import HeadGeometry, HeadModel
from face3d.measure import Measurement
from face3d.result_files import camera_record, scale_record, vertices_of

__all__ = ["SCHEMA_VERSION", "Track"]

SCHEMA_VERSION = 1
"""Of track.json; grows when a field changes its meaning."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A person of a video as one metric head over time. T counts the frames in which the person is there, in order.

    Lengths are metres, rotations axis-angle radians, pixels those of the original upright frames.

    Attributes:
        name: what the result is called: the video's stem, and a number when it shows several people.
        source: the video's path, or which camera.
        person: number, from 1 in the order in which people appear.
        model: the head model.
        identity: (I,) who it is, one for all frames.
        intrinsics: the camera, one for all frames.
        frames: (T,) number of each frame in the video, from 0.
        times: (T,) seconds since the video's first frame.
        expression: (T, E), jaw, neck: (T, 3), eyes: (T, 6) left then right.
        camera_from_head: (T, 4, 4) from the head frame to the camera's.
        valid: (T,) whether the frame itself shows the face; where not, its values come from the frames around it.
        quality: (T,) 0 to 1: how much the frame's values can be relied on.
        residual: (T,) mean distance of the fitted surface from the detected landmarks, relative to the interocular
            distance; NaN where not valid.
        shots: (T,) number of the shot, from 1.
        arkit: (T, C) curves of Live Link Face by the names in `face3d.export.live_link.CURVES`, each 0 to 1 except the
            angles of head and eyes in radians; None for a head without named expressions.
        scale: size relative to the mean head, relative sigma, and what determined it.
        measurements: by name, of the neutral head.
        frame_rate: frames per second of the video, and what `times` are multiples of where it is constant.
        assets: every model file that took part, with its licence.
        timings: seconds by step, and `frames_per_second` overall.
        warnings: what a person should know before relying on this.
        folder: where the files lie, None when they were not written.
        lips_closed: (T,) whether the head's lips touch; None for a track that does not say.
        labiodental: (T,) whether its lower lip is at the upper teeth and the upper lip clear of it, as for f and v;
            None for a track that does not say.
    """

    name: str
    source: str
    person: int
    model: HeadModel
    identity: Float[np.ndarray, " I"]
    intrinsics: Intrinsics
    frames: Int[np.ndarray, " T"]
    times: Float[np.ndarray, " T"]
    expression: Float[np.ndarray, "T E"]
    jaw: Float[np.ndarray, "T 3"]
    neck: Float[np.ndarray, "T 3"]
    eyes: Float[np.ndarray, "T 6"]
    camera_from_head: Float[np.ndarray, "T 4 4"]
    valid: Bool[np.ndarray, " T"]
    quality: Float[np.ndarray, " T"]
    residual: Float[np.ndarray, " T"]
    shots: Int[np.ndarray, " T"]
    arkit: Float[np.ndarray, "T C"] | None
    scale: Scale
    measurements: Mapping[str, Measurement]
    frame_rate: float
    assets: tuple[AssetUse, ...]
    timings: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    folder: Path | None = None
    lips_closed: Bool[np.ndarray, " T"] | None = None
    labiodental: Bool[np.ndarray, " T"] | None = None

    def neutral(self) -> HeadGeometry:
        """The person at rest: identity only, head frame, batch of one."""
        return self.model(identity=self.identity)

    def posed(self, first: int = 0, last: int | None = None) -> HeadGeometry:
        """Heads with the expression, jaw and gaze of the frames `first` to before `last`, head frame, one per frame."""
        part = slice(first, last)
        return self.model(
            identity=self.identity,
            expression=self.expression[part],
            jaw=self.jaw[part],
            neck=self.neck[part],
            eyes=self.eyes[part],
        )

    def motion(self, every: int = 1) -> HeadMotion:
        """What an animation holds of every n-th frame."""
        part = slice(None, None, every)
        return HeadMotion(
            times=self.times[part],
            expression=self.expression[part],
            jaw=self.jaw[part],
            neck=self.neck[part],
            eyes=self.eyes[part],
            camera_from_head=self.camera_from_head[part],
        )

    def live_link(self) -> Float[np.ndarray, "T C"] | None:
        """`arkit` where it is there, else the same curves made from expression, pose and gaze."""
        if self.arkit is not None:
            return self.arkit
        return arkit_curves(
            self.model.expression_names,
            self.expression,
            camera_from_head=self.camera_from_head,
            neck=self.neck,
            eyes=self.eyes,
        )

    def gaps(self) -> list[tuple[float, float]]:
        """Stretches of time, in seconds, whose frames do not show the face themselves."""
        half = 0.5 / self.frame_rate
        bounds: list[tuple[float, float]] = []
        for time in self.times[~self.valid].tolist():
            if bounds and time - half <= bounds[-1][1] + half:
                bounds[-1] = (bounds[-1][0], time + half)
            else:
                bounds.append((time - half, time + half))
        return bounds

    def arrays(self) -> dict[str, np.ndarray]:
        """What track.npz holds, by the names of `face3d.export.track_npz.TRACK_ARRAYS`."""
        named = {name: getattr(self, name) for name in TRACK_ARRAYS if hasattr(self, name)}
        for name, told in ((LIPS_CLOSED, self.lips_closed), (LABIODENTAL, self.labiodental)):
            if told is not None:
                named[name] = told
        return {
            **named,
            "K": self.intrinsics.matrix,
            "image_size": np.array(self.intrinsics.image_size),
            "timestamps": self.times,
        }

    def summary(self, *, people: int = 1) -> dict[str, Any]:
        """What track.json holds; plain numbers, strings, lists and dictionaries.

        Args:
            people: how many the video shows.
        """
        told = self.residual[np.isfinite(self.residual)]
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source,
            "person": self.person,
            "people": people,
            "model": {"name": self.model.name, "licence": self.model.licence},
            "assets": [asdict(use) for use in self.assets],
            "scale": scale_record(self.scale),
            "camera": camera_record(self.intrinsics),
            "frames": {
                "count": len(self.frames),
                "first": int(self.frames[0]),
                "last": int(self.frames[-1]),
                "start": float(self.times[0]),
                "end": float(self.times[-1]),
                "rate": float(self.frame_rate),
                "shots": len(np.unique(self.shots)),
                "valid": float(self.valid.mean()),
                "gaps": [[round(first, 4), round(last, 4)] for first, last in self.gaps()],
            },
            "residuals": {
                "landmarks_over_interocular": float(told.mean()) if len(told) else None,
                "median": float(np.median(told)) if len(told) else None,
                "worst": float(told.max()) if len(told) else None,
            },
            "quality": float(self.quality.mean()),
            "timings": dict(self.timings),
            "warnings": list(self.warnings),
        }

    def posed_in_camera(self, t: int) -> Float[np.ndarray, "V 3"]:
        """Vertices of frame `t`'s head in the OpenCV camera frame, metres, float64."""
        moved: Float[np.ndarray, "V 3"] = (
            vertices_of(self.posed(t, t + 1)) @ self.camera_from_head[t, :3, :3].T + self.camera_from_head[t, :3, 3]
        )
        return moved

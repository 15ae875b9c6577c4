"""`face3d track`: a video becomes metric heads over time."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from face3d.cli.options import CommonOptions, finish, intrinsics_in, libraries_kept_quiet, names_in
from face3d.cli.reconstruct import DEFAULT_OUT

if TYPE_CHECKING:
    from face3d.track_result import Track as TrackResult

__all__ = ["Track"]


@dataclass(frozen=True, slots=True)
class Track:
    """Turn a video of a talking head into a metric 3D head over time: a folder per person with the animated head,
    curves, measurements, overlay and report.

    Run the same command again to go on after an interruption. Ctrl-C ends a camera's recording and keeps it.
    """

    video: Positional[Annotated[str, arg(metavar="VIDEO|FOLDER|CAMERA")]]
    """A video file, a folder of images in the order of their names, or a camera: its number, device (/dev/video0) or
    address (rtsp://...)."""
    head: Annotated[str, arg(metavar="open|flame|mica|PATH")] = "open"
    """The head model: the open one that ships, your FLAME, the FLAME inside of your mica.tar, or a head file."""
    identity: Literal["auto", "fit", "regressor", "mica"] = "auto"
    """How the person is found: fit fits the head to the most informative frames; regressor also uses what face3d's own
    network foretells (the open head); mica takes what MICA's network sees (FLAME heads, with your mica.tar); auto is
    regressor for the open head if `face3d assets fetch mobilefacenet` was run, else fit."""
    identity_weight: Annotated[float | None, arg(metavar="FACTOR")] = None
    """With mica, let landmarks change the person: 1 trusts the network as far as its published errors say."""
    detector: Literal["mediapipe", "fan", "dlib"] = "mediapipe"
    """What finds the landmarks: mediapipe's 478, or 68 by FAN or dlib with your own weights."""
    expression: Literal["fit", "spectre"] = "fit"
    """How expressions are found: fit does it by landmarks; spectre takes expression and jaw from SPECTRE's networks
    (FLAME heads, with your spectre_model.tar)."""
    lip_loss: Literal["visual", "geometric", "none"] = "geometric"
    """What the mouth is fitted to beside the landmarks: geometric fits the lips' contours and contact as the pictures
    show them; visual then moves it until a network that reads lips sees in it what it sees in the film (with your
    LRS3_V_WER32.3; slow on a CPU); none leaves it at the landmarks."""
    refine: Literal["none", "photometric"] = "none"
    """photometric fits the head, and then every frame, to the pictures' colours as well: closer, but several times
    slower."""
    start: Annotated[float, arg(metavar="SECONDS")] = 0.0
    """Where to begin."""
    end: Annotated[float | None, arg(metavar="SECONDS")] = None
    """Where to stop."""
    every: Annotated[int, arg(metavar="N")] = 1
    """Take every N-th frame."""
    fps: Annotated[float | None, arg(metavar="RATE")] = None
    """Frames per second of a folder of images (25 by default); of a video at most so many are taken."""
    max_faces: Annotated[int | None, arg(metavar="N")] = None
    """Follow only the N largest faces of a frame."""
    smoothing: Annotated[float, arg(metavar="FACTOR")] = 1.0
    """How strongly frames are tied together: 0 fits every frame alone, 1 is calibrated on talking people."""
    pupillary_distance: Annotated[float | None, arg(metavar="MM")] = None
    """The person's far pupillary distance in millimetres; the head gets exactly that size."""
    intrinsics: Annotated[str | None, arg(metavar="FX,FY,CX,CY")] = None
    """The camera's intrinsics in pixels of the upright frames."""
    fov: Annotated[float | None, arg(metavar="DEGREES")] = None
    """The camera's field of view along the longer side of the frames."""
    formats: Annotated[str, arg(metavar="LIST")] = "obj,ply,glb"
    """Mesh files of the neutral head to write, of obj, ply, glb and stl."""
    unit: Literal["m", "mm"] = "m"
    """Unit of mesh files whose format does not fix it (glb is always metres)."""
    overlay: bool = True
    """Draw the head over the video (overlay.mp4). --no-overlay leaves that out, which saves a third of the time."""
    side_by_side: bool = False
    """Show the video beside its overlay."""
    per_frame_meshes: Literal["obj", "ply"] | None = None
    """Write the head of every frame as a mesh."""
    licence: Literal["any", "open"] = "any"
    """open refuses every model file that is not known to allow commercial use."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Track the video."""
        with libraries_kept_quiet():
            from face3d.track import track

            tracks = track(
                self.video,
                head=self.head,
                identity=self.identity,
                identity_weight=self.identity_weight,
                detector=self.detector,
                expression=self.expression,
                lip_loss=self.lip_loss,
                refine=self.refine,
                start=self.start,
                end=self.end,
                every=self.every,
                frames_per_second=self.fps,
                max_faces=self.max_faces,
                smoothing=self.smoothing,
                pupillary_distance=None if self.pupillary_distance is None else self.pupillary_distance / 1000,
                intrinsics=intrinsics_in(self.intrinsics),
                fov=self.fov,
                licence=self.licence,
                device=self.common.device,
                out=self.common.out or DEFAULT_OUT,
                formats=names_in(self.formats),
                unit=self.unit,
                overlay=self.overlay,
                side_by_side=self.side_by_side,
                per_frame_meshes=self.per_frame_meshes,
                progress=self.common.shows_progress,
            )
        document = {"results": [_row(result) for result in tracks], "failures": []}
        finish(self.common, document, "\n".join(_line(result) for result in tracks))
        return 0


def _row(result: TrackResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "source": result.source,
        "folder": str(result.folder),
        "measurements": {name: asdict(measurement) for name, measurement in result.measurements.items()},
        **{key: value for key, value in result.summary().items() if key not in ("schema_version", "source")},
    }


def _line(result: TrackResult) -> str:
    seen = int(result.valid.sum())
    parts = [f"{result.folder}: {seen} frames", f"{result.timings['frames_per_second']:.0f} frames/s"]
    if seen < len(result.valid):
        parts.append(f"{len(result.valid) - seen} more bridged, where the face was not seen")
    distance = result.measurements.get("pupillary_distance")
    if distance is not None:
        spread = "" if distance.sigma is None else f" ± {distance.sigma * 1000:.1f}"
        parts.append(f"pupillary distance {distance.value * 1000:.1f}{spread} mm")
    parts += [f"note: {warning}" for warning in result.warnings]
    return "; ".join(parts)

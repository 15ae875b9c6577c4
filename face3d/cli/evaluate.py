"""`face3d evaluate`: how far results are from the truth."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, UseAppendAction, arg, subcommand

from face3d.cli.evaluation_tables import comparison_table, landmark_table, lip_table, now_table
from face3d.cli.options import CommonOptions, finish, libraries_kept_quiet
from face3d.errors import ArgumentError, DependencyError

if TYPE_CHECKING:
    from face3d.evaluate.compare import MeshComparison
    from face3d.evaluate.groups import Metadata
    from face3d.evaluate.scan_file import LengthUnit

__all__ = ["Evaluate"]

Groupings = UseAppendAction[Annotated[tuple[str, ...], arg(metavar="COLUMN[:EDGES]")]]


@dataclass(frozen=True, slots=True)
class EvaluateLandmarks:
    """Landmark error on an annotated data set: NME, AUC, failure rate, per region, and by group.

    Reads 300-W and Menpo (.pts), AFLW2000-3D and 300W-LP (.mat), WFLW (list), COFW (.mat) and LS3D-W (.t7, .mat). With
    --out writes landmarks.json, landmarks_faces.csv and landmarks_curve.png. Distances are taken in the image plane.
    """

    annotations: Positional[Annotated[Path, arg(metavar="ANNOTATIONS")]]
    """The data set's annotations: a folder, or a list or file."""
    predictions: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Predicted landmarks, such as `face3d align` writes: .npz, .json, .npy or .pts by the images' names."""
    detector: Annotated[str | None, arg(metavar="mediapipe|fan|dlib")] = None
    """Instead of predictions: predict on the fly."""
    images: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Where the images are, if not beside the annotations."""
    format: Literal["auto", "pts", "mat", "wflw", "cofw", "t7"] = "auto"
    """How the annotations are written."""
    normalise: Literal["auto", "interocular", "interpupil", "box", "diagonal"] = "auto"
    """Length that regions and groups are over: between the eyes' outer corners or middles, sqrt(w*h) or diagonal of the
    annotated points' box. auto: interocular where the markup has eyes, else box."""
    without_jaw: bool = False
    """Leave out the face's contour, which detectors and data sets understand differently."""
    metadata: Annotated[Path | None, arg(metavar="CSV")] = None
    """Table with a column `image` and columns to group by."""
    group_by: Groupings = ()
    """Column of the table, all by default; age:30,50 cuts numbers at these edges. May be repeated."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Evaluate; 1 if a face could not be evaluated or has no prediction."""
        from face3d.evaluate.datasets import dataset_sources
        from face3d.evaluate.landmark_results import landmark_document, write_landmark_results
        from face3d.evaluate.landmarks import LandmarkFailure, evaluate_landmarks
        from face3d.evaluate.predictions import detected_faces, face_of, predicted_faces

        if (self.predictions is None) == (self.detector is None):
            raise ArgumentError("give either --predictions FOLDER or --detector NAME")
        if self.predictions is not None and not self.predictions.is_dir():
            raise ArgumentError(f"--predictions {self.predictions} is no folder")
        metadata = _metadata(self.metadata, self.group_by)
        sources = dataset_sources(self.annotations, None if self.format == "auto" else self.format, self.images)

        def report_failure(failure: LandmarkFailure) -> None:
            print(f"face3d: {failure.error}", file=sys.stderr)

        with contextlib.ExitStack() as stack:
            if self.detector is not None:
                stack.enter_context(libraries_kept_quiet())
                from face3d.landmarks import open_detector

                detector = stack.enter_context(open_detector(self.detector))
            folder = self.predictions
            report = evaluate_landmarks(
                sources,
                lambda face: face_of(
                    detected_faces(detector, face) if folder is None else predicted_faces(folder, face.image_name), face
                ),
                normaliser=None if self.normalise == "auto" else self.normalise,
                without_jaw=self.without_jaw,
                metadata=metadata,
                on_failure=report_failure,
                on_progress=stack.enter_context(_progress(self.common, "faces")),
            )
        written = _write(self.common, lambda out: write_landmark_results(report, out))
        finish(self.common, landmark_document(report), landmark_table(report))
        return int(bool(report.failures) or not written)


@dataclass(frozen=True, slots=True)
class EvaluateNow:
    """The NoW benchmark on your predictions: scan-to-surface distances after rigid alignment, in millimetres.

    With --out writes now.json, now_images.csv, now_distances.npz and now_curve.png.
    """

    dataset: Positional[Annotated[Path, arg(metavar="NOW")]]
    """The NoW data: `scans`, `scans_lmks_onlypp` and the lists of images."""
    predictions: Positional[Annotated[Path, arg(metavar="PREDICTIONS")]]
    """<subject>/<challenge>/<image>.obj or .ply, with 7 landmarks in .npy or .txt beside it."""
    metrical: bool = False
    """The size must be right as well; otherwise the scale is solved for."""
    unit: Literal["m", "cm", "mm"] = "m"
    """Unit of the predictions, for --metrical (MICA's meshes are in mm)."""
    images: Annotated[Path | None, arg(metavar="LIST")] = None
    """List of images; by default imagepathsvalidation.txt, else imagepathstest.txt."""
    challenge: UseAppendAction[Annotated[tuple[str, ...], arg(metavar="NAME")]] = ()
    """Evaluate only this one, such as selfie; may be repeated."""
    reproduce: Literal["nothing", "now"] = "nothing"
    """now: keep the published evaluation's peculiarities (mirror images, start of the metrical form), and write its
    result files into OUT/results or PREDICTIONS/results."""
    id: str = "RECON"
    """Name of the method in those files."""
    metadata: Annotated[Path | None, arg(metavar="CSV")] = None
    """Table with a column `subject` (or `image`) and columns to group by."""
    group_by: Groupings = ()
    """Column of the table, all by default; age:30,50 cuts numbers at these edges. May be repeated."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Evaluate; 1 if an image has no prediction or a broken one."""
        from face3d.evaluate.now import NowFailure, evaluate_now
        from face3d.evaluate.now.results import now_document, write_now_original, write_now_results

        metadata = _metadata(self.metadata, self.group_by)
        if self.id != Path(self.id).name or self.id in ("", "..", "."):
            raise ArgumentError(f"--id is a plain name that files can begin with, not {self.id!r}")

        def report_failure(failure: NowFailure) -> None:
            print(f"face3d: {failure.error}", file=sys.stderr)

        with _progress(self.common, "images") as on_progress:
            report = evaluate_now(
                self.dataset,
                self.predictions,
                images=self.images,
                metrical=self.metrical,
                unit=self.unit,
                challenges=self.challenge,
                reproduce=self.reproduce,
                metadata=metadata,
                on_failure=report_failure,
                on_progress=on_progress,
            )
        if self.reproduce == "now":
            write_now_original(report, (self.common.out or self.predictions) / "results", self.id)
        written = _write(self.common, lambda out: write_now_results(report, out))
        finish(self.common, now_document(report), now_table(report))
        return int(bool(report.failures) or not written)


@dataclass(frozen=True, slots=True)
class EvaluateMesh:
    """Compare two meshes or scans: lay B on A, then the distances between their surfaces, both ways.

    With --out writes mesh.json, mesh_curve.png, and each mesh coloured by its distance to the other: error_a.ply,
    error_b.ply.
    """

    a: Positional[Annotated[Path, arg(metavar="A")]]
    """The reference, such as a scan: OBJ, PLY, STL or OFF; may be a cloud of points."""
    b: Positional[Annotated[Path, arg(metavar="B")]]
    """What is compared with it; it is moved onto A."""
    unit_a: Literal["auto", "m", "cm", "mm"] = "auto"
    """Unit of A; auto takes the one in which it has the size of a head."""
    unit_b: Literal["auto", "m", "cm", "mm"] = "auto"
    """Unit of B."""
    landmarks_a: Annotated[Path | None, arg(metavar="FILE")] = None
    """Points on A (.pp, .npy or .txt), the same as on B: they give the start."""
    landmarks_b: Annotated[Path | None, arg(metavar="FILE")] = None
    """Points on B."""
    align: Literal["search", "nearby", "none"] = "search"
    """search: from wherever B is; nearby: from where it is; none: leave it there."""
    scaled: bool = False
    """Also find B's scale."""
    crop: bool = False
    """Measure only the face of A, as NoW does; landmarks are then its seven."""
    robust: Annotated[float | None, arg(metavar="MM")] = None
    """In the alignment, distances beyond this count less, for a B that lacks parts of A."""
    limit: Annotated[float, arg(metavar="MM")] = 3.0
    """Distance at which the colours of the error meshes end."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Compare."""
        from face3d.evaluate.compare import compare_meshes, comparison_document
        from face3d.evaluate.scan_file import read_landmarks3d, read_scan

        if (self.landmarks_a is None) != (self.landmarks_b is None):
            raise ArgumentError("landmarks are needed on both meshes: give --landmarks-a and --landmarks-b")
        for name, value in (("--robust", self.robust), ("--limit", self.limit)):
            if value is not None and not 0 < value < math.inf:
                raise ArgumentError(f"{name} is a distance in millimetres above 0, not {value}")
        a, b = read_scan(self.a), read_scan(self.b)
        units = _unit(self.unit_a, a.vertices, self.a), _unit(self.unit_b, b.vertices, self.b)
        landmarks = None
        if self.landmarks_a is not None and self.landmarks_b is not None:
            landmarks = read_landmarks3d(self.landmarks_a), read_landmarks3d(self.landmarks_b)
        comparison = compare_meshes(
            a,
            b,
            unit_a=units[0],
            unit_b=units[1],
            align=self.align,
            landmarks=landmarks,
            crop=self.crop,
            scaled=self.scaled,
            huber=math.inf if self.robust is None else self.robust / 1000,
        )
        sides = {"a": {"file": str(self.a), "unit": units[0]}, "b": {"file": str(self.b), "unit": units[1]}}
        document = sides | comparison_document(comparison)
        written = _write(self.common, lambda out: _write_comparison(comparison, document, out, self.limit / 1000))
        finish(self.common, document, comparison_table(document))
        return int(not written)


@dataclass(frozen=True, slots=True)
class EvaluateLips:
    """How well lips move in tracks: against landmarks or true heads, and by what a lip-reading network reads off them.

    Opening, width and protrusion of the lips over time (correlation, rms), precision and recall of closures, as tracks
    tell them and by their opening alone, and of lower lips at the teeth (f, v) where both sides tell them, distance of
    the lips' vertices; error rates of characters, words and visemes of texts that your network read. Per clip and
    overall with 95 % intervals over clips. With --out writes lips.json and a table per part.
    """

    results: Positional[Annotated[Path | None, arg(metavar="[TRACKS]")]] = None
    """What `face3d track` wrote: a folder of <clip>/track.npz, or one clip's."""
    landmarks: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """What `face3d align` wrote of the same videos: <clip>/landmarks.npz or <clip>.npz."""
    truth: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """True heads of the same model: <clip>/track.npz, or <clip>.npz with `vertices` (T, V, 3) in metres."""
    head: Annotated[str, arg(metavar="open|flame|PATH")] = "open"
    """The tracks' head."""
    closed: Annotated[float, arg(metavar="PART")] = 0.015
    """Lips are closed when they open beyond rest by less than this part of the eyes' outer corners' distance."""
    tolerance: Annotated[int, arg(metavar="FRAMES")] = 1
    """Frames by which a closure may come too early or too late."""
    transcripts: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """What your lip-reading network read: <clip>.txt, or a file of lines <clip><tab><text>."""
    reference: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """What was said, in the same form."""
    no_visemes: bool = False
    """Leave out the error rates in visemes, which need phonemizer and espeak-ng."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Evaluate; 1 if a clip could not be evaluated or has no transcript."""
        from face3d.evaluate.lip_motion import LipFailure, evaluate_lips
        from face3d.evaluate.lip_results import lip_document, write_lip_results
        from face3d.evaluate.transcripts import clip_texts, evaluate_transcripts
        from face3d.head import load_head

        if (self.results is None) != (self.landmarks is None and self.truth is None):
            raise ArgumentError("tracks are compared with something: give TRACKS and --landmarks or --truth")
        if (self.transcripts is None) != (self.reference is None):
            raise ArgumentError("texts are compared with what was said: give --transcripts and --reference")
        if self.results is None and self.transcripts is None:
            raise ArgumentError("give TRACKS with --landmarks or --truth, or --transcripts with --reference")
        if not 0 < self.closed < 1 or self.tolerance < 0:
            raise ArgumentError("--closed is between 0 and 1, and --tolerance 0 or more")

        def report_failure(failure: LipFailure) -> None:
            print(f"face3d: {failure.error}", file=sys.stderr)

        text = None
        if self.transcripts is not None and self.reference is not None:
            said, read = clip_texts(self.reference), clip_texts(self.transcripts)
            text = evaluate_transcripts(said, read, visemes=not self.no_visemes)
        motion = None
        if self.results is not None:
            with _progress(self.common, "clips") as on_progress:
                motion = evaluate_lips(
                    self.results,
                    load_head(self.head),
                    landmarks=self.landmarks,
                    truth=self.truth,
                    closed=self.closed,
                    tolerance=self.tolerance,
                    on_failure=report_failure,
                    on_progress=on_progress,
                )
        document = lip_document(motion, text)
        written = _write(self.common, lambda out: write_lip_results(document, out))
        finish(self.common, document, lip_table(document))
        failed = bool(motion and motion.failures) or bool(text and text.missing)
        return int(failed or not written)


@dataclass(frozen=True, slots=True)
class Evaluate:
    """How far results are from the truth: landmarks, the NoW benchmark, any two meshes, or moving lips."""

    action: (
        Annotated[EvaluateLandmarks, subcommand("landmarks")]
        | Annotated[EvaluateNow, subcommand("now")]
        | Annotated[EvaluateMesh, subcommand("mesh")]
        | Annotated[EvaluateLips, subcommand("lips")]
    )

    @property
    def common(self) -> CommonOptions:
        """The options of the action."""
        return self.action.common

    def run(self) -> int:
        """Run the action."""
        return self.action.run()


def _metadata(path: Path | None, columns: tuple[str, ...]) -> Metadata | None:
    from face3d.evaluate.groups import read_metadata

    if path is None:
        if columns:
            raise ArgumentError("--group-by names columns of a table: give it by --metadata")
        return None
    return read_metadata(path, columns)


def _unit(chosen: Literal["auto", "m", "cm", "mm"], vertices: Any, path: Path) -> LengthUnit:
    from face3d.evaluate.scan_file import guess_unit

    return guess_unit(vertices, str(path)) if chosen == "auto" else chosen


@contextlib.contextmanager
def _progress(common: CommonOptions, what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr, where a person would see one."""
    if not common.shows_progress:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _write(common: CommonOptions, write: Callable[[Path], None]) -> bool:
    """Write results if --out asks for it; False if a library is missing for a part of them, which is named."""
    if common.out is None:
        return True
    try:
        write(common.out)
    except DependencyError as error:
        print(f"face3d: {error}", file=sys.stderr)
        return False
    return True


def _write_comparison(comparison: MeshComparison, document: dict[str, Any], out: Path, limit: float) -> None:
    import json

    from face3d.errors import OutputError
    from face3d.evaluate.compare import write_error_mesh
    from face3d.evaluate.plot import plot_cumulative

    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "mesh.json").write_text(json.dumps(document, indent=2) + "\n")
    except OSError as error:
        raise OutputError(f"cannot write results into {out}: {error.strerror}; choose another --out") from error
    for name, vertices, triangles, side in (
        ("error_a.ply", comparison.a_vertices, comparison.a_triangles, comparison.a_to_b),
        ("error_b.ply", comparison.b_vertices, comparison.b_triangles, comparison.b_to_a),
    ):
        # A cloud of points has no surface to colour.
        if side is not None and len(triangles):
            write_error_mesh(out / name, vertices, triangles, side.distances, limit=limit)
    curves = {"A to B": comparison.a_to_b, "B to A": comparison.b_to_a}
    plot_cumulative(
        out / "mesh_curve.png",
        {name: 1000 * side.distances for name, side in curves.items() if side is not None},
        label="distance to the other surface, mm",
        limit=2 * 1000 * limit,
        title=f"{document['a']['file']} and {document['b']['file']}",
    )

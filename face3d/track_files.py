"""The files that a tracked person becomes."""

from __future__ import annotations

import contextlib
import io
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, UInt8

from face3d.errors import ArgumentError, OutputError
from face3d.export.gltf_animation import export_gltf_animation
from face3d.export.live_link import write_live_link
from face3d.export.mesh import Unit
from face3d.export.track_npz import write_track_npz
from face3d.media import open_video, write_whole
from face3d.media.video import VideoReader, VideoSource
from face3d.media.video_writer import VideoWriter
from face3d.render.portrait import HeadAppearance, model_appearance
from face3d.render.studio_light import vertex_colours
from face3d.render.video_overlay import HeadPainter
from face3d.report.track_curves import curves_picture
from face3d.report.track_page import track_page
from face3d.result_files import MESH_FORMATS, head_mesh, vertices_of, write_json
from face3d.threads import processors
from face3d.track_result import Track

__all__ = ["FrameMeshes", "write_overlay", "write_track"]

FrameMeshes: TypeAlias = Literal["obj", "ply"]

HEADS_AT_ONCE = 32
"""Frames that are posed in one go: the expressions' sum is a matrix product that pays with several rows."""

MOST_DRAWERS = 4
"""Threads that draw at once, each into a frame of its own."""

OPACITY, GAP_OPACITY = 0.6, 0.25
"""Of the head drawn over a frame, and over one that does not show the face itself."""


def write_track(
    track: Track,
    folder: Path,
    *,
    formats: tuple[str, ...] = ("obj", "ply", "glb"),
    unit: Unit = "m",
    look: HeadAppearance | None = None,
    video: VideoSource | VideoReader | None = None,
    side_by_side: bool = False,
    per_frame_meshes: FrameMeshes | None = None,
    report: bool = True,
    people: int = 1,
) -> None:
    """Write every file of a track into an existing folder.

    track.npz, head_neutral in the formats, head.glb (animated), arkit.csv (for heads with ARKit's expressions),
    measurements.json, track.json, curves.png, overlay.mp4 (with a video), report.html, and meshes/<frame>.obj or .ply
    on request. Each file appears whole or not at all; the video grows as overlay.mp4.partial, which plays. Memory does
    not grow with the video but for the track itself and head.glb, some hundred bytes a frame.

    Args:
        formats: of the neutral mesh, names in `MESH_FORMATS`.
        unit: "m" or "mm", for formats that do not fix it.
        look: colours of the head; by default those of its model's regions.
        video: what was tracked, to be drawn over: a path, or a reader opened on the part that was tracked. None for no
            overlay.mp4, as for a camera.
        side_by_side: put the plain frame left of the drawn one.
        per_frame_meshes: format of a mesh for each frame, in the head frame.
        report: write report.html.
        people: how many the video shows, for the record.

    Raises:
        ArgumentError: a format that there is not.
        OutputError: the disk is full or the folder cannot be written; names the file. What was written stays.
    """
    known = ("obj", "ply")
    if unknown := [name for name in formats if name not in MESH_FORMATS]:
        raise ArgumentError(f"no mesh format is named {', '.join(unknown)}; there are {', '.join(MESH_FORMATS)}")
    if per_frame_meshes is not None and per_frame_meshes not in known:
        raise ArgumentError(f"meshes of frames are {' or '.join(known)}, not {per_frame_meshes}")
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="face3d-curves") as beside:
        picture = beside.submit(lambda: _write(folder / "curves.png", curves_picture(track)))
        neutral = head_mesh(track.model, track.neutral())
        look = look or model_appearance(track.model, neutral.vertices)
        write_track_npz(folder / "track.npz", track.arrays(), track.model.expression_names)
        for name in formats:
            _write(folder / f"head_neutral.{name}", MESH_FORMATS[name](neutral, unit))
        coloured = replace(neutral, vertex_colours=vertex_colours(look.albedo, look.eye_position))
        animated = export_gltf_animation(coloured, track.model, track.motion(), intrinsics=track.intrinsics)
        _write(folder / "head.glb", animated)
        del animated
        _write_live_link(track, folder / "arkit.csv")
        measurements = {name: asdict(measurement) for name, measurement in track.measurements.items()}
        write_json(folder / "measurements.json", measurements)
        if per_frame_meshes is not None:
            _write_frame_meshes(track, folder / "meshes", per_frame_meshes, unit)
        overlay_start = None
        if video is not None:
            with contextlib.ExitStack() as opened:
                reader = video if isinstance(video, VideoReader) else opened.enter_context(open_video(video))
                path = folder / "overlay.mp4"
                overlay_start = write_overlay(track, reader, path, look=look, side_by_side=side_by_side)
        write_json(folder / "track.json", track.summary(people=people))
        # The page lists the files beside it.
        picture.result()
        if report:
            page = track_page(track, coloured, look, folder, overlay_start=overlay_start, side_by_side=side_by_side)
            _write(folder / "report.html", page.encode())


def write_overlay(
    track: Track,
    video: VideoReader,
    path: Path,
    *,
    look: HeadAppearance | None = None,
    side_by_side: bool = False,
) -> float:
    """Draw a tracked person over the video: H.264 with the frames' own times and the video's sound.

    Frames that do not show the face themselves have a fainter head, those without the person none.

    Args:
        video: the part that was tracked; it is read to its end.
        path: of the file, .mp4.
        look: colours of the head; by default those of its model's regions.
        side_by_side: put the plain frame left of the drawn one.

    Returns:
        Time in seconds of the first frame, which is 0 in the file.

    Raises:
        InputError: the video holds no frame.
        OutputError: the disk is full.
    """
    look = look or model_appearance(track.model, vertices_of(track.neutral()))
    sound = Path(video.info.name)
    with contextlib.ExitStack() as stack:
        writer: VideoWriter | None = None
        frames = stack.enter_context(contextlib.closing(_drawn_frames(track, video, look, side_by_side=side_by_side)))
        for pixels, time in frames:
            if writer is None:
                writer = stack.enter_context(
                    VideoWriter(
                        path,
                        (pixels.shape[1], pixels.shape[0]),
                        frame_rate=track.frame_rate,
                        sound_from=sound if sound.is_file() else None,
                    )
                )
            writer.write(pixels, time)
        start = None if writer is None else writer.start
    if start is None:
        raise OutputError(f"{path}: {video.info.name} gave no frame to draw over")
    return start


def _drawn_frames(
    track: Track, video: VideoReader, look: HeadAppearance, *, side_by_side: bool
) -> Generator[tuple[UInt8[np.ndarray, "H W 3"], float], None, None]:
    """The frames of a video with the head in them and their times, in order; threads draw some frames at once."""
    threads = min(processors(), MOST_DRAWERS)
    triangles = track.model.triangles.cpu().numpy()
    painters: SimpleQueue[HeadPainter] = SimpleQueue()
    for _ in range(threads):
        painters.put(HeadPainter(triangles, look))

    def drawn(
        pixels: UInt8[np.ndarray, "H W 3"], row: int, vertices: Float[np.ndarray, "V 3"] | None
    ) -> UInt8[np.ndarray, "H W 3"]:
        over = pixels
        if vertices is not None:
            over = pixels.copy() if side_by_side else np.require(pixels, requirements="W")
            painter = painters.get()
            painter.draw(over, vertices, track.intrinsics.matrix, opacity=OPACITY if track.valid[row] else GAP_OPACITY)
            painters.put(painter)
        return np.concatenate((pixels, over), axis=1) if side_by_side else over

    heads = _heads(track)
    row, vertices = next(heads)
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="face3d-draw") as pool:
        waiting: deque[tuple[Future[UInt8[np.ndarray, "H W 3"]], float]] = deque()
        for frame in video:
            while track.frames[row] < frame.index and (following := next(heads, None)) is not None:
                row, vertices = following
            here = vertices if track.frames[row] == frame.index else None
            waiting.append((pool.submit(drawn, frame.pixels, row, here), frame.time))
            if len(waiting) > threads:
                done, time = waiting.popleft()
                yield done.result(), time
        for done, time in waiting:
            yield done.result(), time


def _heads(track: Track) -> Iterator[tuple[int, Float[np.ndarray, "V 3"]]]:
    """Number and vertices in the camera's frame of one frame of the track after the other."""
    for first in range(0, len(track.frames), HEADS_AT_ONCE):
        vertices = track.posed(first, first + HEADS_AT_ONCE).vertices.detach().cpu().numpy()
        for row in range(len(vertices)):
            pose = track.camera_from_head[first + row]
            yield first + row, vertices[row] @ pose[:3, :3].T + pose[:3, 3]


def _write(path: Path, content: bytes) -> None:
    write_whole(path, lambda file: file.write(content))


def _write_live_link(track: Track, path: Path) -> None:
    curves = track.live_link()
    if curves is None:
        return

    def write(file: BinaryIO) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        write_live_link(text, track.times, curves)
        text.flush()
        text.detach()

    write_whole(path, write)


def _write_frame_meshes(track: Track, folder: Path, name: FrameMeshes, unit: Unit) -> None:
    """One mesh per frame, named by the frame's number in the video; in the head frame, as the neutral head is."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror}); free the disk") from error
    for first in range(0, len(track.frames), HEADS_AT_ONCE):
        posed = track.posed(first, first + HEADS_AT_ONCE)
        for row, number in enumerate(track.frames[first : first + HEADS_AT_ONCE].tolist()):
            mesh = head_mesh(track.model, posed, index=row)
            _write(folder / f"{number:06d}.{name}", MESH_FORMATS[name](mesh, unit))

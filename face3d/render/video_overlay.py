"""A head drawn into one frame of a video after the other, fast enough to keep up with tracking.

It is the picture of `overlay`, made in a twentieth of the time: front faces only, scan line by scan line, light per
vertex instead of per sample (per pixel in the eyes, whose irises are finer than the mesh), and edges smoothed over
their neighbours instead of supersampled. Dimension letters: V vertices, F faces, H, W image height and width.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8

from face3d.compiled import compiled
from face3d.render.normals import mesh_normals
from face3d.render.portrait import HeadAppearance
from face3d.render.rasterize_numba import CameraFragments, check_triangles
from face3d.render.scanline import barycentric_at, covered_box, fill_front_faces, pixel_colours, project_points
from face3d.render.studio_light import shade_samples

__all__ = ["HeadPainter"]


class HeadPainter:
    """Draws the heads of one person over frames; threads need one each.

    Args:
        triangles: corner indices.
        appearance: colours of the head, with `visibility`; a texture is not drawn.
    """

    def __init__(self, triangles: Int[np.ndarray, "F 3"], appearance: HeadAppearance) -> None:
        count = len(appearance.albedo)
        self._triangles = check_triangles(triangles, count)
        self._look = appearance
        self._visibility = np.ones(count, np.float32) if appearance.visibility is None else appearance.visibility
        self._is_eye = np.isfinite(appearance.eye_position[self._triangles]).all((1, 2))
        # Kept from frame to frame: memory that is new to the process takes as long to get as to draw in.
        self._face_id, self._nearness = np.empty(0, np.int32), np.empty(0, np.float32)
        self._colours, self._planes = np.empty(0, np.float32), np.empty((len(self._triangles), 9), np.float32)

    def draw(
        self,
        frame: UInt8[np.ndarray, "H W 3"],
        vertices_camera: Float[np.ndarray, "V 3"],
        intrinsics: Float[np.ndarray, "3 3"],
        *,
        opacity: float = 0.6,
    ) -> None:
        """Draw a head into a frame, in place.

        Args:
            frame: RGB, writable.
            vertices_camera: the posed head, OpenCV camera frame, metres.
            intrinsics: K in pixels of the frame.
            opacity: of the head, 0 to 1.
        """
        projected = project_points(vertices_camera, intrinsics)
        box = covered_box(projected, frame.shape[:2])
        if box is None:
            return
        left, top, right, bottom = box
        face_id, nearness, colours = self._room(bottom - top, right - left)
        fill_front_faces(projected, self._triangles, (left, top), face_id, nearness)
        is_seen = np.zeros(len(self._triangles), dtype=bool)
        rows, columns = _look_over(face_id, self._is_eye, is_seen)
        vertices, corners = self._corners_of(np.flatnonzero(is_seen).astype(np.int32))
        in_eyes = np.empty((len(rows), 1, 3), np.float32)
        barycentric_at(rows, columns, face_id, self._triangles, projected, left, top, in_eyes[:, 0])
        eyes = face_id[rows, columns][:, None], in_eyes, np.zeros((len(rows), 1), np.float32)
        samples = CameraFragments(*(np.concatenate(parts) for parts in zip(corners, eyes, strict=True)))
        look = self._look
        shaded = shade_samples(
            samples,
            vertices_camera,
            self._triangles,
            mesh_normals(vertices_camera, self._triangles),
            look.albedo,
            self._visibility,
            look.eye_position,
        )[:, 0]
        per_vertex = np.zeros((len(vertices_camera), 3), dtype=np.float32)
        per_vertex[vertices] = shaded[: len(vertices)]
        pixel_colours(face_id, self._triangles, projected, left, top, per_vertex, self._planes, colours)
        colours[rows, columns] = shaded[len(vertices) :]
        _blend_smoothly(frame[top:bottom, left:right], colours, face_id, np.float32(opacity))

    def _room(
        self, height: int, width: int
    ) -> tuple[Int[np.ndarray, "H W"], Float[np.ndarray, "H W"], Float[np.ndarray, "H W 3"]]:
        """Arrays to draw in: faces, nearness and colours."""
        count = height * width
        if len(self._face_id) < count:
            self._face_id, self._nearness = np.empty(count, np.int32), np.empty(count, np.float32)
            self._colours = np.empty(3 * count, np.float32)
        return (
            self._face_id[:count].reshape(height, width),
            self._nearness[:count].reshape(height, width),
            self._colours[: 3 * count].reshape(height, width, 3),
        )

    def _corners_of(self, faces: Int[np.ndarray, " S"]) -> tuple[Int[np.ndarray, " N"], CameraFragments]:
        """The vertices of the faces that are seen, and samples of which each sees one of them."""
        # Through a seen face, which shows its outside: the inside of a head is lit otherwise.
        face_of = np.full(len(self._look.albedo), -1, dtype=np.int32)
        face_of[self._triangles[faces]] = faces[:, None]
        vertices = np.nonzero(face_of >= 0)[0]
        through = face_of[vertices]
        barycentric = (self._triangles[through] == vertices[:, None]).astype(np.float32)
        # A triangle that names a vertex twice would count it twice.
        barycentric /= barycentric.sum(-1, keepdims=True)
        return vertices, CameraFragments(
            through[:, None], barycentric[:, None], np.zeros((len(vertices), 1), np.float32)
        )


@compiled
def _look_over(face_id, is_eye, is_seen):  # type: ignore[no-untyped-def]
    """Mark the faces that are seen; rows and columns of the pixels that see an eye."""
    count = 0
    for row in range(face_id.shape[0]):
        for column in range(face_id.shape[1]):
            face = face_id[row, column]
            if face >= 0:
                is_seen[face] = True
                count += is_eye[face]
    rows, columns = np.empty(count, np.int64), np.empty(count, np.int64)
    count = 0
    for row in range(face_id.shape[0]):
        for column in range(face_id.shape[1]):
            face = face_id[row, column]
            if face >= 0 and is_eye[face]:
                rows[count], columns[count] = row, column
                count += 1
    return rows, columns


@compiled
def _blend_smoothly(frame, colours, face_id, opacity):  # type: ignore[no-untyped-def]
    """Lay colours over the frame; along their edge by how much of the pixel's neighbourhood they cover.

    Covered pixels of that count 1, 2, 1 across and down, 16 in all.
    """
    height, width = face_id.shape
    half = np.float32(0.5)
    in_column = np.zeros(width + 2, dtype=np.int32)
    for row in range(height):
        above, below = max(row - 1, 0), min(row + 1, height - 1)
        for column in range(width):
            covered = 2 * (face_id[row, column] >= 0)
            if row > 0:
                covered += face_id[above, column] >= 0
            if row + 1 < height:
                covered += face_id[below, column] >= 0
            in_column[column + 1] = covered
        for column in range(width):
            covered = in_column[column] + 2 * in_column[column + 1] + in_column[column + 2]
            if covered == 0:
                continue
            if face_id[row, column] >= 0:
                red, green, blue = colours[row, column]
            else:
                red, green, blue = np.float32(0), np.float32(0), np.float32(0)
                for y in range(above, below + 1):
                    for x in range(max(column - 1, 0), min(column + 2, width)):
                        if face_id[y, x] >= 0:
                            weight = np.float32((2 - abs(y - row)) * (2 - abs(x - column))) / np.float32(covered)
                            red += weight * colours[y, x, 0]
                            green += weight * colours[y, x, 1]
                            blue += weight * colours[y, x, 2]
            share = opacity * np.float32(covered) / np.float32(16)
            r, g, b = (
                np.float32(frame[row, column, 0]),
                np.float32(frame[row, column, 1]),
                np.float32(frame[row, column, 2]),
            )
            # Through signed integers, which processors convert to in one step.
            frame[row, column, 0] = np.int32(r + (red - r) * share + half)
            frame[row, column, 1] = np.int32(g + (green - g) * share + half)
            frame[row, column, 2] = np.int32(b + (blue - b) * share + half)

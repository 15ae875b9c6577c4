"""The camera: intrinsics and where they come from, projection, and the cameras and frames of other systems.

Frames and pixels are face3d's own everywhere outside the conversions: camera frame OpenCV's (+x right, +y down,
+z forward), metres, rigid transforms as 4x4 `camera_from_head`, pixel (0, 0) at the top-left corner of the top-left
pixel, so that the first pixel's centre is (0.5, 0.5) and the middle of the image is (width / 2, height / 2).
"""

from face3d.camera.colmap import from_colmap, to_colmap
from face3d.camera.intrinsics import (
    EXIF_CROPPED_SIGMA,
    EXIF_FOCAL_SIGMA,
    FULL_FRAME_DIAGONAL_MM,
    PHONE_FOCAL_35MM,
    PRIOR_FOCAL_SIGMA,
    Intrinsics,
    choose_intrinsics,
    intrinsics_from_exif,
    intrinsics_from_fov,
    intrinsics_from_values,
    intrinsics_prior,
)
from face3d.camera.opengl import from_opengl, to_opengl
from face3d.camera.projection import project, project_camera
from face3d.camera.pytorch3d_cameras import (
    from_pytorch3d,
    pixels_from_pytorch3d_ndc,
    pytorch3d_ndc_from_camera,
    pytorch3d_ndc_from_pixels,
    to_pytorch3d,
)

__all__ = [
    "EXIF_CROPPED_SIGMA",
    "EXIF_FOCAL_SIGMA",
    "FULL_FRAME_DIAGONAL_MM",
    "PHONE_FOCAL_35MM",
    "PRIOR_FOCAL_SIGMA",
    "Intrinsics",
    "choose_intrinsics",
    "from_colmap",
    "from_opengl",
    "from_pytorch3d",
    "intrinsics_from_exif",
    "intrinsics_from_fov",
    "intrinsics_from_values",
    "intrinsics_prior",
    "pixels_from_pytorch3d_ndc",
    "project",
    "project_camera",
    "pytorch3d_ndc_from_camera",
    "pytorch3d_ndc_from_pixels",
    "to_colmap",
    "to_opengl",
    "to_pytorch3d",
]

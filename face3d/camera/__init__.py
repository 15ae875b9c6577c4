"""The camera: intrinsics and where they come from, projection, and the cameras and frames of other systems.

Frames and pixels are face3d's own everywhere outside the conversions: camera frame OpenCV's (+x right, +y down,
+z forward), metres, rigid transforms as 4x4 `camera_from_head`, pixel (0, 0) at the top-left corner of the top-left
pixel, so that the first pixel's centre is (0.5, 0.5) and the middle of the image is (width / 2, height / 2).
"""

from face3d.camera.clip_planes import clip_planes
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
from face3d.camera.opengl import (
    GltfPerspective,
    from_gltf_perspective,
    from_opengl,
    from_opengl_projection,
    pixels_from_opengl_ndc,
    to_gltf_perspective,
    to_opengl,
    to_opengl_projection,
)
from face3d.camera.pinhole import PinholeCamera
from face3d.camera.projection import project, project_camera
from face3d.camera.pytorch3d_cameras import (
    PyTorch3DFoV,
    from_pytorch3d,
    from_pytorch3d_fov,
    pixels_from_pytorch3d_ndc,
    pytorch3d_ndc_from_camera,
    pytorch3d_ndc_from_pixels,
    to_pytorch3d,
    to_pytorch3d_fov,
)
from face3d.camera.weak_perspective import (
    WeakPerspectiveCamera,
    image_from_crop_pixels,
    perspective_from_weak,
    pixels_from_weak,
    project_weak,
    weak_from_perspective,
)

__all__ = [
    "EXIF_CROPPED_SIGMA",
    "EXIF_FOCAL_SIGMA",
    "FULL_FRAME_DIAGONAL_MM",
    "PHONE_FOCAL_35MM",
    "PRIOR_FOCAL_SIGMA",
    "GltfPerspective",
    "Intrinsics",
    "PinholeCamera",
    "PyTorch3DFoV",
    "WeakPerspectiveCamera",
    "choose_intrinsics",
    "clip_planes",
    "from_colmap",
    "from_gltf_perspective",
    "from_opengl",
    "from_opengl_projection",
    "from_pytorch3d",
    "from_pytorch3d_fov",
    "image_from_crop_pixels",
    "intrinsics_from_exif",
    "intrinsics_from_fov",
    "intrinsics_from_values",
    "intrinsics_prior",
    "perspective_from_weak",
    "pixels_from_opengl_ndc",
    "pixels_from_pytorch3d_ndc",
    "pixels_from_weak",
    "project",
    "project_camera",
    "project_weak",
    "pytorch3d_ndc_from_camera",
    "pytorch3d_ndc_from_pixels",
    "to_colmap",
    "to_gltf_perspective",
    "to_opengl",
    "to_opengl_projection",
    "to_pytorch3d",
    "to_pytorch3d_fov",
    "weak_from_perspective",
]

"""How a report says what a result's records hold: names, groups and sentences for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = [
    "FILES",
    "GROUPS",
    "OTHER",
    "camera_sentence",
    "file_purpose",
    "grouped",
    "size_sentence",
    "size_source",
    "spoken",
]

FILES = {
    "head_neutral": "the person at rest, in real size",
    "head_posed": "with the photo's expression, in real size",
    "parameters.npz": "identity, expression, jaw, neck, eyes, pose and camera",
    "landmarks.json": "detected points, and named points of the fitted head in pixels and in 3D",
    "measurements.json": "the measurements of this page in metres",
    "overlay.png": "the head drawn over the whole photo",
    "texture.png": "the head's colours, laid out by its texture coordinates",
    "head.mtl": "the material of the OBJ files; it names texture.png",
    "reconstruction.json": "the record: size, camera, residuals, timings, warnings, licences",
    "wireframe.png": "the mesh drawn over the whole photo",
    "landmarks.png": "detected and fitted landmarks over the whole photo",
    "turntable.gif": "the head turning once around",
    "depth.png": "depth over the photo's pixels, 16 bits; one step is the entry metres_per_step, 0.1 mm up to 6.5 m",
    "depth_preview.png": "that depth in colours, yellow near and blue far",
    "normals.png": "surface normals over the photo's pixels: red right, green up, blue towards the camera",
    "track.npz": "identity, camera, and per frame expression, jaw, neck, eyes, pose, validity and quality",
    "head.glb": "the animated head: named morph targets and joints, for Blender, three.js, Unity",
    "arkit.csv": "ARKit's curves and angles per frame, in the form of Live Link Face",
    "overlay.mp4": "the head drawn over the video, with its sound",
    "curves.png": "the curves of this page",
    "track.json": "the record: size, camera, frames, gaps, residuals, timings, warnings, licences",
    "panel.png": "photo, fit and head side by side",
}
"""What is in a file, by its name or its name's stem."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Eyes": (
        *("pupillary_distance", "intercanthal_width", "biocular_width", "palpebral_fissure_length_left"),
        *("palpebral_fissure_length_right", "palpebral_fissure_height_left", "palpebral_fissure_height_right"),
    ),
    "Head": (
        *("head_breadth", "head_length", "head_circumference", "bitragion_breadth"),
        *("minimum_frontal_breadth", "maximum_frontal_breadth"),
    ),
    "Face": ("face_width", "menton_sellion_length", "bigonial_breadth", "lower_face_height", "chin_height"),
    "Nose and mouth": (
        *("nose_breadth", "nose_protrusion", "nasal_root_breadth", "subnasale_sellion_length"),
        *("lip_length", "upper_lip_height", "upper_vermilion_height", "lower_vermilion_height"),
    ),
    "Ears": ("ear_length_left", "ear_length_right", "ear_breadth_left", "ear_breadth_right"),
    "Over the surface": (
        *("bitragion_coronal_arc", "bitragion_frontal_arc", "bitragion_subnasale_arc", "bitragion_chin_arc"),
    ),
}
"""Measurements by the heading that people look for them under; any other stands under OTHER."""
OTHER = "Other"

_SIZE_SOURCES = {
    "identity": "the face's shape and the spread of head sizes among adults",
    "population": "the spread of head sizes among adults",
    "regressor": "what our own network sees in the face",
    "mica": "what MICA sees in the face",
    "iris": "the visible iris diameter (11.7 mm in adults, SD 0.5 mm)",
}
_CAMERAS = {
    "given": "as you gave it",
    "exif": "from what the camera wrote into the file (EXIF)",
    "fov": "from the field of view that you gave",
    "prior": "from the landmarks and what cameras usually are; the file says nothing of it",
}


def spoken(name: str) -> str:
    """A record's name as words: `face_width` becomes "Face width"."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def grouped(measurements: Iterable[str]) -> dict[str, list[str]]:
    """Names of measurements under their headings, in the order of GROUPS; headings without any are left out."""
    left = list(measurements)
    groups = {heading: [name for name in names if name in left] for heading, names in GROUPS.items()}
    known = {name for names in GROUPS.values() for name in names}
    groups[OTHER] = [name for name in left if name not in known]
    return {heading: names for heading, names in groups.items() if names}


def size_sentence(value: float, sigma: float) -> str:
    """What the size relative to the mean head means."""
    percent = (value - 1) * 100
    if abs(percent) < 0.05:
        comparison = "as large as the mean adult head"
    else:
        comparison = f"{abs(percent):.1f} % {'larger' if percent > 0 else 'smaller'} than the mean adult head"
    certainty = "exactly as typed in" if sigma < 1e-4 else f"± {sigma * 100:.1f} %"
    return f"This head is {comparison}, {certainty}."


def size_source(name: str) -> str:
    """What one estimate of the size rests on."""
    return _SIZE_SOURCES.get(name, f"the {spoken(name).lower()} that you gave")


def camera_sentence(source: str) -> str:
    """Where the focal length comes from."""
    return _CAMERAS.get(source, source)


def file_purpose(name: str) -> str:
    """What is in a file of a result folder; empty for one that is not known here."""
    return FILES.get(name) or FILES.get(name.rpartition(".")[0], "")

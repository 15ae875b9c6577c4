"""What identity features cost: `python -m tests.benchmarks.encode [PHOTO...]`

In one run, turn by turn: features per second by face3d and, where they can be imported, by TensorFlow Lite's
interpreter (`ai-edge-litert`) on the same file and by ONNX Runtime (`onnxruntime`, `onnx`) on the same weights, on as
many threads as PyTorch takes (OMP_NUM_THREADS). Then milliseconds per face to detect, crop and encode, on photos (the
astronaut if none are given).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from skimage.data import astronaut

from face3d import assets
from face3d.identity import FaceEncoder, open_encoder
from face3d.identity.mobilefacenet import CROP_SIZE, load_mobilefacenet
from face3d.landmarks import face_crop, open_detector
from face3d.media import Photo, read_image

ROUNDS = 15
CROPS = 16

Crops = UInt8[np.ndarray, "B 112 112 3"]
Encode = Callable[[Crops], object]


def litert(path: Path) -> Encode:
    """TensorFlow Lite's interpreter, two crops at a time as the file has it."""
    module = importlib.import_module("ai_edge_litert.interpreter")
    interpreter = module.Interpreter(str(path), num_threads=torch.get_num_threads())
    interpreter.allocate_tensors()
    given, taken = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def encode(crops: Crops) -> None:
        for start in range(0, len(crops), 2):
            interpreter.set_tensor(given, (crops[start : start + 2].astype(np.float32) - 127.5) / 128)
            interpreter.invoke()
            interpreter.get_tensor(taken)

    return encode


def onnx_runtime(path: Path, batch: int) -> Encode:
    """ONNX Runtime on the same weights."""
    onnxruntime = importlib.import_module("onnxruntime")
    with warnings.catch_warnings(), torch.backends.mkldnn.flags(enabled=False), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        example = torch.zeros(batch, 3, CROP_SIZE, CROP_SIZE)
        file = Path(folder) / "mobilefacenet.onnx"
        torch.onnx.export(load_mobilefacenet(path), (example,), file, dynamo=False, input_names=["crops"])
        content = file.read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def encode(crops: Crops) -> None:
        for start in range(0, len(crops), batch):
            values = (crops[start : start + batch].astype(np.float32) - 127.5) / 128
            session.run(None, {"crops": np.ascontiguousarray(values.transpose(0, 3, 1, 2))})

    return encode


def compare_encoders(encoder: FaceEncoder) -> None:
    """Print features per second, and face3d's as a multiple of the others'."""
    path = assets.asset_path("mobilefacenet")
    encoders: dict[str, Encode] = {"face3d": encoder.encode}
    if importlib.util.find_spec("ai_edge_litert"):
        encoders["TensorFlow Lite"] = litert(path)
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        encoders |= {f"ONNX Runtime, batch {batch}": onnx_runtime(path, batch) for batch in (1, 2)}
    for count in (1, CROPS):
        crops = np.random.default_rng(0).integers(0, 256, (count, CROP_SIZE, CROP_SIZE, 3)).astype(np.uint8)
        # The interpreter takes pairs and ONNX Runtime whole batches: single crops are theirs at batch 1 alone.
        taking_part = {name: one for name, one in encoders.items() if count > 1 or name.endswith(("face3d", "batch 1"))}
        best = dict.fromkeys(taking_part, np.inf)
        for _ in range(ROUNDS):
            for name, encode in taking_part.items():
                # Once untimed: the threads of the one before go on spinning for a while on the same cores.
                encode(crops)
                start = time.perf_counter()
                encode(crops)
                best[name] = min(best[name], time.perf_counter() - start)
        print(f"{count} crops a call, {torch.get_num_threads()} threads")
        for name, seconds in best.items():
            print(f"  {name:24} {count / seconds:7.1f} features/s; face3d is {seconds / best['face3d']:.2f} x as fast")


def time_stages(encoder: FaceEncoder, photos: list[Photo]) -> None:
    """Print milliseconds per face of each step from a photo to features."""
    with open_detector() as detector:
        detector.detect(photos[0].pixels)
        for photo in photos:
            started = time.perf_counter()
            faces = detector.detect(photo.pixels)
            detected = time.perf_counter()
            crops = [face_crop(photo.pixels, face).pixels for face in faces]
            cropped = time.perf_counter()
            if not faces:
                print(f"{photo.name}: no face")
                continue
            encoder.encode(np.stack(crops))
            encoded = time.perf_counter()
            steps = {"detect": detected - started, "crop": cropped - detected, "encode": encoded - cropped}
            told = ", ".join(f"{name} {seconds / len(faces) * 1000:.1f}" for name, seconds in steps.items())
            total = (encoded - started) / len(faces) * 1000
            print(f"{photo.name}: {len(faces)} faces; ms per face: {told}; together {total:.1f}")


def main() -> None:
    encoder = open_encoder()
    compare_encoders(encoder)
    time_stages(encoder, [read_image(Path(name)) for name in sys.argv[1:]] or [Photo.from_array(astronaut())])


if __name__ == "__main__":
    main()

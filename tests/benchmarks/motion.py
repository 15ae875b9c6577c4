"""CPU time of the motion fit against the landmark fit of single photos, on the talking clip's recorded curves.

    python -m tests.benchmarks.motion [--seed 1]

Also prints how well the known head is followed, with the identity known and fitted.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.spatial.transform import Rotation

from face3d.fit import FitOptions, MotionFitter, Observation, fit_clip, fit_landmarks, informative_frames
from face3d.fit.responses import response_of
from face3d.head import load_head
from tests.fit.talking_clips import aligned, detect, face_landmarks, talking_clip, vertices


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    seed = parser.parse_args().seed
    head = load_head()
    clip = talking_clip(head, seed, still=slice(150, 190))
    points = detect(head, clip, response_of(head, "mediapipe_478"), seed + 1)
    faces = [face_landmarks(frame) for frame in points]
    joints = head(identity=clip.identity).joints[0, -2:].double().numpy()
    options = FitOptions(pupillary_distance=float(np.linalg.norm(joints[0] - joints[1])))
    start = time.process_time()
    chosen = informative_frames(head, faces)
    fit = fit_clip(head, [Observation(faces[i], clip.intrinsics) for i in chosen], options)
    print(f"identity of the clip: {time.process_time() - start:.2f} s for {len(chosen)} of {len(faces)} frames")
    start = time.process_time()
    for face in faces[:5]:
        fit_landmarks(head, [Observation(face, clip.intrinsics)])
    single = (time.process_time() - start) / 5
    for name, identity, errors in (("known", clip.identity, None), ("fitted", fit.identity, fit.errors)):
        fitter = MotionFitter(head, identity, clip.intrinsics, errors=errors)
        start = time.process_time()
        motion = fitter.fit(clip.times, points)
        frame = (time.process_time() - start) / len(points)
        ids = head.regions["face"].numpy()
        found = vertices(head, identity, motion.expression, motion.eyes)[:, ids]
        true = vertices(head, clip.identity, clip.expression, clip.eyes)[:, ids]
        off = 1e3 * np.median(np.linalg.norm(aligned(found, true) - true, axis=2))
        turn = Rotation.from_matrix(motion.camera_from_head[:, :3, :3] @ clip.pose[:, :3, :3].transpose(0, 2, 1))
        used = np.argsort(-clip.expression[:150].std(axis=0))[:20]
        match = [np.corrcoef(motion.expression[:150, k], clip.expression[:150, k])[0, 1] for k in used]
        print(
            f"identity {name}: {1e3 * frame:.2f} ms of CPU a frame, {single / frame:.0f} times faster than a photo's "
            f"fit; vertices {off:.2f} mm, rotation {np.rad2deg(np.median(turn.magnitude())):.2f} degrees, "
            f"curves correlate {np.median(match):.2f}"
        )


if __name__ == "__main__":
    main()

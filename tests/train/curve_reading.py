"""What TensorBoard shows of a run."""

from __future__ import annotations


def read_curve(folder, name):
    # TensorBoard ships without types.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]

"""What a command asks the training loop for, without training."""

from __future__ import annotations


def recorded_training(monkeypatch, folder, metric):
    """The task and the options of the last run that was asked for, in a dictionary that each run fills anew."""
    from face3d.train import loop

    seen = {}

    def record(task, options):
        seen.update(task=task, options=options)
        return loop.TrainingResult(7, 0, 1.0, metric, None, None, None, folder, None, ("a note",))

    monkeypatch.setattr(loop, "train", record)
    return seen

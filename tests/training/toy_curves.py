"""TensorBoard's curves of a run, read back with TensorBoard's own reader."""

from pathlib import Path

import pytest


def curves_of(run: Path) -> dict[str, dict[int, float]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    found: dict[str, dict[int, float]] = {}
    for tag in events.Tags()["scalars"]:
        points = [(event.step, event.value) for event in events.Scalars(tag)]
        assert len(points) == len(dict(points)), f"{tag} has doubled points"
        found[tag] = dict(points)
    return found

"""The saved state of a training stage, from which a killed run is resumed, and its log."""

import json
import os
import time
from pathlib import Path
from typing import Any

import torch


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a temporary file and rename it, so that one complete file remains whenever the run is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    torch.save(state, fresh)
    os.replace(fresh, path)


def load_state(path: Path, device: str) -> dict[str, Any] | None:
    """Return the state saved at `path`, or None if the stage has not started."""
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return state


class TrainingLog:
    """Appends one JSON line per report: step, loss, samples per second, and the training time of all runs together."""

    def __init__(self, path: Path, seconds: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.seconds, self.since = path, seconds, time.monotonic()
        self.losses: list[float] = []
        self.samples = 0

    def add(self, loss: float, samples: int) -> None:
        self.losses.append(loss)
        self.samples += samples

    def report(self, step: int, **more: float) -> None:
        now = time.monotonic()
        took = now - self.since
        self.seconds += took
        line = {
            "step": step,
            "loss": round(sum(self.losses) / len(self.losses), 5),
            "samples_per_s": round(self.samples / took, 2),
            "hours": round(self.seconds / 3600, 3),
            **more,
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)
        self.since, self.losses, self.samples = now, [], 0

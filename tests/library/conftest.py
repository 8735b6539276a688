"""Small real SDXL checkpoints in every form that a user may have, and a library to import them into."""

from __future__ import annotations

import os
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
from filelock import FileLock

from sdxl_desktop.library.convert.import_plan import ImportPlan, plan_import
from sdxl_desktop.library.convert.run_import import conversion_job
from sdxl_desktop.library.convert.weight_format import WeightFormat
from tests.engine.conftest import shared_folder
from tests.in_process_jobs import run_job_in_process

MEMORY_LIMIT = 8 * 10**9
NAME = "small.safetensors"


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`torch` (diffusers), `single` (one file in the original layout, the descriptions beside it), both float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.library import original_layout, small_sdxl

        folder = shared_folder(tmp_path_factory) / "small é"
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                making = folder.with_suffix(".making")
                pipe = small_sdxl.make_small_pipeline(making / "torch")
                leave_out = shutil.ignore_patterns("*.safetensors")
                shutil.copytree(making / "torch", making / "single", ignore=leave_out)
                original_layout.save(original_layout.checkpoint_to_original(pipe), making / "single" / NAME)
                making.rename(folder)
    return folder


def convert_here(plan: ImportPlan, weights: WeightFormat | None) -> list[Any]:
    """Do an import in this process, which has imported torch already; returns all events, which
    `recorded_events` reads again."""
    from sdxl_desktop.library.convert.conversion_worker import HOST

    events: list[Any] = []
    run_job_in_process(HOST, conversion_job(plan, weights, MEMORY_LIMIT), events.append)
    _events_file(plan.destination).write_bytes(pickle.dumps(events))
    plan.build_folder(weights).move_to(plan.destination)
    return events


def recorded_events(checkpoint: Path) -> list[Any]:
    """The events that were emitted while `convert_here` made `checkpoint`."""
    reported: list[Any] = pickle.loads(_events_file(checkpoint).read_bytes())
    return reported


def _events_file(checkpoint: Path) -> Path:
    """The file next to the library that holds the events."""
    return checkpoint.parent.parent / f"{checkpoint.name}.events"


@pytest.fixture(scope="session")
def imported(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, WeightFormat], Path]:
    """The checkpoint that importing "torch" or "single" in a format gives, made once for all tests and processes."""
    home = shared_folder(tmp_path_factory) / "imported" / "library"
    home.mkdir(parents=True, exist_ok=True)

    def bring(form: str, weights: WeightFormat) -> Path:
        made = home / f"{form}-{weights}"
        with FileLock(home.parent / f"{made.name}.lock"):
            if not made.exists():
                path = small_checkpoint / form / NAME if form == "single" else small_checkpoint / form
                convert_here(plan_import(path, home, made.name), weights)
        return made

    return bring

"""Small real SDXL checkpoints in every form that a person may have, and a library to bring them into."""

from __future__ import annotations

import io
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest

from sdxl_desktop.library.children.words import Done
from sdxl_desktop.library.convert.events import read_line
from sdxl_desktop.library.convert.plan import ImportPlan, plan_import
from sdxl_desktop.library.convert.weights import WeightFormat

ROOM = 8 * 10**9
_told: dict[Path, list[Any]] = {}
NAME = "small.safetensors"


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`torch` (diffusers), `single` (one file in the original layout, the descriptions beside it), both float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.library import original, small_sdxl

        folder = tmp_path_factory.mktemp("small é")
        pipe = small_sdxl.make(folder / "torch")
        leave_out = shutil.ignore_patterns("*.safetensors")
        shutil.copytree(folder / "torch", folder / "single", ignore=leave_out)
        original.save(original.whole(pipe), folder / "single" / NAME)
    return folder


def convert_here(plan: ImportPlan, weights: WeightFormat | None) -> list[Any]:
    """Do an import in this process, which has imported torch already; returns all that was told."""
    from sdxl_desktop.library.convert.host import do
    from sdxl_desktop.library.convert.job import Job

    workspace = plan.workspace(weights)
    told = io.BytesIO()
    job = Job(str(plan.path), plan.name, weights.value if weights else "", str(plan.home), workspace.folder.name, ROOM)
    do(job, told)
    events = [read_line(line) for line in told.getvalue().splitlines()]
    if isinstance(events[-1], Exception):
        raise events[-1]
    assert isinstance(events[-1], Done)
    workspace.move_to(plan.destination)
    _told[plan.destination] = events
    return events


def told_by(checkpoint: Path) -> list[Any]:
    """What was told while `checkpoint` was made here."""
    return _told[checkpoint]


@pytest.fixture(scope="session")
def imported(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, WeightFormat], Path]:
    """The checkpoint that importing "torch" or "single" in a format gives, made once for all tests."""
    home = tmp_path_factory.mktemp("library")
    made: dict[tuple[str, WeightFormat], Path] = {}

    def bring(form: str, weights: WeightFormat) -> Path:
        if (form, weights) not in made:
            path = small / form / NAME if form == "single" else small / form
            plan = plan_import(path, home, f"{form}-{weights}")
            convert_here(plan, weights)
            made[form, weights] = plan.destination
        return made[form, weights]

    return bring

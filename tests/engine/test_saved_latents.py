"""A finished picture's latents are enough to decode it again, refine it, or branch from any of its steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.errors import PictureError, RequestError
from sdxl_desktop.core.events import Progress, RunFailed
from sdxl_desktop.core.latents import ResumePoint
from sdxl_desktop.core.request import OutputOptions, Prompts
from sdxl_desktop.core.schedulers import NON_EDM_SCHEDULERS, SchedulerName
from sdxl_desktop.metadata.latent_files import read_latents, write_latents
from tests.engine.conftest import generate
from tests.typed import not_none

STEPS = 5


def kept(request: Any, how: Any = "steps") -> Any:
    return replace(request, output=OutputOptions(keep_latents=how))


def same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one.pixels, other.pixels))


def steps_drawn(recorded: Any) -> int:
    return len([event for event in recorded.of_type(Progress) if event.step])


def test_nothing_is_kept_unasked(engine: Any, request_for: Any) -> None:
    assert generate(engine, request_for()).picture.latents is None


def test_the_end_decodes_to_the_same_picture_without_a_step(engine: Any, request_for: Any) -> None:
    request = request_for(steps=STEPS)
    drawn = generate(engine, kept(request, "final")).picture
    assert not_none(drawn.latents).predictions is None
    again = generate(engine, replace(request, start=ResumePoint(not_none(drawn.latents))))
    assert same(again.picture, drawn)
    assert steps_drawn(again) == 0


HISTORIES = (
    *(SchedulerName.EULER_ANCESTRAL, SchedulerName.DPMPP_2M, SchedulerName.DPMPP_3M_SDE_KARRAS),
    *(SchedulerName.HEUN, SchedulerName.LMS, SchedulerName.UNIPC),
)
"""Ancestral, multistep, both, second-order and higher-order schedulers."""


@pytest.mark.parametrize(
    "scheduler",
    [pytest.param(name, marks=[] if name in HISTORIES else [pytest.mark.slow]) for name in NON_EDM_SCHEDULERS],
)
def test_going_on_from_a_step_ends_where_the_run_ended(scheduler: Any, engine: Any, request_for: Any) -> None:
    """History of multistep schedulers and noise of stochastic ones included, bit for bit."""
    request = request_for(scheduler=scheduler, steps=STEPS)
    drawn = generate(engine, kept(request)).picture
    assert same(generate(engine, replace(request, start=ResumePoint(not_none(drawn.latents), 3))).picture, drawn)


def test_replayed_steps_never_ask_the_unet(engine: Any, request_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sdxl_desktop.engine.openvino.predict import NoisePredictor

    request = request_for(steps=STEPS)
    drawn = generate(engine, kept(request)).picture
    asked, ask = [], NoisePredictor.__call__

    def counted(self: Any, *arguments: Any) -> Any:
        asked.append(1)
        return ask(self, *arguments)

    monkeypatch.setattr(NoisePredictor, "__call__", counted)
    generate(engine, replace(request, start=ResumePoint(not_none(drawn.latents), 3)))
    assert len(asked) == STEPS - 3


def test_a_branch_goes_another_way(engine: Any, request_for: Any) -> None:
    request = request_for(steps=STEPS)
    drawn = generate(engine, kept(request)).picture
    other = replace(request, prompts=Prompts(prompt="the blue sea"))
    branch = generate(engine, kept(replace(other, start=ResumePoint(not_none(drawn.latents), 3)))).picture
    assert not same(branch, drawn)
    assert not same(branch, generate(engine, other).picture)
    shared = not_none(not_none(branch.latents).predictions)[:3]
    assert np.array_equal(shared, not_none(not_none(drawn.latents).predictions)[:3])


def test_another_seed_cannot_continue(engine: Any, request_for: Any) -> None:
    request = request_for(steps=STEPS)
    latents = not_none(generate(engine, kept(request)).picture.latents)
    with pytest.raises(RequestError, match="seed"):
        request_for(steps=STEPS, seed=8).__class__(
            **{
                **{name: getattr(request, name) for name in request.__dataclass_fields__},
                "sampling": replace(request.sampling, seed=8),
                "start": ResumePoint(latents, 2),
            }
        )


def test_latents_of_another_size_are_refused_by_name(engine: Any, request_for: Any) -> None:
    from sdxl_desktop.core.geometry import Size

    latents = not_none(generate(engine, kept(request_for())).picture.latents)
    recorded = generate(engine, replace(request_for(size=Size(96, 96)), start=ResumePoint(latents)))
    assert isinstance(recorded.last, RunFailed)
    assert "128x96" in str(recorded.last.error)


def test_a_file_keeps_them_exactly(engine: Any, request_for: Any, tmp_path: Path) -> None:
    request = kept(request_for(steps=STEPS))
    drawn = generate(engine, request).picture
    write_latents(tmp_path / "kept.safetensors", not_none(drawn.latents), request)
    latents, made_by = read_latents(tmp_path / "kept.safetensors")
    assert made_by == request.for_metadata()
    assert np.array_equal(latents.final, not_none(drawn.latents).final)
    assert same(generate(engine, replace(request_for(steps=STEPS), start=ResumePoint(latents, 2))).picture, drawn)


@pytest.mark.parametrize("content", [b"", b"not latents", None], ids=["empty", "foreign", "missing"])
def test_a_foreign_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PictureError):
        read_latents(file)

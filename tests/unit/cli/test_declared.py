"""Every declared value of a request can be asked for, reaches the request, and is reported; new ones as well."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.cli.declared import first_flag, parse_given
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.refine import RefinerParameters
from sdxl_desktop.core.request import Execution, GenerationRequest, MicroConditioning, OutputOptions, Prompts, Sampling
from sdxl_desktop.core.scalars import Option, scalar
from sdxl_desktop.session.declared_values import DeclaredValue, declared_by, declared_values
from tests.unit.cli.helpers import FakeEntryPoints, run_command

TYPED: dict[str, tuple[str, Any]] = {
    "guidance_rescale": ("0.35", 0.35),
    "guidance": ("2,5", 2.5),
    "steps": ("6", 6),
    "clip_skip": ("3", 3),
    "variation_strength": ("0.5", 0.5),
    "variation_seed": ("12", 12),
    "aesthetic_score": ("7", 7.0),
    "negative_original_size": ("70x80", "70x80"),
    "prediction_type": ("v", "v_prediction"),
    "threads": ("3", 3),
}
"""By option: what is typed, and what is reported."""


@pytest.mark.parametrize("name", TYPED)
def test_an_option_is_used_and_reported(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    typed, reported = TYPED[name]
    flag = "--" + name.replace("_", "-")
    assert (
        run_command(fake_entry_points, "generate", "a", "--checkpoint", "mine", "--seed", "5", "--json", flag, typed)
        == 0
    )
    one = next(one for one in declared_values() if one.option.name == name)
    report = json.loads(capsys.readouterr().out)["request"]
    assert report[one.field] == reported
    assert str(reported) in str(_value(fake_entry_points.engine.requests[-1], one))


def _value(request: GenerationRequest, one: DeclaredValue) -> object:
    parts: dict[type, object] = {
        type(part): part
        for part in (
            request.prompts,
            request.sampling,
            request.sampling.noise,
            request.micro_conditioning,
            request.execution,
            request.output,
        )
    }
    return getattr(parts[one.part], one.field)


def test_every_option_is_there_once() -> None:
    names = [one.option.name for one in declared_values()]
    assert len(set(names)) == len(names)
    parts = {one.part for one in declared_values()}
    assert parts >= {Prompts, Sampling, MicroConditioning, Execution, EditParameters, RefinerParameters, OutputOptions}


@dataclass(frozen=True, kw_only=True)
class LaterPart:
    """A part with values that come later."""

    pull: float = scalar(0.0, "The pull", (0.0, 9.0), option=Option("--pull", "P", "How strongly.", "real"))
    window: Size | None = scalar(None, option=Option("--window", "WxH", "How large."))
    folded: bool | None = scalar(None, option=Option("--folded/--flat", None, "Which way.", "switch"))


@pytest.mark.parametrize(
    ("field", "typed", "value"), [("pull", 1.5, 1.5), ("window", "30x20", Size(30, 20)), ("folded", False, False)]
)
def test_a_value_that_is_declared_can_be_asked_for_without_more(field: str, typed: Any, value: Any) -> None:
    one = next(one for one in declared_by(LaterPart) if one.field == field)
    assert one.parse(typed) == value


@pytest.mark.parametrize(
    ("values", "flag"),
    [
        ({"soft_mask": False}, "--hard-mask"),
        ({"paste_back": True}, "--paste-back"),
        ({"grow": 0}, "--grow"),
        ({"fit": "pad"}, None),
        ({"steps": 4}, None),
        ({}, None),
    ],
)
def test_the_flag_that_was_typed_is_named(values: dict[str, Any], flag: str | None) -> None:
    assert first_flag(values, EditParameters) == flag


def test_what_always_counts_is_there_without_being_typed() -> None:
    given = parse_given({})
    assert given[Sampling] == {"count": 1}
    assert given[Prompts] == {"negative_prompt": "", "prompt_2": "", "negative_prompt_2": "", "clip_skip": 0}


def test_help_lists_every_declared_option(
    fake_entry_points: FakeEntryPoints, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert run_command(fake_entry_points, "generate", "--help") == 0
    reported = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for one in declared_values():
        for flag in one.option.flags.split("/"):
            assert flag in reported
        assert one.option.help in reported

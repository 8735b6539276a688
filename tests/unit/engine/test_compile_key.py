"""Equal keys need one compilation, and estimates come from what compiling took before."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.engine.compile_key import CompileKey, CompileTimes

KEY = CompileKey(content_id="abc", component="unet", device="CPU")


@pytest.mark.parametrize("name", [field.name for field in fields(CompileKey)])
def test_a_change_of_any_part_is_another_key(name: str) -> None:
    other: dict[str, Any] = {name: 8 if name == "threads" else "other"}
    changed = replace(KEY, **other)
    assert changed != KEY
    assert str(changed) != str(KEY)


@pytest.fixture
def times(tmp_path: Path) -> CompileTimes:
    return CompileTimes(tmp_path / "cache" / "times.json")


def test_nothing_is_expected_of_an_unknown_key(times: CompileTimes) -> None:
    assert times.expected_seconds(KEY) is None
    times.record(replace(KEY, device="GPU"), 3.0)
    assert times.expected_seconds(KEY) is None


def test_the_last_duration_is_expected_also_after_a_restart(times: CompileTimes) -> None:
    times.record(KEY, 9.0)
    times.record(KEY, 4.5)
    assert CompileTimes(times.file).expected_seconds(KEY) == 4.5


def test_a_sum_is_known_only_when_every_part_is(times: CompileTimes) -> None:
    other = replace(KEY, component="vae_decoder")
    times.record(KEY, 2.0)
    assert times.total_seconds([KEY, other]) is None
    times.record(other, 3.0)
    assert times.total_seconds([KEY, other]) == 5.0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": "b"}', b"\xff"])
def test_a_damaged_file_costs_only_the_estimate(times: CompileTimes, content: bytes) -> None:
    times.file.parent.mkdir()
    times.file.write_bytes(content)
    assert times.expected_seconds(KEY) is None
    times.record(KEY, 2.0)
    assert times.expected_seconds(KEY) == 2.0


def test_a_file_that_cannot_be_written_costs_only_the_estimate(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    times = CompileTimes(tmp_path / "file" / "times.json")
    times.record(KEY, 2.0)
    assert times.expected_seconds(KEY) is None

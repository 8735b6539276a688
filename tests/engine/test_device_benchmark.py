"""Parts of a real checkpoint are measured one by one and compiled ahead; drawing then compiles nothing."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.device import FIXED_SHAPES_VARIABLE
from sdxl_desktop.core.errors import EngineError, RequestError
from sdxl_desktop.core.events import EngineEvent, Progress
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.compile_cache import CompileCache
from sdxl_desktop.engine.compile_cache_entries import compiled_image_sizes
from sdxl_desktop.engine.device_benchmark import BenchmarkCancelledError, DeviceBenchmark
from sdxl_desktop.engine.device_times import read_timings, timings_file
from sdxl_desktop.engine.openvino import part_compiler
from sdxl_desktop.engine.process.benchmark_process import ProcessDeviceBenchmark

SIZE = Size(64, 64)
EXECUTION = Execution(precision="f32", threads=1)
ALL = ["text_encoder", "text_encoder_2", "unet", "vae_encoder", "vae_decoder"]


@pytest.fixture
def own_home(tmp_path: Path) -> AppPaths:
    return AppPaths(tmp_path, tmp_path / "cache", tmp_path / "settings.json", tmp_path, tmp_path)


@pytest.fixture
def bench(own_home: AppPaths) -> Iterator[DeviceBenchmark]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdxl_desktop.engine.openvino.part_benchmark import OpenVinoDeviceBenchmark

        made = OpenVinoDeviceBenchmark(own_home)
    yield made
    made.close()


def ignore_event(_: EngineEvent) -> None:
    return None


def test_every_part_is_measured_and_progress_is_reported(
    bench: DeviceBenchmark, tiny_checkpoint: Path, own_home: AppPaths
) -> None:
    recorded: list[EngineEvent] = []
    table = bench.measure(tiny_checkpoint / "ov", SIZE, ["CPU"], EXECUTION, recorded.append, threading.Event())
    assert [row.part for row in table.rows] == ALL
    for row in table.rows:
        assert (row.device, row.problem) == ("CPU", "")
        assert row.compiled
        assert row.milliseconds is not None
        assert row.first_seconds is not None
        assert 0 < row.milliseconds / 1000 <= row.first_seconds, "the first call waits for compiling"
    fractions = [event.fraction for event in recorded if isinstance(event, Progress) and " on " in event.detail]
    assert fractions == sorted(fractions, key=lambda fraction: fraction or 0.0)
    assert len(fractions) == len(ALL)

    again = bench.measure(tiny_checkpoint / "ov", SIZE, ["CPU"], EXECUTION, ignore_event, threading.Event())
    assert not any(row.compiled for row in again.rows)
    assert not any(entry.in_use for entry in CompileCache(own_home.compiled).entries()), "nothing is held on to"


def test_a_device_that_refuses_a_part_says_why_and_the_others_continue(
    bench: DeviceBenchmark, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_ = part_compiler.Compiler.compile

    def refuse(self: Any, key: Any, *others: Any) -> Any:
        if key.component == "unet":
            raise EngineError("No.", why="It has no room for it.")
        return compile_(self, key, *others)

    monkeypatch.setattr(part_compiler.Compiler, "compile", refuse)
    table = bench.measure(tiny_checkpoint / "ov", SIZE, ["CPU", "TPU"], EXECUTION, ignore_event, threading.Event())
    message = {(row.part, row.device): row.problem for row in table.rows}
    assert message["unet", "CPU"] == "It has no room for it."
    assert message["vae_decoder", "CPU"] == ""
    assert "CPU" in message["vae_decoder", "TPU"], "the devices there are"
    assert table.fastest_device("unet") is None
    assert table.fastest_device("vae") == "CPU"


def test_what_was_prepared_need_not_be_compiled(
    bench: DeviceBenchmark, tiny_checkpoint: Path, own_home: AppPaths
) -> None:
    made = bench.precompile(
        tiny_checkpoint / "ov", [SIZE, Size(96, 64)], list(SpeedPreset), EXECUTION, ignore_event, threading.Event()
    )
    assert not made.has_fixed_shapes
    assert sorted(entry.part for entry in made.compiled_entries) == sorted([*ALL, "unet", "unet_shallow"]), (
        "plain and cut"
    )
    again = bench.precompile(
        tiny_checkpoint / "ov", [SIZE], [SpeedPreset.EXACT], EXECUTION, ignore_event, threading.Event()
    )
    assert again.compiled_entries == ()


@pytest.mark.slow
def test_each_size_is_prepared_where_devices_want_it(
    bench: DeviceBenchmark, tiny_checkpoint: Path, own_home: AppPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FIXED_SHAPES_VARIABLE, "CPU")
    sizes = [SIZE, Size(96, 64)]
    made = bench.precompile(
        tiny_checkpoint / "ov", sizes, [SpeedPreset.EXACT], EXECUTION, ignore_event, threading.Event()
    )
    assert made.has_fixed_shapes
    shapes = {(entry.part, entry.shape) for entry in made.compiled_entries}
    sized = {(part, str(size)) for part in ("unet", "vae_encoder", "vae_decoder") for size in sizes}
    assert shapes == sized | {("text_encoder", "77 tokens"), ("text_encoder_2", "77 tokens")}
    assert set(compiled_image_sizes(own_home.compiled, tiny_checkpoint / "ov", EXECUTION)) == set(sizes)


@pytest.mark.parametrize("what", ["measure", "prepare"])
def test_it_can_be_stopped(what: str, bench: DeviceBenchmark, tiny_checkpoint: Path) -> None:
    cancel = threading.Event()

    def stop(_: EngineEvent) -> None:
        cancel.set()

    work: dict[str, Callable[[], object]] = {
        "measure": lambda: bench.measure(tiny_checkpoint / "ov", SIZE, ["CPU"], EXECUTION, stop, cancel),
        "prepare": lambda: bench.precompile(
            tiny_checkpoint / "ov", [SIZE], [SpeedPreset.EXACT], EXECUTION, stop, cancel
        ),
    }
    with pytest.raises(BenchmarkCancelledError):
        work[what]()


def test_a_worker_does_the_same(tiny_checkpoint: Path, home: Path) -> None:
    workbench, recorded = ProcessDeviceBenchmark(), list[EngineEvent]()
    made = workbench.precompile(
        tiny_checkpoint / "ov", [SIZE], [SpeedPreset.EXACT], EXECUTION, recorded.append, threading.Event()
    )
    assert {entry.part for entry in made.compiled_entries} == set(ALL)
    assert made.is_cached
    assert any(isinstance(event, Progress) for event in recorded)
    table = workbench.measure(tiny_checkpoint / "ov", SIZE, ["CPU"], EXECUTION, recorded.append, threading.Event())
    assert [row.part for row in table.rows] == ALL
    assert read_timings(timings_file(AppPaths.from_environment())) == table, "it is kept for Automatic"


@pytest.mark.slow
def test_an_error_of_a_worker_is_raised_here(tiny_checkpoint: Path, home: Path) -> None:
    """That errors cross the pipe is in every run, in the tests of `workers`."""
    with pytest.raises(RequestError):
        ProcessDeviceBenchmark().precompile(
            tiny_checkpoint / "ov", [Size(64, 68)], [SpeedPreset.EXACT], EXECUTION, ignore_event, threading.Event()
        )


def test_a_size_that_the_checkpoint_cannot_draw_is_refused(bench: DeviceBenchmark, tiny_checkpoint: Path) -> None:
    with pytest.raises(RequestError):
        bench.precompile(
            tiny_checkpoint / "ov", [Size(64, 68)], [SpeedPreset.EXACT], EXECUTION, ignore_event, threading.Event()
        )

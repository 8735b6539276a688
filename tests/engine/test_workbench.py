"""Parts of a real checkpoint are measured one by one and compiled ahead; drawing then compiles nothing."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.device import STATIC_SHAPES
from sdxl_desktop.core.errors import EngineError, RequestError
from sdxl_desktop.core.events import Event, Progress
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.compiled_entries import compiled_sizes
from sdxl_desktop.engine.compiled_store import CompiledStore
from sdxl_desktop.engine.device_times import read_table, table_file
from sdxl_desktop.engine.openvino import parts
from sdxl_desktop.engine.process.workbench import ProcessWorkbench
from sdxl_desktop.engine.workbench import StoppedError, Workbench

SIZE = Size(64, 64)
EXECUTION = Execution(precision="f32", threads=1)
ALL = ["text_encoder", "text_encoder_2", "unet", "vae_encoder", "vae_decoder"]


@pytest.fixture
def own_home(tmp_path: Path) -> AppPaths:
    return AppPaths(tmp_path, tmp_path / "cache", tmp_path / "settings.json", tmp_path, tmp_path)


@pytest.fixture
def bench(own_home: AppPaths) -> Iterator[Workbench]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdxl_desktop.engine.openvino.workbench import OpenVinoWorkbench

        made = OpenVinoWorkbench(own_home)
    yield made
    made.close()


def unheard(_: Event) -> None:
    return None


def test_every_part_is_measured_and_progress_is_told(bench: Workbench, tiny: Path, own_home: AppPaths) -> None:
    told: list[Event] = []
    table = bench.measure(tiny / "ov", SIZE, ["CPU"], EXECUTION, told.append, threading.Event())
    assert [row.part for row in table.rows] == ALL
    for row in table.rows:
        assert (row.device, row.problem) == ("CPU", "")
        assert row.compiled
        assert row.milliseconds is not None
        assert row.first_seconds is not None
        assert 0 < row.milliseconds / 1000 <= row.first_seconds, "the first call waits for compiling"
    fractions = [event.fraction for event in told if isinstance(event, Progress) and " on " in event.detail]
    assert fractions == sorted(fractions, key=lambda fraction: fraction or 0.0)
    assert len(fractions) == len(ALL)

    again = bench.measure(tiny / "ov", SIZE, ["CPU"], EXECUTION, unheard, threading.Event())
    assert not any(row.compiled for row in again.rows)
    assert not any(entry.in_use for entry in CompiledStore(own_home.compiled).entries()), "nothing is held on to"


def test_a_device_that_refuses_a_part_says_why_and_the_others_go_on(
    bench: Workbench, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_ = parts.Compiler.compile

    def refuse(self: Any, key: Any, *others: Any) -> Any:
        if key.component == "unet":
            raise EngineError("No.", why="It has no room for it.")
        return compile_(self, key, *others)

    monkeypatch.setattr(parts.Compiler, "compile", refuse)
    table = bench.measure(tiny / "ov", SIZE, ["CPU", "TPU"], EXECUTION, unheard, threading.Event())
    said = {(row.part, row.device): row.problem for row in table.rows}
    assert said["unet", "CPU"] == "It has no room for it."
    assert said["vae_decoder", "CPU"] == ""
    assert "CPU" in said["vae_decoder", "TPU"], "the devices there are"
    assert table.fastest("unet") is None
    assert table.fastest("vae") == "CPU"


def test_what_was_prepared_need_not_be_compiled(bench: Workbench, tiny: Path, own_home: AppPaths) -> None:
    made = bench.prepare(tiny / "ov", [SIZE, Size(96, 64)], list(Speed), EXECUTION, unheard, threading.Event())
    assert not made.fixed
    assert sorted(entry.part for entry in made.made) == sorted([*ALL, "unet", "unet_shallow"]), "plain and cut"
    again = bench.prepare(tiny / "ov", [SIZE], [Speed.EXACT], EXECUTION, unheard, threading.Event())
    assert again.made == ()


@pytest.mark.slow
def test_each_size_is_prepared_where_devices_want_it(
    bench: Workbench, tiny: Path, own_home: AppPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATIC_SHAPES, "CPU")
    sizes = [SIZE, Size(96, 64)]
    made = bench.prepare(tiny / "ov", sizes, [Speed.EXACT], EXECUTION, unheard, threading.Event())
    assert made.fixed
    shapes = {(entry.part, entry.shape) for entry in made.made}
    sized = {(part, str(size)) for part in ("unet", "vae_encoder", "vae_decoder") for size in sizes}
    assert shapes == sized | {("text_encoder", "77 tokens"), ("text_encoder_2", "77 tokens")}
    assert set(compiled_sizes(own_home.compiled, tiny / "ov", EXECUTION)) == set(sizes)


@pytest.mark.parametrize("what", ["measure", "prepare"])
def test_it_can_be_stopped(what: str, bench: Workbench, tiny: Path) -> None:
    cancel = threading.Event()

    def stop(_: Event) -> None:
        cancel.set()

    work: dict[str, Callable[[], object]] = {
        "measure": lambda: bench.measure(tiny / "ov", SIZE, ["CPU"], EXECUTION, stop, cancel),
        "prepare": lambda: bench.prepare(tiny / "ov", [SIZE], [Speed.EXACT], EXECUTION, stop, cancel),
    }
    with pytest.raises(StoppedError):
        work[what]()


def test_a_worker_does_the_same(tiny: Path, home: Path) -> None:
    workbench, told = ProcessWorkbench(), list[Event]()
    made = workbench.prepare(tiny / "ov", [SIZE], [Speed.EXACT], EXECUTION, told.append, threading.Event())
    assert {entry.part for entry in made.made} == set(ALL)
    assert made.kept
    assert any(isinstance(event, Progress) for event in told)
    table = workbench.measure(tiny / "ov", SIZE, ["CPU"], EXECUTION, told.append, threading.Event())
    assert [row.part for row in table.rows] == ALL
    assert read_table(table_file(AppPaths.from_environment())) == table, "it is kept for Automatic"
    with pytest.raises(RequestError):
        workbench.prepare(tiny / "ov", [Size(64, 68)], [Speed.EXACT], EXECUTION, unheard, threading.Event())


def test_a_size_that_the_checkpoint_cannot_draw_is_refused(bench: Workbench, tiny: Path) -> None:
    with pytest.raises(RequestError):
        bench.prepare(tiny / "ov", [Size(64, 68)], [Speed.EXACT], EXECUTION, unheard, threading.Event())

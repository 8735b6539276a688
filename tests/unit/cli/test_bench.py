"""`bench` measures every speed on every requested device, and reports as text, JSON and a plot."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.cli.bench_measure import DeviceTimes, PartReadyTime, SpeedTiming
from sdxl_desktop.cli.bench_plot import MARGIN, WIDTH, draw_plot, format_seconds, plot_sections, write_plot
from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.events import Phase, Progress, RunFailed, RunFinished, Timings
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.compile_cache import CompileCache, RuntimeVersion
from sdxl_desktop.engine.compile_key import CompileKey
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit, Pausing
from sdxl_desktop.engine.fake_engine import FakeEngine
from tests.unit.cli.helpers import FakeEntryPoints, press_ctrl_c_when_caught, run_command

STEP = {SpeedPreset.EXACT: 0.4, SpeedPreset.BALANCED: 0.2, SpeedPreset.FAST: 0.1}


@dataclass
class TimedEngine(FakeEngine):
    """Compiles two parts, one of them from scratch, and tells fixed times; a UNet for each way of stepping."""

    ready: set[tuple[str, bool]] = field(default_factory=set)
    closed: int = 0

    def generate(
        self, request: GenerationRequest, emit: Emit, cancel: CancelToken, pausing: Pausing | None = None
    ) -> None:
        self.requests.append(request)
        speed, steps = request.sampling.speed, request.sampling.steps
        emit(Progress(phase=Phase.LOADING))
        for part in ("text_encoder", "unet"):
            form = (part, part == "unet" and speed is not SpeedPreset.EXACT)
            if form not in self.ready:
                self.ready.add(form)
                emit(Progress(phase=Phase.COMPILING, detail=part))
                time.sleep(0.05 if part == "unet" else 0.01)
                if form == ("unet", False):
                    self._compile(part)
        emit(Progress(phase=Phase.ENCODING))
        timings = Timings(
            load=0.7 if len(self.requests) == 1 else 0.0, encode=0.3, denoise=STEP[speed] * steps, decode=0.2
        )
        emit(RunFailed(self.error) if self.error else RunFinished(pictures=(), timings=timings))

    def _compile(self, part: str) -> None:
        store, now = CompileCache(AppPaths.from_environment().compiled), RuntimeVersion("", "")
        key = CompileKey("0" * 20, part, "CPU")
        slot = store.acquire(key, now)
        assert slot is not None
        store.commit(slot, key, None, now, 1.0)

    def close(self) -> None:
        self.closed += 1


def test_every_speed_is_measured(work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = TimedEngine()
    entry_points = FakeEntryPoints(engine=engine)
    assert (
        run_command(entry_points, "bench", "--checkpoint", "mine", "--size", "128x64", "--steps", "10", "--json") == 0
    )
    reported = json.loads(capsys.readouterr().out)
    assert (reported["checkpoint"], reported["size"], reported["steps"]) == ("mine", "128x64", 10)
    (device,) = reported["devices"]
    assert (device["device"], device["full_name"]) == ("CPU", "A processor")
    assert (device["load"], device["encode"], device["decode"]) == (0.7, 0.3, 0.2)
    assert [(each["speed"], each["seconds_per_step"]) for each in device["speeds"]] == [
        ("exact", 0.4),
        ("balanced", 0.2),
        ("fast", 0.1),
    ]
    assert device["speeds"][2]["picture"] == pytest.approx(0.3 + 1.0 + 0.2)
    parts = {(part["part"], part["for_caching"]): part for part in device["parts"]}
    assert set(parts) == {("text_encoder", False), ("unet", False), ("unet", True)}
    assert 0.05 <= parts["unet", False]["seconds"] < 1
    assert 0.01 <= parts["text_encoder", False]["seconds"] < 1
    assert [part["compiled"] for part in device["parts"]] == [False, True, False]
    assert engine.closed == 1
    words = [request.prompts.prompt for request in engine.requests]
    assert len(set(words)) == len(words), "a prompt that is known takes no time to encode"
    whole = [request for request in engine.requests if request.sampling.steps == 10]
    assert [request.sampling.speed for request in whole] == list(SpeedPreset)
    assert not any(request.execution.preview for request in engine.requests)


def test_words(work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry_points = FakeEntryPoints(engine=TimedEngine())
    assert (
        run_command(
            entry_points, "bench", "--checkpoint", "mine", "--device", "cpu", "--device", "GPU", "--device", "CPU"
        )
        == 0
    )
    out = capsys.readouterr().out
    assert out.startswith("mine, 64 × 64, 3 steps, Heun.")
    assert out.count("CPU · A processor") == out.count("GPU · A card") == 1
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "a step, exact 0.400 s" in lines
    assert "a step, fast 0.100 s 25% of exact" in lines
    assert any(line.startswith("UNet 0.") and line.endswith("compiled") for line in lines)
    assert any(line.startswith("UNet, cut for step caching") and line.endswith("from the cache") for line in lines)


def test_what_is_wrong_is_reported_before_anything_is_opened(
    work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry_points = FakeEntryPoints()
    for wrong in (["--size", "63x64"], ["--steps", "0"], ["--device", "TPU"], ["--plot", "bench.jpg"]):
        assert run_command(entry_points, "bench", "--checkpoint", "mine", *wrong) == 2, wrong
    assert run_command(entry_points, "bench", "--checkpoint", "yours") == 2
    assert "engine" not in entry_points.opened


def test_an_engine_that_fails_says_why(work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = TimedEngine(error=EngineError("The device has gone."))
    assert run_command(FakeEntryPoints(engine=engine), "bench", "--checkpoint", "mine", "--plot", "bench.png") == 1
    assert "The device has gone." in capsys.readouterr().err
    assert engine.closed == 1
    assert not Path("bench.png").exists()


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_stops_it(work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine(seconds_per_step=0.05)
    entry_points = FakeEntryPoints(engine=engine)
    started = time.monotonic()
    with press_ctrl_c_when_caught():
        assert run_command(entry_points, "bench", "--checkpoint", "mine", "--steps", "500") == 130
    assert time.monotonic() - started < 5
    assert "Cancelled." in capsys.readouterr().err


def some_times(device: str = "CPU", scale: float = 1.0, parts: int = 3) -> DeviceTimes:
    return DeviceTimes(
        device=device,
        full_name="A maker's processor",
        load=0.5,
        encode=0.02 * scale,
        decode=0.1,
        parts=tuple(PartReadyTime(f"part_{n}", False, 0.1 + n, True) for n in range(parts)),
        speeds=tuple(SpeedTiming(speed.value, STEP[speed] * scale, 20 * STEP[speed] * scale) for speed in SpeedPreset),
    )


class TestPlot:
    def test_it_is_a_light_png_with_a_bar_for_every_number(self, work_folder: Path) -> None:
        assert (
            run_command(
                FakeEntryPoints(engine=TimedEngine()), "bench", "--checkpoint", "mine", "--plot", "new/bench.png"
            )
            == 0
        )
        with Image.open("new/bench.png") as picture:
            assert picture.format == "PNG"
            pixels = np.asarray(picture.convert("RGB"))
        assert pixels.shape[1] == WIDTH
        assert pixels.mean() > 200, "light"
        assert (pixels[0] == 255).all()
        assert (pixels[:, -1] == 255).all()
        assert (pixels[-40:] == 255).all(), "nothing is cut off"

    def test_bars_are_as_long_as_their_numbers(self) -> None:
        pixels = np.asarray(draw_plot("A title", "more", ["CPU"], plot_sections([some_times()])[:1]))
        teal = (pixels == (0x2A, 0x9D, 0x8F)).all(axis=-1)
        lengths = teal[:, MARGIN + 400 :].sum(axis=1)  # of what lies right of the labels, row by row
        bars = [int(lengths[y + 15]) for y in range(1, len(lengths)) if lengths[y] > 100 and lengths[y - 1] <= 100]
        assert [bar / bars[0] for bar in bars] == pytest.approx([1.0, 0.5, 0.25], abs=0.01)

    def test_devices_lie_under_each_other_and_a_part_that_one_lacks_is_a_dash(self) -> None:
        found = plot_sections([some_times(), some_times("GPU", 0.1, parts=2)])
        ready = {row.label: row.values for row in found[-1].rows}
        assert ready["Part 2"] == (2.1, None)
        assert ready["Part 1"] == (1.1, 1.1)
        assert found[0].rows[0].values == pytest.approx((0.4, 0.04))
        one, two = (draw_plot("t", "s", ["a"] * n, plot_sections([some_times()] * n)).height for n in (1, 2))
        assert two > one

    def test_nothing_measurable_is_still_a_plot(self, tmp_path: Path) -> None:
        zero = DeviceTimes(
            "CPU", "", 0.0, 0.0, 0.0, (), tuple(SpeedTiming(speed.value, 0.0, 0.0) for speed in SpeedPreset)
        )
        write_plot(tmp_path / "zero.png", title="t", subtitle="s", devices=[zero])
        assert (tmp_path / "zero.png").stat().st_size > 1000

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(0.0006, "0.6 ms"), (0.0481, "48 ms"), (4.213, "4.21 s"), (38.46, "38.5 s"), (130.2, "2 min 10 s")],
    )
    def test_three_digits_that_matter(self, seconds: float, words: str) -> None:
        assert format_seconds(seconds) == words


def test_the_request_is_the_checkpoints_own(work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine: Any = TimedEngine()
    assert run_command(FakeEntryPoints(engine=engine), "bench", "--checkpoint", "mine", "--json") == 0
    assert engine.requests[-1].sampling.guidance_scale == 4.5
    assert json.loads(capsys.readouterr().out)["steps"] == 3

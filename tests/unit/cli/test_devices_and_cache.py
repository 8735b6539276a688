"""`bench --devices` compares devices and `cache prepare` compiles ahead, both with a word on how it ended."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.errors import EngineError, SdxlDesktopError
from sdxl_desktop.core.events import Phase, Progress
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.compile_cache_entries import CompileCacheEntry
from sdxl_desktop.engine.device_benchmark import BenchmarkCancelledError, PrecompileResult
from sdxl_desktop.engine.device_times import DeviceTimings, PartTiming, read_timings, timings_file
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit
from sdxl_desktop.session.settings_store import SettingsStore
from tests.unit.cli.helpers import FakeEntryPoints, press_ctrl_c_when_caught, run_command

TIMES = {("unet", "CPU"): 40.0, ("unet", "GPU"): 4.0, ("vae_decoder", "CPU"): 3.0}


@dataclass
class FakeBenchmark:
    """Answers at once, or waits for a cancel."""

    problem: SdxlDesktopError | None = None
    waits: bool = False
    made: tuple[CompileCacheEntry, ...] = ()
    kept: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)
    closed: int = 0

    def measure(
        self,
        checkpoint: Path,
        size: Size,
        devices: Sequence[str],
        execution: Execution,
        emit: Emit,
        cancel: CancelToken,
    ) -> DeviceTimings:
        self._work({"size": size, "devices": list(devices)}, emit, cancel)
        rows = [
            PartTiming(part=part, device=device, milliseconds=TIMES.get((part, device)), first_seconds=2.0, problem="")
            if (part, device) in TIMES
            else PartTiming(part=part, device=device, problem="It has no room for it.")
            for part in ("unet", "vae_decoder")
            for device in devices
        ]
        return DeviceTimings(checkpoint="mine", size=str(size), precision="auto", rows=tuple(rows))

    def precompile(
        self,
        checkpoint: Path,
        sizes: Sequence[Size],
        speeds: Sequence[SpeedPreset],
        execution: Execution,
        emit: Emit,
        cancel: CancelToken,
    ) -> PrecompileResult:
        self._work({"sizes": list(sizes), "speeds": list(speeds), "execution": execution}, emit, cancel)
        return PrecompileResult(self.made, 3.25, has_fixed_shapes=False, is_cached=self.kept)

    def _work(self, asked: dict[str, Any], emit: Emit, cancel: CancelToken) -> None:
        self.asked.append(asked)
        emit(Progress(phase=Phase.COMPILING, fraction=0.5, seconds_left=2.0, detail="vae_decoder"))
        while self.waits:
            if cancel.is_set():
                raise BenchmarkCancelledError
        if self.problem is not None:
            raise self.problem

    def close(self) -> None:
        self.closed += 1


def test_every_device_is_measured_and_the_best_is_reported_and_kept(
    work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = FakeBenchmark()
    assert (
        run_command(FakeEntryPoints(workbench=bench), "bench", "--devices", "--checkpoint", "mine", "--size", "128x64")
        == 0
    )
    assert bench.asked == [{"size": Size(128, 64), "devices": ["CPU", "GPU"]}]
    out = capsys.readouterr().out
    assert "It has no room for it." in out
    assert "Fastest for the UNet: GPU." in out
    assert "Fastest for the VAE: CPU." in out
    kept = read_timings(timings_file(AppPaths.from_environment()))
    assert kept is not None
    assert kept.fastest_device("unet") == "GPU"
    assert SettingsStore(AppPaths.from_environment().settings_file).load()[0].preferences.device == "CPU"
    assert bench.closed == 1


def test_the_best_can_be_written_into_the_settings(work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry_points = FakeEntryPoints(workbench=FakeBenchmark())
    assert run_command(entry_points, "bench", "--devices", "--use", "--json", "--checkpoint", "mine") == 0
    assert json.loads(capsys.readouterr().out)["best"] == {"unet": "GPU", "vae": "CPU"}
    preferences = SettingsStore(AppPaths.from_environment().settings_file).load()[0].preferences
    assert (preferences.device, preferences.vae_device) == ("GPU", "CPU")


def test_a_program_that_listens_gets_one_object(work_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    entry_points = FakeEntryPoints(workbench=FakeBenchmark())
    assert run_command(entry_points, "cache", "prepare", "mine", "--json") == 0
    reported = capfd.readouterr()
    assert json.loads(reported.out) == {"seconds": 3.25, "fixed": False, "made": []}


def test_what_is_prepared(work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unet = CompileCacheEntry(
        folder=work_folder,
        part="unet",
        content_id="1",
        size_bytes=1,
        last_used=0,
        device="CPU",
        shape="dynamic",
        compile_seconds=2.5,
    )
    bench = FakeBenchmark(made=(unet,))
    entry_points = FakeEntryPoints(workbench=bench)
    arguments = ["--size", "64x64", "--size", "128x64", "--speed", "exact", "--speed", "fast"]
    assert run_command(entry_points, "cache", "prepare", "mine", *arguments) == 0
    assert bench.asked[0]["sizes"] == [Size(64, 64), Size(128, 64)]
    assert bench.asked[0]["speeds"] == [SpeedPreset.EXACT, SpeedPreset.FAST]
    out = capsys.readouterr().out
    assert "Compiled unet for CPU, every size, 2.5 s." in out
    assert "What is compiled for this device serves every size." in out

    bench.made = ()
    assert run_command(entry_points, "cache", "prepare", "mine") == 0
    assert bench.asked[1]["sizes"] == [Size(64, 64)], "what the checkpoint is made for"
    assert "compiled already" in capsys.readouterr().out


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["words", "json"])
def test_what_could_not_be_kept_is_not_called_compiled(
    more: tuple[str, ...], work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(FakeEntryPoints(workbench=FakeBenchmark(kept=False)), "cache", "prepare", "mine", *more) != 0
    reported = capsys.readouterr()
    assert "could not be kept" in reported.err
    assert "already" not in reported.out


@pytest.mark.parametrize("wrong", [["--size", "63x64"], ["--size", "big"], ["--speed", "slow"]])
def test_what_is_wrong_is_reported_before_anything_is_loaded(
    wrong: list[str], work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry_points = FakeEntryPoints(workbench=FakeBenchmark())
    assert run_command(entry_points, "cache", "prepare", "mine", *wrong) == 2
    assert "workbench" not in entry_points.opened


@pytest.mark.parametrize("command", [("bench", "--devices", "--checkpoint", "mine"), ("cache", "prepare", "mine")])
def test_a_failure_says_why(command: tuple[str, ...], work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = FakeBenchmark(problem=EngineError("The device has gone."))
    assert run_command(FakeEntryPoints(workbench=bench), *command) == 1
    assert "The device has gone." in capsys.readouterr().err
    assert bench.closed == 1


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("command", [("bench", "--devices", "--checkpoint", "mine"), ("cache", "prepare", "mine")])
def test_ctrl_c_stops_it(command: tuple[str, ...], work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with press_ctrl_c_when_caught():
        assert run_command(FakeEntryPoints(workbench=FakeBenchmark(waits=True)), *command) == 130
    assert "Cancelled." in capsys.readouterr().err


def test_parts_on_devices_of_their_own_are_resolved_and_reported(
    work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry_points = FakeEntryPoints()
    assert (
        run_command(
            entry_points,
            "generate",
            "x",
            "--checkpoint",
            "mine",
            "--vae-device",
            "gpu",
            "--unet-device",
            "auto",
            "--json",
        )
        == 0
    )
    request = json.loads(capsys.readouterr().out)["request"]
    assert (request["text_device"], request["unet_device"], request["vae_device"]) == ("CPU", "AUTO", "GPU")
    drawn = entry_points.engine.requests[0].execution
    assert (drawn.device_for("text_encoder"), drawn.device_for("vae_encoder")) == ("CPU", "GPU")
    assert run_command(entry_points, "generate", "x", "--checkpoint", "mine", "--text-device", "TPU") == 2
    assert "TPU" in capsys.readouterr().err


def test_a_device_on_the_command_line_is_for_all_parts_whatever_the_settings_say(
    work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry_points = FakeEntryPoints(workbench=FakeBenchmark())
    run_command(entry_points, "bench", "--devices", "--use", "--json", "--checkpoint", "mine")
    capsys.readouterr()
    assert run_command(entry_points, "generate", "x", "--checkpoint", "mine") == 0
    assert run_command(entry_points, "generate", "x", "--checkpoint", "mine", "--device", "CPU") == 0
    by_settings, by_hand = (request.execution for request in entry_points.engine.requests)
    assert by_settings.devices == ("GPU", "CPU")
    assert by_hand.devices == ("CPU",)

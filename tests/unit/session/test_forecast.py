"""Before a run its time and memory are estimated, with the uncertainty and a remedy if memory is short."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sdxl_desktop.core.checkpoint import Checkpoint, RecommendedSettings
from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.events import Picture, RunFinished, Timings
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts, Sampling
from sdxl_desktop.core.workspace_value import RefinerPanelState, WorkspaceValue
from sdxl_desktop.engine.memory_footprint import MemoryFootprint
from sdxl_desktop.session.forecast import RunForecast
from sdxl_desktop.session.forecast_inputs import forecast_run
from sdxl_desktop.session.timing_history import TimingHistory

GB = 2**30
SIZE = Size(1024, 768)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As large as SDXL with 8-bit weights; the files are sparse, and take no space on the disk."""
    for part, size in (("text_encoder", 0.12), ("text_encoder_2", 0.7), ("unet", 2.57), ("vae_decoder", 0.1)):
        (tmp_path / part).mkdir()
        with (tmp_path / part / "openvino_model.bin").open("wb") as file:
            file.truncate(int(size * GB))
    return tmp_path


@pytest.fixture
def checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint(name="large", title="Large", folder=folder, recommended=RecommendedSettings(size=SIZE))


def ask(
    paces: TimingHistory, checkpoint: Checkpoint | None, workspace: WorkspaceValue | None = None
) -> RunForecast | None:
    sampling = Sampling(size=SIZE, steps=20)
    footprint = None if checkpoint is None else MemoryFootprint.from_checkpoint(checkpoint.folder)
    asked = workspace or WorkspaceValue(sampling=sampling)
    return forecast_run(paces, footprint, asked, EditSource(), checkpoint, Execution(), SIZE)


def learnt(paces: TimingHistory, folder: Path, peak: int, size: Size = SIZE) -> TimingHistory:
    picture = Picture(pixels=np.zeros((size.height, size.width, 3), np.uint8), seed=0)
    request = GenerationRequest(
        checkpoint=folder, prompts=Prompts(prompt="a cat"), sampling=Sampling(size=size, steps=20)
    )
    paces.add(request, RunFinished(pictures=(picture,), timings=Timings(denoise=150, decode=10), peak_bytes=peak))
    return paces


def test_before_anything_was_measured_the_files_tell_of_memory_and_nobody_of_time(checkpoint: Checkpoint) -> None:
    forecast = ask(TimingHistory(), checkpoint)
    assert forecast is not None
    assert forecast.seconds is None
    assert not forecast.measured
    assert forecast.peak_memory is not None
    assert 5 * GB < forecast.peak_memory < 9 * GB


def test_what_was_measured_is_reported_as_it_was(checkpoint: Checkpoint) -> None:
    forecast = ask(learnt(TimingHistory(), checkpoint.folder, int(7.5 * GB)), checkpoint)
    assert forecast is not None
    assert forecast.measured
    assert forecast.peak_memory == int(7.5 * GB)
    assert forecast.seconds == pytest.approx(160)


def test_what_was_measured_is_remembered_by_the_next_launch(checkpoint: Checkpoint, tmp_path: Path) -> None:
    file = tmp_path / "made when needed" / "paces.json"
    learnt(TimingHistory(file), checkpoint.folder, 7 * GB)
    forecast = ask(TimingHistory(file), checkpoint)
    assert forecast is not None
    assert forecast.peak_memory == 7 * GB
    assert forecast.seconds == pytest.approx(160)
    file.write_text("{broken")
    again = ask(TimingHistory(file), checkpoint)
    assert again is not None
    assert not again.measured


def test_a_larger_picture_takes_more_memory_and_the_nearest_size_tells(checkpoint: Checkpoint) -> None:
    paces = learnt(
        learnt(TimingHistory(), checkpoint.folder, 6 * GB, Size(512, 512)), checkpoint.folder, 8 * GB, Size(896, 768)
    )
    forecast = ask(paces, checkpoint)
    assert forecast is not None
    assert forecast.peak_memory is not None
    assert 8 * GB < forecast.peak_memory < 9 * GB


def test_nothing_is_reported_without_a_checkpoint_or_of_a_refiner(checkpoint: Checkpoint) -> None:
    assert ask(TimingHistory(), None) is None
    workspace = WorkspaceValue(sampling=Sampling(size=SIZE), refiner=RefinerPanelState(on=True))
    assert ask(TimingHistory(), checkpoint, workspace) is None


def test_without_files_nothing_is_known_of_memory(checkpoint: Checkpoint, tmp_path: Path) -> None:
    forecast = ask(TimingHistory(), replace(checkpoint, folder=tmp_path / "gone"))
    assert forecast is not None
    assert forecast.peak_memory is None
    assert forecast.suggestions(0) == ()


class TestHelp:
    @pytest.fixture
    def forecast(self, checkpoint: Checkpoint) -> RunForecast:
        found = ask(TimingHistory(), checkpoint)
        assert found is not None
        return found

    def test_what_fits_needs_none(self, forecast: RunForecast) -> None:
        assert forecast.shortage(20 * GB) == 0
        assert forecast.suggestions(20 * GB) == ()

    def test_the_size_that_is_offered_fits_and_is_the_largest_of_its_shape(self, forecast: RunForecast) -> None:
        assert forecast.peak_memory is not None
        assert forecast.footprint is not None
        free = forecast.peak_memory - GB // 8
        offer = forecast.suggestions(free)[0]
        assert forecast.shortage(free) == GB // 8
        words = offer.split()
        smaller = Size(int(words[1]), int(words[3]))
        assert smaller.width < SIZE.width
        assert smaller.width / smaller.height == pytest.approx(SIZE.width / SIZE.height, rel=0.1)
        assert forecast.footprint.peak(smaller) <= free

    def test_eight_bits_are_offered_for_what_has_more(self, forecast: RunForecast) -> None:
        assert forecast.footprint is not None
        assert not any("8 bits" in offer for offer in forecast.suggestions(GB))
        large = replace(forecast, footprint=replace(forecast.footprint, unet=4 * forecast.footprint.unet))
        assert any("8 bits" in offer for offer in large.suggestions(GB))

    def test_there_is_always_something_to_do(self, forecast: RunForecast) -> None:
        assert forecast.suggestions(0)[-1] == "close other programs"


def test_a_checkpoint_of_twice_the_weights_takes_more(folder: Path) -> None:
    before = MemoryFootprint.from_checkpoint(folder)
    with (folder / "unet" / "openvino_model.bin").open("r+b") as file:
        file.truncate(6 * GB)
    assert MemoryFootprint.from_checkpoint(folder).peak(SIZE) > before.peak(SIZE) + 4 * GB

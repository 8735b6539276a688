"""A comparison draws the same with both, one process after the other, and shows pictures and what each took."""

from __future__ import annotations

import base64
import math
import os
import re
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError, EngineError, OutputError, RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import GenerationRequest, Sampling
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.library.quantize.compare_checkpoints import ComparisonProgress, compare_checkpoints
from sdxl_desktop.library.quantize.comparison_result import CheckpointComparison, difference, difference_map
from sdxl_desktop.library.quantize.quantization_errors import ComparisonCancelledError, ComparisonError
from sdxl_desktop.library.scan import read_checkpoint
from tests.unit.library.test_scan import make_checkpoint


@dataclass
class EngineWithProcess(FakeEngine):
    """A fake engine that is this process."""

    closed: bool = False

    @property
    def pid(self) -> int | None:
        return None if self.closed else os.getpid()

    def close(self) -> None:
        self.closed = True


@dataclass
class EngineFactory:
    opened: list[EngineWithProcess] = field(default_factory=list)
    problem: EngineError | None = None

    def __call__(self) -> EngineWithProcess:
        assert all(engine.closed for engine in self.opened), "one process at a time"
        self.opened.append(EngineWithProcess(seconds_per_step=0.02, error=self.problem))
        return self.opened[-1]


@pytest.fixture
def two(tmp_path: Path) -> tuple[Checkpoint, Checkpoint]:
    one, other = (make_checkpoint(tmp_path / name, unet={"sample_size": 8}) for name in ("one", "other"))
    (other / "unet" / "openvino_model.bin").write_bytes(bytes(1000))
    return read_checkpoint(one), read_checkpoint(other)


def a_request(checkpoint: Checkpoint, count: int = 2) -> GenerationRequest:
    sampling = Sampling(size=Size(64, 64), steps=3, seed=5, count=count)
    return GenerationRequest(checkpoint=checkpoint.folder, sampling=sampling)


def run(
    two: tuple[Checkpoint, Checkpoint],
    folder: Path,
    engines: EngineFactory,
    reported: list[ComparisonProgress] | None = None,
    cancel: threading.Event | None = None,
    prompts: tuple[str, ...] = ("a cat", "a <dog> & co"),
) -> CheckpointComparison:
    show = (reported if reported is not None else []).append
    return compare_checkpoints(
        *two,
        a_request(two[0]),
        prompts,
        folder,
        open_engine=engines,
        on_progress=show,
        cancel=cancel or threading.Event(),
    )


def test_both_draw_the_same_requests_but_for_the_checkpoint(two: tuple[Checkpoint, Checkpoint], tmp_path: Path) -> None:
    engines, reported = EngineFactory(), list[ComparisonProgress]()
    found = run(two, tmp_path / "out", engines, reported)
    first, second = (engine.requests for engine in engines.opened)
    assert [request.checkpoint for request in first] == [two[0].folder] * 2
    assert [replace(request, checkpoint=two[1].folder) for request in first] == second
    assert [request.prompts.prompt for request in second] == ["a cat", "a <dog> & co"]
    assert all(engine.closed for engine in engines.opened)
    assert [progress.number for progress in reported] == sorted(progress.number for progress in reported)
    assert {(progress.number, progress.checkpoint) for progress in reported} >= {(0, "one"), (3, "other")}
    assert found.psnr is None, "the fake engine knows no difference"
    assert [(pair.prompt, pair.seed) for pair in found.pairs[:3]] == [("a cat", 5), ("a cat", 6), ("a <dog> & co", 5)]


def test_size_and_memory_are_measured_of_each(two: tuple[Checkpoint, Checkpoint], tmp_path: Path) -> None:
    found = run(two, tmp_path / "out", EngineFactory())
    assert found.second.bytes - found.first.bytes == 1000
    for side in (found.first, found.second):
        assert side.memory >= side.memory_drawing > 10**6, "this process's own"


def test_a_sheet_for_each_prompt_and_a_page_with_everything_in_it(
    two: tuple[Checkpoint, Checkpoint], tmp_path: Path
) -> None:
    found = run(two, tmp_path / "out", EngineFactory())
    assert [sheet.name for sheet in found.sheets] == ["sheet-01.png", "sheet-02.png"]
    with Image.open(found.sheets[0]) as sheet:
        assert sheet.width > 3 * 256
        assert sheet.height > 2 * 256
    assert found.page is not None
    html = found.page.read_text(encoding="utf-8")
    inside = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert [base64.b64decode(content) for content in inside] == [sheet.read_bytes() for sheet in found.sheets]
    assert "http" not in html, "it needs nothing from elsewhere"
    assert "identical" in html
    report = found.to_json()
    assert report["psnr"] is None
    assert report["pairs"][0]["largest"] == 0
    assert report["first"]["name"] == "one"


def test_a_cancel_an_error_and_a_bad_place_end_it_and_leave_no_process(
    two: tuple[Checkpoint, Checkpoint], tmp_path: Path
) -> None:
    stopped = threading.Event()
    stopped.set()
    engines = EngineFactory()
    with pytest.raises(ComparisonCancelledError):
        run(two, tmp_path / "out", engines, cancel=stopped)
    assert engines.opened[0].closed
    engines = EngineFactory(problem=EngineError("The device is gone."))
    with pytest.raises(EngineError, match="device is gone"):
        run(two, tmp_path / "out", engines)
    assert engines.opened[0].closed
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        run(two, tmp_path / "file" / "below", EngineFactory())
    with pytest.raises(ComparisonError, match="no prompts"):
        run(two, tmp_path / "out", EngineFactory(), prompts=())


def test_what_cannot_be_compared_is_refused_before_anything_is_drawn(
    tmp_path: Path, two: tuple[Checkpoint, Checkpoint]
) -> None:
    coarse = read_checkpoint(make_checkpoint(tmp_path / "coarse", unet={"block_out_channels": [1] * 5}))
    engines = EngineFactory()
    with pytest.raises(RequestError, match="multiples of 128"):
        run((two[0], coarse), tmp_path / "out", engines)
    filler = read_checkpoint(make_checkpoint(tmp_path / "filler", unet={"in_channels": 9, "out_channels": 4}))
    with pytest.raises(CheckpointError, match="from words"):
        run((two[0], filler), tmp_path / "out", engines)
    assert engines.opened == []


def test_psnr_and_mean_difference_are_what_they_are_called() -> None:
    one = np.full((4, 4, 3), 100, np.uint8)
    other = one.copy()
    other[0, 0, 0] = 148
    found = difference(one, other)
    assert (found.mean, found.largest) == (1.0, 48)
    assert found.psnr == pytest.approx(20 * math.log10(255) - 10 * math.log10(48**2 / 48))
    assert difference(one, one).psnr is None


def test_the_map_is_black_where_nothing_differs_and_bright_where_much_does() -> None:
    one = np.zeros((2, 2, 3), np.uint8)
    other = one.copy()
    other[0, 1], other[1, 1] = (0, 9, 0), (255, 0, 0)
    shown = difference_map(one, other).astype(int).sum(axis=2)
    assert shown[0, 0] == 0
    assert 0 < shown[0, 1] < shown[1, 1]
    assert shown[1, 1] > 600

"""The library's own hands: how far a comparison is, where its report goes, and what it leaves when it is stopped."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from sdxl_desktop.bridge.library_thread import RealHands
from sdxl_desktop.core.errors import CheckpointError, EngineError
from sdxl_desktop.engine.fake import FakeEngine
from sdxl_desktop.library.bring.progress import BringProgress
from sdxl_desktop.library.quantize.errors import ComparisonCancelledError
from sdxl_desktop.library.quantize.method import Method
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.tasks import ComparisonNote, QuantizationNote, plan
from tests.ui.conftest import make_checkpoint


@dataclass
class WithProcess(FakeEngine):
    """A pretended engine that is this very process."""

    @property
    def pid(self) -> int | None:
        return os.getpid()


@pytest.fixture
def note(tmp_path: Path) -> ComparisonNote:
    first, second = (make_checkpoint(tmp_path / "own" / name, title=name.title()) for name in ("one", "other"))
    return ComparisonNote(first=first, second=second, home=tmp_path / "reports", prompts=2)


def test_a_comparison_reports_into_a_folder_of_its_own_and_tells_how_far_it_is(note: ComparisonNote) -> None:
    told: list[BringProgress] = []
    hands = RealHands(lambda: WithProcess(seconds_per_step=0.01))
    found = hands.compare(note, told.append, threading.Event())
    again = hands.compare(note, told.append, threading.Event())
    assert [made.page.parent.name if made.page else "" for made in (found, again)] == [
        "one and other",
        "one and other-2",
    ]
    assert found.page is not None
    assert found.page.is_file()
    assert len(found.pairs) == 2
    first = told[: len(told) // 2]
    assert [progress.fraction for progress in first] == sorted(progress.fraction for progress in first)
    assert first[-1].fraction == 1.0
    assert {progress.stage for progress in first} == {
        "getting one ready",
        "drawing with one",
        "getting other ready",
        "drawing with other",
    }
    assert first[0].what == "prompt 1 of 4"


def test_a_comparison_that_is_stopped_leaves_nothing(note: ComparisonNote) -> None:
    cancel = threading.Event()
    with pytest.raises(ComparisonCancelledError):
        RealHands(lambda: WithProcess()).compare(note, lambda progress: cancel.set(), cancel)
    assert list(note.home.iterdir()) == []


def test_what_an_engine_fails_with_is_what_the_job_fails_with(note: ComparisonNote) -> None:
    hands = RealHands(lambda: WithProcess(problem=EngineError("It broke.")))
    with pytest.raises(EngineError, match="It broke"):
        hands.compare(note, lambda progress: None, threading.Event())


def test_throwing_a_quantization_away_removes_what_it_had_and_nothing_else(tmp_path: Path) -> None:
    library = Library(tmp_path / "shipped", tmp_path / "own")
    source = make_checkpoint(library.own / "mine", title="Mine")
    note = QuantizationNote(source=str(source), method=Method.INT8, name="small")
    other = QuantizationNote(source=str(source), method=Method.INT4, name="smaller")
    folders = [plan(each, library).workspace.folder for each in (note, other)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    RealHands().throw_quantization_away(note, library)
    assert [folder.exists() for folder in folders] == [False, True]
    assert (source / "model_index.json").is_file()


def test_throwing_away_what_its_source_is_gone_from_is_no_error(tmp_path: Path) -> None:
    library = Library(tmp_path / "shipped", tmp_path / "own")
    note = QuantizationNote(source=str(tmp_path / "gone"), method=Method.INT8, name="small")
    RealHands().throw_quantization_away(note, library)
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        RealHands().quantize(note, library, lambda progress: None, threading.Event())

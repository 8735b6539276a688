"""The real library service: a comparison's progress, its report folder, and its cleanup when it is cancelled."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from sdxl_desktop.bridge.library_thread import DefaultLibraryService
from sdxl_desktop.core.errors import CheckpointError, EngineError
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.library.importer.import_progress import ImportProgress
from sdxl_desktop.library.quantize.quantization_errors import ComparisonCancelledError
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.checkpoint_jobs import ComparisonJobSpec, QuantizationJobSpec, plan_quantization_job
from tests.ui.conftest import make_checkpoint


@dataclass
class ProcessFakeEngine(FakeEngine):
    """A fake engine whose process is the test's own."""

    @property
    def pid(self) -> int | None:
        return os.getpid()


@pytest.fixture
def note(tmp_path: Path) -> ComparisonJobSpec:
    first, second = (make_checkpoint(tmp_path / "own" / name, title=name.title()) for name in ("one", "other"))
    return ComparisonJobSpec(first=first, second=second, report_folder=tmp_path / "reports", prompts=2)


def test_a_comparison_reports_into_a_folder_of_its_own_and_tells_how_far_it_is(note: ComparisonJobSpec) -> None:
    reported: list[ImportProgress] = []
    service = DefaultLibraryService(lambda: ProcessFakeEngine(seconds_per_step=0.01))
    found = service.compare(note, reported.append, threading.Event())
    again = service.compare(note, reported.append, threading.Event())
    assert [made.page.parent.name if made.page else "" for made in (found, again)] == [
        "one and other",
        "one and other-2",
    ]
    assert found.page is not None
    assert found.page.is_file()
    assert len(found.pairs) == 2
    first = reported[: len(reported) // 2]
    assert [progress.fraction for progress in first] == sorted(progress.fraction for progress in first)
    assert first[-1].fraction == 1.0
    assert {progress.stage for progress in first} == {
        "getting one ready",
        "drawing with one",
        "getting other ready",
        "drawing with other",
    }
    assert first[0].what == "prompt 1 of 4"


def test_a_comparison_that_is_stopped_leaves_nothing(note: ComparisonJobSpec) -> None:
    cancel = threading.Event()
    with pytest.raises(ComparisonCancelledError):
        DefaultLibraryService(lambda: ProcessFakeEngine()).compare(note, lambda progress: cancel.set(), cancel)
    assert list(note.report_folder.iterdir()) == []


def test_what_an_engine_fails_with_is_what_the_job_fails_with(note: ComparisonJobSpec) -> None:
    service = DefaultLibraryService(lambda: ProcessFakeEngine(error=EngineError("It broke.")))
    with pytest.raises(EngineError, match="It broke"):
        service.compare(note, lambda progress: None, threading.Event())


def test_discarding_a_quantization_removes_what_it_had_and_nothing_else(tmp_path: Path) -> None:
    library = Library(tmp_path / "shipped", tmp_path / "own")
    source = make_checkpoint(library.user_folder / "mine", title="Mine")
    note = QuantizationJobSpec(source=str(source), method=QuantizationMethod.INT8, name="small")
    other = QuantizationJobSpec(source=str(source), method=QuantizationMethod.INT4, name="smaller")
    folders = [plan_quantization_job(each, library).build_folder.folder for each in (note, other)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    DefaultLibraryService().clean_up_quantization(note, library)
    assert [folder.exists() for folder in folders] == [False, True]
    assert (source / "model_index.json").is_file()


def test_discarding_what_its_source_is_gone_from_is_no_error(tmp_path: Path) -> None:
    library = Library(tmp_path / "shipped", tmp_path / "own")
    note = QuantizationJobSpec(source=str(tmp_path / "gone"), method=QuantizationMethod.INT8, name="small")
    DefaultLibraryService().clean_up_quantization(note, library)
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        DefaultLibraryService().quantize(note, library, lambda progress: None, threading.Event())

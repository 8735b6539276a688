"""A whole bringing from a hub on this computer: typed, looked up, agreed on, downloaded by its process, and used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from sdxl_desktop.bridge.library_thread import RealHands
from sdxl_desktop.session.bringing import JobState
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import make_checkpoint
from tests.ui.library.conftest import LEFT, OpenWindow, press, the_sheet, the_toast
from tests.unit.library.hub.fake_hub import FakeHub, Repository

PATIENCE = 60_000


def repository(folder: Path, *, gated: bool = False) -> Repository:
    """A checkpoint of OpenVINO parts, as a repository has it."""
    make_checkpoint(folder, title="Ready", steps=9)
    (folder / "unet" / "openvino_model.bin").write_bytes(bytes(200_000))
    files = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return Repository(files, {"license": "mit"}, gated=gated)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    made = FakeHub(
        {
            "someone/ready-xl": repository(tmp_path / "ready"),
            "someone/gated-xl": repository(tmp_path / "gated", gated=True),
        }
    )
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    yield made
    made.close()


@pytest.fixture
def real(own: Path, hub: FakeHub, open_window: OpenWindow) -> MainWindow:
    return open_window(RealHands())


def test_from_its_id_to_drawing_with_it(real: MainWindow, own: Path, qtbot: QtBot) -> None:
    page = real.library.open_page()
    qtbot.mouseClick(page.add, LEFT)
    qtbot.keyClicks(page.adding.edit, "someone/ready-xl")
    qtbot.keyClick(page.adding.edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not page.adding.stop.isVisible(), timeout=PATIENCE)
    sheet = the_sheet(real, qtbot)
    assert "mit" in sheet.text()
    assert "nothing is converted" in sheet.formats.lines()[0]
    qtbot.mouseClick(sheet.start, LEFT)
    qtbot.waitUntil(lambda: the_toast(real).isVisible() and bool(real.readiness.checkpoints), timeout=PATIENCE)
    assert "ready" in the_toast(real).accessibleName()
    press(qtbot, the_toast(real), "Use it")
    chosen = real.desk.checkpoint()
    assert chosen is not None
    assert chosen.folder == own / "ready-xl"
    assert (own / "ready-xl" / "unet" / "openvino_model.bin").stat().st_size == 200_000
    qtbot.waitUntil(lambda: any(line.startswith("Ready") for line in page.lines()))
    page.select(own / "ready-xl")
    assert "someone/ready-xl" in page.details.text()
    assert "mit" in page.details.text()


def test_a_gated_one_asks_for_a_token(real: MainWindow, qtbot: QtBot) -> None:
    page = real.library.open_page()
    qtbot.mouseClick(page.add, LEFT)
    qtbot.keyClicks(page.adding.edit, "someone/gated-xl")
    qtbot.keyClick(page.adding.edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not page.adding.stop.isVisible(), timeout=PATIENCE)
    sheet = the_sheet(real, qtbot)
    assert sheet.token.page == "https://huggingface.co/someone/gated-xl"
    assert sheet.token.isVisible()
    qtbot.mouseClick(sheet.start, LEFT)
    jobs = real.library.verbs.bringing
    qtbot.waitUntil(lambda: [job.state for job in jobs.jobs] == [JobState.FAILED], timeout=PATIENCE)
    row = page.jobs.rows[0]
    assert "accept" in row.text().lower()
    assert row.token.isVisible()


def test_what_the_hub_does_not_have_is_told(real: MainWindow, qtbot: QtBot) -> None:
    page = real.library.open_page()
    qtbot.mouseClick(page.add, LEFT)
    qtbot.keyClicks(page.adding.edit, "someone/nothing")
    qtbot.keyClick(page.adding.edit, Qt.Key.Key_Return)
    qtbot.waitUntil(page.adding.problem.isVisible, timeout=PATIENCE)
    assert "someone/nothing" in page.adding.problem.accessibleName()

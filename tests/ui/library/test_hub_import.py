"""A whole import from a hub on this computer: typed, resolved, accepted, downloaded in its own process, and used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from sdxl_desktop.bridge.library_thread import DefaultLibraryService
from sdxl_desktop.session.library_jobs import JobState
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import make_checkpoint
from tests.ui.library.conftest import LEFT, OpenWindow, current_import_dialog, current_toast, press
from tests.unit.library.hub.fake_hub import FakeHub, Repository

pytestmark = pytest.mark.usefixtures("plain_style")

PATIENCE = 60_000


def repository(folder: Path, *, gated: bool = False) -> Repository:
    """Return a checkpoint of OpenVINO components as a hub repository."""
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
    return open_window(DefaultLibraryService())


def test_from_its_id_to_drawing_with_it(real: MainWindow, own: Path, qtbot: QtBot) -> None:
    page = real.library_controller.open_dialog()
    qtbot.mouseClick(page.add_button, LEFT)
    qtbot.keyClicks(page.add_panel.query_edit, "someone/ready-xl")
    qtbot.keyClick(page.add_panel.query_edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not page.add_panel.stop_button.isVisible(), timeout=PATIENCE)
    dialog = current_import_dialog(real, qtbot)
    assert "mit" in dialog.text()
    assert "nothing is converted" in dialog.format_table.row_texts()[0]
    qtbot.mouseClick(dialog.start_button, LEFT)
    qtbot.waitUntil(
        lambda: current_toast(real).isVisible() and bool(real.checkpoint_controller.checkpoints), timeout=PATIENCE
    )
    assert "ready" in current_toast(real).accessibleName()
    press(qtbot, current_toast(real), "Use it")
    chosen = real.parameters_panel.checkpoint()
    assert chosen is not None
    assert chosen.folder == own / "ready-xl"
    assert (own / "ready-xl" / "unet" / "openvino_model.bin").stat().st_size == 200_000
    qtbot.waitUntil(lambda: any(line.startswith("Ready") for line in page.row_texts()))
    page.select(own / "ready-xl")
    assert "someone/ready-xl" in page.details.text()
    assert "mit" in page.details.text()


def test_a_gated_one_asks_for_a_token(real: MainWindow, qtbot: QtBot) -> None:
    page = real.library_controller.open_dialog()
    qtbot.mouseClick(page.add_button, LEFT)
    qtbot.keyClicks(page.add_panel.query_edit, "someone/gated-xl")
    qtbot.keyClick(page.add_panel.query_edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not page.add_panel.stop_button.isVisible(), timeout=PATIENCE)
    dialog = current_import_dialog(real, qtbot)
    assert dialog.token_field.page_url == "https://huggingface.co/someone/gated-xl"
    assert dialog.token_field.isVisible()
    qtbot.mouseClick(dialog.start_button, LEFT)
    jobs = real.library_controller.actions.jobs
    qtbot.waitUntil(lambda: [job.state for job in jobs.jobs] == [JobState.FAILED], timeout=PATIENCE)
    row = page.jobs.rows[0]
    assert "accept" in row.text().lower()
    assert row.token_button.isVisible()


def test_what_the_hub_does_not_have_is_reported(real: MainWindow, qtbot: QtBot) -> None:
    page = real.library_controller.open_dialog()
    qtbot.mouseClick(page.add_button, LEFT)
    qtbot.keyClicks(page.add_panel.query_edit, "someone/nothing")
    qtbot.keyClick(page.add_panel.query_edit, Qt.Key.Key_Return)
    qtbot.waitUntil(page.add_panel.error_notice.isVisible, timeout=PATIENCE)
    assert "someone/nothing" in page.add_panel.error_notice.accessibleName()

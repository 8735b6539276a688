"""Checkpoints dropped on the window or pasted into it are recognised by the real library and open the import dialog."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from sdxl_desktop.bridge.library_thread import DefaultLibraryService
from sdxl_desktop.core.noise_schedule import TimestepSpacing
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.formats.families import Family
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.ui.library.import_dialog import ImportDialog
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.panels.adapters_panel import AdaptersPanel
from tests.ui.conftest import make_checkpoint
from tests.ui.library.conftest import FakeLibraryService, OpenWindow, current_import_dialog, make_preview
from tests.ui.painting.test_picture_drops import drag_and_drop, files
from tests.ui.widget_lookup import find_child
from tests.unit.library.fake_safetensors import original_shapes, write_sparse_file

pytestmark = pytest.mark.usefixtures("plain_style")

LORA = {"lora_unet_a.lora_down.weight": (4, 8)}

PAGE = "https://huggingface.co/someone/tiny-xl"


@pytest.fixture
def real(own: Path, open_window: OpenWindow) -> MainWindow:
    """A window that resolves queries with the real library."""
    return open_window(DefaultLibraryService())


def addresses(*urls: str) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl(url) for url in urls])
    data.setText("\n".join(urls))
    return data


def test_a_whole_file_is_recognized_by_its_tensors_and_offered(real: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    file = write_sparse_file(tmp_path / "dreamy.safetensors", original_shapes(Family.SSD_1B))
    assert drag_and_drop(real.canvas_area, files(file))
    dialog = current_import_dialog(real, qtbot)
    assert "SSD-1B" in dialog.text()
    assert str(file) in dialog.text()
    assert dialog.name_edit.text() == "dreamy"
    assert len(dialog.format_table.row_texts()) == len(WeightFormat)
    assert not real.document.has_picture


def test_a_folder_of_parts_is_copied_as_it_is(real: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    folder = make_checkpoint(tmp_path / "ready", title="Ready")
    make_checkpoint(tmp_path / "other", title="Other")
    assert drag_and_drop(real.canvas_area.empty_state, files(folder))
    dialog = current_import_dialog(real, qtbot)
    assert "nothing is converted" in dialog.format_table.row_texts()[0]
    assert dialog.start_button.isEnabled(), "there is nothing to choose"


@pytest.mark.parametrize("target", ["stage", "additions"])
def test_a_lora_goes_to_the_additions_wherever_it_is_dropped(
    real: MainWindow, tmp_path: Path, qtbot: QtBot, target: str
) -> None:
    file = write_sparse_file(tmp_path / "style.safetensors", LORA)
    assert drag_and_drop(
        real.canvas_area if target == "stage" else find_child(real.parameters_panel, AdaptersPanel), files(file)
    )
    assert [lora.use.file for lora in real.parameters_panel.value().additions.loras] == [file]
    assert not real.findChildren(ImportDialog)


@pytest.mark.parametrize(
    ("name", "scheduler", "steps", "spacing"),
    [
        ("style_Lightning-8step", SchedulerName.EULER, 8, TimestepSpacing.TRAILING),
        ("my-lcm-lora", SchedulerName.LCM, 4, None),
    ],
)
def test_settings_of_a_lora_for_few_steps_are_offered_and_taken_on_request(
    real: MainWindow, tmp_path: Path, name: str, scheduler: SchedulerName, steps: int, spacing: TimestepSpacing | None
) -> None:
    before = real.parameters_panel.value().sampling
    drag_and_drop(real.canvas_area, files(write_sparse_file(tmp_path / f"{name}.safetensors", LORA)))
    assert f"{steps} steps" in real.canvas_area.toast.accessibleName()
    assert real.parameters_panel.value().sampling == before, "nothing changes by itself"
    real.canvas_area.toast.action_triggered.emit()
    now = real.parameters_panel.value().sampling
    assert now is not None
    assert (now.scheduler, now.steps, now.guidance_scale, now.noise.timestep_spacing) == (scheduler, steps, 1, spacing)


def test_of_other_loras_only_their_place_is_reported(real: MainWindow, tmp_path: Path) -> None:
    drag_and_drop(real.canvas_area, files(write_sparse_file(tmp_path / "enlightening.safetensors", LORA)))
    assert "in the list" in real.canvas_area.toast.accessibleName()
    assert "steps" not in real.canvas_area.toast.accessibleName()


def test_a_whole_file_dropped_among_the_additions_is_offered_as_what_it_is(
    real: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    file = write_sparse_file(tmp_path / "dreamy.safetensors", original_shapes(Family.BASE))
    assert drag_and_drop(find_child(real.parameters_panel, AdaptersPanel), files(file))
    assert current_import_dialog(real, qtbot).name_edit.text() == "dreamy"
    assert real.parameters_panel.value().additions.loras == ()


@pytest.mark.parametrize("name", ["broken.safetensors", "nothing in it"])
def test_what_is_no_checkpoint_is_reported_over_the_canvas(
    real: MainWindow, tmp_path: Path, qtbot: QtBot, name: str
) -> None:
    path = tmp_path / name
    if path.suffix:
        path.write_bytes(b"\xff" * 100)
    else:
        path.mkdir()
    assert drag_and_drop(real.canvas_area, files(path))
    qtbot.waitUntil(real.canvas_area.banner.isVisible)
    assert name in real.canvas_area.banner.accessibleName()
    assert not real.findChildren(ImportDialog)


def test_a_page_of_the_hub_is_looked_up(window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot) -> None:
    assert drag_and_drop(window.canvas_area.empty_state, addresses(PAGE))
    assert current_import_dialog(window, qtbot).isVisible()
    assert library_service.queries == [PAGE]


def test_a_pasted_page_of_the_hub_is_looked_up(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    QApplication.clipboard().setText(f" {PAGE}/tree/main \n")
    library_service.previews[f"{PAGE}/tree/main"] = make_preview()
    window.activateWindow()
    window.canvas_area.canvas.setFocus()
    window.router.paste()
    assert current_import_dialog(window, qtbot).isVisible()


@pytest.mark.parametrize("words", ["someone/tiny-xl", "a red heart"])
def test_other_words_are_no_checkpoints(window: MainWindow, library_service: FakeLibraryService, words: str) -> None:
    data = QMimeData()
    data.setText(words)
    assert not drag_and_drop(window.canvas_area, data)
    assert library_service.queries == []


def test_while_it_is_looked_up_the_window_says_so_and_it_can_be_stopped(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.may_resolve.clear()
    drag_and_drop(window.canvas_area, addresses(PAGE))
    assert "Looking up" in window.canvas_area.toast.accessibleName()
    window.canvas_area.toast.action_triggered.emit()
    qtbot.waitUntil(lambda: not window.canvas_area.toast.isVisible())
    assert not window.canvas_area.banner.isVisible()
    assert not window.findChildren(ImportDialog)


def test_ctrl_v_in_the_prompt_stays_the_prompts_own(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    QApplication.clipboard().setText(PAGE)
    window.activateWindow()
    window.parameters_panel.focus_prompt()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is not None)
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert window.parameters_panel.value().prompts.prompt == PAGE
    assert library_service.queries == []

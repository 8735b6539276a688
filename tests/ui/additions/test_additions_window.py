"""LoRAs in the window: tags in prompts, completion, the library's dialog, the token view."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QInputMethodEvent
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.additions import LoraReference
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.library.token_count import TokenCounter
from sdxl_desktop.metadata.picture_files import create_record
from sdxl_desktop.session.request_grid import parse_axis
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.widgets.prompt_edit import PromptEdit
from tests.ui.conftest import MakeWindow, wait_until_idle
from tests.unit.library.additions.weight_files import picture_bytes, write_embedding, write_lora

CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def ink(paths: AppPaths) -> Path:
    write_embedding(paths.embeddings / "mood.safetensors")
    return write_lora(paths.loras / "styles" / "Ink Wash.safetensors", {"modelspec.trigger_phrase": "ink (style)"})


@pytest.fixture
def prompt(ink: Path, window: MainWindow, qtbot: QtBot) -> PromptEdit:
    """The prompt field of a window that knows the LoRA, with the focus."""
    edit = window.parameters_panel.prompts.findChildren(PromptEdit)[0]
    window.activateWindow()
    edit.setFocus()
    qtbot.waitUntil(edit.hasFocus)
    return edit


def wait_for_suggestions(qtbot: QtBot, edit: PromptEdit) -> None:
    qtbot.waitUntil(lambda: not edit.completion.is_waiting)


def type_text(qtbot: QtBot, edit: PromptEdit, text: str) -> list[str]:
    """Type `text` and return what is suggested after a pause."""
    qtbot.keyClicks(edit, text)
    wait_for_suggestions(qtbot, edit)
    return [one.label for one in edit.completion.suggestions]


def test_suggestions_are_taken_by_key_and_keep_out_of_the_way(
    prompt: PromptEdit, window: MainWindow, qtbot: QtBot
) -> None:
    assert type_text(qtbot, prompt, "a cat, in") == ["ink (style)", "Ink Wash"]
    qtbot.keyClick(prompt, Qt.Key.Key_Down)
    qtbot.keyClick(prompt, Qt.Key.Key_Tab)
    assert prompt.toPlainText() == "a cat, <lora:Ink Wash:1>"
    assert prompt.hasFocus()
    assert not prompt.completion.is_open
    assert type_text(qtbot, prompt, " ink")
    qtbot.keyClick(prompt, Qt.Key.Key_Return)
    assert prompt.toPlainText() == "a cat, <lora:Ink Wash:1> ink \\(style\\)"
    prompt.undo()
    assert prompt.toPlainText().endswith("> ink"), "one step"
    assert not prompt.completion.is_open
    qtbot.keyClick(prompt, Qt.Key.Key_Space, CONTROL)
    QCoreApplication.processEvents()
    assert prompt.completion.is_open, "asked for"
    qtbot.keyClick(prompt, Qt.Key.Key_Escape)
    assert not prompt.completion.is_open
    assert type_text(qtbot, prompt, ", ") == []
    qtbot.keyClick(prompt, Qt.Key.Key_Tab)
    assert not prompt.hasFocus(), "without suggestions Tab moves on"


def test_keys_typed_after_the_suggestions_count_before_one_is_taken(
    prompt: PromptEdit, window: MainWindow, qtbot: QtBot
) -> None:
    assert type_text(qtbot, prompt, "in") == ["ink (style)", "Ink Wash"]
    qtbot.keyClicks(prompt, "k w")
    qtbot.keyClick(prompt, Qt.Key.Key_Tab)
    assert prompt.toPlainText() == "<lora:Ink Wash:1>", "nothing of what was typed is left"
    assert type_text(qtbot, prompt, ", moo") == ["mood"]
    qtbot.keyClicks(prompt, "n")
    qtbot.keyClick(prompt, Qt.Key.Key_Return)
    assert prompt.toPlainText() == "<lora:Ink Wash:1>, moon\n", "what no longer fits is not taken"


def test_a_typing_error_is_forgiven_after_a_longer_pause(prompt: PromptEdit, qtbot: QtBot) -> None:
    assert type_text(qtbot, prompt, "ikn was") == ["Ink Wash"]
    assert type_text(qtbot, prompt, ", kni was") == [], "two errors"


@pytest.mark.parametrize("key", [Qt.Key.Key_Left, Qt.Key.Key_Home, Qt.Key.Key_Escape])
def test_nothing_is_suggested_once_another_key_follows(prompt: PromptEdit, qtbot: QtBot, key: Qt.Key) -> None:
    qtbot.keyClicks(prompt, "ink")
    qtbot.keyClick(prompt, key)
    assert not prompt.completion.is_waiting
    assert not prompt.completion.is_open


def test_ctrl_enter_draws_while_suggestions_are_shown(prompt: PromptEdit, window: MainWindow, qtbot: QtBot) -> None:
    assert type_text(qtbot, prompt, "ink")
    qtbot.keyClick(prompt, Qt.Key.Key_Return, CONTROL)
    wait_until_idle(qtbot, window)
    assert [result.request.prompts.prompt for result in window.session.results] == ["ink"]


def test_nothing_is_suggested_while_an_input_method_composes_or_if_it_is_off(
    prompt: PromptEdit, window: MainWindow, qtbot: QtBot
) -> None:
    assert type_text(qtbot, prompt, "in")
    QCoreApplication.sendEvent(prompt, QInputMethodEvent("k", []))
    QCoreApplication.processEvents()
    assert not prompt.completion.is_open
    committed = QInputMethodEvent()
    committed.setCommitString("k")
    QCoreApplication.sendEvent(prompt, committed)
    wait_for_suggestions(qtbot, prompt)
    assert prompt.completion.is_open
    window.preferences.set_value(Preferences(completion=False))
    assert type_text(qtbot, prompt, " w") == []


def test_an_embedding_that_is_taken_is_added_to_the_list(prompt: PromptEdit, window: MainWindow, qtbot: QtBot) -> None:
    assert type_text(qtbot, prompt, "moo") == ["mood"]
    qtbot.keyClick(prompt, Qt.Key.Key_Tab)
    assert [one.token for one in window.parameters_panel.value().additions.embeddings] == ["mood"]


def test_a_tag_list_completes_and_stays(prompt: PromptEdit, window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text("saber_(fate),4,20000,artoria\nsabre,0,10,\n")
    window.features.additions.import_tag_list(tmp_path / "tags.csv")
    (tmp_path / "tags.csv").unlink()
    assert type_text(qtbot, prompt, "artor") == ["saber (fate)"]
    qtbot.keyClick(prompt, Qt.Key.Key_Enter)
    assert prompt.toPlainText() == r"saber \(fate\)"
    window.features.additions.remove_tag_list()
    assert type_text(qtbot, prompt, ", sab") == []


def test_a_tag_draws_with_its_lora_and_its_settings_come_back(ink: Path, make_window: MakeWindow, qtbot: QtBot) -> None:
    engine = FakeEngine()
    window = make_window(engine)
    panel, typed = window.parameters_panel, "a <lora:ink wash:0.5>cat"
    panel.set_prompt(typed)
    window.controller.generate()
    wait_until_idle(qtbot, window)
    (request,) = engine.requests
    assert request.prompts.prompt == "a cat"
    assert request.additions.loras == (LoraReference(ink.resolve(), 0.5, from_prompt=True),)
    record = create_record(window.session.results[0].picture, request)
    panel.set_prompt("other")
    window.controller.picture_settings.apply(record)
    assert panel.value().prompts.prompt == typed
    assert panel.value().additions.loras == (), "the tag adds it again, so the list does not"
    window.preferences.set_value(Preferences(lora_tags=False))
    window.controller.picture_settings.apply(record)
    assert panel.value().prompts.prompt == "a cat"
    assert [(lora.use.file, lora.use.weight) for lora in panel.value().additions.loras] == [(ink, 0.5)]


def test_a_grid_can_vary_the_tags_of_the_prompt(ink: Path, make_window: MakeWindow, qtbot: QtBot) -> None:
    engine = FakeEngine()
    window = make_window(engine)
    window.parameters_panel.set_prompt("a <lora:ink wash:0.5>cat")
    assert window.features.grids.draw((parse_axis("replace=:0.5, :0.9"),))
    wait_until_idle(qtbot, window)
    assert [(one.prompts.prompt, one.additions.loras[0].weight) for one in engine.requests] == [
        ("a cat", 0.5),
        ("a cat", 0.9),
    ]


def test_an_unknown_lora_is_told_and_can_be_left_out(ink: Path, make_window: MakeWindow, qtbot: QtBot) -> None:
    engine = FakeEngine()
    window = make_window(engine)
    window.parameters_panel.set_prompt("a <lora:inkwash:0.5>cat")
    edit = window.parameters_panel.prompts.findChildren(PromptEdit)[0]
    assert ["inkwash" in str(problem) for problem in edit.problems] == [True]
    window.controller.generate()
    toast = window.canvas_area.toast
    assert "Ink Wash" in toast.accessibleName()
    assert not engine.requests
    qtbot.mouseClick(toast.findChildren(QPushButton)[0], Qt.MouseButton.LeftButton)
    wait_until_idle(qtbot, window)
    (request,) = engine.requests
    assert (request.prompts.prompt, request.additions.loras) == ("a cat", ())
    window.controller.generate()
    assert len(engine.requests) == 1, "it holds for one run"


def test_ctrl_up_changes_the_weight_of_the_tag_at_the_cursor(prompt: PromptEdit, qtbot: QtBot) -> None:
    prompt.setPlainText("cat <lora:Ink Wash:0.8:0.2>")
    cursor = prompt.textCursor()
    cursor.setPosition(8)
    prompt.setTextCursor(cursor)
    qtbot.keyClick(prompt, Qt.Key.Key_Up, CONTROL)
    assert prompt.toPlainText() == "cat <lora:Ink Wash:0.9:0.2>"


def test_the_dialog_lists_searches_and_uses_them(ink: Path, window: MainWindow, qtbot: QtBot) -> None:
    ink.with_name("Ink Wash.preview.png").write_bytes(picture_bytes("red"))
    write_lora(ink.parents[1] / "other" / "ink wash.safetensors")
    window.features.additions.rescan()
    dialog = window.features.additions.open_dialog()
    model = dialog.model
    names = [model.index(row).data() for row in range(model.rowCount())]
    assert names == ["other/ink wash", "styles/Ink Wash", "sepia", "magenta", "mood"]
    assert model.index(1).data(Qt.ItemDataRole.DecorationRole).pixmap(8, 8).toImage().pixelColor(4, 4).red() > 200
    qtbot.keyClicks(dialog.search_field, "style")
    assert [model.index(row).data() for row in range(model.rowCount())] == ["styles/Ink Wash"]
    assert dialog.details.entry is not None
    assert dialog.details.entry.file == ink
    dialog.details.weight_field.setValue(0.65)
    qtbot.waitUntil(lambda: window.features.additions.library.entry_of(ink).weight == 0.65)  # type: ignore[union-attr]
    dialog.details.prompt_button.click()
    assert window.parameters_panel.value().prompts.prompt == "<lora:styles/Ink Wash:0.65>"
    dialog.details.words_button.click()
    assert window.parameters_panel.value().prompts.prompt.endswith(r"ink \(style\)")
    dialog.details.list_button.click()
    assert [lora.use for lora in window.parameters_panel.value().additions.loras] == [LoraReference(ink, 0.65)]
    dialog.search_field.setText("nothing at all")
    assert dialog.details.entry is None
    dialog.close()


def test_a_file_that_is_copied_into_the_folder_is_noticed(ink: Path, window: MainWindow, qtbot: QtBot) -> None:
    assert not window.features.additions.library.knows_lora("pencil")
    write_lora(ink.with_name("pencil.safetensors"))
    qtbot.waitUntil(lambda: window.features.additions.library.knows_lora("pencil"), timeout=5000)


def test_a_lora_from_elsewhere_may_be_copied_into_the_library(
    window: MainWindow, paths: AppPaths, tmp_path: Path, qtbot: QtBot
) -> None:
    file = write_lora(tmp_path / "downloads" / "pencil.safetensors")
    window.controller.add_weight_files((file,))
    toast = window.canvas_area.toast
    assert "Copy" in toast.accessibleName()
    assert [lora.use.file for lora in window.parameters_panel.value().additions.loras] == [file]
    assert not paths.loras.exists()
    qtbot.mouseClick(toast.findChildren(QPushButton)[0], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.features.additions.library.knows_lora("pencil"))
    assert (paths.loras / "pencil.safetensors").read_bytes() == file.read_bytes()
    shutil.rmtree(file.parent)


def test_the_token_view_shows_what_is_counted(window: MainWindow, shipped: Path, qtbot: QtBot) -> None:
    text = "ab (cd:1.5) <lora:sepia:1> BREAK e"
    window.parameters_panel.set_prompt(text)
    dialog = window.features.additions.open_tokens()
    shown = dialog.texts()["Prompt"]
    assert "×1.5" in shown
    assert "lora" not in shown
    assert "4 of 75" in shown
    assert shown.count("after BREAK") == 2
    assert TokenCounter(shipped / "starter" / "tokenizer").count("ab (cd:1.5)  BREAK e").tokens == 76
    window.parameters_panel.set_prompt("f")
    qtbot.waitUntil(lambda: "1 of 75" in dialog.texts()["Prompt"])
    dialog.close()


def test_a_broken_tag_list_is_told_and_nothing_is_kept(window: MainWindow, paths: AppPaths, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text(json.dumps({"no": "tags,here,really"}))
    window.features.additions.import_tag_list(tmp_path / "empty.csv")
    assert window.canvas_area.banner.isVisible()
    assert not (paths.data / "tags.csv").exists()


def test_the_preference_keeps_tags_as_text(ink: Path, make_window: MakeWindow, qtbot: QtBot) -> None:
    engine = FakeEngine()
    window = make_window(engine, settings=Settings(preferences=Preferences(lora_tags=False)))
    window.parameters_panel.set_prompt("a <lora:ink wash:1>")
    window.controller.generate()
    wait_until_idle(qtbot, window)
    assert engine.requests[0].prompts.prompt == "a <lora:ink wash:1>"
    assert engine.requests[0].typed_prompts is None

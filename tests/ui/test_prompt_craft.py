"""In the window: styles, variants, presets and earlier prompts, by mouse and keyboard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QLineEdit, QListWidget, QMenu, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.panels.prompt_bar import StyleChip
from sdxl_desktop.ui.prompt_craft.preset_dialogs import SavePresetDialog
from sdxl_desktop.ui.prompt_craft.prompt_history_dialog import HistoryDialog
from sdxl_desktop.ui.prompt_craft.style_list import StyleListView
from sdxl_desktop.ui.prompt_craft.styles_dialog import SaveStyleDialog
from sdxl_desktop.ui.widgets.prompt_edit import PromptEdit
from tests.ui.conftest import GatedEngine, MakeWindow, wait_until_idle
from tests.ui.widget_lookup import find_child, find_named, label_texts

ALT = Qt.KeyboardModifier.AltModifier
KEY = Qt.Key


def prompt_edit(window: MainWindow) -> PromptEdit:
    return find_child(window.parameters_panel.prompts, PromptEdit)


def chips(window: MainWindow) -> list[str]:
    return [chip.name for chip in window.parameters_panel.prompt_bar.findChildren(StyleChip) if not chip.isHidden()]


def answer(app: QApplication, words: str) -> None:
    """Press the button with these words in the question that comes next."""

    def press() -> None:
        box = next(widget for widget in app.topLevelWidgets() if isinstance(widget, QMessageBox) and widget.isVisible())
        next(button for button in box.buttons() if button.text() == words).click()

    QTimer.singleShot(0, press)


def test_styles_are_found_chosen_and_taken_off_by_keyboard(window: MainWindow, qtbot: QtBot) -> None:
    window.parameters_panel.set_prompt("a cat")
    dialog = window.features.prompt_craft.open_styles()
    qtbot.keyClicks(find_named(dialog, QLineEdit, "Search styles"), "watercolour wet")
    view = find_child(dialog, StyleListView)
    assert view.model().rowCount() == 1
    assert "Negative: photo" in label_texts(dialog)
    qtbot.keyClick(view, KEY.Key_Space)
    find_named(dialog, QLineEdit, "Search styles").setText("no text")
    qtbot.keyClick(view, KEY.Key_Return)
    assert chips(window) == ["Watercolour", "No text"]
    window.controller.generate()
    wait_until_idle(qtbot, window)
    drawn = window.session.results[-1].request
    assert drawn.prompts.prompt.startswith("watercolour of a cat")
    chip = next(chip for chip in window.findChildren(StyleChip) if chip.name == "Watercolour")
    qtbot.keyClick(chip, KEY.Key_Delete)
    assert window.parameters_panel.value().styles == ("No text",)
    find_named(dialog, QLineEdit, "Search styles").setText("nothing like this")
    assert "No style matches" in label_texts(dialog)
    window.controller.results.apply_settings()
    assert (window.parameters_panel.value().styles, window.parameters_panel.value().prompts.prompt) == (
        ("Watercolour", "No text"),
        "a cat",
    )


def test_an_own_style_is_saved_used_and_deleted_with_undo(
    window: MainWindow, qtbot: QtBot, app: QApplication, tmp_path: Path
) -> None:
    window.parameters_panel.set_prompt("in my <b>own</b> way, {prompt}")

    def fill() -> None:
        dialog = next(widget for widget in app.topLevelWidgets() if isinstance(widget, SaveStyleDialog))
        qtbot.keyClicks(find_child(dialog, QLineEdit), "My [style] & more")
        find_named(dialog, QPushButton, "Save").click()

    QTimer.singleShot(0, fill)
    window.features.prompt_craft.save_style()
    (tmp_path / "styles.csv").write_text("name,prompt,negative_prompt\nImported,{prompt} x,\n")
    window.features.prompt_craft.import_style_file(tmp_path / "styles.csv")
    window.features.prompt_craft.import_style_file(tmp_path / "missing.csv")
    assert window.controller.errors.shown is not None
    window.controller.dismiss()
    dialog = window.features.prompt_craft.open_styles()
    find_named(dialog, QLineEdit, "Search styles").setText("my [style]")
    view = find_child(dialog, StyleListView)
    qtbot.keyClick(view, KEY.Key_Space)
    window.parameters_panel.set_prompt("a cat")
    assert chips(window) == ["My [style] & more"]
    find_named(dialog, QPushButton, "Delete").click()
    assert chips(window) == []
    find_named(window, QPushButton, "Undo").click()
    assert chips(window) == ["My [style] & more"]


def test_variants_are_marked_explained_and_drawn(window: MainWindow, qtbot: QtBot, paths: AppPaths) -> None:
    window.parameters_panel.set_prompt("a {red|blue} __pet__")
    assert "no wildcard" in label_texts(window.parameters_panel.prompts)
    assert not find_child(window, QPushButton, "generate").isEnabled()
    paths.wildcards.mkdir(parents=True)
    (paths.wildcards / "pet.txt").write_text("cat\ndog\nbird\n")
    window.features.prompt_craft.start()
    assert "no wildcard" not in label_texts(window.parameters_panel.prompts)
    value = window.parameters_panel.value()
    assert value.sampling is not None
    window.parameters_panel.set_value(
        replace(value, sampling=replace(value.sampling, count=4, seed=3), seed_locked=True)
    )
    window.controller.generate()
    wait_until_idle(qtbot, window)
    texts = [result.request.prompts.prompt for result in window.session.results]
    assert len(texts) == 4
    assert len(set(texts)) > 1
    assert all("{" not in text and "__" not in text for text in texts)
    window.preferences.set_value(replace(window.preferences.value(), expand_variants=False))
    assert find_child(window, QPushButton, "generate").isEnabled()
    window.controller.generate()
    wait_until_idle(qtbot, window)
    assert window.session.results[-1].request.prompts.prompt == "a {red|blue} __pet__"


def test_every_combination_is_counted_asked_about_and_queued(
    make_window: MakeWindow, qtbot: QtBot, app: QApplication
) -> None:
    engine = GatedEngine()
    window = make_window(engine)
    window.parameters_panel.set_prompt("{a|b|c} {1|2}")
    answer(app, "Cancel")
    window.features.prompt_craft.draw_combinations()
    assert window.session.run is None
    answer(app, "Add to the queue")
    window.features.prompt_craft.draw_combinations()
    assert window.session.run is not None
    assert len(window.session.waiting) == 5
    engine.gate.set()
    wait_until_idle(qtbot, window)
    drawn = [result.request for result in window.session.results]
    assert {request.prompts.prompt for request in drawn} == {f"{letter} {n}" for letter in "abc" for n in (1, 2)}
    assert len({request.sampling.seed for request in drawn}) == 1
    window.parameters_panel.set_prompt("{a|b|c|d}" * 7)
    window.features.prompt_craft.draw_combinations()
    assert "1,000" in str(window.controller.errors.shown)


def test_presets_are_saved_applied_undone_and_shared(
    window: MainWindow, qtbot: QtBot, app: QApplication, tmp_path: Path
) -> None:
    panel, presets = window.parameters_panel, window.features.prompt_craft.presets
    value = panel.value()
    assert value.sampling is not None
    panel.set_value(replace(value, styles=("Charcoal",), sampling=replace(value.sampling, steps=9)))

    def fill() -> None:
        dialog = next(widget for widget in app.topLevelWidgets() if isinstance(widget, SavePresetDialog))
        qtbot.keyClicks(find_child(dialog, QLineEdit), "Nine & dark")
        find_named(dialog, QPushButton, "Save").click()

    QTimer.singleShot(0, fill)
    presets.save()
    presets.apply_recommended()
    panel.set_styles(())
    recommended = panel.value().sampling
    assert recommended is not None
    assert recommended.steps == 3
    menu = QMenu(window)
    presets.fill_menu(menu)
    menu.actions()[0].trigger()
    assert (panel.value().styles, panel.value().sampling) == (("Charcoal",), replace(recommended, steps=9))
    find_named(window, QPushButton, "Undo").click()
    assert (panel.value().styles, panel.value().sampling) == ((), recommended)
    file = tmp_path / "shared.json"
    file.write_text('{"kind":"sdxl-desktop preset","version":1,"preset":{"name":"Nine & dark","count":3,"size":7}}')
    presets.import_file(file)
    dialog = presets.open()
    names = find_child(dialog, QListWidget)
    assert [names.item(row).text() for row in range(names.count())] == ["Nine & dark", "Nine & dark (2)"]
    names.setCurrentRow(1)
    assert "Number of pictures" in label_texts(dialog)
    names.item(1).setText("Three")
    assert [names.item(row).text() for row in range(names.count())] == ["Nine & dark", "Three"]
    names.item(1).setText("Nine & dark")  # taken
    assert names.item(1).text() == "Three"
    assert window.controller.errors.shown is not None
    find_named(dialog, QPushButton, "&Delete").click()
    assert names.count() == 1


def test_a_preset_names_what_is_not_here(window: MainWindow, tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text(
        '{"kind":"sdxl-desktop preset","version":1,"preset":{"name":"P","checkpoint":"gone","styles":["Lost"],'
        '"adapters":[{"kind":"lora","name":"away.safetensors"}],"count":2}}'
    )
    window.features.prompt_craft.presets.import_file(file)
    find_named(window.canvas_area.toast, QPushButton, "Apply").click()
    told = str(window.controller.errors.shown)
    assert all(name in told for name in ("gone", "Lost", "away.safetensors"))
    sampling = window.parameters_panel.value().sampling
    assert sampling is not None
    assert sampling.count == 2


def test_earlier_prompts_come_back_by_key_and_dialog(
    window: MainWindow, qtbot: QtBot, app: QApplication, paths: AppPaths
) -> None:
    for words in ("first {a|b}", "second"):
        window.parameters_panel.set_prompt(words)
        window.controller.generate()
        wait_until_idle(qtbot, window)
    window.parameters_panel.set_prompt("being typed")
    edit = prompt_edit(window)
    shown = []
    for key in (KEY.Key_Up, KEY.Key_Up, KEY.Key_Up, KEY.Key_Down, KEY.Key_Down, KEY.Key_Down):
        qtbot.keyClick(edit, key, ALT)
        shown.append(edit.toPlainText())
    assert shown == ["second", "first {a|b}", "first {a|b}", "second", "being typed", "being typed"]
    dialog = window.features.prompt_craft.history.open()
    assert isinstance(dialog, HistoryDialog)
    names = find_child(dialog, QListWidget)
    qtbot.keyClicks(find_named(dialog, QLineEdit, "Search prompts"), "FIRST")
    assert names.count() == 1
    qtbot.keyClick(names, KEY.Key_Delete)
    assert "No prompt holds these words" in label_texts(dialog)
    find_named(dialog, QLineEdit, "Search prompts").clear()
    find_named(dialog, QPushButton, "&Use it").click()
    assert window.parameters_panel.value().prompts.prompt == "second"
    window.preferences.set_value(replace(window.preferences.value(), prompt_history=False))
    window.parameters_panel.set_prompt("secret")
    window.controller.generate()
    wait_until_idle(qtbot, window)
    assert "secret" not in (paths.data / "prompts.json").read_text()
    dialog = window.features.prompt_craft.history.open()
    assert "not remembered" in label_texts(dialog)
    answer(app, "Delete all")
    find_named(dialog, QPushButton, "Delete &all").click()
    assert find_child(dialog, QListWidget).count() == 0


def test_what_was_chosen_is_there_at_the_next_start(make_window: MakeWindow, paths: AppPaths) -> None:
    first = make_window()
    first.parameters_panel.set_styles(("Charcoal", "Gone & <b>missing</b>"))
    first.close_now()
    again = make_window()
    assert chips(again) == ["Charcoal", "Gone & <b>missing</b>"]
    assert not find_child(again, QPushButton, "generate").isEnabled()

"""The prompt editor highlights the syntax, marks errors, and changes weights by key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QHelpEvent, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QApplication, QLabel, QToolTip
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.prompt_template import WildcardValue
from sdxl_desktop.core.settings import Theme
from sdxl_desktop.library.token_count import TokenCounter
from sdxl_desktop.session.prompt_craft.wildcard_files import WildcardSet
from sdxl_desktop.ui.prompt_craft.variant_examples import LibraryVariantExamples
from sdxl_desktop.ui.theme import DARK, LIGHT, ThemeColours, ThemeSwitch
from sdxl_desktop.ui.widgets.prompt_edit import PromptEdit, PromptField
from tests.ui.conftest import make_tokenizer
from tests.ui.test_theme_and_accessibility import AA_TEXT, contrast

CONTROL = Qt.KeyboardModifier.ControlModifier
WAVE = QTextCharFormat.UnderlineStyle.WaveUnderline


@pytest.fixture
def field(app: QApplication, qtbot: QtBot) -> PromptField:
    field = PromptField("Prompt", "", "What to draw.")
    qtbot.addWidget(field)
    field.resize(400, 200)
    field.show()
    qtbot.waitExposed(field)
    return field


@pytest.fixture
def edit(field: PromptField) -> PromptEdit:
    found = field.findChild(PromptEdit)
    assert found is not None
    return found


@pytest.fixture
def themes(app: QApplication) -> Iterator[ThemeSwitch]:
    switch = ThemeSwitch(app)
    yield switch
    switch.apply_theme("system")


def format_at(edit: PromptEdit, position: int) -> QTextCharFormat:
    """Return the format of the character at Qt's `position`."""
    block = edit.document().findBlock(position)
    at = position - block.position()
    for run in block.layout().formats():
        if run.start <= at < run.start + run.length:
            return QTextCharFormat(run.format)  # a copy, as the original is freed with the list
    return QTextCharFormat()


def underlined(edit: PromptEdit) -> list[int]:
    return [at for at in range(len(edit.toPlainText())) if format_at(edit, at).underlineStyle() == WAVE]


def background_at(edit: PromptEdit, position: int, colours: ThemeColours) -> str:
    brush = format_at(edit, position).background()
    return brush.color().name() if brush.style() != Qt.BrushStyle.NoBrush else colours.field


def foreground_at(edit: PromptEdit, position: int, colours: ThemeColours) -> str:
    brush = format_at(edit, position).foreground()
    return brush.color().name() if brush.style() != Qt.BrushStyle.NoBrush else colours.text


def distance(one: str, other: str) -> int:
    a, b = QColor(one), QColor(other)
    return abs(a.red() - b.red()) + abs(a.green() - b.green()) + abs(a.blue() - b.blue())


@pytest.mark.parametrize(("theme", "colours"), [("light", LIGHT), ("dark", DARK)])
def test_the_stronger_the_weight_the_stronger_it_looks(
    edit: PromptEdit, themes: ThemeSwitch, theme: Theme, colours: ThemeColours
) -> None:
    themes.apply_theme(theme)
    text = "plain (red:1.1) (big:1.5) (fox:2) (pal:0.9) (dim:0.5)"
    edit.setPlainText(text)
    tints = [
        distance(background_at(edit, text.index(word), colours), colours.field)
        for word in ("plain", "red", "big", "fox")
    ]
    assert tints[0] == 0
    assert tints == sorted(set(tints)), "each one more"
    inks = [distance(foreground_at(edit, text.index(word), colours), colours.text) for word in ("plain", "pal", "dim")]
    assert inks[0] == 0
    assert inks == sorted(set(inks)), "each one paler"
    assert format_at(edit, text.index("red")).fontWeight() > format_at(edit, 0).fontWeight()


@pytest.mark.parametrize(("theme", "colours"), [("light", LIGHT), ("dark", DARK)])
def test_everything_marked_keeps_aa_contrast(
    edit: PromptEdit, themes: ThemeSwitch, theme: Theme, colours: ThemeColours
) -> None:
    themes.apply_theme(theme)
    edit.set_embeddings({"<fox>": 3})
    edit.setPlainText(r"a (b <fox> (c:1.0) \(d\) [e]:3) <fox> (f:0) [<fox>] :) (g:1.2.3) BREAK [h|i] (j:9) <lora:k:1>")
    for at, letter in enumerate(edit.toPlainText()):
        reached = contrast(foreground_at(edit, at, colours), background_at(edit, at, colours))
        assert reached >= AA_TEXT, f"{letter!r} at {at}: {reached:.2f}"


def test_the_marks_follow_the_theme(edit: PromptEdit, themes: ThemeSwitch) -> None:
    edit.setPlainText("(red:1.5)")
    themes.apply_theme("light")
    light = format_at(edit, 1).background().color()
    themes.apply_theme("dark")
    dark = format_at(edit, 1).background().color()
    assert light.lightness() > 150 > 100 > dark.lightness()


def test_a_change_of_theme_is_no_change_of_the_prompt(field: PromptField, themes: ThemeSwitch, qtbot: QtBot) -> None:
    themes.apply_theme("light")
    field.set_value("(red:1.5)\nfox")
    with qtbot.assertNotEmitted(field.changed):
        themes.apply_theme("dark")


def test_brackets_over_several_lines_are_marked_whichever_line_is_edited(edit: PromptEdit, qtbot: QtBot) -> None:
    edit.setPlainText("(red\nbig\nfox:1.5) cat")
    assert [format_at(edit, at).fontWeight() > 400 for at in (1, 5, 9, 18)] == [True, True, True, False]
    edit.moveCursor(QTextCursor.MoveOperation.Start)
    qtbot.keyClick(edit, Qt.Key.Key_Delete)
    assert not any(format_at(edit, at).fontWeight() > 400 for at in range(20))
    edit.undo()
    assert format_at(edit, 5).fontWeight() > 400


def test_breaks_and_embeddings_stand_out(edit: PromptEdit) -> None:
    text = "a <fox> BREAK fox"
    edit.setPlainText(text)
    plain = format_at(edit, 0)
    assert format_at(edit, text.index("<")) == plain, "not known yet"
    edit.set_embeddings({"<fox>": 3})
    assert format_at(edit, text.index("<")) != plain
    assert format_at(edit, text.index("BREAK")).fontWeight() > 400
    assert format_at(edit, text.rindex("fox")) == plain


def test_problems_are_underlined_at_their_place_also_behind_emoji(edit: PromptEdit) -> None:
    edit.setPlainText("(red:1.2.3) fox")
    assert underlined(edit) == [5, 6, 7, 8, 9]
    edit.setPlainText("🦊 :) (red:1.5)")  # the fox is two UTF-16 code units, Qt's unit
    assert underlined(edit) == [4]
    assert format_at(edit, 7).fontWeight() > 400
    edit.setPlainText("(red:1.2) fox")
    assert underlined(edit) == []


def tooltip_at(edit: PromptEdit, position: int) -> str:
    """Return the tooltip over the middle of the character at `position`."""
    cursor = edit.textCursor()
    cursor.setPosition(position)
    left = edit.cursorRect(cursor)
    cursor.setPosition(position + 1)
    place = QPoint((left.left() + edit.cursorRect(cursor).left()) // 2, left.center().y())
    QToolTip.hideText()
    event = QHelpEvent(QHelpEvent.Type.ToolTip, place, edit.viewport().mapToGlobal(place))
    QApplication.sendEvent(edit.viewport(), event)
    return QToolTip.text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_variants_are_coloured_readably_and_show_examples(
    field: PromptField, edit: PromptEdit, themes: ThemeSwitch, theme: Theme
) -> None:
    themes.apply_theme(theme)
    field.set_variants(LibraryVariantExamples(lambda: WildcardSet({"pet": (WildcardValue(1.0, "<b>cat</b>"),)})))
    edit.setPlainText("🙂 a {red|blue} __pet__ __none__ (x:1.2)")
    plain, variant = format_at(edit, 3), format_at(edit, 7)
    assert variant.foreground().color() != plain.foreground().color()
    assert contrast(variant.foreground().color().name(), variant.background().color().name()) >= AA_TEXT
    told = tooltip_at(edit, 8)
    assert "red" in told
    assert "blue" in told
    assert "&lt;b&gt;cat" in tooltip_at(edit, 18)
    assert "no wildcard" in tooltip_at(edit, 26)
    assert "no wildcard" in "".join(label.text() for label in field.findChildren(QLabel))
    field.set_variants(None)
    assert tooltip_at(edit, 8).startswith("What to draw.")
    QToolTip.hideText()


def test_the_tooltip_says_what_is_wrong_where_it_is_wrong(edit: PromptEdit) -> None:
    edit.setPlainText("a (red:1.2.3) fox :) end")
    for at in (7, 9, 11):
        assert "1.2.3 is not a number" in tooltip_at(edit, at)
    assert "never opened" in tooltip_at(edit, 19)
    for at in (1, 4, 12, 15, 21):
        assert tooltip_at(edit, at).startswith("What to draw."), "elsewhere it says what the field is for"
    QToolTip.hideText()


def test_an_error_is_also_explained_under_the_prompt(field: PromptField) -> None:
    field.set_value("(red:1.2.3)")
    (error,) = (label for label in field.findChildren(QLabel) if "1.2.3 is not a number" in label.text())
    assert error.isVisible()
    field.set_value("a :)")
    assert not error.isVisible(), "a warning stays at its place"


def test_control_up_and_down_weigh_the_word_under_the_cursor(
    field: PromptField, edit: PromptEdit, qtbot: QtBot
) -> None:
    edit.setPlainText("a red fox")
    cursor = edit.textCursor()
    cursor.setPosition(4)
    edit.setTextCursor(cursor)
    with qtbot.waitSignal(field.changed):
        qtbot.keyClick(edit, Qt.Key.Key_Up, CONTROL)
    assert field.value() == "a (red:1.1) fox"
    qtbot.keyClick(edit, Qt.Key.Key_Up, CONTROL)
    qtbot.keyClick(edit, Qt.Key.Key_Up, CONTROL)
    assert field.value() == "a (red:1.3) fox"
    for _ in range(5):
        qtbot.keyClick(edit, Qt.Key.Key_Down, CONTROL)
    assert field.value() == "a (red:0.8) fox"
    for expected in ("(red:0.9)", "red", "(red:1.1)", "(red:1.2)", "(red:1.3)", "(red:1.2)", "(red:1.1)", "red"):
        edit.undo()
        assert field.value() == f"a {expected} fox", "each key is one step for Undo"
    edit.redo()
    assert field.value() == "a (red:1.1) fox"


def test_control_up_weighs_the_selection_and_keeps_it_selected(edit: PromptEdit, qtbot: QtBot) -> None:
    edit.setPlainText("🦊 a red fox here")
    cursor = edit.textCursor()
    cursor.setPosition(5)
    cursor.setPosition(12, QTextCursor.MoveMode.KeepAnchor)
    edit.setTextCursor(cursor)
    assert edit.textCursor().selectedText() == "red fox"
    for weight in ("1.1", "1.2"):
        qtbot.keyClick(edit, Qt.Key.Key_Up, CONTROL)
        assert edit.toPlainText() == f"🦊 a (red fox:{weight}) here"
        assert edit.textCursor().selectedText() == "red fox"


def test_control_up_leaves_an_empty_prompt_and_other_keys_alone(edit: PromptEdit, qtbot: QtBot) -> None:
    qtbot.keyClick(edit, Qt.Key.Key_Up, CONTROL)
    assert edit.toPlainText() == ""
    edit.setPlainText("red")
    qtbot.keyClick(edit, Qt.Key.Key_Up)
    qtbot.keyClick(edit, Qt.Key.Key_Up, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    assert edit.toPlainText() == "red"


def test_the_counter_counts_what_the_encoder_reads(field: PromptField, tmp_path: Path) -> None:
    make_tokenizer(tmp_path / "letters")
    field.set_counter(TokenCounter(tmp_path / "letters"))
    field.set_value("red")
    plain = field.count_label.text()
    field.set_value("(red:1.3)")
    assert field.count_label.text() == plain == "5 / 77"
    field.set_value("red BREAK red")
    assert field.count_label.text() == "82 tokens in 2 chunks of 77"
    field.set_value("red <x>")
    field.set_embeddings({"<x>": 4})
    assert field.count_label.text() == "9 / 77"


def test_typing_in_a_long_prompt_stays_quick(field: PromptField, edit: PromptEdit, qtbot: QtBot) -> None:
    field.set_value("(red:1.2) fox, [sea] at :) night\n" * 300)
    started = time.thread_time()
    for _ in range(5):
        qtbot.keyClick(edit, Qt.Key.Key_X)
    assert (time.thread_time() - started) / 5 < 0.2

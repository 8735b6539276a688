"""The styles dialog: find and choose styles, see what they say, add own ones, and import those of other programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QDialogButtonBox, QLineEdit, QPushButton, QWidget

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.prompt_craft.styles import PLACEHOLDER, Style, StyleSet
from sdxl_desktop.ui.prompt_craft.style_list import StyleListModel, StyleListView
from sdxl_desktop.ui.widgets.fields import ComboBox
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, labelled_row, muted_label, row
from sdxl_desktop.ui.widgets.prompt_edit import AutoHeightTextEdit

_EMPTY = "No style matches. Search for another word, or choose another category."
_NONE_CHOSEN = "A click or Space puts a style on the prompt. Several are combined in the order of choice."
_SIZE = QSize(560, 640)


class StylesDialog(FittedDialog):
    """Emits `chosen_changed` (tuple of names) at each choice, `save_requested`, `import_requested`, and
    `delete_requested` with the name of an own style."""

    chosen_changed = Signal(object)
    save_requested = Signal()
    import_requested = Signal()
    delete_requested = Signal(str)

    def __init__(self, parent: QWidget, preview: Callable[[Style], Path | None]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Styles")
        self.setObjectName("styles")
        self._own: frozenset[str] = frozenset()
        self._model = StyleListModel(preview)
        self._view = StyleListView(self._model)
        self._search = QLineEdit()
        self._category = ComboBox("Category")
        self._empty = muted_label(_EMPTY, wrap=True)
        self._description = muted_label(wrap=True)
        self._delete = QPushButton("Delete")
        self._lay_out()
        self._model.set_palette(self.palette())
        self._search.textChanged.connect(self._filter)
        self._category.currentIndexChanged.connect(self._filter)
        self._view.current_changed.connect(self._describe)
        self._model.chosen_changed.connect(lambda: self.chosen_changed.emit(self._model.chosen))
        self._delete.clicked.connect(self._request_delete)
        self._describe(None)

    def _lay_out(self) -> None:
        self._search.setPlaceholderText("Search styles")
        self._search.setAccessibleName("Search styles")
        self._search.setClearButtonEnabled(True)
        self._category.setMinimumWidth(176)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setVisible(False)
        self._description.setMinimumHeight(3 * self.fontMetrics().lineSpacing())
        self._description.setAlignment(Qt.AlignmentFlag.AlignTop)
        head = row(self._search, self._category)
        head.setStretch(0, 1)
        save, load = QPushButton("&Save the prompt as a style…"), QPushButton("&Import…")
        save.clicked.connect(self.save_requested)
        load.clicked.connect(self.import_requested)
        close = QPushButton("Close")
        close.clicked.connect(self.accept)
        foot = row(save, load, self._delete)
        foot.addStretch(1)
        foot.addWidget(close)
        for button in (save, load, self._delete, close):
            button.setAutoDefault(False)
        whole = column(head, self._empty, self._view, self._description, foot, spacing=12, margins=(16, 16, 16, 16))
        whole.setStretch(2, 1)
        self.setLayout(whole)
        self.resize(_SIZE.boundedTo(self.screen().availableSize() * 0.9))

    def set_styles(self, styles: StyleSet, own: frozenset[str], chosen: tuple[str, ...]) -> None:
        """Show these styles, of which those named `own` can be deleted."""
        self._own = own
        category = str(self._category.currentData() or "")
        self._category.blockSignals(True)
        self._category.clear()
        self._category.addItem("All categories", "")
        for name in styles.categories:
            self._category.addItem(display_text(name, 40), name)
        self._category.setCurrentIndex(max(0, self._category.findData(category)))
        self._category.blockSignals(False)
        self._model.set_chosen(chosen)
        self._model.set_styles(styles.styles)
        self._filter()

    def set_chosen(self, names: tuple[str, ...]) -> None:
        """Check these styles."""
        if names != self._model.chosen:
            self._model.set_chosen(names)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_model"):
            self._model.set_palette(self.palette())
            self._view.viewport().update()

    def _filter(self) -> None:
        self._model.set_filter(self._search.text(), str(self._category.currentData() or ""))
        found = self._model.rowCount() > 0
        self._view.setVisible(found)
        self._empty.setVisible(not found)
        if found:
            self._view.setCurrentIndex(self._model.index(0))
        else:
            self._describe(None)

    def _describe(self, style: Style | None) -> None:
        words = _NONE_CHOSEN
        if style is not None:
            words = display_text(style.prompt, 500)
            if style.negative_prompt:
                words += f"\nNegative: {display_text(style.negative_prompt, 300)}"
        self._description.setText(words)
        self._delete.setEnabled(style is not None and style.name in self._own)

    def _request_delete(self) -> None:
        style = self._view.current_style()
        if style is not None:
            self.delete_requested.emit(style.name)


class SaveStyleDialog(FittedDialog):
    """Asks for an own style; `style` holds it once the dialog is accepted."""

    def __init__(self, parent: QWidget, prompt: str, negative_prompt: str, taken: frozenset[str]) -> None:
        """`prompt` and `negative_prompt` are the suggestion, `taken` the names of styles that would be replaced."""
        super().__init__(parent)
        self.setWindowTitle("Save as a style")
        self.style_to_save: Style | None = None
        self._taken = taken
        self._name = QLineEdit()
        self._prompt, self._negative = AutoHeightTextEdit(3, 8), AutoHeightTextEdit(2, 6)
        self._note = muted_label(wrap=True)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel | QDialogButtonBox.StandardButton.Save)
        self._lay_out()
        self._prompt.setPlainText(prompt)
        self._negative.setPlainText(negative_prompt)
        for signal in (self._name.textChanged, self._prompt.textChanged, self._negative.textChanged):
            signal.connect(self._check)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self._check()

    def _lay_out(self) -> None:
        hint = f"{PLACEHOLDER} stands for what is typed; without it, the words follow what is typed."
        self._prompt.setAccessibleName("Prompt of the style")
        self._negative.setAccessibleName("Negative prompt of the style")
        self._note.setMinimumWidth(400)
        body = column(
            labelled_row("&Name", self._name),
            heading_label("Prompt"),
            self._prompt,
            heading_label("Negative prompt"),
            self._negative,
            muted_label(hint, wrap=True),
            self._note,
            self._buttons,
            spacing=8,
            margins=(16, 16, 16, 16),
        )
        self.setLayout(body)

    def _check(self) -> None:
        """Show what is wrong, and allow saving if nothing is."""
        prompt, negative = self._prompt.toPlainText().strip(), self._negative.toPlainText().strip()
        self.style_to_save, words = None, ""
        try:
            if self._name.text().strip() and (prompt or negative):
                self.style_to_save = Style(name=self._name.text().strip(), prompt=prompt, negative_prompt=negative)
        except RequestError as problem:
            words = str(problem)
        if self.style_to_save is not None and self.style_to_save.name in self._taken:
            words = "A style of this name is replaced."
        self._note.setText(words)
        self._buttons.button(QDialogButtonBox.StandardButton.Save).setEnabled(self.style_to_save is not None)

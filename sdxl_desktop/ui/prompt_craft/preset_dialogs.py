"""Dialogs for presets: choose what a new one holds, and manage those that are there."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QDialogButtonBox,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QWidget,
)

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.session.prompt_craft.presets import USUAL_PARTS, PresetPart, SettingsPreset, check_name
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, labelled_row, muted_label, row

_EMPTY = "There is no preset yet. Save one from the settings in the panels, or import a file."


class SavePresetDialog(FittedDialog):
    """Asks for a name and the parts that a preset shall hold."""

    def __init__(self, parent: QWidget, taken: frozenset[str]) -> None:
        """`taken` are the names of presets that would be replaced."""
        super().__init__(parent)
        self.setWindowTitle("Save preset")
        self._taken = taken
        self._name = QLineEdit()
        self._boxes = {part: Switch(part.label) for part in PresetPart}
        self._note = muted_label(wrap=True)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel | QDialogButtonBox.StandardButton.Save)
        for part, box in self._boxes.items():
            box.setChecked(part in USUAL_PARTS)
            box.toggled.connect(self._check)
        self._name.setPlaceholderText("Portrait, 40 steps, refiner")
        self._note.setMinimumWidth(320)
        body = column(
            labelled_row("&Name", self._name),
            heading_label("It holds"),
            *self._boxes.values(),
            self._note,
            self._buttons,
            spacing=8,
            margins=(16, 16, 16, 16),
        )
        self.setLayout(body)
        self._name.textChanged.connect(self._check)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self._check()

    @property
    def name(self) -> str:
        return self._name.text().strip()

    @property
    def parts(self) -> tuple[PresetPart, ...]:
        return tuple(part for part, box in self._boxes.items() if box.isChecked())

    def _check(self) -> None:
        words = ""
        try:
            if self.name:
                check_name(self.name)
        except RequestError as problem:
            words = str(problem)
        usable = bool(self.name and self.parts and not words)
        if self.name in self._taken:
            words = "The preset of this name is replaced."
        elif not self.parts:
            words = "Choose what it shall hold."
        self._note.setText(words)
        self._buttons.button(QDialogButtonBox.StandardButton.Save).setEnabled(usable)


class PresetsDialog(FittedDialog):
    """Lists the presets. Emits `apply_requested`, `export_requested` and `delete_requested` with a `SettingsPreset`,
    `renamed` with a preset and its new name, `save_requested` and `import_requested`."""

    apply_requested = Signal(object)
    export_requested = Signal(object)
    delete_requested = Signal(object)
    renamed = Signal(object, str)
    save_requested = Signal()
    import_requested = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Presets")
        self.setObjectName("presets")
        self._presets: tuple[SettingsPreset, ...] = ()
        self._list = QListWidget()
        self._list.setAccessibleName("Presets")
        self._list.setSpacing(3)
        self._empty = muted_label(_EMPTY, wrap=True)
        self._held = muted_label(wrap=True)
        self._apply, self._rename = QPushButton("&Apply"), QPushButton("Rena&me")
        self._export, self._delete = QPushButton("E&xport…"), QPushButton("&Delete")
        self._lay_out()
        self._list.currentRowChanged.connect(lambda _: self._show_current())
        self._list.itemChanged.connect(self._handle_edited)
        self._list.itemActivated.connect(lambda _: self._emit(self.apply_requested))
        self._apply.clicked.connect(lambda: self._emit(self.apply_requested))
        self._export.clicked.connect(lambda: self._emit(self.export_requested))
        self._delete.clicked.connect(lambda: self._emit(self.delete_requested))
        self._rename.clicked.connect(lambda: self._list.editItem(self._list.currentItem()))

    def _lay_out(self) -> None:
        save, load, close = QPushButton("&Save preset…"), QPushButton("&Import…"), QPushButton("Close")
        save.clicked.connect(self.save_requested)
        load.clicked.connect(self.import_requested)
        close.clicked.connect(self.accept)
        side = column(self._apply, self._rename, self._export, self._delete)
        side.addStretch(1)
        middle = row(self._list, side, spacing=12)
        middle.setStretch(0, 1)
        foot = row(save, load)
        foot.addStretch(1)
        foot.addWidget(close)
        for button in (save, load, close, self._apply, self._rename, self._export, self._delete):
            button.setAutoDefault(False)
        whole = column(self._empty, middle, self._held, foot, spacing=12, margins=(16, 16, 16, 16))
        whole.setStretch(1, 1)
        self.setLayout(whole)
        self.resize(QSize(520, 420).boundedTo(self.screen().availableSize() * 0.9))

    def set_presets(self, presets: Sequence[SettingsPreset]) -> None:
        """Show these presets; the current one stays current."""
        current = self._current()
        self._presets = tuple(presets)
        self._list.blockSignals(True)
        self._list.clear()
        for preset in presets:
            item = QListWidgetItem(preset.name)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            self._list.addItem(item)
        names = [preset.name for preset in presets]
        if names:
            self._list.setCurrentRow(names.index(current.name) if current is not None and current.name in names else 0)
        self._list.blockSignals(False)
        self._empty.setVisible(not names)
        self._show_current()

    def _current(self) -> SettingsPreset | None:
        row = self._list.currentRow()
        return self._presets[row] if 0 <= row < len(self._presets) else None

    def _show_current(self) -> None:
        preset = self._current()
        words = "" if preset is None else "Holds: " + ", ".join(part.label for part in preset.parts) + "."
        self._held.setText(words)
        for button in (self._apply, self._rename, self._export, self._delete):
            button.setEnabled(preset is not None)

    def _handle_edited(self, item: QListWidgetItem) -> None:
        preset = self._presets[self._list.row(item)]
        if item.text().strip() != preset.name:
            self.renamed.emit(preset, item.text().strip())

    def _emit(self, signal: object) -> None:
        preset = self._current()
        if preset is not None:
            signal.emit(preset)  # type: ignore[attr-defined]

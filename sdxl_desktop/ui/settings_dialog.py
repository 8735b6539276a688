"""The settings dialog: made from the declarations of the preferences, whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QDialogButtonBox, QFrame, QGridLayout, QPushButton, QScrollArea, QWidget

from sdxl_desktop.bridge.background import Background
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences, preference_info
from sdxl_desktop.engine.compiled_entries import Entry
from sdxl_desktop.engine.compiled_store import CompiledStore
from sdxl_desktop.engine.device_times import automatic, read_table, table_file, with_devices
from sdxl_desktop.ui.devices.best_dialog import BestDevicesDialog
from sdxl_desktop.ui.devices.compiled_dialog import CompiledDialog, Kept
from sdxl_desktop.ui.devices.prepare_dialog import PrepareDialog
from sdxl_desktop.ui.devices.preparing import Preparing
from sdxl_desktop.ui.library.token_field import Asks, TokenDialog
from sdxl_desktop.ui.preference_editors import Editor, make_editor
from sdxl_desktop.ui.widgets.dialog import Dialog
from sdxl_desktop.ui.widgets.layout import column, heading, muted, row
from sdxl_desktop.ui.widgets.plain import PlainLabel, plain_tip

_DEFAULT_FOLDERS = {"pictures_folder": "pictures", "checkpoints_folder": "checkpoints"}


@dataclass(frozen=True, slots=True)
class Machine:
    """The devices found, and the folders used where the person chose none; the checkpoint on the desk, and what goes on
    beside the window. Without a background nothing is offered that takes long; `asks` reaches the system's keyring."""

    devices: Sequence[Device]
    paths: AppPaths
    checkpoint: Checkpoint | None = None
    background: Background | None = None
    preparing: Preparing | None = None
    library: Callable[[], Sequence[Path]] = tuple
    asks: Asks | None = None

    def default_folder(self, preference: str) -> str:
        return str(getattr(self.paths, _DEFAULT_FOLDERS[preference])) if preference in _DEFAULT_FOLDERS else ""

    def automatic_device(self, preference: str) -> str:
        if not self.devices:
            return ""
        part = {"text_device": Part.TEXT_ENCODER, "vae_device": Part.VAE_DECODER}.get(preference, Part.UNET)
        return automatic(part, [device.name for device in self.devices], read_table(table_file(self.paths)))


class SettingsDialog(Dialog):
    """Edits `Preferences`. Emits `changed` at every edit, so that the theme can be seen before it is kept."""

    changed = Signal()

    def __init__(self, preferences: Preferences, machine: Machine, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Settings")
        self._machine = machine
        self._kept = preferences
        self._editors = self._make_editors(machine)
        self._problem = PlainLabel()
        self._buttons = self._make_buttons()
        self._lay_out()
        self.set_value(preferences)
        for editor in self._editors.values():
            editor.changed.connect(self._edited)

    def _make_editors(self, machine: Machine) -> dict[str, Editor]:
        return {
            field.name: make_editor(field.name, preference_info(field.name), machine) for field in fields(Preferences)
        }

    def _make_buttons(self) -> QDialogButtonBox:
        kinds = QDialogButtonBox.StandardButton
        buttons = QDialogButtonBox(kinds.Save | kinds.Cancel | kinds.RestoreDefaults)
        buttons.button(kinds.Save).setProperty("role", "primary")
        buttons.button(kinds.RestoreDefaults).clicked.connect(self.restore_defaults)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        return buttons

    def _lay_out(self) -> None:
        self._problem.setProperty("role", "over")
        self._problem.hide()
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self._form())
        whole = column(area, self._problem, self._buttons, spacing=16, margins=(24, 16, 24, 16))
        whole.setStretch(0, 1)
        self.setLayout(whole)
        self.resize(720, 780)

    def _form(self) -> QWidget:
        form = QWidget()
        form.setObjectName("deskContent")
        grid = QGridLayout(form)
        grid.setContentsMargins(0, 0, 8, 0)
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        group = ""
        for name, editor in self._editors.items():
            info = preference_info(name)
            if info.group != group:
                group = info.group
                self._add_group(grid, group)
            self._add_preference(grid, info.label, info.help, editor)
            self._add_verb(grid, name)
        grid.setRowStretch(grid.rowCount(), 1)
        return form

    def _add_group(self, grid: QGridLayout, title: str) -> None:
        label = heading(title)
        label.setContentsMargins(0, 8 if grid.count() else 0, 0, 4)
        grid.addWidget(label, grid.rowCount(), 0, 1, 2)

    def _add_preference(self, grid: QGridLayout, title: str, help_text: str, editor: Editor) -> None:
        label = PlainLabel(title)
        label.setBuddy(editor.first_control())
        line = grid.rowCount()
        grid.addWidget(label, line, 0, Qt.AlignmentFlag.AlignVCenter)
        grid.addWidget(editor, line, 1)
        words = muted(help_text, wrap=True)
        words.setContentsMargins(0, 0, 0, 8)
        grid.addWidget(words, line + 1, 1)

    def _add_verb(self, grid: QGridLayout, name: str) -> None:
        """What can be done about a preference beyond choosing it."""
        verbs = {
            "vae_device": ("Find the best…", "Measure each part on each device", self.find_best),
            "checkpoints_folder": (
                "Token for the hub…",
                "Keep a token in the system's keyring, or forget it",
                self.open_token,
            ),
            "compiled_quota_gb": ("Compiled parts…", "See what is kept, remove it, compile ahead", self.open_compiled),
        }
        if name not in verbs or self._machine.background is None:
            return
        if name == "checkpoints_folder" and self._machine.asks is None:
            return
        words, tip, act = verbs[name]
        button = QPushButton(words)
        button.setToolTip(plain_tip(tip))
        button.setAutoDefault(False)
        button.clicked.connect(act)
        line = row(button, margins=(0, 0, 0, 12))
        line.addStretch(1)
        grid.addLayout(line, grid.rowCount(), 1)

    def find_best(self) -> BestDevicesDialog:
        """Measure the devices; what is taken over counts when the settings are saved."""
        dialog = BestDevicesDialog(
            self._machine.checkpoint, self._machine.devices, self._kept.execution, self._machine.paths, self
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.chosen.connect(self._take_devices)
        dialog.open()
        return dialog

    def _take_devices(self, best: Mapping[str, str]) -> None:
        with suppress(SettingsError):  # the dialog tells already
            self.set_value(with_devices(self.value(), best))
            self._edited()

    def open_compiled(self) -> CompiledDialog:
        """Show what is kept compiled."""
        machine = self._machine
        assert machine.background is not None
        kept = Kept(CompiledStore(machine.paths.compiled), int(str(self._quota())), machine.library)
        dialog = CompiledDialog(kept, machine.background, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.allow_preparing(machine.checkpoint is not None and machine.preparing is not None)
        dialog.prepare_wanted.connect(lambda entries: self._prepare(dialog, entries))
        if machine.preparing is not None:
            machine.preparing.done.connect(dialog.refresh)
        dialog.open()
        return dialog

    def open_token(self) -> TokenDialog:
        """Keep the hub's token, or forget the one that is kept."""
        assert self._machine.asks is not None
        dialog = TokenDialog(self._machine.asks, "", self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
        return dialog

    def _quota(self) -> object:
        return self._editors["compiled_quota_gb"].value()

    def _prepare(self, above: CompiledDialog, entries: Sequence[Entry]) -> None:
        machine = self._machine
        if machine.checkpoint is None or machine.preparing is None:
            return
        execution = self._kept.execution
        dialog = PrepareDialog(machine.checkpoint, execution, entries, machine.preparing, above)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def value(self) -> Preferences:
        """Raises SettingsError where values cannot be right."""
        values: dict[str, Any] = {name: editor.value() for name, editor in self._editors.items()}
        return Preferences(**values)

    def set_value(self, preferences: Preferences) -> None:
        with QSignalBlocker(self):
            for name, editor in self._editors.items():
                editor.set_value(getattr(preferences, name))

    def restore_defaults(self) -> None:
        self.set_value(Preferences())
        self._edited()

    def _edited(self) -> None:
        try:
            self.value()
        except SettingsError as problem:
            self._problem.setText(str(problem))
        else:
            self._problem.clear()
        self._problem.setVisible(bool(self._problem.text()))
        self._buttons.button(QDialogButtonBox.StandardButton.Save).setEnabled(not self._problem.text())
        self.changed.emit()

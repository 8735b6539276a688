"""The settings dialog, generated from the declarations of the preferences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QDialogButtonBox, QFrame, QGridLayout, QPushButton, QScrollArea, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences, preference_info
from sdxl_desktop.engine.compile_cache import CompileCache
from sdxl_desktop.engine.compile_cache_entries import CompileCacheEntry
from sdxl_desktop.engine.device_times import automatic_device, preferences_with_devices, read_timings, timings_file
from sdxl_desktop.ui.devices.best_devices_dialog import BestDevicesDialog
from sdxl_desktop.ui.devices.compiled_cache_dialog import CompiledCacheContext, CompiledCacheDialog
from sdxl_desktop.ui.devices.precompile_dialog import PrecompileDialog
from sdxl_desktop.ui.devices.precompile_job import PrecompileJob
from sdxl_desktop.ui.library.token_field import TaskRunner, TokenDialog
from sdxl_desktop.ui.preference_editors import PreferenceEditor, create_editor
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel, plain_text_tooltip

_DEFAULT_FOLDERS = {"pictures_folder": "pictures", "checkpoints_folder": "checkpoints", "additions_folder": "loras"}


@dataclass(frozen=True, slots=True)
class SettingsContext:
    """The devices found, the default folders, the selected checkpoint, and the background job. Without a `background`,
    nothing slow is offered; `asks` accesses the system's keyring."""

    devices: Sequence[Device]
    paths: AppPaths
    checkpoint: Checkpoint | None = None
    background: BackgroundRunner | None = None
    precompile_job: PrecompileJob | None = None
    checkpoint_folders: Callable[[], Sequence[Path]] = tuple
    asks: TaskRunner | None = None

    def default_folder(self, preference: str) -> str:
        return str(getattr(self.paths, _DEFAULT_FOLDERS[preference])) if preference in _DEFAULT_FOLDERS else ""

    def automatic_device(self, preference: str) -> str:
        if not self.devices:
            return ""
        part = {"text_device": Part.TEXT_ENCODER, "vae_device": Part.VAE_DECODER}.get(preference, Part.UNET)
        return automatic_device(part, [device.name for device in self.devices], read_timings(timings_file(self.paths)))


class SettingsDialog(FittedDialog):
    """Edits `Preferences`. Emits `changed` at every edit, so the theme can be previewed."""

    changed = Signal()

    def __init__(self, preferences: Preferences, context: SettingsContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Settings")
        self._context = context
        self._saved_preferences = preferences
        self._editors = self._create_editors(context)
        self._error_label = PlainTextLabel()
        self._buttons = self._create_buttons()
        self._lay_out()
        self.set_value(preferences)
        for editor in self._editors.values():
            editor.changed.connect(self._handle_edit)

    def _create_editors(self, context: SettingsContext) -> dict[str, PreferenceEditor]:
        return {name: create_editor(name, preference_info(name), context) for name in _grouped_names()}

    def _create_buttons(self) -> QDialogButtonBox:
        kinds = QDialogButtonBox.StandardButton
        buttons = QDialogButtonBox(kinds.Save | kinds.Cancel | kinds.RestoreDefaults)
        buttons.button(kinds.Save).setProperty("role", "primary")
        buttons.button(kinds.RestoreDefaults).clicked.connect(self.restore_defaults)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        return buttons

    def _lay_out(self) -> None:
        self._error_label.setProperty("role", "over")
        self._error_label.hide()
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self._form())
        whole = column(area, self._error_label, self._buttons, spacing=16, margins=(24, 16, 24, 16))
        whole.setStretch(0, 1)
        self.setLayout(whole)
        self.resize(720, 780)

    def _form(self) -> QWidget:
        form = QWidget()
        form.setObjectName("panelContent")
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
            self._add_action_button(grid, name)
        grid.setRowStretch(grid.rowCount(), 1)
        return form

    def _add_group(self, grid: QGridLayout, title: str) -> None:
        label = heading_label(title)
        label.setContentsMargins(0, 8 if grid.count() else 0, 0, 4)
        grid.addWidget(label, grid.rowCount(), 0, 1, 2)

    def _add_preference(self, grid: QGridLayout, title: str, help_text: str, editor: PreferenceEditor) -> None:
        label = PlainTextLabel(title)
        label.setBuddy(editor.focus_target())
        line = grid.rowCount()
        grid.addWidget(label, line, 0, Qt.AlignmentFlag.AlignVCenter)
        grid.addWidget(editor, line, 1)
        words = muted_label(help_text, wrap=True)
        words.setContentsMargins(0, 0, 0, 8)
        grid.addWidget(words, line + 1, 1)

    def _add_action_button(self, grid: QGridLayout, name: str) -> None:
        """Add the button for a preference's additional action, if it has one."""
        actions = {
            "vae_device": ("Find the best…", "Measure each part on each device", self.open_best_devices),
            "checkpoints_folder": (
                "Token for the hub…",
                "Keep a token in the system's keyring, or forget it",
                self.open_token,
            ),
            "compiled_quota_gb": (
                "Compiled parts…",
                "See what is kept, remove it, compile ahead",
                self.open_compiled_cache,
            ),
        }
        if name not in actions or self._context.background is None:
            return
        if name == "checkpoints_folder" and self._context.asks is None:
            return
        words, tip, act = actions[name]
        button = QPushButton(words)
        button.setToolTip(plain_text_tooltip(tip))
        button.setAutoDefault(False)
        button.clicked.connect(act)
        line = row(button, margins=(0, 0, 0, 12))
        line.addStretch(1)
        grid.addLayout(line, grid.rowCount(), 1)

    def open_best_devices(self) -> BestDevicesDialog:
        """Measure the devices; the chosen ones apply when the settings are saved."""
        dialog = BestDevicesDialog(
            self._context.checkpoint,
            self._context.devices,
            self._saved_preferences.execution,
            self._context.paths,
            self,
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.devices_selected.connect(self._apply_devices)
        dialog.open()
        return dialog

    def _apply_devices(self, best: Mapping[str, str]) -> None:
        with suppress(SettingsError):  # the dialog already shows the error
            self.set_value(preferences_with_devices(self.value(), best))
            self._handle_edit()

    def open_compiled_cache(self) -> CompiledCacheDialog:
        """Show the cache of compiled parts."""
        machine = self._context
        assert machine.background is not None
        kept = CompiledCacheContext(
            CompileCache(machine.paths.compiled), int(str(self._quota())), machine.checkpoint_folders
        )
        dialog = CompiledCacheDialog(kept, machine.background, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.set_precompile_enabled(machine.checkpoint is not None and machine.precompile_job is not None)
        dialog.precompile_requested.connect(lambda entries: self._open_precompile(dialog, entries))
        if machine.precompile_job is not None:
            machine.precompile_job.finished.connect(dialog.refresh)
        dialog.open()
        return dialog

    def open_token(self) -> TokenDialog:
        """Store or delete the hub token."""
        assert self._context.asks is not None
        dialog = TokenDialog(self._context.asks, "", self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
        return dialog

    def _quota(self) -> object:
        return self._editors["compiled_quota_gb"].value()

    def _open_precompile(self, parent_dialog: CompiledCacheDialog, entries: Sequence[CompileCacheEntry]) -> None:
        machine = self._context
        if machine.checkpoint is None or machine.precompile_job is None:
            return
        execution = self._saved_preferences.execution
        dialog = PrecompileDialog(machine.checkpoint, execution, entries, machine.precompile_job, parent_dialog)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def value(self) -> Preferences:
        """Return the edited preferences. Raises SettingsError for invalid values."""
        values: dict[str, Any] = {name: editor.value() for name, editor in self._editors.items()}
        return Preferences(**values)

    def set_value(self, preferences: Preferences) -> None:
        with QSignalBlocker(self):
            for name, editor in self._editors.items():
                editor.set_value(getattr(preferences, name))

    def restore_defaults(self) -> None:
        self.set_value(Preferences())
        self._handle_edit()

    def _handle_edit(self) -> None:
        try:
            self.value()
        except SettingsError as problem:
            self._error_label.setText(str(problem))
        else:
            self._error_label.clear()
        self._error_label.setVisible(bool(self._error_label.text()))
        self._buttons.button(QDialogButtonBox.StandardButton.Save).setEnabled(not self._error_label.text())
        self.changed.emit()


def _grouped_names() -> list[str]:
    """Return the names of all preferences, group by group, in the order in which the groups first occur."""
    names = [field.name for field in fields(Preferences)]
    groups = list(dict.fromkeys(preference_info(name).group for name in names))
    return sorted(names, key=lambda name: groups.index(preference_info(name).group))

"""Opens the main window's settings and log dialogs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.ui.log_dialog import LogDialog
from sdxl_desktop.ui.settings_dialog import SettingsContext, SettingsDialog
from sdxl_desktop.ui.theme import ThemeSwitch


def open_settings_dialog(
    parent: QWidget,
    preferences: Callable[[], Preferences],
    context: SettingsContext,
    theme: ThemeSwitch,
    accept: Callable[[Preferences], None],
) -> SettingsDialog:
    """Open the settings. The theme is previewed immediately; `accept` is called with the rest when the dialog is
    accepted."""
    dialog = SettingsDialog(preferences(), context, parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    def preview_theme() -> None:
        with suppress(SettingsError):  # the dialog shows the error
            theme.apply_theme(dialog.value().theme)

    def finish(result: int) -> None:
        if result == SettingsDialog.DialogCode.Accepted:
            accept(dialog.value())
        theme.apply_theme(preferences().theme)

    dialog.changed.connect(preview_theme)
    dialog.finished.connect(finish)
    dialog.open()
    return dialog


def open_log_dialog(dialog: LogDialog, *, of_engine: bool) -> LogDialog:
    """Open `dialog`, at the engine's log if `of_engine`."""
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    if of_engine:
        dialog.show_engine()
    dialog.open()
    return dialog

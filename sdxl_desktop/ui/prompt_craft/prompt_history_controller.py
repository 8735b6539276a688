"""Remembers the prompts that runs are drawn with, and brings them back by key and from the dialog."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMessageBox, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.workspace_value import WorkspaceValue
from sdxl_desktop.session.prompt_craft.prompt_history import PromptHistory, UsedPrompt
from sdxl_desktop.ui.main_controller import MainController
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.prompt_craft.prompt_history_dialog import HistoryDialog
from sdxl_desktop.ui.widgets.plain_text import message_box


class PromptHistoryController(QObject):
    """Steps back and forward through the history from what is typed, which stays as the newest entry."""

    def __init__(
        self,
        window: QWidget,
        paths: AppPaths,
        preferences: Callable[[], Preferences],
        background: BackgroundRunner,
        panel: ParametersPanel,
        controller: MainController,
    ) -> None:
        super().__init__(window)
        self._window, self._preferences, self._background = window, preferences, background
        self._panel, self._main = panel, controller
        self._history = PromptHistory(paths.data / "prompts.json")
        self._steps: list[UsedPrompt] = []
        """What was typed, then the history; empty while nothing is stepped through."""
        self._at = 0
        self._dialog: HistoryDialog | None = None
        panel.request_built.connect(self._remember)
        panel.prompts.history_requested.connect(self.step)

    def step(self, back: int) -> None:
        """Show the prompt that was used `back` before the shown one."""
        typed = self._typed()
        if not self._steps or self._steps[self._at] != typed:  # the person typed since
            self._steps = [typed, *(used for used in self._history.load() if used != typed)]
            self._at = 0
        wanted = self._at + back
        if 0 <= wanted < len(self._steps):
            self._at = wanted
            self.use(self._steps[wanted])

    def use(self, used: UsedPrompt) -> None:
        """Put an earlier prompt into the panel; typing Ctrl+Z in the prompt takes it back."""
        self._panel.set_typed(used.prompt, used.negative_prompt, used.styles)

    def open(self) -> HistoryDialog:
        """Show the history."""
        if self._dialog is None:
            self._dialog = HistoryDialog(self._window)
            self._dialog.use_requested.connect(self.use)
            self._dialog.delete_requested.connect(self._delete)
            self._dialog.clear_requested.connect(self._clear)
        self._refresh()
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.activateWindow()
        return self._dialog

    def _typed(self) -> UsedPrompt:
        value = self._panel.value()
        return UsedPrompt.of(value.prompts, value.styles)

    def _remember(self, value: WorkspaceValue) -> None:
        if not self._preferences().prompt_history:
            return
        used = UsedPrompt.of(value.prompts, value.styles)
        self._background.write(
            lambda: self._history.add(used), lambda _: self._refresh(), self._main.show_error, owner=self
        )

    def _delete(self, used: UsedPrompt) -> None:
        self._change(lambda: self._history.delete(used))

    def _clear(self) -> None:
        buttons = QMessageBox.StandardButton
        box = message_box(
            self._dialog or self._window,
            "Prompt history",
            "Delete all prompts of the history?",
            "Pictures and queue keep theirs.",
            buttons.Yes | buttons.Cancel,
        )
        box.button(buttons.Yes).setText("Delete all")
        box.setDefaultButton(buttons.Cancel)
        box.exec()
        agreed = box.standardButton(box.clickedButton()) == buttons.Yes
        box.deleteLater()
        if agreed:
            self._change(self._history.clear)

    def _change(self, change: Callable[[], None]) -> None:
        try:
            change()
        except SdxlDesktopError as problem:
            self._main.show_error(problem)
        self._steps = []
        self._refresh()

    def _refresh(self) -> None:
        if self._dialog is not None:
            self._dialog.set_prompts(self._history.load(), remembers=self._preferences().prompt_history)

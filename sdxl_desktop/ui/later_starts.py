"""Brings the window to the front and opens what a later start of the program, or the system, hands over to it."""

from __future__ import annotations

import os
from functools import partial

from PySide6.QtCore import QObject

from sdxl_desktop.bridge.single_instance import OpenRequest
from sdxl_desktop.ui.main_window import MainWindow

_ACTIVATION_VARIABLE = "XDG_ACTIVATION_TOKEN"


class LaterStarts(QObject):
    """Opens OpenRequests in `window`."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window

    def open(self, request: OpenRequest) -> None:
        """Open the files and URLs of `request`. Its prompt is only put into its field, and the one that was there is
        offered."""
        self._bring_to_front(request.activation_token)
        if request.prompt is not None:
            self._set_prompt(request.prompt)
        self._window.router.open_named(request.names)

    def _set_prompt(self, prompt: str) -> None:
        panel = self._window.parameters_panel
        before = panel.value().prompts.prompt
        panel.set_prompt(prompt)
        if before.strip() and before != prompt:
            restore = partial(panel.set_prompt, before)
            self._window.controller.notify(
                "The prompt has been replaced", action="Bring it back", callback=restore, persistent=True
            )

    def _bring_to_front(self, activation_token: str) -> None:
        window = self._window
        if window.isMinimized():
            window.showNormal()
        if activation_token:
            os.environ[_ACTIVATION_VARIABLE] = activation_token  # Qt takes it from here, and removes it
        window.raise_()
        window.activateWindow()

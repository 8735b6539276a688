"""The menus of what is on the canvas: all that can be done with a result, or with the picture being edited."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, QPoint
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from sdxl_desktop.ui.candidates import Candidates
from sdxl_desktop.ui.editor import Editor
from sdxl_desktop.ui.latent_verbs import LatentVerbs
from sdxl_desktop.ui.result_verbs import ResultVerbs
from sdxl_desktop.ui.stage import Stage

DOCUMENT_ACTIONS = ("use picture settings", "", "save", "save as", "export", "copy", "", "expand", "remove picture")
"""The window's own actions, by name, that concern the picture being edited; "" stands for a line between."""


def document_menu(stage: Stage, actions: Mapping[str, QAction]) -> QMenu:
    """What can be done with the picture being edited."""
    menu = QMenu(stage)
    for name in DOCUMENT_ACTIONS:
        if name:
            menu.addAction(actions[name])
        else:
            menu.addSeparator()
    return menu


class ResultMenu(QObject):
    """Opens where the stage asks for it."""

    def __init__(
        self, stage: Stage, editor: Editor, results: ResultVerbs, candidates: Candidates, latents: LatentVerbs
    ) -> None:
        super().__init__(stage)
        self._stage, self._editor = stage, editor
        self._results, self._candidates, self._latents = results, candidates, latents
        stage.menu_wanted.connect(self._open)

    def _open(self, row: int, place: QPoint) -> None:
        menu = self.of(row)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)

    def of(self, row: int) -> QMenu:
        """What can be done with the result in `row`, which comes onto the canvas."""
        self._stage.go_to(row)
        menu = QMenu(self._stage)
        self._add_candidate(menu)
        self._add_latents(menu)
        menu.addSeparator()
        menu.addAction("Use these settings", self._results.use_settings)
        menu.addAction("Use this seed", self._results.use_seed)
        menu.addSeparator()
        self._add_file(menu)
        return menu

    def _add_candidate(self, menu: QMenu) -> None:
        has_picture = self._editor.document.has_picture
        menu.addAction("Apply to the picture" if has_picture else "Edit this picture", self._editor.take_result)
        if has_picture:
            menu.addAction("Apply and keep going", self._candidates.apply_and_go_on)
        menu.addAction("Discard", self._candidates.discard)

    def _add_latents(self, menu: QMenu) -> None:
        result = self._results.current()
        latents = None if result is None else result.picture.latents
        again = menu.addMenu("Go on from its latents")
        again.setEnabled(latents is not None)
        again.addAction("Decode again", self._latents.decode_again)
        again.addAction("Retouch with the refiner", self._latents.refine)
        branch = again.addAction("Branch at a step…", self._latents.branch)
        branch.setEnabled(latents is not None and latents.predictions is not None)

    def _add_file(self, menu: QMenu) -> None:
        menu.addAction("Save", self._results.save)
        menu.addAction("Save as…", self._results.save_as)
        menu.addAction("Copy", self._results.copy)
        folder = menu.addAction("Show in folder", self._results.show_in_folder)
        result = self._results.current()
        folder.setEnabled(result is not None and result.saved_to is not None)

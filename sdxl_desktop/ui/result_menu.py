"""Context menus of the canvas: actions on a result or on the picture being edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QObject, QPoint
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from sdxl_desktop.ui.candidate_actions import CandidateActions
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.import_controller import ImportController
from sdxl_desktop.ui.latent_actions import LatentActions
from sdxl_desktop.ui.result_actions import ResultActions

DOCUMENT_ACTIONS = (
    *("use picture settings", "choose settings", ""),
    *("save", "save as", "export", "copy", ""),
    *("expand", "remove picture"),
)
"""Names of the window's actions on the picture being edited; "" is a separator."""


def document_menu(canvas_area: CanvasArea, actions: Mapping[str, QAction]) -> QMenu:
    """Return the menu of actions on the picture being edited."""
    menu = QMenu(canvas_area)
    for name in DOCUMENT_ACTIONS:
        if name:
            menu.addAction(actions[name])
        else:
            menu.addSeparator()
    return menu


class ResultMenu(QObject):
    """Opens when the canvas area requests it."""

    def __init__(
        self,
        canvas_area: CanvasArea,
        importer: ImportController,
        results: ResultActions,
        candidates: CandidateActions,
        latents: LatentActions,
        choose_settings: Callable[[], object],
    ) -> None:
        super().__init__(canvas_area)
        self._canvas_area, self._importer = canvas_area, importer
        self._results, self._candidates, self._latents = results, candidates, latents
        self._choose_settings = choose_settings
        canvas_area.result_menu_requested.connect(self._open)

    def _open(self, row: int, position: QPoint) -> None:
        menu = self.build_for_row(row)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(position)

    def build_for_row(self, row: int) -> QMenu:
        """Show the result in `row` on the canvas and return the menu of its actions."""
        self._canvas_area.go_to(row)
        menu = QMenu(self._canvas_area)
        self._add_candidate(menu)
        self._add_latents(menu)
        menu.addSeparator()
        menu.addAction("Use these settings", self._results.apply_settings)
        menu.addAction("Choose from its settings…", self._choose_settings)
        menu.addAction("Use this seed", self._results.apply_seed)
        menu.addSeparator()
        self._add_file(menu)
        return menu

    def _add_candidate(self, menu: QMenu) -> None:
        has_picture = self._importer.document.has_picture
        menu.addAction(
            "Apply to the picture" if has_picture else "Edit this picture", self._importer.apply_shown_result
        )
        if has_picture:
            menu.addAction("Apply and keep going", self._candidates.apply_and_continue)
        menu.addAction("Discard", self._candidates.discard)

    def _add_latents(self, menu: QMenu) -> None:
        result = self._results.current()
        latents = None if result is None else result.picture.latents
        again = menu.addMenu("Continue from its latents")
        again.setEnabled(latents is not None)
        again.addAction("Decode again", self._latents.redecode)
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

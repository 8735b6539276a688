"""Which actions of the main window are enabled."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtGui import QAction

from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.queue.queue_item import ItemState
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.import_controller import ImportController


def enable_actions(
    actions: Mapping[str, QAction],
    session: GenerationSession,
    document: Document,
    canvas_area: CanvasArea,
    import_controller: ImportController,
    *,
    can_restore: bool,
    can_undo: bool,
) -> None:
    """Enable those of `actions`, by name, that can do something now. `can_restore`: an earlier window's work can be
    restored."""
    has_result, has_document = canvas_area.current_row() >= 0, document.has_picture
    shown = canvas_area.shown_result
    enabled = {
        **dict.fromkeys(("save", "save as", "export", "copy"), canvas_area.shown_pixels() is not None),
        **dict.fromkeys(("fit", "actual size", "zoom in", "zoom out"), canvas_area.canvas.image() is not None),
        **dict.fromkeys(("use settings", "use seed", "apply", "discard"), has_result),
        **dict.fromkeys(("expand", "remove picture", "load mask", "save mask"), has_document),
        "apply and go on": has_result and has_document,
        "document": has_document and not canvas_area.canvas_editor.is_attached,
        "save project": has_document or bool(session.results),
        "folder": shown is not None and shown.saved_to is not None,
        "clear queue": any(item.state is not ItemState.RUNNING for item in session.queue.items),
        "pause": session.run is None or (session.run.pausing is None and not session.run.cancelling),
        "use picture settings": import_controller.record is not None,
        "choose settings": import_controller.record is not None or has_result,
        "transparency": import_controller.has_transparency,
        "recover": can_restore,
        "undo": can_undo,
        "redo": document.can_redo,
    }
    for name, is_enabled in enabled.items():
        actions[name].setEnabled(is_enabled)

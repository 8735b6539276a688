"""What the menus hold: every verb of the window once, with its words and keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QAction

from sdxl_desktop.ui.actions import Entry
from sdxl_desktop.ui.canvas_files import CanvasFiles
from sdxl_desktop.ui.conductor import Conductor
from sdxl_desktop.ui.editor import Editor
from sdxl_desktop.ui.keeper import Keeper
from sdxl_desktop.ui.stage import Stage

Menu = tuple[Entry | None, ...]


@dataclass(frozen=True, slots=True)
class OfTheWindow:
    """The verbs that only the window itself can do."""

    open: Callable[[], object]
    paste: Callable[[], object]
    open_library: Callable[[], object]
    open_settings: Callable[[], object]
    open_shortcuts: Callable[[], object]
    open_log: Callable[[], object]
    open_about: Callable[[], object]
    toggle_full_screen: Callable[[], object]
    quit: Callable[[], object]


def menus(
    verbs: Conductor, editor: Editor, keeper: Keeper, canvas: CanvasFiles, stage: Stage, own: OfTheWindow
) -> dict[str, Menu]:
    """The menus by title; None is a separator."""
    return {
        "&File": _file(verbs, keeper, canvas, own),
        "Pic&ture": _picture(verbs),
        "E&dit": _edit(verbs, editor, stage),
        "&View": _view(stage, own),
        "&Help": (
            Entry("&Keyboard shortcuts", own.open_shortcuts, ("F1",)),
            Entry("Open the &log…", own.open_log, name="log"),
            Entry("&About SDXL Desktop", own.open_about, role=QAction.MenuRole.AboutRole),
        ),
    }


def _file(verbs: Conductor, keeper: Keeper, canvas: CanvasFiles, own: OfTheWindow) -> Menu:
    return (
        Entry("&New", keeper.begin_new, ("Ctrl+N",), "new"),
        Entry("&Open…", own.open, ("Ctrl+O",)),
        Entry("Open &recent", fill=keeper.fill_recent),
        Entry("&Paste", own.paste, ("Ctrl+V", "Ctrl+Shift+V")),
        Entry("Earlier &work", fill=keeper.kept.fill_menu),
        Entry("&Bring back what was offered", keeper.kept.recover, name="recover"),
        Entry("Save pro&ject…", keeper.save_project, ("Ctrl+Alt+S",), "save project"),
        None,
        Entry("&Save", canvas.save, ("Ctrl+S",), "save"),
        Entry("Save &as…", canvas.save_as, ("Ctrl+Shift+S",), "save as"),
        Entry("&Export pixels only…", canvas.export, ("Ctrl+Shift+E",), "export"),
        Entry("&Copy", canvas.copy, ("Ctrl+C", "Ctrl+Shift+C"), "copy"),
        Entry("Show in &folder", verbs.results.show_in_folder, name="folder"),
        None,
        Entry("Chec&kpoints…", own.open_library, ("Ctrl+L",), "library"),
        Entry("Se&ttings…", own.open_settings, ("Ctrl+,",), role=QAction.MenuRole.PreferencesRole),
        None,
        Entry("&Quit", own.quit, ("Ctrl+Q",), role=QAction.MenuRole.QuitRole),
    )


def _picture(verbs: Conductor) -> Menu:
    return (
        Entry("&Generate", verbs.generate, ("Ctrl+Return", "Ctrl+Enter"), "generate"),
        Entry("Add to &queue", verbs.add_to_queue, ("Ctrl+Shift+Return", "Ctrl+Shift+Enter"), "queue"),
        Entry("&Drafts…", verbs.drafts.open, ("Ctrl+D",), "drafts"),
        Entry("&Cancel", verbs.escape, ("Esc",)),
        Entry("Draw what was post&poned", verbs.take_up, name="take up"),
        Entry("C&lear the queue", verbs.clear_queue, name="clear queue"),
        None,
        Entry("Use these &settings", verbs.results.use_settings, name="use settings"),
        Entry("Use this s&eed", verbs.results.use_seed, name="use seed"),
        Entry("Use the &picture's settings", verbs.use_picture_settings, name="use picture settings"),
    )


def _edit(verbs: Conductor, editor: Editor, stage: Stage) -> Menu:
    go_on = ("Ctrl+Alt+Return", "Ctrl+Alt+Enter")
    return (
        Entry("&Undo", verbs.candidates.undo, ("Ctrl+Z",), "undo"),
        Entry("&Redo", editor.redo, ("Ctrl+Shift+Z", "Ctrl+Y"), "redo"),
        None,
        Entry("&Apply result", editor.take_result, ("Ctrl+Shift+A",), "apply"),
        Entry("Apply and &keep going", verbs.candidates.apply_and_go_on, go_on, "apply and go on"),
        Entry("&Discard result", verbs.candidates.discard, ("Ctrl+Shift+D",), "discard"),
        Entry("&Back to the picture", stage.show_document, ("Backspace",), "document"),
        Entry("&Expand…", editor.expand, ("Ctrl+E",), "expand"),
        Entry("Re&move picture", editor.remove_picture, name="remove picture"),
        None,
        Entry("Load &mask…", editor.load_mask, name="load mask"),
        Entry("Mask &from transparency", editor.take_transparency, name="transparency"),
        Entry("&Transparency over", fill=editor.fill_backdrops),
        Entry("Sa&ve mask…", editor.save_mask, name="save mask"),
    )


def _view(stage: Stage, own: OfTheWindow) -> Menu:
    canvas = stage.canvas
    return (
        Entry("&Fit", canvas.fit, ("Ctrl+0",), "fit"),
        Entry("&100 %", canvas.show_actual_size, ("Ctrl+1",), "actual size"),
        Entry("Zoom &in", canvas.zoom_in, ("Ctrl++", "Ctrl+="), "zoom in"),
        Entry("Zoom &out", canvas.zoom_out, ("Ctrl+-",), "zoom out"),
        None,
        Entry("&Next result", lambda: stage.step(1), ("Ctrl+]",), "next"),
        Entry("&Previous result", lambda: stage.step(-1), ("Ctrl+[",), "previous"),
        None,
        Entry("Full &screen", own.toggle_full_screen, ("F11",)),
    )

"""The content of the menus: every action of the window once, with its text and shortcuts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QAction

from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.canvas_files import CanvasFiles
from sdxl_desktop.ui.feature_controllers import FeatureControllers
from sdxl_desktop.ui.grid.grid_controller import GridController
from sdxl_desktop.ui.import_controller import ImportController
from sdxl_desktop.ui.main_controller import MainController
from sdxl_desktop.ui.menu_actions import MenuEntry
from sdxl_desktop.ui.project_controller import ProjectController
from sdxl_desktop.ui.prompt_craft.prompt_craft_controller import PromptCraftController
from sdxl_desktop.ui.queue.queue_controller import QueueController

Menu = tuple[MenuEntry | None, ...]


@dataclass(frozen=True, slots=True)
class WindowActions:
    """Actions that only the window itself can perform."""

    open: Callable[[], object]
    paste: Callable[[], object]
    open_library: Callable[[], object]
    toggle_gallery: Callable[[], object]
    open_additions: Callable[[], object]
    open_tokens: Callable[[], object]
    open_settings: Callable[[], object]
    open_shortcuts: Callable[[], object]
    open_log: Callable[[], object]
    open_about: Callable[[], object]
    toggle_full_screen: Callable[[], object]
    quit: Callable[[], object]


def build_menus(
    controller: MainController,
    importer: ImportController,
    projects: ProjectController,
    canvas: CanvasFiles,
    canvas_area: CanvasArea,
    features: FeatureControllers,
    window_actions: WindowActions,
) -> dict[str, Menu]:
    """Return the menus by title; None is a separator."""
    return {
        "&File": _file_menu(controller, projects, canvas, window_actions),
        "Pic&ture": _picture_menu(controller, features.queue, features.grids),
        "St&yles": _prompt_menu(features.prompt_craft),
        "E&dit": _edit_menu(controller, importer, canvas_area),
        "&View": _view_menu(canvas_area, window_actions),
        "&Help": (
            MenuEntry("&Keyboard shortcuts", window_actions.open_shortcuts, ("F1",)),
            MenuEntry("Open the &log…", window_actions.open_log, name="log"),
            MenuEntry("&About SDXL Desktop", window_actions.open_about, role=QAction.MenuRole.AboutRole),
        ),
    }


def _file_menu(
    controller: MainController, projects: ProjectController, canvas: CanvasFiles, window_actions: WindowActions
) -> Menu:
    return (
        MenuEntry("&New", projects.new_project, ("Ctrl+N",), "new"),
        MenuEntry("&Open…", window_actions.open, ("Ctrl+O",)),
        MenuEntry("Open &recent", fill=projects.fill_recent_menu),
        MenuEntry("&Paste", window_actions.paste, ("Ctrl+V", "Ctrl+Shift+V")),
        MenuEntry("Earlier &work", fill=projects.recovery.fill_menu),
        MenuEntry("&Bring back what was offered", projects.recovery.restore_offered_entry, name="recover"),
        MenuEntry("Save pro&ject…", projects.save_project, ("Ctrl+Alt+S",), "save project"),
        None,
        MenuEntry("&Save", canvas.save, ("Ctrl+S",), "save"),
        MenuEntry("Save &as…", canvas.save_as, ("Ctrl+Shift+S",), "save as"),
        MenuEntry("&Export pixels only…", canvas.export, ("Ctrl+Shift+E",), "export"),
        MenuEntry("&Copy", canvas.copy, ("Ctrl+C", "Ctrl+Shift+C"), "copy"),
        MenuEntry("Show in &folder", controller.results.show_in_folder, name="folder"),
        None,
        MenuEntry("Chec&kpoints…", window_actions.open_library, ("Ctrl+L",), "library"),
        MenuEntry("LoRAs and embe&ddings…", window_actions.open_additions, ("Ctrl+Shift+L",), "additions"),
        MenuEntry("Se&ttings…", window_actions.open_settings, ("Ctrl+,",), role=QAction.MenuRole.PreferencesRole),
        None,
        MenuEntry("&Quit", window_actions.quit, ("Ctrl+Q",), role=QAction.MenuRole.QuitRole),
    )


def _picture_menu(controller: MainController, queue: QueueController, grids: GridController) -> Menu:
    settings = controller.picture_settings
    return (
        MenuEntry("&Generate", controller.generate, ("Ctrl+Return", "Ctrl+Enter"), "generate"),
        MenuEntry("&Drafts…", controller.open_drafts, ("Ctrl+D",), "drafts"),
        MenuEntry("G&rid…", grids.open, ("Ctrl+Shift+G",), "grid"),
        MenuEntry("&Cancel", controller.escape, ("Esc",)),
        None,
        MenuEntry("&Add to queue", controller.add_to_queue, ("Ctrl+Shift+Return", "Ctrl+Shift+Enter"), "queue"),
        MenuEntry("Add as ne&xt", controller.add_next, name="queue next"),
        MenuEntry("Pause or contin&ue", queue.toggle_pause, ("Ctrl+Shift+P",), "pause"),
        MenuEntry("&Queue…", queue.open_page, ("Ctrl+J",), "queue list"),
        MenuEntry("C&lear the queue", queue.clear, name="clear queue"),
        None,
        MenuEntry("Use these &settings", controller.results.apply_settings, name="use settings"),
        MenuEntry("Use this s&eed", controller.results.apply_seed, name="use seed"),
        MenuEntry("Use the &picture's settings", settings.apply_to_panels, name="use picture settings"),
        MenuEntry("Choose from i&ts settings…", settings.choose_for_shown, ("Ctrl+Shift+U",), "choose settings"),
    )


def _prompt_menu(prompt_craft: PromptCraftController) -> Menu:
    return (
        MenuEntry("&Styles…", prompt_craft.open_styles, ("Ctrl+T",), "styles"),
        MenuEntry("Save the prompt as a s&tyle…", prompt_craft.save_style, name="save style"),
        None,
        MenuEntry("&Presets", fill=prompt_craft.fill_presets_menu),
        MenuEntry("&Back to what the checkpoint recommends", prompt_craft.presets.apply_recommended),
        None,
        MenuEntry("&Draw every combination…", prompt_craft.draw_combinations, name="combinations"),
        MenuEntry("Prompt &history…", prompt_craft.history.open, ("Ctrl+H",), "prompt history"),
    )


def _edit_menu(controller: MainController, importer: ImportController, canvas_area: CanvasArea) -> Menu:
    go_on = ("Ctrl+Alt+Return", "Ctrl+Alt+Enter")
    return (
        MenuEntry("&Undo", controller.candidates.undo, ("Ctrl+Z",), "undo"),
        MenuEntry("&Redo", importer.redo, ("Ctrl+Shift+Z", "Ctrl+Y"), "redo"),
        None,
        MenuEntry("&Apply result", importer.apply_shown_result, ("Ctrl+Shift+A",), "apply"),
        MenuEntry("Apply and &keep going", controller.candidates.apply_and_continue, go_on, "apply and go on"),
        MenuEntry("&Discard result", controller.candidates.discard, ("Ctrl+Shift+D",), "discard"),
        MenuEntry("&Back to the picture", canvas_area.show_document, ("Backspace",), "document"),
        MenuEntry("&Expand…", importer.expand, ("Ctrl+E",), "expand"),
        MenuEntry("Remove &picture", importer.remove_picture, name="remove picture"),
        None,
        MenuEntry("Load &mask…", importer.load_mask, name="load mask"),
        MenuEntry("Mask &from transparency", importer.set_mask_from_transparency, name="transparency"),
        MenuEntry("&Transparency over", fill=importer.fill_backdrop_menu),
        MenuEntry("Sa&ve mask…", importer.save_mask, name="save mask"),
    )


def _view_menu(canvas_area: CanvasArea, window_actions: WindowActions) -> Menu:
    canvas = canvas_area.canvas
    return (
        MenuEntry("&Gallery", window_actions.toggle_gallery, ("Ctrl+G",), "gallery"),
        None,
        MenuEntry("&Fit", canvas.fit, ("Ctrl+0",), "fit"),
        MenuEntry("&100 %", canvas.show_actual_size, ("Ctrl+1",), "actual size"),
        MenuEntry("Zoom &in", canvas.zoom_in, ("Ctrl++", "Ctrl+="), "zoom in"),
        MenuEntry("Zoom &out", canvas.zoom_out, ("Ctrl+-",), "zoom out"),
        None,
        MenuEntry("&Next result", lambda: canvas_area.step_result(1), ("Ctrl+]",), "next"),
        MenuEntry("&Previous result", lambda: canvas_area.step_result(-1), ("Ctrl+[",), "previous"),
        None,
        MenuEntry("&Tokens of the prompt…", window_actions.open_tokens, ("Ctrl+Shift+T",), "tokens"),
        MenuEntry("Full &screen", window_actions.toggle_full_screen, ("F11",)),
    )

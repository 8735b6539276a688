"""Connects the controllers of the main window with one another."""

from __future__ import annotations

from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.checkpoint_controller import CheckpointController
from sdxl_desktop.ui.close_guard import CloseGuard
from sdxl_desktop.ui.import_controller import ImportController
from sdxl_desktop.ui.library.library_controller import LibraryController
from sdxl_desktop.ui.main_controller import MainController
from sdxl_desktop.ui.preferences_controller import PreferencesController
from sdxl_desktop.ui.project_controller import ProjectController
from sdxl_desktop.ui.router import IncomingHandlers, Router


def incoming_handlers(
    imports: ImportController, projects: ProjectController, controller: MainController, library: LibraryController
) -> IncomingHandlers:
    """Return who opens what the router finds."""
    return IncomingHandlers(
        open_pictures=imports.open_pictures,
        open_image=imports.open_image,
        open_project=projects.open_project,
        open_latents=controller.open_latents,
        add_weights=controller.add_weight_files,
        add_checkpoint=library.actions.resolve,
        download=imports.ask_to_download,
        show_error=controller.show_error,
        show_message=controller.notify,
    )


def connect_projects(
    projects: ProjectController,
    controller: MainController,
    checkpoints: CheckpointController,
    router: Router,
    guard: CloseGuard,
) -> None:
    """Let projects, recovery and the question at closing follow the session, and show what they report."""
    projects.open_file_requested.connect(lambda file: router.open_files([file]))
    projects.project_replaced.connect(controller.refresh)
    projects.project_replaced.connect(checkpoints.handle_checkpoint_selected)
    projects.failed.connect(controller.show_error)
    projects.message.connect(controller.notify)
    controller.refreshed.connect(projects.recovery.handle_session_change)
    controller.refreshed.connect(guard.handle_session_change)


def connect_imports(
    imports: ImportController, projects: ProjectController, canvas_area: CanvasArea, preferences: PreferencesController
) -> None:
    """Give the import of pictures what it asks for, and remember what it opens."""
    imports.file_opened.connect(projects.add_recent)
    imports.confirm_replace = projects.files.replace_picture
    imports.last_folder = projects.last_folder
    imports.backdrop = lambda: preferences.value().backdrop
    imports.edit_source_changed.connect(canvas_area.update_candidates)

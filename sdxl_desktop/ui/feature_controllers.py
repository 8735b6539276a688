"""The controllers of queue, grids, prompt craft, LoRA library, gallery and history: built, started and closed
together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import QMainWindow, QStackedWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.bridge.history_thread import HistoryThread
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.session.drafts import DraftingSession
from sdxl_desktop.ui.additions.additions_controller import AdditionsContext, AdditionsController
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.checkpoint_controller import CheckpointController
from sdxl_desktop.ui.gallery.gallery_context import GalleryContext
from sdxl_desktop.ui.gallery.gallery_controller import GalleryController
from sdxl_desktop.ui.grid.grid_controller import GridContext, GridController
from sdxl_desktop.ui.history_controller import HistoryController
from sdxl_desktop.ui.import_controller import ImportController
from sdxl_desktop.ui.main_controller import MainController
from sdxl_desktop.ui.outgoing_pictures import OutgoingPictures
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.preferences_controller import PreferencesController
from sdxl_desktop.ui.project_controller import ProjectController
from sdxl_desktop.ui.prompt_craft.prompt_craft_controller import PromptCraftContext, PromptCraftController
from sdxl_desktop.ui.queue.queue_controller import QueueContext, QueueController


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureContext:
    """What the features need of the window. `pages` holds the canvas, and gets the gallery; `open_file` opens a
    picture, `open_settings` the settings."""

    window: QMainWindow
    pages: QStackedWidget
    paths: AppPaths
    background: BackgroundRunner
    history: HistoryThread
    session: DraftingSession
    preferences: PreferencesController
    parameters_panel: ParametersPanel
    canvas_area: CanvasArea
    outgoing: OutgoingPictures
    controller: MainController
    checkpoints: CheckpointController
    imports: ImportController
    projects: ProjectController
    open_file: Callable[[Path], object]
    open_settings: Callable[[], object]


class FeatureControllers:
    """Builds the controllers; `connect` is called when the window is built, `start` when it is visible."""

    def __init__(self, context: FeatureContext) -> None:
        self._context = context
        self.queue = self._create_queue()
        self.grids = self._create_grids()
        self.prompt_craft = self._create_prompt_craft()
        self.additions = self._create_additions()
        self.gallery = self._create_gallery()
        self.history = HistoryController(
            context.history,
            context.session,
            context.checkpoints.title_of,
            context.controller.show_error,
            context.window,
        )

    def _create_queue(self) -> QueueController:
        c = self._context
        context = QueueContext(
            c.window,
            c.session,
            c.parameters_panel,
            c.canvas_area,
            c.background,
            c.preferences.value,
            lambda: c.checkpoints.checkpoints,
            c.controller.planner.with_frame_size,
            c.controller.show_error,
        )
        return QueueController(context, c.paths.data / "queue")

    def _create_grids(self) -> GridController:
        c = self._context
        context = GridContext(
            c.window,
            c.session,
            c.background,
            c.history,
            c.controller.build_request,
            lambda: c.checkpoints.checkpoints,
            c.checkpoints.title_of,
            lambda: self.additions.library if c.preferences.value().lora_tags else None,
            c.controller.planner.expected_time,
            c.open_file,
            c.controller.notify,
            c.controller.show_error,
        )
        return GridController(context, c.paths.data / "grids.json")

    def _create_prompt_craft(self) -> PromptCraftController:
        c = self._context
        return PromptCraftController(
            PromptCraftContext(
                c.window,
                c.paths,
                c.preferences.value,
                c.background,
                c.parameters_panel,
                c.controller,
                c.projects.last_folder,
            )
        )

    def _create_additions(self) -> AdditionsController:
        c = self._context
        return AdditionsController(
            AdditionsContext(
                c.window,
                c.parameters_panel,
                c.background,
                c.paths,
                c.preferences.value,
                c.controller.notify,
                c.controller.show_error,
                c.open_settings,
            )
        )

    def _create_gallery(self) -> GalleryController:
        c = self._context
        context = GalleryContext(
            c.history,
            c.background,
            c.session,
            c.controller,
            c.checkpoints,
            c.preferences,
            c.parameters_panel,
            c.imports,
            c.canvas_area,
            c.outgoing,
            c.paths.thumbnails,
        )
        return GalleryController(context, c.pages)

    def connect(self) -> None:
        """Follow the session, the projects and the preferences."""
        c = self._context
        c.preferences.changed.connect(self.prompt_craft.apply_preferences)
        c.controller.weight_files_added.connect(self.additions.offer_copy)
        c.controller.refreshed.connect(self.queue.refresh)
        c.controller.refreshed.connect(self.grids.refresh)
        c.projects.recovery.restored.connect(self.gallery.recent.fill)
        c.projects.recovery.requests_found.connect(self.queue.add_left)
        self.queue.ready.connect(self.grids.start)

    def start(self) -> None:
        """Read what earlier windows left."""
        self.queue.start()
        self.history.start(self._context.session.store.folder)
        self.gallery.recent.fill()
        self.additions.start()
        self.prompt_craft.start()

    def apply_preferences(self, before: Preferences) -> None:
        """Follow a change of the preferences, which were `before`."""
        self.queue.apply_preferences()
        self.history.set_folder(self._context.session.store.folder)
        self.additions.apply_preferences(before)

    def close(self) -> None:
        """Keep what the next start restores, and end all work."""
        self.queue.close()
        self.gallery.shut_down()
        self.history.close()
        self.additions.close()

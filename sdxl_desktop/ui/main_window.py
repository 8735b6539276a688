"""The main window: assembles panels, canvas area and status line, handles engine events, and saves the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent
from PySide6.QtWidgets import QMainWindow, QSplitter, QStackedWidget, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.bridge.engine_thread import EngineThread
from sdxl_desktop.bridge.history_thread import HistoryThread
from sdxl_desktop.bridge.library_thread import LibraryThread
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import EngineError, SettingsError
from sdxl_desktop.core.events import EngineEvent, Progress
from sdxl_desktop.core.path_text import path_to_text, text_to_path
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.core.workspace_value import WorkspaceValue
from sdxl_desktop.engine.checkpoint_id import cached_checkpoint_id
from sdxl_desktop.engine.compile_key import shared_file_hashes
from sdxl_desktop.engine.device_times import read_timings, timings_file
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.drafts import DraftingSession
from sdxl_desktop.session.model_search import addition_files
from sdxl_desktop.session.settings_store import SettingsStore
from sdxl_desktop.session.timing_history import TimingHistory
from sdxl_desktop.ui.action_states import enable_actions
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.canvas_files import CanvasFiles
from sdxl_desktop.ui.checkpoint_controller import CheckpointController
from sdxl_desktop.ui.close_guard import FLUSH_TIMEOUT_S, CloseGuard
from sdxl_desktop.ui.devices.device_formatting import format_devices
from sdxl_desktop.ui.devices.precompile_job import PrecompileJob
from sdxl_desktop.ui.devices.precompiled_sizes import PrecompiledSizes
from sdxl_desktop.ui.drop_and_paste import DropAndPasteFilter
from sdxl_desktop.ui.feature_controllers import FeatureContext, FeatureControllers
from sdxl_desktop.ui.help_dialogs import about_dialog, shortcuts_dialog
from sdxl_desktop.ui.import_controller import ImportController
from sdxl_desktop.ui.library.library_controller import LibraryController, LibraryControllerContext
from sdxl_desktop.ui.log_dialog import LogDialog
from sdxl_desktop.ui.main_controller import MainController
from sdxl_desktop.ui.menu_actions import fill_menus, shortcut_table
from sdxl_desktop.ui.menus import WindowActions, build_menus
from sdxl_desktop.ui.outgoing_pictures import OutgoingPictures
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.preferences_controller import PreferencesController
from sdxl_desktop.ui.project_context import ProjectContext
from sdxl_desktop.ui.project_controller import ProjectController
from sdxl_desktop.ui.result_menu import document_menu
from sdxl_desktop.ui.router import Router
from sdxl_desktop.ui.screen_size import available_screen_size
from sdxl_desktop.ui.settings_dialog import SettingsContext, SettingsDialog
from sdxl_desktop.ui.status_line import StatusLine
from sdxl_desktop.ui.theme import ThemeSwitch
from sdxl_desktop.ui.widgets.layout_helpers import column
from sdxl_desktop.ui.window_connections import connect_imports, connect_projects, incoming_handlers
from sdxl_desktop.ui.window_dialogs import open_log_dialog, open_settings_dialog
from sdxl_desktop.ui.window_state import decode_state, encode_state
from sdxl_desktop.ui.window_title import update_window_title

_MEMORY_INTERVAL_MS = 1000


@dataclass(frozen=True, slots=True)
class MainWindowContext:
    """The window's dependencies, all created by the caller."""

    paths: AppPaths
    shipped_checkpoints: Path
    store: SettingsStore
    engine_thread: EngineThread
    background: BackgroundRunner
    theme: ThemeSwitch
    history: HistoryThread
    library_thread: LibraryThread
    engine_memory: Callable[[], int | None] = lambda: None


class MainWindow(QMainWindow):
    """Emits `closed` when everything is shut down."""

    closed = Signal()

    def __init__(self, context: MainWindowContext, settings: Settings) -> None:
        super().__init__()
        self._context = context
        self.preferences = PreferencesController(
            context.store, context.paths, context.shipped_checkpoints, settings.preferences, self._workspace_value, self
        )
        self._devices: tuple[Device, ...] = ()
        self._closed = False
        self._outgoing = OutgoingPictures()
        self.session = DraftingSession(
            context.engine_thread, self.preferences.picture_store(), run_in_background=context.background.write
        )
        self.document = Document()
        known = partial(cached_checkpoint_id, hashes=shared_file_hashes(context.paths.cache))
        self.parameters_panel, self.canvas_area, self.status_line = (
            ParametersPanel(known, lambda: addition_files(self.preferences.library())),
            CanvasArea(self._outgoing, self.document),
            StatusLine(),
        )
        self.import_controller = ImportController(self.document, self.canvas_area, context.background)
        work = ProjectContext(self.document, self.session, self.canvas_area, self.parameters_panel)
        self.project_controller = ProjectController(work, context.background, context.paths.data)
        self.precompile_job = PrecompileJob(context.paths.compiled, self)
        self.checkpoint_controller = CheckpointController(
            self.parameters_panel,
            context.engine_thread,
            context.background,
            self.preferences.library,
            self.preferences.execution,
        )
        self.controller = MainController(
            self.session,
            self.parameters_panel,
            self.canvas_area,
            self.status_line,
            self._outgoing,
            self.import_controller,
            self.preferences.value,
            PrecompiledSizes(context.paths.compiled),
            TimingHistory(context.paths.cache / "paces.json"),
            context.background,
            self.checkpoint_controller,
        )
        self._splitter, self._pages = QSplitter(Qt.Orientation.Horizontal), QStackedWidget()
        self._lay_out()
        self.features = FeatureControllers(self._feature_context())
        self.close_guard = CloseGuard(
            self, self.session, self.project_controller.recovery, context.background, self.controller.notify
        )
        self.canvas_files = CanvasFiles(self.canvas_area, self.controller.results, self.project_controller.files)
        library_context = LibraryControllerContext(
            self, self.session, self.parameters_panel, self.canvas_area, self.controller, self.preferences.execution
        )
        self.library_controller = LibraryController(
            library_context, context.library_thread, context.paths.data, self.preferences.library
        )
        handlers = incoming_handlers(
            self.import_controller, self.project_controller, self.controller, self.library_controller
        )
        self.router = Router(self, context.background, handlers, self.project_controller.last_folder)
        self.drop_and_paste = DropAndPasteFilter(self, self.router.paste)
        self._actions: dict[str, QAction] = {}
        self._memory_timer = QTimer(self, interval=_MEMORY_INTERVAL_MS)
        self._fill_menus()
        self._restore(settings)
        self._connect()
        self.controller.refresh()
        self._enable_actions()

    # building

    def _lay_out(self) -> None:
        available = available_screen_size(self)
        self.setMinimumSize(QSize(880, 560).boundedTo(available))
        self.resize(QSize(1280, 800).boundedTo(available))
        self._splitter.addWidget(self.parameters_panel)
        self._splitter.addWidget(self.canvas_area)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.setHandleWidth(1)
        self._splitter.setStretchFactor(1, 1)
        self._splitter.setSizes([384, 896])
        self._pages.addWidget(self._splitter)
        layout = column(self._pages, self.status_line, spacing=0)
        layout.setStretch(0, 1)
        centre = QWidget()
        centre.setLayout(layout)
        self.setCentralWidget(centre)

    def _feature_context(self) -> FeatureContext:
        return FeatureContext(
            window=self,
            pages=self._pages,
            paths=self._context.paths,
            background=self._context.background,
            history=self._context.history,
            session=self.session,
            preferences=self.preferences,
            parameters_panel=self.parameters_panel,
            canvas_area=self.canvas_area,
            outgoing=self._outgoing,
            controller=self.controller,
            checkpoints=self.checkpoint_controller,
            imports=self.import_controller,
            projects=self.project_controller,
            open_file=lambda file: self.router.open_files([file]),
            open_settings=self.open_settings,
        )

    @property
    def history(self) -> HistoryThread:
        """The access to the history of all pictures."""
        return self._context.history

    @property
    def theme(self) -> ThemeSwitch:
        """The application's theme switch."""
        return self._context.theme

    def _fill_menus(self) -> None:
        own = WindowActions(
            self.router.choose_file,
            self.router.paste,
            self.library_controller.open_dialog,
            self.features.gallery.toggle,
            self.features.additions.open_dialog,
            self.features.additions.open_tokens,
            self.open_settings,
            self._open_shortcuts,
            self.open_log,
            self._open_about,
            self._toggle_full_screen,
            self._quit,
        )
        self._actions = fill_menus(
            self,
            build_menus(
                self.controller,
                self.import_controller,
                self.project_controller,
                self.canvas_files,
                self.canvas_area,
                self.features,
                own,
            ),
        )

    def _connect(self) -> None:
        engine = self._context.engine_thread
        self._context.background.set_failure_handler(self.controller.show_error)
        engine.event_received.connect(self._handle_engine_event)
        engine.warm_up_finished.connect(self._handle_warm_up_finished)
        engine.devices_listed.connect(self._set_devices)
        engine.devices_failed.connect(self.controller.show_error)
        self.checkpoint_controller.checkpoints_listed.connect(self._handle_checkpoints_listed)
        self.checkpoint_controller.checkpoint_selected.connect(self.library_controller.set_selected)
        self.checkpoint_controller.failed.connect(self.controller.show_error)
        self.preferences.changed.connect(self._apply_preferences)
        self.preferences.failed.connect(self.controller.show_error)
        self.preferences.saved.connect(self._clear_settings_error)
        self.parameters_panel.changed.connect(self.preferences.save_later)
        self._splitter.splitterMoved.connect(lambda *_: self.preferences.save_later())
        self.canvas_area.result_shown.connect(self._enable_actions)
        self.canvas_area.document_menu_requested.connect(self._open_document_menu)
        self.import_controller.edit_source_changed.connect(self._enable_actions)
        self._connect_project_controller()
        self.library_controller.rescan_requested.connect(self.checkpoint_controller.rescan)
        self.drop_and_paste.dropped.connect(self.router.open_incoming)
        self.parameters_panel.adapter_files_added.connect(self.router.open_files)
        self.canvas_area.empty_state.settings_requested.connect(self.open_settings)
        self.canvas_area.banner.log_wanted.connect(self.open_log)
        self.precompile_job.finished.connect(self._handle_precompiled)
        self._memory_timer.timeout.connect(lambda: self.status_line.set_memory(self._context.engine_memory()))

    def _connect_project_controller(self) -> None:
        projects, controller = self.project_controller, self.controller
        connect_projects(projects, controller, self.checkpoint_controller, self.router, self.close_guard)
        connect_imports(self.import_controller, projects, self.canvas_area, self.preferences)
        self.features.connect()
        projects.recovery.restore_offered.connect(self._offer_restore)
        projects.recovery.offer_changed.connect(self._enable_actions)
        controller.refreshed.connect(self._enable_actions)
        projects.files.changed.connect(self._show_title)
        projects.files.changed.connect(self.canvas_area.update_document_title)
        self.document.subscribe(lambda _: self._show_title())

    def _enable_actions(self) -> None:
        enable_actions(
            self._actions,
            self.session,
            self.document,
            self.canvas_area,
            self.import_controller,
            can_restore=self.project_controller.recovery.has_offer,
            can_undo=self.controller.candidates.can_undo,
        )
        self._show_title()

    def _show_title(self) -> None:
        update_window_title(self, self.document, self.project_controller.files)
        self.canvas_files.update_save_action(self._actions["save"])

    # starting

    def start(self, prompt: str | None = None, files: Sequence[Path | str] = ()) -> None:
        """Start the engine and scan for checkpoints while the window is already visible.

        With `prompt`, start a run as soon as there is a checkpoint; `files`, folders and URLs are opened. With neither,
        the last window's state is restored.
        """
        if prompt is not None:
            self.parameters_panel.set_prompt(prompt)
        self.parameters_panel.focus_prompt()
        self._memory_timer.start()
        if prompt is not None:
            self.controller.generate()
        self.checkpoint_controller.start()
        self.library_controller.start()
        self.features.start()
        self.project_controller.recovery.restore_previous(restore_last=prompt is None and not files)
        if files:
            self.router.open_named(files)

    def _offer_restore(self, text: str, restore: Callable[[], object]) -> None:
        self.controller.notify(text, action="Bring it back", callback=restore, persistent=True)

    def _handle_checkpoints_listed(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        self.controller.drafts.set_checkpoints(checkpoints)
        self.controller.planner.clear_caches()
        self.canvas_area.empty_state.set_ready(bool(checkpoints))
        self.controller.errors.recheck()
        self.library_controller.set_checkpoints(checkpoints)

    # engine events

    def _handle_engine_event(self, event: EngineEvent) -> None:
        if self._closed:
            return
        if self.session.run is not None:
            self.session.handle(event)
        elif isinstance(event, Progress):
            self.status_line.show_warm_up(event)

    def _handle_warm_up_finished(self) -> None:
        if self.session.run is None and not self._closed:
            self.status_line.show_warm_up(None)

    def _handle_precompiled(self) -> None:
        if self._closed:
            return
        self.controller.planner.clear_caches()
        self.controller.notify(self.precompile_job.status.text)

    def _set_devices(self, devices: tuple[Device, ...]) -> None:
        self._devices = devices
        self._show_device()

    def _show_device(self) -> None:
        table = read_timings(timings_file(self._context.paths))
        self.status_line.set_device(format_devices(self.preferences.execution(), self._devices, table))

    # preferences

    def open_settings(self) -> SettingsDialog:
        """Show the settings dialog; the theme is previewed immediately, everything else applies on saving."""
        context = SettingsContext(
            self._devices,
            self._context.paths,
            self.parameters_panel.checkpoint(),
            self._context.background,
            self.precompile_job,
            lambda: [checkpoint.folder for checkpoint in self.preferences.library().checkpoints()],
            self._context.library_thread,
        )
        return open_settings_dialog(
            self, self.preferences.value, context, self._context.theme, self.preferences.set_value
        )

    def _clear_settings_error(self) -> None:
        """A slot of the window, since a lambda would hold the window for as long as the preferences live, which it
        holds itself."""
        self.controller.errors.clear_kind(SettingsError)

    def _apply_preferences(self, before: Preferences) -> None:
        preferences = self.preferences.value()
        self.session.store = self.preferences.picture_store()
        self.features.apply_preferences(before)
        self._context.theme.apply_theme(preferences.theme)
        self._show_device()
        if preferences.checkpoints_folder != before.checkpoints_folder:
            self.library_controller.watch()
            self.checkpoint_controller.rescan()
        if preferences.execution != before.execution:
            self.checkpoint_controller.warm_up()
            self.controller.planner.refresh()

    # saving and closing

    def _workspace_value(self) -> WorkspaceValue:
        """Return the panels' values and the window's layout."""
        shown = self.canvas_area.shown_result
        return replace(
            self.parameters_panel.value(),
            shown_picture="" if shown is None or shown.saved_to is None else path_to_text(shown.saved_to),
            geometry=encode_state(self.saveGeometry()),
            layout=encode_state(self._splitter.saveState()),
            thumbnail_side=self.features.gallery.page.bar.thumbnail_side,
            details_shown=self.features.gallery.page.bar.details_button.isChecked(),
        )

    def _restore(self, settings: Settings) -> None:
        self.parameters_panel.set_value(settings.workspace)
        with suppress(ValueError):
            shown = settings.workspace.shown_picture
            self.features.gallery.recent.selected = text_to_path(shown) if shown else None
        self.restoreGeometry(decode_state(settings.workspace.geometry))
        if not self.isMaximized() and not self.isFullScreen():
            self.resize(self.size().boundedTo(available_screen_size(self)))
        self._splitter.restoreState(decode_state(settings.workspace.layout))
        self.features.gallery.page.bar.set_layout(settings.workspace.thumbnail_side, settings.workspace.details_shown)
        self._show_device()

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._closed:
            event.accept()
            return
        if not self.close_guard.may_close():
            event.ignore()
            return
        event.accept()
        self.preferences.save()
        self._closed = True
        self.checkpoint_controller.close()
        self.hide()
        self._memory_timer.stop()
        self.canvas_area.toast.dismiss()
        self.drop_and_paste.close()
        self.import_controller.close()
        self.project_controller.recovery.close()
        self.features.close()
        self.library_controller.close()
        self.precompile_job.stop()
        self._context.engine_thread.close()
        self._outgoing.close()
        self.closed.emit()

    def close_now(self) -> None:
        """Close immediately, without a question: the system ends this process."""
        self.close_guard.skip_questions()
        self.close()

    def prepare_for_shutdown(self) -> None:
        """Save what the next start restores: the system is about to end this process."""
        self.preferences.save()
        self.features.queue.save_now()
        self.project_controller.recovery.prepare_for_shutdown(FLUSH_TIMEOUT_S)

    def _quit(self) -> None:
        self.close()

    def open_log(self) -> LogDialog:
        """Show the log; after an engine error, the engine's log."""
        dialog = LogDialog(self._context.paths, self._context.background, self.controller.show_error, self)
        return open_log_dialog(dialog, of_engine=isinstance(self.session.error, EngineError))

    def _open_about(self) -> None:
        about_dialog(self).open()

    def _open_document_menu(self, position: QPoint) -> None:
        menu = document_menu(self.canvas_area, self._actions)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(position)

    def _toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def _open_shortcuts(self) -> None:
        shortcuts_dialog(self, shortcut_table(self)).open()

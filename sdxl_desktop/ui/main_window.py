"""The window: puts desk, stage and status line together, says what the engine tells, and keeps the settings."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QByteArray, QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent
from PySide6.QtWidgets import QMainWindow, QSplitter, QWidget

from sdxl_desktop.bridge.background import Background
from sdxl_desktop.bridge.engine_thread import EngineThread
from sdxl_desktop.bridge.library_thread import LibraryThread
from sdxl_desktop.core.app_log import allow_prompts
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import EngineError, SettingsError
from sdxl_desktop.core.events import Event, Progress
from sdxl_desktop.core.paths import AppPaths, chosen_folder
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.engine.checkpoint_id import known_checkpoint_id
from sdxl_desktop.engine.compile_key import hashes_in
from sdxl_desktop.engine.device_times import read_table, table_file
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.drafts import DraftingSession
from sdxl_desktop.session.paces import Paces
from sdxl_desktop.session.pictures import PictureStore
from sdxl_desktop.session.settings_store import SettingsStore
from sdxl_desktop.ui.actions import fill_menus, shortcut_table
from sdxl_desktop.ui.arrivals import Arrivals
from sdxl_desktop.ui.canvas_files import CanvasFiles
from sdxl_desktop.ui.closing import PATIENCE_S, Closing
from sdxl_desktop.ui.conductor import Conductor
from sdxl_desktop.ui.desk import Desk
from sdxl_desktop.ui.devices.preparing import Preparing
from sdxl_desktop.ui.devices.ready import ReadySizes
from sdxl_desktop.ui.devices.words import devices_words
from sdxl_desktop.ui.dialogs import about_dialog, shortcuts_dialog
from sdxl_desktop.ui.editor import Editor
from sdxl_desktop.ui.keeper import Keeper
from sdxl_desktop.ui.library.corner import LibraryCorner, Room
from sdxl_desktop.ui.log_dialog import LogDialog
from sdxl_desktop.ui.menus import OfTheWindow, menus
from sdxl_desktop.ui.readiness import Readiness
from sdxl_desktop.ui.result_menu import document_menu
from sdxl_desktop.ui.router import Destinations, Router
from sdxl_desktop.ui.screen import room_on_screen
from sdxl_desktop.ui.settings_dialog import Machine, SettingsDialog
from sdxl_desktop.ui.stage import Stage
from sdxl_desktop.ui.status import StatusLine
from sdxl_desktop.ui.theme import ThemeSwitch
from sdxl_desktop.ui.transfer import OutgoingPictures
from sdxl_desktop.ui.widgets.layout import column
from sdxl_desktop.ui.window_title import show_title
from sdxl_desktop.ui.work import Work

_SAVE_AFTER_MS = 1500
_MEMORY_EVERY_MS = 1000


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the window is given: it makes none of it itself."""

    paths: AppPaths
    shipped_checkpoints: Path
    store: SettingsStore
    engine: EngineThread
    background: Background
    theme: ThemeSwitch
    library: LibraryThread
    memory: Callable[[], int | None] = lambda: None


class MainWindow(QMainWindow):
    """Emits `closed` when everything is put away."""

    closed = Signal()

    def __init__(self, around: Surroundings, settings: Settings) -> None:
        super().__init__()
        self._around = around
        self._preferences = settings.preferences
        allow_prompts(settings.preferences.log_prompts)
        self._devices: tuple[Device, ...] = ()
        self._closed = False
        self._outgoing = OutgoingPictures()
        self.session = DraftingSession(around.engine, self._picture_store(), elsewhere=around.background.write)
        self.document = Document()
        known = partial(known_checkpoint_id, hashes=hashes_in(around.paths.cache))
        self.desk, self.stage, self.status = Desk(known), Stage(self._outgoing, self.document), StatusLine()
        self.editor = Editor(self.document, self.stage, around.background)
        work = Work(self.document, self.session, self.stage, self.desk)
        self.keeper = Keeper(work, around.background, around.paths.data)
        self.preparing = Preparing(around.paths.compiled, self)
        self.readiness = Readiness(self.desk, around.engine, around.background, self._library, self._execution)
        self.verbs = Conductor(
            self.session,
            self.desk,
            self.stage,
            self.status,
            self._outgoing,
            self.editor,
            lambda: self._preferences,
            ReadySizes(around.paths.compiled),
            Paces(around.paths.cache / "paces.json"),
            around.background,
        )
        self.closing = Closing(self, self.session, self.keeper.kept, around.background, self.verbs.tell)
        self.canvas_files = CanvasFiles(self.stage, self.verbs.results, self.keeper.files)
        room = Room(self, self.session, self.desk, self.stage, self.verbs, self._execution)
        self.library = LibraryCorner(room, around.library, around.paths.data, self._library)
        self.router = Router(self, around.background, self._destinations(), self.keeper.last_folder)
        self.arrivals = Arrivals(self, self.router.paste)
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._actions: dict[str, QAction] = {}
        self._saving = QTimer(self, singleShot=True, interval=_SAVE_AFTER_MS)
        self._memory = QTimer(self, interval=_MEMORY_EVERY_MS)
        self._lay_out()
        self._fill_menus()
        self._restore(settings)
        self._connect()
        self.verbs.redraw()
        self._enable_actions()

    # building

    def _lay_out(self) -> None:
        room = room_on_screen(self)
        self.setMinimumSize(QSize(880, 560).boundedTo(room))
        self.resize(QSize(1280, 800).boundedTo(room))
        self._splitter.addWidget(self.desk)
        self._splitter.addWidget(self.stage)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.setHandleWidth(1)
        self._splitter.setStretchFactor(1, 1)
        self._splitter.setSizes([384, 896])
        whole = column(self._splitter, self.status, spacing=0)
        whole.setStretch(0, 1)
        centre = QWidget()
        centre.setLayout(whole)
        self.setCentralWidget(centre)

    @property
    def theme(self) -> ThemeSwitch:
        """The colours that the whole application has."""
        return self._around.theme

    def _destinations(self) -> Destinations:
        return Destinations(
            open_pictures=self.editor.open_pictures,
            open_image=self.editor.open_image,
            open_project=self.keeper.open_project,
            open_latents=self.verbs.open_latents,
            add_weights=self.verbs.add_weights,
            add_checkpoint=self.library.verbs.look_up,
            download=self.editor.ask_to_download,
            fail=self.verbs.show_problem,
            tell=self.verbs.tell,
        )

    def _fill_menus(self) -> None:
        own = OfTheWindow(
            self.router.choose,
            self.router.paste,
            self.library.open_page,
            self.open_settings,
            self._open_shortcuts,
            self.open_log,
            self._open_about,
            self._toggle_full_screen,
            self._quit,
        )
        self._actions = fill_menus(
            self, menus(self.verbs, self.editor, self.keeper, self.canvas_files, self.stage, own)
        )

    def _connect(self) -> None:
        engine = self._around.engine
        self._around.background.tell_failures(self.verbs.show_problem)
        engine.happened.connect(self._engine_told)
        engine.warmed.connect(self._warmed)
        engine.devices_found.connect(self._take_devices)
        engine.devices_failed.connect(self.verbs.show_problem)
        self.readiness.listed.connect(self._show_listed)
        self.readiness.chosen.connect(self.library.show_chosen)
        self.readiness.failed.connect(self.verbs.show_problem)
        self.desk.changed.connect(self._saving.start)
        self._splitter.splitterMoved.connect(lambda *_: self._saving.start())
        self.stage.result_shown.connect(self._enable_actions)
        self.stage.document_menu_wanted.connect(self._open_document_menu)
        self.editor.ground_changed.connect(self._enable_actions)
        self._connect_keeper()
        self.library.look_wanted.connect(self.readiness.look)
        self.arrivals.dropped.connect(self.router.take)
        self.desk.additions_offered.connect(self.router.take_files)
        self.stage.empty.settings_wanted.connect(self.open_settings)
        self.stage.banner.log_wanted.connect(self.open_log)
        self.preparing.done.connect(self._prepared)
        self._saving.timeout.connect(self._save_settings)
        self._memory.timeout.connect(lambda: self.status.show_memory(self._around.memory()))

    def _connect_keeper(self) -> None:
        keeper, editor, verbs = self.keeper, self.editor, self.verbs
        editor.opened.connect(keeper.remember)
        keeper.file_wanted.connect(lambda file: self.router.take_files([file]))
        keeper.brought.connect(verbs.redraw)
        keeper.brought.connect(self.readiness.follow)
        keeper.failed.connect(verbs.show_problem)
        keeper.told.connect(verbs.tell)
        keeper.kept.offered.connect(self._offer)
        keeper.kept.postponed.connect(self._offer_postponed)
        keeper.kept.changed.connect(self._enable_actions)
        verbs.redrawn.connect(keeper.kept.notice_session)
        verbs.redrawn.connect(self.closing.notice_session)
        verbs.redrawn.connect(self._enable_actions)
        editor.before_replacing = keeper.files.unless_undone
        editor.last_folder = keeper.last_folder
        editor.backdrop = lambda: self._preferences.backdrop
        editor.ground_changed.connect(self.stage.mark_candidates)
        keeper.files.changed.connect(self._show_title)
        keeper.files.changed.connect(self.stage.rename_document)
        self.document.listen(lambda _: self._show_title())

    def _enable_actions(self) -> None:
        has_result, has_image = self.stage.current_row() >= 0, self.stage.canvas.image() is not None
        has_pixels = self.stage.shown_pixels() is not None
        for name in ("save", "save as", "export", "copy"):
            self._actions[name].setEnabled(has_pixels)
        for name in ("use settings", "use seed"):
            self._actions[name].setEnabled(has_result)
        self._actions["clear queue"].setEnabled(bool(self.session.queue))
        shown = self.stage.shown_result
        self._actions["folder"].setEnabled(shown is not None and shown.saved_to is not None)
        has_document = self.document.has_picture
        self._actions["apply"].setEnabled(has_result)
        self._actions["apply and go on"].setEnabled(has_result and has_document)
        self._actions["discard"].setEnabled(has_result)
        self._actions["document"].setEnabled(has_document and not self.stage.easel.editing)
        for name in ("expand", "remove picture", "load mask", "save mask"):
            self._actions[name].setEnabled(has_document)
        self._actions["use picture settings"].setEnabled(self.editor.record is not None)
        self._actions["recover"].setEnabled(self.keeper.kept.has_found)
        self._actions["take up"].setEnabled(bool(self.session.postponed))
        self._actions["transparency"].setEnabled(self.editor.has_transparency)
        self._actions["save project"].setEnabled(has_document or bool(self.session.results))
        self._actions["undo"].setEnabled(self.verbs.candidates.can_undo)
        self._actions["redo"].setEnabled(self.document.can_redo)
        for name in ("fit", "actual size", "zoom in", "zoom out"):
            self._actions[name].setEnabled(has_image)
        self._show_title()

    def _show_title(self) -> None:
        show_title(self, self.document, self.keeper.files)
        self.canvas_files.name_action(self._actions["save"])

    # starting

    def start(self, prompt: str | None = None, files: Sequence[Path | str] = ()) -> None:
        """Wake the engine and look for checkpoints, with the window already on the screen.

        With `prompt`, draw it as soon as there is a checkpoint; `files`, folders and URLs are opened. With neither,
        what the last window was closed with comes back.
        """
        if prompt is not None:
            self.desk.use_prompt(prompt)
        self.desk.focus()
        self._memory.start()
        self.readiness.begin(None if prompt is None else self.verbs.generate)
        self.library.begin()
        self.keeper.kept.look_back(bring_back=prompt is None and not files)
        if files:
            self.router.take_named(files)

    def _offer(self, words: str, bring_back: Callable[[], object]) -> None:
        self.verbs.tell(words, answer="Bring it back", act=bring_back, stays=True)

    def _offer_postponed(self) -> None:
        count = sum(request.sampling.count for request in self.session.postponed)
        words = "A picture was still to be drawn" if count == 1 else f"{count} pictures were still to be drawn"
        self.verbs.tell(words, answer="Draw now", act=self.verbs.take_up, stays=True)
        self._enable_actions()

    def _execution(self) -> Execution:
        return self._preferences.execution

    def _library(self) -> Library:
        own = chosen_folder(self._preferences.checkpoints_folder, self._around.paths.checkpoints)
        return Library(self._around.shipped_checkpoints, own)

    def _show_listed(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        self.verbs.drafts.set_checkpoints(checkpoints)
        self.verbs.plan.forget()
        self.stage.empty.show_ready(bool(checkpoints))
        self.verbs.check_problem()
        self.library.show_listed(checkpoints)

    # what the engine tells

    def _engine_told(self, event: Event) -> None:
        if self._closed:
            return
        if self.session.run is not None:
            self.session.handle(event)
        elif isinstance(event, Progress):
            self.status.show_warming(event)

    def _warmed(self) -> None:
        if self.session.run is None and not self._closed:
            self.status.show_warming(None)

    def _prepared(self) -> None:
        if self._closed:
            return
        self.verbs.plan.forget()
        self.verbs.tell(self.preparing.standing.words)

    def _take_devices(self, devices: tuple[Device, ...]) -> None:
        self._devices = devices
        self._show_device()

    def _show_device(self) -> None:
        table = read_table(table_file(self._around.paths))
        self.status.show_device(devices_words(self._preferences.execution, self._devices, table))

    # preferences

    def open_settings(self) -> SettingsDialog:
        """Show the settings dialog; the theme can be seen at once, everything else counts when it is saved."""
        machine = Machine(
            self._devices,
            self._around.paths,
            self.desk.checkpoint(),
            self._around.background,
            self.preparing,
            lambda: [checkpoint.folder for checkpoint in self._library().checkpoints()],
            self._around.library,
        )
        dialog = SettingsDialog(self._preferences, machine, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def try_on() -> None:
            with suppress(SettingsError):  # the dialog tells
                self._around.theme.wear(dialog.value().theme)

        def finish(result: int) -> None:
            if result == SettingsDialog.DialogCode.Accepted:
                self.set_preferences(dialog.value())
            self._around.theme.wear(self._preferences.theme)

        dialog.changed.connect(try_on)
        dialog.finished.connect(finish)
        dialog.open()
        return dialog

    def set_preferences(self, preferences: Preferences) -> None:
        """Live with these from now on, and keep them."""
        before, self._preferences = self._preferences, preferences
        allow_prompts(preferences.log_prompts)
        self.session.store = self._picture_store()
        self._around.theme.wear(preferences.theme)
        self._show_device()
        if preferences.checkpoints_folder != before.checkpoints_folder:
            self.library.watch()
            self.readiness.look()
        if preferences.execution != before.execution:
            self.readiness.warm()
            self.verbs.plan.show()
        self._save_settings()

    def _picture_store(self) -> PictureStore:
        chosen = self._preferences
        own = self._around.paths.pictures
        folder = chosen_folder(chosen.pictures_folder, own)
        return PictureStore(folder, chosen.picture_format, chosen.autosave, () if folder == own else (own,))

    # keeping and closing

    def settings(self) -> Settings:
        """All that comes back at the next start."""
        workspace = replace(
            self.desk.value(), geometry=_text(self.saveGeometry()), layout=_text(self._splitter.saveState())
        )
        return Settings(preferences=self._preferences, workspace=workspace)

    def _restore(self, settings: Settings) -> None:
        self.desk.set_value(settings.workspace)
        self.restoreGeometry(_bytes(settings.workspace.geometry))
        if not self.isMaximized() and not self.isFullScreen():
            self.resize(self.size().boundedTo(room_on_screen(self)))
        self._splitter.restoreState(_bytes(settings.workspace.layout))
        self._show_device()

    def _save_settings(self) -> None:
        self._saving.stop()
        try:
            self._around.store.save(self.settings())
        except SettingsError as problem:
            self.verbs.show_problem(problem)
        else:
            self.verbs.settle_problem(SettingsError)

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._closed:
            event.accept()
            return
        if not self.closing.may_close():
            event.ignore()
            return
        event.accept()
        self._save_settings()
        self._closed = True
        self.readiness.close()
        self.hide()
        self._memory.stop()
        self.stage.toast.dismiss()
        self.arrivals.close()
        self.editor.close()
        self.keeper.kept.close()
        self.library.close()
        self.preparing.stop()
        self._around.engine.close()
        self._outgoing.close()
        self.closed.emit()

    def leave(self) -> None:
        """Close at once, without a question: the system wants this process to end."""
        self.closing.hurry()
        self.close()

    def expect_end(self) -> None:
        """The system is about to end this process: have on the disk what comes back at the next start."""
        self._save_settings()
        self.keeper.kept.expect_end(PATIENCE_S)

    def _quit(self) -> None:
        self.close()

    def open_log(self) -> LogDialog:
        """Show what was logged; after a problem of the engine, its log."""
        dialog = LogDialog(self._around.paths, self._around.background, self.verbs.show_problem, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if isinstance(self.session.error, EngineError):
            dialog.show_engine()
        dialog.open()
        return dialog

    def _open_about(self) -> None:
        about_dialog(self).open()

    def _open_document_menu(self, place: QPoint) -> None:
        menu = document_menu(self.stage, self._actions)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)

    def _toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def _open_shortcuts(self) -> None:
        shortcuts_dialog(self, shortcut_table(self)).open()


def _text(state: QByteArray) -> str:
    return base64.b64encode(state.data()).decode()


def _bytes(text: str) -> QByteArray:
    """What `_text` wrote; empty for anything else, which Qt then ignores."""
    try:
        return QByteArray(base64.b64decode(text))
    except ValueError:
        return QByteArray()

"""What can be done about checkpoints: connects the page, the sheet and the drops with the jobs and the library."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import psutil
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.bring.bringing import Brought
from sdxl_desktop.library.catalogue import suggestions
from sdxl_desktop.library.holdings import remove
from sdxl_desktop.library.hub.errors import AccessError, DownloadStoppedError
from sdxl_desktop.library.records import Verified, verify
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.bringing import Bringing, Event, Job, JobState
from sdxl_desktop.session.library_memory import JobNote
from sdxl_desktop.session.shelf import Shelved, shelf
from sdxl_desktop.ui.desktop import show_in_folder
from sdxl_desktop.ui.library import words
from sdxl_desktop.ui.library.adding import page_of
from sdxl_desktop.ui.library.around import Around
from sdxl_desktop.ui.library.offering import Offering
from sdxl_desktop.ui.library.page import LibraryPage
from sdxl_desktop.ui.library.pieces import question
from sdxl_desktop.ui.library.reducing import Reducing
from sdxl_desktop.ui.library.token_field import TokenDialog
from sdxl_desktop.ui.library.watching import FolderWatch
from sdxl_desktop.ui.library.welcome import Welcome


class LibraryVerbs(QObject):
    """`changed`: the checkpoints in the folders are others now, and should be listed again. `advanced`: words for how
    far the jobs are, "" for none."""

    changed = Signal()
    advanced = Signal(str)

    def __init__(self, around: Around) -> None:
        super().__init__(around.window)
        self._around = around
        self._thread = around.thread
        self._thread.library = around.library
        self.bringing = Bringing(around.thread, around.memory)
        self._page: LibraryPage | None = None
        self._chosen: Path | None = None
        self._machine_memory = psutil.virtual_memory().total
        self._watch = FolderWatch(self)
        self.offering = Offering(around, self.bringing, self.stand)
        self.reducing = Reducing(around, self.bringing, self.stand, self._show_problem, self.open_page)
        self._connect()

    def _connect(self) -> None:
        self._thread.happened.connect(self._handle)  # a lambda would keep the window for as long as the thread's object
        self._thread.failed.connect(self._show_problem)
        self._watch.changed.connect(self.changed)
        self.offering.looking.connect(self._show_looking)
        self.offering.not_found.connect(self._tell_not_found)
        self.bringing.changed = self._show_jobs
        self.bringing.arrived = self._take_arrival
        self.bringing.done = self._take_done
        self.bringing.failed = self._tell_failure

    def _handle(self, event: Event) -> None:
        self._around.quietly(lambda: self.bringing.handle(event))

    # starting and ending

    def begin(self) -> None:
        """Watch the folder, and offer to go on with what was not finished the last time."""
        self.watch()
        found = self.bringing.restore()
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            text = f"{found[0].note.title}{more} is not finished"
            self._around.tell(text, answer="Go on", act=lambda: self._resume_all(found), stays=True)

    def _resume_all(self, jobs: tuple[Job, ...]) -> None:
        for job in jobs:
            self.bringing.resume(job)

    def watch(self) -> None:
        """Watch the folder that is the person's now."""
        self._watch.watch(self._around.library())

    def close(self) -> None:
        """Pause what runs; the next start offers to go on. Safe to call twice."""
        self._watch.close()
        if self._page is not None:
            self._page.close()
        self._thread.close()

    # the page

    def open_page(self) -> LibraryPage:
        """Show the page, with what is there now."""
        page = self._page or self._make_page()
        self.refresh()
        self._show_jobs()
        page.show()
        page.raise_()
        page.activateWindow()
        page.list.setFocus()
        return page

    def open_adding(self) -> None:
        """Show where something new can come from."""
        self.open_page().show_adding()

    def _make_page(self) -> LibraryPage:
        page = self._page = LibraryPage(self._thread, self._machine_memory, self._around.window)
        details, adding = page.details, page.adding
        details.use_wanted.connect(self._use)
        details.verify_wanted.connect(self._verify)
        details.folder_wanted.connect(self._show_folder)
        details.smaller_wanted.connect(self.reducing.make_smaller)
        details.compare_wanted.connect(lambda line: self.reducing.compare(line.folder))
        details.remove_wanted.connect(self._ask_to_remove)
        details.forget_wanted.connect(self._forget)
        adding.look_up_wanted.connect(self.offering.look_up)
        adding.stop_wanted.connect(self.offering.stop)
        jobs = page.jobs
        jobs.pause_wanted.connect(self.bringing.pause)
        jobs.resume_wanted.connect(self.bringing.resume)
        jobs.discard_wanted.connect(self._ask_to_discard)
        jobs.token_wanted.connect(self._ask_for_token)
        jobs.use_wanted.connect(self.reducing.use)
        jobs.compare_wanted.connect(self.reducing.compare_made)
        jobs.report_wanted.connect(self.reducing.open_report)
        return page

    @property
    def page(self) -> LibraryPage | None:
        """The page, once it was opened."""
        return self._page

    def refresh(self) -> None:
        """Read the library again for the page."""
        if self._page is None:
            return
        library, memory = self._around.library(), self._around.memory
        self._thread.ask(partial(shelf, library, memory), self._take_shelf, asker=self)

    def _take_shelf(self, found: tuple[Shelved, ...]) -> None:
        if self._page is not None:
            self._page.show_shelf(found, self._chosen)

    def show_chosen(self, folder: Path | None) -> None:
        """The checkpoint in `folder` is the one that draws now."""
        self._chosen = folder
        if self._page is not None:
            self._page.show_chosen(folder)

    def note_use(self, folder: Path) -> None:
        """Something was drawn with the checkpoint in `folder`."""
        self._around.quietly(lambda: self._around.memory.use(folder, time.time()))

    def _show_jobs(self) -> None:
        jobs = self.bringing.jobs
        if self._page is not None:
            self._page.jobs.show_jobs(jobs)
        running = self.bringing.running
        said = ""
        if running is not None:
            said = f"{running.fraction:.0%}" if running.fraction else "…"
        elif any(job.state in (JobState.PAUSED, JobState.FAILED) for job in jobs):
            said = "paused"
        self.advanced.emit(said)

    # the selected one

    def _use(self, line: Shelved) -> None:
        self._around.use(line.folder.name)

    def _show_folder(self, line: Shelved) -> None:
        show_in_folder(line.folder / "model_index.json", self._show_problem, self)

    def _verify(self, line: Shelved) -> None:
        page = self._page
        assert page is not None
        page.details.show_verifying(None)
        take = partial(self._take_verified, line.folder)
        self._thread.ask(
            partial(self._verified, line.folder),
            take,
            lambda problem: take(Verified((str(problem),), 0, by_hash=False)),
            asker=page,
        )

    def _verified(self, folder: Path) -> Verified:
        """In the thread that answers; ends early when the window closes."""

        def go_on(_: int) -> None:
            if self._thread.closing.is_set():
                raise DownloadStoppedError("Verifying was stopped.")

        return verify(folder, go_on)

    def _take_verified(self, folder: Path, found: Verified) -> None:
        page = self._page
        if page is None:
            return
        shown = page.details.shown()
        if shown is None or shown.folder != folder:
            return
        page.details.show_verified(found)

    def _ask_to_remove(self, line: Shelved) -> None:
        held = line.holding
        if held is None:
            return
        box = question(
            self.stand(),
            f"Remove {line.title}?",
            f"{words.size(held.bytes)} are deleted from the disk: {line.folder}. This cannot be undone.",
            "Remove",
        )
        box.accepted.connect(partial(self._remove, line))
        box.open()

    def _remove(self, line: Shelved) -> None:
        library = self._around.library()

        def done(freed: int) -> None:
            self._around.tell(f"Removed {line.title}; {words.size(freed)} are free again")
            self.changed.emit()

        def failed(problem: SdxlDesktopError) -> None:
            self._show_problem(problem)
            self.changed.emit()

        self._thread.ask(partial(remove, line.folder, library), done, failed, asker=self)

    def _forget(self, line: Shelved) -> None:
        self._around.library().forget(line.folder.name)
        self.refresh()

    # what comes in

    def look_up(self, what: str) -> None:
        """Find out what `what` (a path, an id or a URL) is, and offer it."""
        self.offering.look_up(what)

    def _show_looking(self, what: str) -> None:
        if self._page is not None:
            self._page.adding.show_looking(what)

    def _tell_not_found(self, what: str, problem: SdxlDesktopError) -> None:
        """Where the page is open it tells; where the hub wants to know who asks, it is opened for the token."""
        if not self._page_open and not isinstance(problem, AccessError):
            self._around.show_problem(problem)
            return
        page = self._page if self._page is not None and self._page_open else self.open_page()
        page.show_adding()
        page.adding.show_problem(what, problem)

    @property
    def _page_open(self) -> bool:
        return self._page is not None and self._page.isVisible()

    def stand(self) -> QWidget:
        """What dialogs stand over."""
        return self._page if self._page is not None and self._page_open else self._around.window

    def _take_arrival(self, job: Job, brought: Brought) -> None:
        self.changed.emit()
        if self._page is not None:
            self._page.jobs.show_jobs(self.bringing.jobs)
        checkpoint = brought.checkpoint
        if checkpoint is not None:
            name = checkpoint.name
            self._around.tell(
                f"{job.note.title} is ready", answer="Use it", act=lambda: self._around.use(name), stays=True
            )
        else:
            file = brought.path
            answer, act = ("Add it", lambda: self._around.add_files((file,))) if file.is_file() else ("", None)
            self._around.tell(f"{job.note.title} is there", answer=answer, act=act, tip=brought.words, stays=True)

    def _take_done(self, job: Job) -> None:
        self.changed.emit()
        self.reducing.take_done(job)

    def _show_problem(self, problem: SdxlDesktopError) -> None:
        """Tell it where it was asked for."""
        if self._page is not None and self._page_open:
            self._page.show_problem(problem)
        else:
            self._around.show_problem(problem)

    def _tell_failure(self, job: Job) -> None:
        if job.error is not None and (not self._page_open):
            self._around.show_problem(job.error)
            if isinstance(job.error, AccessError):
                self._ask_for_token(job)

    def _ask_to_discard(self, job: Job) -> None:
        if job.state is JobState.DONE:
            self.bringing.dismiss(job)
            return
        if not job.can_pause:  # nor kept in the memory: there is nothing to fail
            self.bringing.discard(job)
            return
        box = question(
            self.stand(),
            f"Discard {job.note.title}?",
            "What has been downloaded or made of it so far is thrown away.",
            "Discard",
        )
        box.accepted.connect(lambda: self._around.quietly(lambda: self.bringing.discard(job)))
        box.open()

    def _ask_for_token(self, job: Job) -> None:
        page = page_of(job.note.what) if isinstance(job.note, JobNote) else ""
        dialog = TokenDialog(self._thread, page, self.stand())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self.bringing.resume(job))
        dialog.open()

    # the first run

    def welcome_wanted(self, library: Library) -> bool:
        """Whether to offer something on an empty canvas: not where the person has something of their own, or wants no
        offer."""
        return not (self._around.memory.welcome_dismissed or self.bringing.jobs or _has_own(library))

    def make_welcome(self) -> Welcome:
        """What to offer on an empty canvas."""
        made = Welcome(suggestions(self._machine_memory))
        made.entry_wanted.connect(self.offering.look_up)
        return made

    def dismiss_welcome(self) -> None:
        """Do not offer anything on the empty canvas again."""
        self._around.quietly(self._around.memory.dismiss_welcome)


def _has_own(library: Library) -> bool:
    try:
        return any((folder / "model_index.json").is_file() for folder in library.own.iterdir())
    except OSError:
        return False
